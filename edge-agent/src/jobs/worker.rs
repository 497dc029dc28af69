//! Works the jobs off, one at a time, on a thread of its own.
//!
//! A stop in the middle leaves the job waiting: the next start looks again from the beginning, with the same ids. What
//! this device can't do for itself (a full disk above all) makes the job wait too; what is wrong with one file ends
//! that job alone.

#[cfg(test)]
mod tests;

use crate::analysis::LookError;
use crate::analysis::findings::{Finding, Identity, Outcome, SourceInfo};
use crate::capture::{self, Unreadable};
use crate::jobs::chapters;
use crate::jobs::content::{self, Content};
use crate::jobs::date::Date;
use crate::jobs::eye::Eye;
use crate::jobs::facts::Facts;
use crate::jobs::pulse::Pulse;
use crate::jobs::recorder::{Recorder, Subject, Summary};
use crate::store::jobs::{self, Found, Job, JobState, Origin};
use crate::store::outbox::Lane;
use crate::store::records::{self, Draft};
use crate::store::sessions::{self, Known, Status};
use crate::store::{Store, StoreError};
use fieldeye_base::clock;
use fieldeye_base::stop::Stop;
use fieldeye_protocol::body::ModelRef;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{Parents, RecordId, RecordKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Other programs hand jobs over without a word.
const POLL: Duration = Duration::from_millis(500);
/// Between two attempts when this device is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);
/// Progress is written down at most this often.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);
/// The share of a job that reading the content takes, about.
const READING: f64 = 0.05;

/// What keeps the worker from going on, until it is mended.
pub(crate) type Trouble = Option<Arc<StoreError>>;

/// The running worker.
#[derive(Debug)]
pub(crate) struct Running {
    trouble: watch::Receiver<Trouble>,
    pulse: Pulse,
    up_to: Arc<AtomicI64>,
    bell: SyncSender<()>,
    /// `None` once its end was seen.
    ended: Option<oneshot::Receiver<()>>,
}

impl Running {
    /// What keeps it from going on, now and later.
    pub(crate) fn trouble(&self) -> watch::Receiver<Trouble> {
        self.trouble.clone()
    }

    /// Its signs of life.
    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Lets it take jobs with numbers up to this one.
    pub(crate) fn go_up_to(&self, job: i64) {
        self.up_to.store(job, Ordering::Relaxed);
        let _ = self.bell.try_send(());
    }

    /// Waits for the end, which comes after the stop that [`start`] was given. Safe to cancel.
    pub(crate) async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            let _ = ended.await;
            self.ended = None;
        }
    }
}

/// Starts the worker on jobs with numbers up to `up_to`. Call inside a runtime.
pub(crate) fn start(store: Store, eye: Box<dyn Eye>, up_to: i64, stop: Stop) -> std::io::Result<Running> {
    start_with(store, eye, up_to, stop, PATIENCE)
}

fn start_with(store: Store, eye: Box<dyn Eye>, up_to: i64, stop: Stop, patience: Duration) -> std::io::Result<Running> {
    let (trouble, trouble_seen) = watch::channel(None);
    let (ended_sender, ended) = oneshot::channel();
    let (bell, wakes) = sync_channel(1);
    let pulse = Pulse::new();
    let up_to = Arc::new(AtomicI64::new(up_to));
    tokio::spawn(ring(bell.clone(), store.changes(), stop.clone()));
    let (pulse_of_worker, up_to_of_worker, owed) = (pulse.clone(), Arc::clone(&up_to), None);
    let mut worker =
        Worker { store, eye, stop, patience, wakes, trouble, pulse: pulse_of_worker, up_to: up_to_of_worker, owed };
    std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
        worker.work();
        drop(worker);
        let _ = ended_sender.send(());
    })?;
    Ok(Running { trouble: trouble_seen, pulse, up_to, bell, ended: Some(ended) })
}

/// Wakes the worker when there may be something to do, and when it is to end.
async fn ring(bell: SyncSender<()>, mut changes: watch::Receiver<u64>, stop: Stop) {
    loop {
        let go_on = tokio::select! {
            () = stop.cancelled() => false,
            changed = changes.changed() => changed.is_ok(),
        };
        // A bell that was not heard yet rings on.
        let _ = bell.try_send(());
        if !go_on {
            return;
        }
    }
}

