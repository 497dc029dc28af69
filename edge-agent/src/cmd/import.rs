//! `fieldeye-agent import PATH…`: analyses videos, keeps what is found, brings it to the hub.
//!
//! It works alone, or hands the files over to the program that already works on the data directory and follows what
//! becomes of them ([`seat`]). What it finds is kept from the first pause on: after a stop, a crash or a full disk, the
//! same command goes on. With `--watch` it stays, and imports what appears ([`watch`]).

mod bar;
mod left;
mod seat;
mod watch;

use crate::cli::Global;
use crate::cmd::{FactsArgs, skim_flag};
use crate::config::Config;
use crate::jobs::facts::Facts;
use crate::jobs::{chapters, content, scan};
use crate::store::StoreError;
use crate::store::jobs::{Job, JobState, Origin};
use crate::store::outbox::Depth;
use bar::Bar;
use clap::Args;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_base::stop::{self, Stop};
use fieldeye_base::{console, logs, sqlite};
use left::Work;
use seat::{Seat, Standing};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends 0 when everything was done, 3 when a file can't be read (the others are done), 4 when the \
defect model can't be used. With --wait-synced also 1 when the hub rejected something, and 6 when it can't be reached \
or does not have everything in time; nothing is lost then, the next run or import goes on. With --watch it goes on until \
it is stopped (Ctrl-C, SIGTERM), then ends 0."
)]
pub(crate) struct ImportArgs {
    /// Videos, and folders that are searched for videos
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Stay, and import what appears in the folders: sticks that are mounted, videos that are copied there
    #[arg(long, conflicts_with_all = ["wait_synced", "json"])]
    watch: bool,
    /// Wait so long until the hub has stored everything
    #[arg(long, value_name = "SECONDS")]
    wait_synced: Option<u64>,
    #[command(flatten)]
    facts: FactsArgs,
    /// Model of the camera
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// Decode few frames, as `inspect --skim` does; where another program works on the data directory, its own
    /// `detect.skim` counts
    #[arg(long)]
    skim: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How long it stays for the hub when nobody asked it to wait.
const GRACE: Duration = Duration::from_secs(5);
/// How often it looks how things stand.
const PERIOD: Duration = Duration::from_millis(150);

/// What `import --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    files: Vec<File>,
    hub: Hub,
}

/// What came of one file.
#[derive(Debug, Serialize)]
struct File {
    path: String,
    state: JobState,
    session_id: Option<String>,
    pauses: u64,
    defects: u64,
    message: Option<String>,
}

#[derive(Debug, Serialize)]
struct Hub {
    url: String,
    synced: bool,
    waiting: Depth,
    rejected: u64,
}

impl From<Job> for File {
    fn from(job: Job) -> Self {
        let Job { path, state, session_id, pauses, defects, message, .. } = job;
        Self { path, state, session_id, pauses, defects, message }
    }
}

/// Imports the files.
pub(crate) fn run(global: &Global, args: &ImportArgs) -> anyhow::Result<()> {
    let _logs = logs::for_command();
    let [technician, vehicle, equipment, mount] = args.facts.flags();
    let config = global
        .load(&[
            technician,
            vehicle,
            equipment,
            mount,
            ("session.camera_model", args.camera.clone()),
            skim_flag(args.skim),
        ])?
        .value;
    if args.watch {
        return watch::run(&config, args.paths.clone());
    }
    let found = scan::expand(&args.paths);
    if found.files.is_empty() && found.unreadable.is_empty() {
        let paths: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::new(Exit::Unreadable, format!("there is no video in {}", paths.join(", "))).into());
    }
    let mut files: Vec<File> = found
        .unreadable
        .into_iter()
        .map(|(path, why)| File {
            path: path.display().to_string(),
            state: JobState::Unreadable,
            session_id: None,
            pauses: 0,
            defects: 0,
            message: Some(why),
        })
        .collect();
    let mut outcome = Synced { depth: Depth::default(), line: Standing::Connected };
    if !found.files.is_empty() {
        sqlite::private_dir(&config.data_dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let done = runtime.block_on(import(&config, found.files, args));
        runtime.shutdown_timeout(Duration::from_secs(1));
        let (jobs, synced) = done?;
        files.extend(jobs.into_iter().map(File::from));
        outcome = synced;
    }
    let depth = outcome.depth;
    let hub = Hub { url: config.hub.url.clone(), synced: depth.is_empty(), waiting: depth, rejected: depth.rejected };
    let report = Report { files, hub };
    if args.json {
        console::say_json(&report)?;
    } else {
        say(&report, &outcome.line, args.wait_synced.is_some());
    }
    verdict(&report, &outcome.line, args.wait_synced).map_or(Ok(()), |failure| Err(failure.into()))
}

