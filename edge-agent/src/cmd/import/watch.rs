//! `import --watch DIR…`: stays, and imports what appears there. Each file is taken once it is complete, and looked at
//! once by its content, however often the stick that it lies on is put in.

use super::seat::{Seat, Standing};
use super::{File, GRACE, counted};
use crate::config::Config;
use crate::jobs::facts::Facts;
use crate::jobs::sources::{self, News};
use crate::store::jobs::Origin;
use fieldeye_base::stop::{self, Stop};
use fieldeye_base::{console, service, sqlite};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often it looks how things stand.
const PERIOD: Duration = Duration::from_millis(500);

/// Watches `paths` until it is told to stop.
pub(super) fn run(config: &Config, paths: Vec<PathBuf>) -> anyhow::Result<()> {
    sqlite::private_dir(&config.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(stay(config, paths));
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn stay(config: &Config, paths: Vec<PathBuf>) -> anyhow::Result<()> {
    let stop = stop::on_signals()?;
    let mut seat = Seat::take(config, &stop).await?;
    let mut talk = Talk::new(config);
    let done = talk.go_on(&mut seat, config, paths, &stop).await;
    service::stopping();
    stop.cancel();
    seat.leave().await;
    done?;
    console::say(&match talk.open.len() + talk.wanted.len() {
        0 => "Stopped".to_owned(),
        left => format!("Stopped; {} not done yet, the same command goes on", counted(left as u64, "file")),
    });
    Ok(())
}

/// What is under way, and what was said about it.
struct Talk<'a> {
    hub: &'a str,
    facts: Facts,
    /// Files that are to be asked for.
    wanted: Vec<PathBuf>,
    /// Jobs that are not over.
    open: Vec<i64>,
    /// Sessions of which the hub may not have everything.
    sessions: Vec<String>,
    /// What hinders the work, as it was told.
    trouble: Option<String>,
    /// Since when nothing but the hub is waited for.
    idle: Option<Instant>,
    told_to_wait: bool,
}

impl<'a> Talk<'a> {
    fn new(config: &'a Config) -> Self {
        Self {
            hub: &config.hub.url,
            facts: Facts::from(&config.session),
            wanted: Vec::new(),
            open: Vec::new(),
            sessions: Vec::new(),
            trouble: None,
            idle: None,
            told_to_wait: false,
        }
    }

    async fn go_on(
        &mut self,
        seat: &mut Seat,
        config: &Config,
        paths: Vec<PathBuf>,
        stop: &Stop,
    ) -> anyhow::Result<()> {
        let (post, mut inbox) = mpsc::unbounded_channel();
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        sources::keep_looking(paths, stop.clone(), move |news| post.send(news).is_ok())?;
        let by = seat.holder().map(|holder| format!("; `{}` (process {}) does the work", holder.role, holder.pid));
        console::say(&format!("Watching {} until stopped{}", names.join(", "), by.unwrap_or_default()));
        service::ready();
        while !stop.is_cancelled() {
            while let Ok(news) = inbox.try_recv() {
                self.hear(news);
            }
            let unasked = self.ask(seat).await;
            let waits = self.follow(seat).await?;
            self.hindered(unasked.or(waits));
            self.hub(seat).await?;
            seat.succeed(config, stop).await?;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
        Ok(())
    }

    fn hear(&mut self, News { complete, lost, back }: News) {
        for (path, why) in lost {
            console::say(&format!("{}: {why}; waiting for it", path.display()));
        }
        for path in back {
            console::say(&format!("{}: can be read now", path.display()));
        }
        for path in complete {
            console::say(&format!("{}: new", path.display()));
            self.wanted.push(path);
        }
    }

    /// Asks for what was found; gives why, if that can't be written down now. It will be later.
    async fn ask(&mut self, seat: &mut Seat) -> Option<String> {
        let mut why = None;
        if !self.wanted.is_empty() {
            match seat.ask(self.wanted.clone(), &self.facts, Origin::Source).await {
                Ok(ids) => {
                    self.wanted.clear();
                    self.open.extend(ids);
                    self.open.sort_unstable();
                    self.open.dedup();
                }
                Err(failure) => why = Some(failure.to_string()),
            }
        }
        seat.work_for_others();
        why
    }

    /// Says what came of the files; gives what keeps the others waiting.
    async fn follow(&mut self, seat: &Seat) -> anyhow::Result<Option<String>> {
        if self.open.is_empty() {
            return Ok(None);
        }
        let (jobs, _) = seat.look(&self.open).await?;
        let waits = seat
            .trouble()
            .map(|error| error.to_string())
            .or_else(|| jobs.iter().filter(|job| !job.state.is_final()).find_map(|job| job.message.clone()));
        self.open = jobs.iter().filter(|job| !job.state.is_final()).map(|job| job.id).collect();
        for job in jobs.into_iter().filter(|job| job.state.is_final()) {
            let file = File::from(job);
            console::say(&file.line());
            self.sessions.extend(file.session_id);
        }
        self.sessions.sort();
        self.sessions.dedup();
        (self.idle, self.told_to_wait) = (None, false);
        Ok(waits)
    }

    fn hindered(&mut self, why: Option<String>) {
        if why != self.trouble
            && let Some(why) = &why
        {
            console::complain(&format!("{why}; waiting, everything found so far is kept"));
        }
        self.trouble = why;
    }

    /// Says once that the hub has what was found, or that it can't be reached.
    async fn hub(&mut self, seat: &Seat) -> anyhow::Result<()> {
        if self.sessions.is_empty() || !self.open.is_empty() || !self.wanted.is_empty() {
            return Ok(());
        }
        let waiting = seat.depth(&self.sessions).await?;
        if waiting.is_empty() {
            console::say(&format!("The hub at {} has everything", self.hub));
            if waiting.rejected > 0 {
                let rejected = waiting.rejected;
                console::say(&format!("It rejected {rejected} of it: `fieldeye-agent doctor` shows what and why"));
            }
            self.sessions.clear();
            return Ok(());
        }
        let since = *self.idle.get_or_insert_with(Instant::now);
        let why = match seat.standing() {
            Standing::Down(why) => Some(format!(" (not reachable now: {why})")),
            Standing::Connected | Standing::Connecting => (since.elapsed() > GRACE).then(String::new),
        };
        if let (Some(why), false) = (why, self.told_to_wait) {
            console::say(&format!("{waiting} wait for the hub at {}{why}", self.hub));
            self.told_to_wait = true;
        }
        Ok(())
    }
}