struct Worker {
    store: Store,
    eye: Box<dyn Eye>,
    stop: Stop,
    patience: Duration,
    wakes: Receiver<()>,
    trouble: watch::Sender<Trouble>,
    pulse: Pulse,
    up_to: Arc<AtomicI64>,
    /// A job that is to wait again, and why; a full disk may not take even that.
    owed: Option<(i64, Option<String>)>,
}

/// What came of an attempt.
enum Attempt {
    /// It is over.
    Over(JobState, Found),
    /// The program is to end.
    Stopped,
}

impl Worker {
    fn work(&mut self) {
        let mut resting = true;
        while !self.stop.is_cancelled() {
            self.pulse.beat();
            match self.next_job() {
                Ok(true) => {
                    resting = false;
                    self.trouble.send_if_modified(|trouble| trouble.take().is_some());
                }
                Ok(false) => {
                    if !std::mem::replace(&mut resting, true) {
                        self.eye.rest();
                    }
                    self.wait(POLL);
                }
                Err(error) => {
                    tracing::error!(%error, "the work stands still");
                    self.trouble.send_replace(Some(Arc::new(error)));
                    let until = Instant::now() + self.patience;
                    while !self.stop.is_cancelled() && Instant::now() < until {
                        self.pulse.beat();
                        self.wait(until.saturating_duration_since(Instant::now()));
                    }
                }
            }
        }
    }

    /// Waits for the bell.
    fn wait(&mut self, longest: Duration) {
        if self.wakes.recv_timeout(longest) == Err(RecvTimeoutError::Disconnected) {
            // The runtime is gone, and with it whoever would stop this.
            self.stop.cancel();
        }
    }

    /// Works one job off; false when there is none.
    fn next_job(&mut self) -> Result<bool, StoreError> {
        if let Some((id, why)) = self.owed.clone() {
            self.let_wait(id, why)?;
            self.owed = None;
        }
        let up_to = self.up_to.load(Ordering::Relaxed);
        let Some(job) = self.store.read_blocking("read the jobs", move |db| jobs::next(db, up_to))? else {
            return Ok(false);
        };
        let (id, now_ms) = (job.id, clock::now_ms());
        self.store.write_blocking("begin a job", move |tx| jobs::begin(tx, id, now_ms))?;
        tracing::info!(job = id, path = job.path, "looking at a file");
        let attempt = catch_unwind(AssertUnwindSafe(|| self.attempt(&job)));
        let attempt = attempt.unwrap_or_else(|panic| Ok(Attempt::Over(JobState::Failed, stumbled(panic.as_ref()))));
        match attempt {
            Ok(Attempt::Over(state, found)) => {
                tell(&job, state, &found);
                let now_ms = clock::now_ms();
                let finished =
                    self.store.write_blocking("finish a job", move |tx| jobs::finish(tx, id, state, &found, now_ms));
                if let Err(error) = finished {
                    self.owed = Some((id, Some(error.to_string())));
                    return Err(error);
                }
            }
            Ok(Attempt::Stopped) => self.let_wait(id, None)?,
            Err(error) => {
                let why = Some(error.to_string());
                if self.let_wait(id, why.clone()).is_err() {
                    self.owed = Some((id, why));
                }
                return Err(error);
            }
        }
        Ok(true)
    }

    fn let_wait(&self, id: i64, why: Option<String>) -> Result<(), StoreError> {
        let now_ms = clock::now_ms();
        self.store.write_blocking("let a job wait", move |tx| jobs::wait(tx, id, why.as_deref(), now_ms))
    }

