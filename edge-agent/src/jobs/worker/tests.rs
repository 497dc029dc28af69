//! The worker with an eye that looks as it is told: what becomes of jobs, sessions and records.

use super::*;
use crate::analysis::findings::{Keyframe, PauseFound, Timing};
use crate::jobs::eye::Sink;
use crate::store::Opening;
use crate::store::jobs::Job;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_protocol::body::SessionBody;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;

/// How one look goes. It gets the file's path, where ids come from, the stop, and the sink.
type Look = Box<dyn FnMut(&Path, Identity, &Stop, Sink<'_>) -> Result<Outcome, LookError<StoreError>> + Send>;

/// An eye that looks as it is told, then always with [`two_pauses`].
struct Told {
    model: Result<&'static str, &'static str>,
    looks: Arc<Mutex<VecDeque<Look>>>,
    count: Arc<AtomicI64>,
}

impl Eye for Told {
    fn model(&mut self) -> Result<ModelRef, Failure> {
        let refuse = |why| Failure::new(Exit::BadModel, why);
        self.model
            .map(|name| ModelRef { name: name.to_owned(), version: "1".into(), sha256: "0".into() })
            .map_err(refuse)
    }

    fn rate_hz(&self) -> f64 {
        2.0
    }

    fn look(
        &mut self,
        files: &[PathBuf],
        identity: Identity,
        stop: &Stop,
        sink: Sink<'_>,
    ) -> Result<Outcome, LookError<StoreError>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let told = self.looks.lock().expect("not poisoned").pop_front();
        told.unwrap_or_else(|| Box::new(two_pauses))(&files[0], identity, stop, sink)
    }

    fn rest(&mut self) {}
}

fn info() -> SourceInfo {
    SourceInfo { width: 64, height: 36, fps: 30.0, duration_s: Some(20.0) }
}

fn outcome(complete: bool) -> Outcome {
    Outcome { source: info(), frames: 600, skim: None, duration_s: 20.0, timing: Timing::default(), complete }
}

fn pause(identity: Identity, start_s: f64) -> Finding {
    let keyframe = Keyframe {
        id: identity.id(&RecordKind::Frame, start_s, ""),
        frame_number: 1,
        timestamp_s: start_s,
        width: 64,
        height: 36,
        jpeg: format!("picture at {start_s}").into_bytes().into(),
    };
    let id = identity.id(&RecordKind::Pause, start_s, "");
    Finding::Pause(PauseFound { id, start_s, end_s: start_s + 2.0, confidence: 0.9, keyframe })
}

fn two_pauses(_: &Path, identity: Identity, _: &Stop, sink: Sink<'_>) -> Result<Outcome, LookError<StoreError>> {
    for finding in [Finding::Opened(info()), pause(identity, 1.0), pause(identity, 9.0)] {
        sink(finding).map_err(LookError::Sink)?;
    }
    Ok(outcome(true))
}

