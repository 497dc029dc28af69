//! Where the work is done: by this process, if it gets the data directory's lock, else by the one that holds it.
//! When that one goes, this process takes its place.

use crate::config::Config;
use crate::jobs::eye::Analysis;
use crate::jobs::facts::Facts;
use crate::jobs::worker;
use crate::store::jobs::{self, Job, Origin};
use crate::store::outbox::{self, Depth};
use crate::store::{Opening, Store, meta};
use crate::sync::{self, Line, LineStatus};
use fieldeye_base::clock;
use fieldeye_base::exit::Failure;
use fieldeye_base::instance::{self, Holder, Instance, Taken};
use fieldeye_base::stop::Stop;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// How often the lock is tried.
const TRY_PERIOD: Duration = Duration::from_secs(1);
/// How long the worker may take to come to a stop.
const LEAVING: Duration = Duration::from_secs(4);
/// The role that other programs are told.
const ROLE: &str = "import";

/// How the line to the hub stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The first attempt is under way.
    Connecting,
    /// The hub can hear this device.
    Connected,
    /// It can't, and why.
    Down(String),
}

/// The place of this process.
#[derive(Debug)]
pub(super) struct Seat {
    place: Place,
    store: Store,
    /// What others had given to do is worked off too, up to this number.
    up_to: i64,
}

#[derive(Debug)]
enum Place {
    /// This process does the work.
    Own(Box<Own>),
    /// Another one does.
    Guest { holder: Holder, next_try: Instant, line_is_up: bool },
    /// The work is over.
    Left,
}

#[derive(Debug)]
struct Own {
    stop: Stop,
    worker: worker::Running,
    line: sync::Running,
    // The last to go: whoever comes next must find nobody at work.
    instance: Instance,
}

impl Seat {
    /// Takes the lock and begins to work, or finds out who does.
    pub(super) async fn take(config: &Config, stop: &Stop) -> anyhow::Result<Self> {
        let taken = try_lock(config).await?;
        let opening = if matches!(taken, Taken::Ours(_)) { Opening::Start } else { Opening::Beside };
        let store = open(config, opening).await?;
        let place = match taken {
            Taken::Ours(instance) => Place::Own(Box::new(Own::begin(config, &store, 0, instance, stop)?)),
            Taken::Held(holder) => Place::guest(holder),
        };
        Ok(Self { place, store, up_to: 0 })
    }

    /// Takes the place of the process that did the work, if it has gone.
    pub(super) async fn succeed(&mut self, config: &Config, stop: &Stop) -> anyhow::Result<()> {
        let Place::Guest { next_try, .. } = &mut self.place else { return Ok(()) };
        if Instant::now() < *next_try {
            return Ok(());
        }
        match try_lock(config).await? {
            Taken::Held(holder) => self.place = Place::guest(holder),
            Taken::Ours(instance) => {
                tracing::info!("the program that did the work has gone, going on in its place");
                self.store = open(config, Opening::Start).await?;
                self.place = Place::Own(Box::new(Own::begin(config, &self.store, self.up_to, instance, stop)?));
            }
        }
        let line = self.store.read("read how the line stands", meta::line).await?;
        if let Place::Guest { line_is_up, .. } = &mut self.place {
            *line_is_up = line.is_some_and(|line| line.is_up());
        }
        Ok(())
    }