/// How things stand with the hub at the end.
struct Synced {
    depth: Depth,
    line: Standing,
}

async fn import(config: &Config, files: Vec<PathBuf>, args: &ImportArgs) -> anyhow::Result<(Vec<Job>, Synced)> {
    let stop = stop::on_signals()?;
    let mut seat = Seat::take(config, &stop).await?;
    let done = attend(&mut seat, config, files, args, &stop).await;
    seat.leave().await;
    done
}

async fn attend(
    seat: &mut Seat,
    config: &Config,
    files: Vec<PathBuf>,
    args: &ImportArgs,
    stop: &Stop,
) -> anyhow::Result<(Vec<Job>, Synced)> {
    let sizes: Vec<u64> = files.iter().map(|file| content::size(&chapters::of(file))).collect();
    let ids = seat.ask(files, &Facts::from(&config.session), Origin::Person).await?;
    let bar = Bar::new(Work::new(ids.iter().copied().zip(sizes)), ids.len());
    let mut told = None;
    let jobs = loop {
        let (jobs, running) = seat.look(&ids).await?;
        bar.show(&jobs, running.as_ref(), seat.holder());
        if jobs.iter().all(|job| job.state.is_final()) {
            break jobs;
        }
        let hindered = match seat.trouble().as_deref() {
            // Whoever makes room need not start anything again.
            Some(error @ StoreError::Full { .. }) => Some(error.to_string()),
            Some(error) => return Err(error.failure().into()),
            None => jobs.iter().filter(|job| !job.state.is_final()).find_map(|job| job.message.clone()),
        };
        if hindered.is_some() && hindered != told {
            let text = hindered.as_deref().unwrap_or_default();
            bar.hide_for(|| console::complain(&format!("{text}; waiting, everything found so far is kept")));
            told = hindered;
        }
        seat.succeed(config, stop).await?;
        pause(stop).await.map_err(|()| stopped(seat, "the files that are not done wait"))?;
    };
    let mut sessions: Vec<String> = jobs.iter().filter_map(|job| job.session_id.clone()).collect();
    sessions.sort();
    sessions.dedup();
    seat.work_for_others();
    let begun = Instant::now();
    loop {
        let depth = seat.depth(&sessions).await?;
        let line = seat.standing();
        let left = match args.wait_synced {
            Some(seconds) => Duration::from_secs(seconds).saturating_sub(begun.elapsed()),
            None if seat.holder().is_some() || matches!(line, Standing::Down(_)) => Duration::ZERO,
            None => GRACE.saturating_sub(begun.elapsed()),
        };
        if depth.is_empty() || left.is_zero() {
            bar.finish();
            return Ok((jobs, Synced { depth, line }));
        }
        bar.wait_for_hub(&depth);
        seat.succeed(config, stop).await?;
        pause(stop).await.map_err(|()| stopped(seat, &format!("{depth} wait for the hub")))?;
    }
}

/// Waits a moment; an error when the program is to stop.
async fn pause(stop: &Stop) -> Result<(), ()> {
    tokio::select! {
        () = stop.cancelled() => Err(()),
        () = tokio::time::sleep(PERIOD) => Ok(()),
    }
}

fn stopped(seat: &Seat, waiting: &str) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("stopped; {waiting}, nothing that was found is lost"));
    match seat.holder() {
        Some(holder) => failure.hint(format!("`{}` (process {}) goes on with it", holder.role, holder.pid)),
        None => failure.hint("the same command goes on"),
    }
}

impl File {
    /// What came of it, for a person.
    fn line(&self) -> String {
        let found = |session: &str| {
            let (pauses, defects) = (counted(self.pauses, "pause"), counted(self.defects, "defect"));
            format!("{}: {pauses}, {defects}, session {session}", self.path)
        };
        let message = self.message.as_deref();
        match (self.state, self.session_id.as_deref()) {
            (JobState::Known, Some(session)) => {
                format!("{} ({})", found(session), message.unwrap_or("analysed before"))
            }
            (_, Some(session)) => match message {
                Some(why) => format!("{}; not all of it could be looked at: {why}", found(session)),
                None => found(session),
            },
            (_, None) => self.trouble(),
        }
    }