/// A device with a folder of files, a store, and a worker now and then.
struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    looks: Arc<Mutex<VecDeque<Look>>>,
    count: Arc<AtomicI64>,
    model: Result<&'static str, &'static str>,
    running: Option<(Running, Stop)>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(&dir.path().join("data"), None, Opening::Start).expect("opened");
        Self { dir, store, looks: Arc::default(), count: Arc::default(), model: Ok("m"), running: None }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    }

    /// A file that can be a chapter of a recording.
    fn chapter(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, chapters::whole_mp4(content)).expect("written");
        path
    }

    /// The next look that is not told otherwise goes like this.
    fn tell(
        &self,
        look: impl FnMut(&Path, Identity, &Stop, Sink<'_>) -> Result<Outcome, LookError<StoreError>> + Send + 'static,
    ) {
        self.looks.lock().expect("not poisoned").push_back(Box::new(look));
    }

    fn start(&mut self, up_to: i64) {
        let (stop, patience) = (Stop::new(), Duration::from_millis(50));
        let eye = Told { model: self.model, looks: Arc::clone(&self.looks), count: Arc::clone(&self.count) };
        let running = start_with(self.store.clone(), Box::new(eye), up_to, stop.clone(), patience).expect("started");
        self.running = Some((running, stop));
    }

    async fn stop(&mut self) {
        let (mut running, stop) = self.running.take().expect("running");
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), running.ended()).await.expect("it ends");
        running.ended().await;
    }

    async fn ask(&self, path: &Path, facts: &Facts, origin: Origin) -> i64 {
        let (path, facts) = (path.to_string_lossy().into_owned(), facts.to_json());
        self.store.write("ask", move |tx| jobs::add(tx, &path, &facts, origin, 1)).await.expect("asked")
    }

    async fn job(&self, id: i64) -> Job {
        self.store.read("look", move |db| jobs::get(db, id)).await.expect("read").expect("there")
    }

    /// Waits until a job is as wanted.
    async fn until(&self, id: i64, wanted: impl Fn(&Job) -> bool) -> Job {
        let mut changes = self.store.changes();
        let waiting = async {
            loop {
                let job = self.job(id).await;
                if wanted(&job) {
                    return job;
                }
                changes.changed().await.expect("the store lives");
            }
        };
        match tokio::time::timeout(Duration::from_secs(20), waiting).await {
            Ok(job) => job,
            Err(_) => panic!("the job stays as it is: {:?}", self.job(id).await),
        }
    }

    /// Has a file worked off.
    async fn done(&self, path: &Path) -> Job {
        let id = self.ask(path, &Facts::default(), Origin::Person).await;
        self.until(id, |job| job.state.is_final()).await
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.store.read("count", move |db| db.query_row(sql, [], |row| row.get(0))).await.expect("read")
    }

    async fn session(&self, job: &Job) -> SessionBody {
        let id = job.session_id.clone().expect("a session");
        let body = self.store.read("look", move |db| records::body(db, &id)).await.expect("read").expect("there");
        serde_json::from_value(body).expect("a session's body")
    }
}

#[tokio::test]
async fn a_content_is_looked_at_once_by_each_model() {
    let mut bench = Bench::new();
    let (a, copy) = (bench.file("a.mp4", "video"), bench.file("copy.mp4", "video"));
    bench.start(i64::MAX);
    let first = bench.done(&a).await;
    assert_eq!((first.state, first.pauses, first.defects), (JobState::Done, 2, 0));
    for path in [&a, &copy] {
        let again = bench.done(path).await;
        assert_eq!((again.state, again.pauses), (JobState::Known, 2));
        assert_eq!(again.session_id, first.session_id);
    }
    let folder = bench.ask(&a, &Facts::default(), Origin::Source).await;
    assert_eq!(bench.until(folder, |job| job.state.is_final()).await.state, JobState::Known);
    assert_eq!(bench.count.load(Ordering::Relaxed), 1);
    bench.stop().await;
    bench.model = Ok("a better one");
    bench.start(i64::MAX);
    assert_eq!(bench.done(&a).await.state, JobState::Done);
    assert_eq!(bench.count.load(Ordering::Relaxed), 2);
    assert_eq!(bench.count("SELECT count(*) FROM sessions").await, 1, "the same session");
    bench.stop().await;
}