    /// Asks for files to be analysed; gives the numbers of the jobs.
    pub(super) async fn ask(
        &mut self,
        files: Vec<PathBuf>,
        facts: &Facts,
        origin: Origin,
    ) -> Result<Vec<i64>, Failure> {
        let (facts, now_ms) = (facts.to_json(), clock::now_ms());
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let add = |path: &PathBuf| jobs::add(tx, &path.to_string_lossy(), &facts, origin, now_ms);
            files.iter().map(add).collect::<rusqlite::Result<Vec<_>>>()
        };
        let ids = self.store.write("ask for files", work).await.map_err(|error| error.failure())?;
        self.up_to = ids.iter().copied().max().unwrap_or(0);
        self.go_up_to(self.up_to);
        Ok(ids)
    }

    /// What was asked for is done: while this process waits for the hub, it may do what others ask for.
    pub(super) fn work_for_others(&mut self) {
        self.up_to = i64::MAX;
        self.go_up_to(i64::MAX);
    }

    fn go_up_to(&self, job: i64) {
        if let Place::Own(own) = &self.place {
            own.worker.go_up_to(job);
        }
    }

    /// These jobs as they stand, and the one that is worked on.
    pub(super) async fn look(&self, ids: &[i64]) -> Result<(Vec<Job>, Option<Job>), Failure> {
        let ids = ids.to_vec();
        let work = move |db: &rusqlite::Connection| {
            let jobs: Vec<Job> =
                ids.iter().filter_map(|id| jobs::get(db, *id).transpose()).collect::<Result<_, _>>()?;
            Ok((jobs, jobs::running(db)?))
        };
        self.store.read("read the jobs", work).await.map_err(|error| error.failure())
    }

    /// What still waits for the hub: all of it when this process brings it there, else what belongs to `sessions`.
    /// Rejected is what the hub rejected of `sessions`.
    pub(super) async fn depth(&self, sessions: &[String]) -> Result<Depth, Failure> {
        let (sessions, own) = (sessions.to_vec(), matches!(self.place, Place::Own(_)));
        let work = move |db: &rusqlite::Connection| {
            let of_sessions = sessions.iter().try_fold(Depth::default(), |sum, session| {
                outbox::depth_of(db, session).map(|depth| sum.plus(depth))
            })?;
            let all = if own { outbox::depth(db)? } else { of_sessions };
            Ok(Depth { rejected: of_sessions.rejected, ..all })
        };
        self.store.read("count the outbox", work).await.map_err(|error| error.failure())
    }

    /// How the line to the hub stands.
    pub(super) fn standing(&self) -> Standing {
        match &self.place {
            Place::Own(own) => match &*own.line.status().borrow() {
                LineStatus::Connecting => Standing::Connecting,
                LineStatus::Connected => Standing::Connected,
                LineStatus::Down(why) => Standing::Down(why.clone()),
            },
            Place::Guest { line_is_up: true, .. } => Standing::Connected,
            Place::Guest { .. } | Place::Left => Standing::Connecting,
        }
    }

    /// Who does the work, if not this process.
    pub(super) fn holder(&self) -> Option<&Holder> {
        match &self.place {
            Place::Guest { holder, .. } => Some(holder),
            Place::Own(_) | Place::Left => None,
        }
    }

    /// What keeps this process from its work.
    pub(super) fn trouble(&self) -> worker::Trouble {
        let Place::Own(own) = &self.place else { return None };
        own.worker.trouble().borrow().clone()
    }

    /// Comes to a stop: what was begun is written down, the lock is given back.
    pub(super) async fn leave(&mut self) {
        if let Place::Own(mut own) = std::mem::replace(&mut self.place, Place::Left) {
            own.stop.cancel();
            if tokio::time::timeout(LEAVING, own.worker.ended()).await.is_err() {
                tracing::warn!("the analysis does not come to a stop; the next start begins this file again");
            }
            own.line.ended().await;
            drop(own.instance);
        }
    }
}

impl Place {
    fn guest(holder: Holder) -> Self {
        Self::Guest { holder, next_try: Instant::now() + TRY_PERIOD, line_is_up: false }
    }
}

impl Own {
    fn begin(config: &Config, store: &Store, up_to: i64, instance: Instance, stop: &Stop) -> anyhow::Result<Self> {
        let stop = stop.child_token();
        let eye = Analysis::new(config);
        let worker = worker::start(store.clone(), Box::new(eye), up_to, stop.clone())?;
        let hub = config.hub_address()?;
        let line = Line { store: store.clone(), hub, settings: config.sync.clone(), eager: true };
        let line = sync::start(line, stop.clone());
        Ok(Self { stop, worker, line, instance })
    }
}

async fn try_lock(config: &Config) -> anyhow::Result<Taken> {
    let folder = config.data_dir.clone();
    tokio::task::spawn_blocking(move || instance::try_take(&folder, ROLE)).await?
}

async fn open(config: &Config, opening: Opening) -> anyhow::Result<Store> {
    let (folder, device) = (config.data_dir.clone(), config.device_id()?);
    Ok(tokio::task::spawn_blocking(move || Store::open(&folder, device.as_ref(), opening)).await??)
}