    /// Why it was not analysed, with its path.
    fn trouble(&self) -> String {
        let message = self.message.as_deref().unwrap_or("no reason is known");
        if message.contains(&self.path) { message.to_owned() } else { format!("{}: {message}", self.path) }
    }
}

fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn say(report: &Report, line: &Standing, waited: bool) {
    report.files.iter().for_each(|file| console::say(&file.line()));
    let Hub { url, waiting, rejected, synced } = &report.hub;
    if *synced {
        if report.files.iter().any(|file| file.session_id.is_some()) {
            console::say(&format!("The hub at {url} has everything"));
        }
    } else if !waited {
        let why = match line {
            Standing::Down(why) => format!(" (not reachable now: {why})"),
            Standing::Connected | Standing::Connecting => String::new(),
        };
        console::say(&format!("{waiting} wait for the hub at {url}{why}: the next `run` or `import` brings them"));
    }
    if *rejected > 0 {
        console::say(&format!("The hub rejected {rejected} of it: `fieldeye-agent doctor` shows what and why"));
    }
}

/// Why the import was not a full success; the files' own troubles come before the hub's.
fn verdict(report: &Report, line: &Standing, wait_synced: Option<u64>) -> Option<Failure> {
    let all = report.files.len();
    let say = |exit: Exit, state: JobState, what: &str| {
        let files: Vec<&File> = report.files.iter().filter(|file| file.state == state).collect();
        let first = files.first()?.trouble();
        let text = if all == 1 { first } else { format!("{} of {all} files {what}: {first}", files.len()) };
        Some(Failure::new(exit, text))
    };
    say(Exit::BadModel, JobState::BadModel, "were not analysed")
        .or_else(|| say(Exit::Failed, JobState::Failed, "failed"))
        .or_else(|| say(Exit::Unreadable, JobState::Unreadable, "can't be read"))
        .or_else(|| {
            let seconds = wait_synced?;
            let Hub { url, synced, waiting, rejected } = &report.hub;
            if *synced {
                return (*rejected > 0).then(|| {
                    Failure::new(Exit::Failed, format!("the hub at {url} rejected {rejected} records or pictures"))
                        .hint("`fieldeye-agent doctor` shows which and why; they are kept here")
                });
            }
            let what = match line {
                Standing::Down(why) => format!("the hub at {url} can't be reached ({why}); {waiting} wait for it"),
                Standing::Connecting => format!("the hub at {url} does not answer; {waiting} wait for it"),
                Standing::Connected => format!("after {seconds} s {waiting} are not at the hub at {url} yet"),
            };
            Some(Failure::new(Exit::Unreachable, what).hint("nothing is lost: the next `run` or `import` goes on"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(states: &[JobState], waiting: u64, rejected: u64) -> Report {
        let file = |state: &JobState| File {
            path: "a.mp4".into(),
            state: *state,
            session_id: None,
            pauses: 0,
            defects: 0,
            message: Some("because".into()),
        };
        let waiting = Depth { records: waiting, rejected, ..Depth::default() };
        let hub = Hub { url: "mqtt://h".into(), synced: waiting.is_empty(), waiting, rejected };
        Report { files: states.iter().map(file).collect(), hub }
    }

    fn code(report: &Report, wait_synced: Option<u64>) -> u8 {
        verdict(report, &Standing::Down("refused".into()), wait_synced).map_or(0, |failure| failure.exit as u8)
    }

    #[test]
    fn exit_codes_tell_what_to_do_next() {
        use JobState::{BadModel, Done, Failed, Known, Unreadable};
        assert_eq!(code(&report(&[Done, Known], 0, 0), Some(1)), 0);
        assert_eq!(code(&report(&[Done], 7, 0), None), 0, "nobody asked for the hub");
        assert_eq!(code(&report(&[Done], 7, 3), Some(1)), 6);
        assert_eq!(code(&report(&[Done], 0, 3), Some(1)), 1);
        assert_eq!(code(&report(&[Done, Unreadable], 7, 0), Some(1)), 3);
        assert_eq!(code(&report(&[Failed, Unreadable], 0, 0), None), 1);
        assert_eq!(code(&report(&[BadModel, Unreadable], 0, 0), None), 4);
    }
}