#[tokio::test]
async fn a_stop_in_the_middle_is_taken_up_from_the_beginning() {
    let mut bench = Bench::new();
    let file = bench.file("a.mp4", "video");
    let (seen_sender, mut seen) = tokio::sync::mpsc::channel(1);
    bench.tell(move |_, identity, stop, sink| {
        for finding in [Finding::Opened(info()), pause(identity, 1.0)] {
            sink(finding).map_err(LookError::Sink)?;
        }
        let _ = seen_sender.try_send(());
        while !stop.is_cancelled() {
            std::thread::yield_now();
        }
        Ok(outcome(false))
    });
    bench.start(i64::MAX);
    let id = bench.ask(&file, &Facts::default(), Origin::Person).await;
    seen.recv().await.expect("it looks");
    bench.stop().await;
    let job = bench.job(id).await;
    assert_eq!((job.state, job.session_id), (JobState::Waiting, None));
    assert_eq!(bench.count("SELECT count(*) FROM sessions WHERE status = 'open'").await, 1);
    let before = bench.count("SELECT count(*) FROM records").await;
    bench.start(i64::MAX);
    let job = bench.until(id, |job| job.state.is_final()).await;
    assert_eq!((job.state, job.pauses), (JobState::Done, 2));
    let after = bench.count("SELECT count(*) FROM records").await;
    assert_eq!((before, after), (3, 5), "session, frame, pause; then one more frame and pause");
    assert_eq!(bench.session(&job).await.pause_count, 2);
    bench.stop().await;
}

#[tokio::test]
async fn a_part_that_was_read_is_kept_with_a_gap_and_mended_later() {
    let mut bench = Bench::new();
    let (half, text) = (bench.file("half.mp4", "half a video"), bench.file("text.mp4", "a text"));
    bench.tell(|_, identity, _, sink| {
        for finding in [Finding::Opened(info()), pause(identity, 1.0)] {
            sink(finding).map_err(LookError::Sink)?;
        }
        let seen = Some(Box::new(Outcome { duration_s: 7.0, ..outcome(true) }));
        Err(LookError::Unreadable { why: "it breaks off".into(), seen })
    });
    bench.tell(|_, _, _, _| Err(LookError::Unreadable { why: "no video".into(), seen: None }));
    bench.start(i64::MAX);
    let job = bench.done(&half).await;
    assert_eq!((job.state, job.pauses, job.message.as_deref()), (JobState::Unreadable, 1, Some("it breaks off")));
    assert_eq!(bench.session(&job).await.duration_s, 7.0);
    assert_eq!(bench.count("SELECT count(*) FROM records WHERE kind = 'gap' AND void = 0").await, 1);
    let nothing = bench.done(&text).await;
    assert_eq!((nothing.state, nothing.session_id), (JobState::Unreadable, None));
    let again = bench.done(&half).await;
    assert_eq!((again.state, again.pauses), (JobState::Done, 2), "what was not read to its end is looked at again");
    assert_eq!(bench.count("SELECT count(*) FROM records WHERE kind = 'gap' AND void = 0").await, 0);
    let none = bench.done(&bench.dir.path().join("none.mp4")).await;
    assert_eq!(none.state, JobState::Unreadable);
    bench.stop().await;
}

#[tokio::test]
async fn a_full_disk_makes_the_work_wait_and_loses_nothing() {
    let mut bench = Bench::new();
    let file = bench.file("a.mp4", "video");
    let full = |_: &Path, identity: Identity, _: &Stop, sink: Sink<'_>| {
        for finding in [Finding::Opened(info()), pause(identity, 1.0)] {
            sink(finding).map_err(LookError::Sink)?;
        }
        Err(LookError::Sink(StoreError::Full { path: "/full".into(), free: Some(0) }))
    };
    bench.tell(full);
    bench.tell(full);
    bench.start(i64::MAX);
    let mut trouble = bench.running.as_ref().expect("running").0.trouble();
    let id = bench.ask(&file, &Facts::default(), Origin::Person).await;
    let said = bench.until(id, |job| job.message.is_some()).await;
    assert!(said.message.expect("said").contains("no room left"));
    let troubled = tokio::time::timeout(Duration::from_secs(5), trouble.wait_for(Option::is_some));
    assert!(matches!(troubled.await.expect("said").expect("alive").as_deref(), Some(StoreError::Full { .. })));
    let job = bench.until(id, |job| job.state.is_final()).await;
    assert_eq!((job.state, job.pauses, job.message), (JobState::Done, 2, None));
    assert_eq!(bench.count.load(Ordering::Relaxed), 3);
    let better = tokio::time::timeout(Duration::from_secs(5), trouble.wait_for(Option::is_none));
    better.await.expect("it is over").expect("alive");
    bench.stop().await;
}