    fn attempt(&mut self, job: &Job) -> Result<Attempt, StoreError> {
        let unreadable =
            |why: String| Attempt::Over(JobState::Unreadable, Found { message: Some(why), ..Found::default() });
        let path = Path::new(&job.path);
        let files = chapters::of(path);
        if let Some(Unreadable { why }) = files.iter().find_map(|file| capture::check(file).err()) {
            return Ok(unreadable(why));
        }
        let model = match self.eye.model() {
            Ok(model) => model,
            Err(failure) => {
                let found = Found { message: Some(failure.to_string()), ..Found::default() };
                return Ok(Attempt::Over(JobState::BadModel, found));
            }
        };
        let content = match self.content(job, &files)? {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(Attempt::Stopped),
            Err(error) => return Ok(unreadable(format!("{}: {error}", job.path))),
        };
        let whole = looked_with(&model, self.eye.rate_hz(), false);
        let looked_with = looked_with(&model, self.eye.rate_hz(), self.eye.skims());
        // A skim adds nothing to a whole look; a whole look replaces a skim.
        if let Some(known) = self.known(&content.sha256, &[&looked_with, &whole])? {
            return self.already_known(job, &content, known);
        }
        let facts = self.facts(job, &content.sha256)?;
        let names = files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())).collect();
        let identity = Identity::File(content.sha256);
        let date = Date::of(path, content.modified);
        let subject = Subject { identity, files: names, date, facts, model, looked_with };
        let mut recorder = Recorder::new(self.store.clone(), subject);
        let mut progress = Progress::new(&self.store, job.id);
        let pulse = self.pulse.clone();
        let looked = self.eye.look(&files, identity, &self.stop, &mut |finding| {
            pulse.beat();
            progress.take(&finding)?;
            recorder.take(finding)
        });
        let still_the_same = content::look(&files).is_ok_and(|(stamp, _)| stamp == content.stamp);
        match looked {
            Ok(Outcome { complete: false, .. }) => Ok(Attempt::Stopped),
            Ok(outcome) if !still_the_same => {
                part_read(recorder, &content, &content::changed().to_string(), Some(&outcome))
            }
            Ok(outcome) => {
                let summary = recorder.finish(&outcome)?;
                let message = summary.gap.clone();
                Ok(Attempt::Over(JobState::Done, found(&content, &summary, message)))
            }
            Err(LookError::Unreadable { why, seen }) => part_read(recorder, &content, &why, seen.as_deref()),
            Err(LookError::Model { why }) => {
                Ok(Attempt::Over(JobState::BadModel, Found { message: Some(why), ..Found::default() }))
            }
            Err(LookError::Failed { why }) => {
                let found =
                    Found { message: Some(why), source_sha256: Some(content.sha256.to_string()), ..Found::default() };
                Ok(Attempt::Over(JobState::Failed, found))
            }
            Err(LookError::Sink(error)) => Err(error),
        }
    }

    /// The digest of a job's files: remembered for what lies in a watched folder unchanged, else read.
    fn content(&mut self, job: &Job, files: &[PathBuf]) -> Result<std::io::Result<Option<Content>>, StoreError> {
        if job.origin == Origin::Source
            && let Ok((stamp, modified)) = content::look(files)
        {
            let (path, wanted) = (job.path.clone(), stamp.clone());
            let work = move |db: &rusqlite::Connection| sessions::content_of_file(db, &path, &wanted);
            if let Some(sha256) = self.store.read_blocking("look a file up", work)? {
                return Ok(Ok(Some(Content { sha256, size: 0, modified, stamp })));
            }
        }
        let mut progress = Progress::new(&self.store, job.id);
        let mut trouble = None;
        let pulse = self.pulse.clone();
        let read = content::read(files, &self.stop, |done, all| {
            pulse.beat();
            if let Err(error) = progress.is(READING * done as f64 / all.max(1) as f64) {
                trouble.get_or_insert(error);
            }
        });
        if let Some(error) = trouble {
            return Err(error);
        }
        if let Ok(Some(content)) = &read {
            let (path, stamp, sha256) = (job.path.clone(), content.stamp.clone(), content.sha256);
            let work = move |tx: &rusqlite::Transaction<'_>| sessions::remember_file(tx, &path, &stamp, &sha256);
            self.store.write_blocking("remember a file", work)?;
        }
        Ok(read)
    }

    /// The session of a content that was looked at to the end by the same program with the same model.
    fn known(&self, content: &Digest, looked_with: &[&str]) -> Result<Option<Known>, StoreError> {
        let content = *content;
        let known = self.store.read_blocking("look a content up", move |db| sessions::of_content(db, &content))?;
        let suits = |with: &str| looked_with.contains(&with);
        Ok(known.filter(|known| known.status == Status::Closed && known.looked_with.as_deref().is_some_and(suits)))
    }

    /// Nothing is to be looked at; but what a person says about it now counts.
    fn already_known(&self, job: &Job, content: &Content, known: Known) -> Result<Attempt, StoreError> {
        let said = Facts::from_json(&job.facts);
        let (session, at) = (known.id.clone(), self.store.at());
        let changed = job.origin == Origin::Person
            && self.store.write_blocking("say more about a session", move |tx| {
                let Some(mut body) = records::body(tx, &session)? else { return Ok(false) };
                let before = body.clone();
                said.say_in(&mut body);
                let Some(id) = session.parse().ok().map(RecordId).filter(|_| body != before) else { return Ok(false) };
                let draft = Draft { id, kind: RecordKind::Session, parents: Parents::default(), body };
                records::put(tx, &draft, &at, Lane::Backlog).map(|_| true)
            })?;
        let message = if changed { "analysed before; what you say about it was added" } else { "analysed before" };
        Ok(Attempt::Over(
            JobState::Known,
            Found {
                source_sha256: Some(content.sha256.to_string()),
                session_id: Some(known.id),
                pauses: known.pauses,
                defects: known.defects,
                message: Some(message.to_owned()),
            },
        ))
    }

    /// What is said about a file: a person's word over what was said before, that over what a folder says.
    fn facts(&self, job: &Job, content: &Digest) -> Result<Facts, StoreError> {
        let content = *content;
        let before = self.store.read_blocking("read what was said before", move |db| {
            let Some(known) = sessions::of_content(db, &content)? else { return Ok(None) };
            records::body(db, &known.id)
        })?;
        let before = before.as_ref().map(Facts::of_session).unwrap_or_default();
        let said = Facts::from_json(&job.facts);
        Ok(match job.origin {
            Origin::Person => said.or(before),
            Origin::Source => before.or(said),
        })
    }
}