/// A disk can be so full that not even "wait" can be written.
#[tokio::test]
async fn a_job_that_could_not_be_told_to_wait_is_not_forgotten() {
    let mut bench = Bench::new();
    let file = bench.file("a.mp4", "video");
    let batch = |sql: &'static str| bench.store.write("arrange", move |tx| tx.execute_batch(sql));
    let full = "CREATE TRIGGER full BEFORE UPDATE OF state ON jobs WHEN NEW.state = 'waiting' OR NEW.state = 'done'
        BEGIN SELECT RAISE(ABORT, 'no room'); END";
    batch(full).await.expect("arranged");
    bench.tell(|_, _, _, _| Err(LookError::Sink(StoreError::Full { path: "/full".into(), free: Some(0) })));
    bench.start(i64::MAX);
    let mut trouble = bench.running.as_ref().expect("running").0.trouble();
    let id = bench.ask(&file, &Facts::default(), Origin::Person).await;
    let troubled = tokio::time::timeout(Duration::from_secs(5), trouble.wait_for(Option::is_some));
    troubled.await.expect("said").expect("alive");
    assert_eq!(bench.job(id).await.state, JobState::Running, "not even that could be written");
    bench.store.write("make room", |tx| tx.execute_batch("DROP TRIGGER full")).await.expect("arranged");
    let job = bench.until(id, |job| job.state.is_final()).await;
    assert_eq!((job.state, job.pauses), (JobState::Done, 2));
    bench.stop().await;
}

#[tokio::test]
async fn a_bad_file_or_model_ends_its_job_alone() {
    let mut bench = Bench::new();
    let (bad, good) = (bench.file("bad.mp4", "bad"), bench.file("good.mp4", "good"));
    bench.tell(|_, _, _, _| panic!("on purpose"));
    bench.tell(|_, _, _, _| Err(LookError::Failed { why: "no decoder".into() }));
    bench.start(i64::MAX);
    let job = bench.done(&bad).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(job.message.expect("said").contains("on purpose"));
    let job = bench.done(&bad).await;
    assert_eq!((job.state, job.message.as_deref()), (JobState::Failed, Some("no decoder")));
    assert_eq!(bench.done(&good).await.state, JobState::Done);
    bench.stop().await;
    bench.model = Err("its manifest is broken");
    bench.start(i64::MAX);
    let job = bench.done(&good).await;
    assert_eq!((job.state, job.message.as_deref()), (JobState::BadModel, Some("its manifest is broken")));
    bench.stop().await;
}

#[tokio::test]
async fn a_file_that_grows_meanwhile_is_no_complete_inspection() {
    let mut bench = Bench::new();
    let file = bench.file("a.mp4", "video");
    bench.tell(|path, identity, stop, sink| {
        let mut growing = std::fs::File::options().append(true).open(path).expect("opened");
        std::io::Write::write_all(&mut growing, b" and more").expect("written");
        two_pauses(path, identity, stop, sink)
    });
    bench.start(i64::MAX);
    let job = bench.done(&file).await;
    assert_eq!(job.state, JobState::Unreadable);
    assert!(job.message.expect("said").contains("changed while it was read"));
    let complete = bench.done(&file).await;
    assert_eq!(complete.state, JobState::Done);
    assert_ne!(complete.session_id, job.session_id, "another content");
    bench.stop().await;
}

#[tokio::test]
async fn what_a_person_says_counts_more_than_what_a_folder_says() {
    let mut bench = Bench::new();
    let file = bench.file("a.mp4", "video");
    let facts = |technician: &str, vehicle: Option<&str>| Facts {
        technician_id: Some(technician.to_owned()),
        vehicle_id: vehicle.map(str::to_owned),
        ..Facts::default()
    };
    bench.start(i64::MAX);
    let said = |job: &Job, body: &SessionBody| (job.state, body.technician_id.clone(), body.vehicle_id.clone());
    let mut answers = Vec::new();
    for (facts, origin) in [
        (facts("folder", Some("v-1")), Origin::Source),
        (facts("person", None), Origin::Person),
        (facts("folder", None), Origin::Source),
    ] {
        let id = bench.ask(&file, &facts, origin).await;
        let job = bench.until(id, |job| job.state.is_final()).await;
        answers.push(said(&job, &bench.session(&job).await));
    }
    let vehicle = Some("v-1".to_owned());
    let folder = (JobState::Done, Some("folder".to_owned()), vehicle.clone());
    let person = (JobState::Known, Some("person".to_owned()), vehicle.clone());
    assert_eq!(answers, [folder, person.clone(), person]);
    bench.stop().await;
    bench.model = Ok("a better one");
    bench.start(i64::MAX);
    let id = bench.ask(&file, &facts("folder", None), Origin::Source).await;
    let job = bench.until(id, |job| job.state.is_final()).await;
    let (_, technician, _) = said(&job, &bench.session(&job).await);
    assert_eq!((job.state, technician.as_deref()), (JobState::Done, Some("person")), "nor does a second look unsay it");
    bench.stop().await;
}

#[tokio::test]
async fn it_goes_only_as_far_as_it_may() {
    let mut bench = Bench::new();
    let (mine, others) = (bench.file("mine.mp4", "1"), bench.file("others.mp4", "2"));
    let first = bench.ask(&mine, &Facts::default(), Origin::Person).await;
    let second = bench.ask(&others, &Facts::default(), Origin::Person).await;
    bench.start(first);
    bench.until(first, |job| job.state.is_final()).await;
    assert_eq!(bench.job(second).await.state, JobState::Waiting);
    bench.running.as_ref().expect("running").0.go_up_to(second);
    bench.until(second, |job| job.state.is_final()).await;
    bench.stop().await;
}

#[tokio::test]
async fn chapters_are_looked_at_as_one_recording() {
    let mut bench = Bench::new();
    let first = bench.chapter("GH010042.MP4", "one");
    bench.chapter("GH020042.MP4", "two");
    let alone = bench.chapter("GH040042.MP4", "four");
    bench.start(i64::MAX);
    let job = bench.done(&first).await;
    assert_eq!((job.state, job.pauses), (JobState::Done, 2));
    let body = bench.session(&job).await;
    assert_eq!(
        (body.source.as_str(), &body.metadata["files"]),
        ("GH010042.MP4", &serde_json::json!(["GH010042.MP4", "GH020042.MP4"]))
    );
    assert_eq!(body.source_sha256.map(|sha256| sha256.to_string()), job.source_sha256);
    let job = bench.done(&alone).await;
    let body = bench.session(&job).await;
    assert_eq!(body.source_sha256, Some(Digest::of(&chapters::whole_mp4("four"))));
    assert!(body.metadata.get("files").is_none(), "{}", body.metadata);
    assert_eq!(bench.done(&first).await.state, JobState::Known);
    let more = bench.chapter("GH030042.MP4", "three");
    let job = bench.done(&first).await;
    assert_eq!(job.state, JobState::Done, "with what was missing it is another content");
    std::fs::remove_file(more).expect("removed");
    assert_eq!(bench.done(&first).await.state, JobState::Known);
    bench.tell(|path, identity, stop, sink| {
        std::fs::write(path.with_file_name("GH020042.MP4"), chapters::whole_mp4("changed")).expect("written");
        two_pauses(path, identity, stop, sink)
    });
    bench.chapter("GH020042.MP4", "another two");
    let job = bench.done(&first).await;
    assert_eq!(job.state, JobState::Unreadable, "a later chapter counts as much as the first");
    assert!(job.message.expect("said").contains("changed while it was read"));
    bench.stop().await;
}