/// Program, model and settings: what looks differently may find something else.
pub(crate) fn looked_with(model: &ModelRef, rate_hz: f64, skims: bool) -> String {
    let ModelRef { name, version, sha256 } = model;
    let skimmed = if skims { ", skimmed" } else { "" };
    format!("fieldeye-agent {}, {name} {version} {sha256}, {rate_hz} Hz{skimmed}", env!("CARGO_PKG_VERSION"))
}

fn found(content: &Content, summary: &Summary, message: Option<String>) -> Found {
    Found {
        source_sha256: Some(content.sha256.to_string()),
        session_id: Some(summary.session.to_string()),
        pauses: summary.pauses,
        defects: summary.defects,
        message,
    }
}

/// The end of a file that can't be read to its end.
fn part_read(recorder: Recorder, content: &Content, why: &str, seen: Option<&Outcome>) -> Result<Attempt, StoreError> {
    let found = match recorder.break_off(why, seen)? {
        Some(summary) => found(content, &summary, Some(why.to_owned())),
        None => {
            Found { source_sha256: Some(content.sha256.to_string()), message: Some(why.to_owned()), ..Found::default() }
        }
    };
    Ok(Attempt::Over(JobState::Unreadable, found))
}

fn stumbled(panic: &(dyn std::any::Any + Send)) -> Found {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Found { message: Some(format!("the program stumbled over it ({what}); report this")), ..Found::default() }
}

fn tell(job: &Job, state: JobState, found: &Found) {
    let Found { session_id: session, pauses, defects, message, .. } = found;
    tracing::info!(
        job = job.id,
        path = job.path,
        state = state.as_str(),
        session,
        pauses,
        defects,
        message,
        "looked at"
    );
}

/// Writes down how far a job is, now and then.
struct Progress {
    store: Store,
    job: i64,
    info: Option<SourceInfo>,
    written: Option<Instant>,
}

impl Progress {
    fn new(store: &Store, job: i64) -> Self {
        Self { store: store.clone(), job, info: None, written: None }
    }

    fn take(&mut self, finding: &Finding) -> Result<(), StoreError> {
        match finding {
            Finding::Opened(info) => self.info = Some(info.clone()),
            Finding::Progress { position_s, .. } => {
                if let Some(duration_s) = self.info.as_ref().and_then(|info| info.duration_s).filter(|s| *s > 0.0) {
                    return self.is(READING + (1.0 - READING) * (position_s / duration_s).min(1.0));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is(&mut self, share: f64) -> Result<(), StoreError> {
        if self.written.is_some_and(|written| written.elapsed() < PROGRESS_PERIOD) {
            return Ok(());
        }
        self.written = Some(Instant::now());
        let (job, now_ms) = (self.job, clock::now_ms());
        self.store.write_blocking("note the progress", move |tx| jobs::set_progress(tx, job, share, now_ms))
    }
}
