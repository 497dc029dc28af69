//! Live cameras: a session begins, is looked at and recorded while it lasts, and is ended, whatever happens to camera,
//! program or power.
//!
//! Each camera has a thread ([`shift`]). What people ask for comes as rows in the store ([`orders`]); what they and the
//! threads know of each other is in [`post`]. Recordings that nobody needs make room for new ones ([`room`]); what a
//! dead program left open is ended at the next start ([`left_open`]). Findings go to the store by the same recorder as
//! those of files (`jobs::recorder`).

mod left_open;
mod orders;
mod post;
mod room;
mod shift;

use crate::capture::camera::{Address, Credentials};
use crate::config::Config;
use crate::store::records::Draft;
use crate::store::{Store, StoreError};
use fieldeye_base::exit::Failure;
use fieldeye_base::stop::{self, Stop};
use fieldeye_protocol::body::GapBody;
use fieldeye_protocol::record::{Parents, RecordId, RecordKind};
use post::Post;
use room::Budget;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub(crate) use shift::health_key;

/// The cameras of this program at work.
#[derive(Debug)]
pub(crate) struct Running {
    threads: Vec<JoinHandle<()>>,
}

/// Takes the cameras out of the sources: those, and what is left.
pub(crate) fn cameras(sources: &[String]) -> Result<(Vec<Address>, Vec<String>), Failure> {
    let (mut cameras, mut files) = (Vec::new(), Vec::new());
    for source in sources {
        match Address::parse(source) {
            Ok(Some(address)) => cameras.push(address),
            Ok(None) => files.push(source.clone()),
            // The source itself may have a password in it.
            Err(why) => return Err(Failure::usage(format!("a source can't be used: {why}"))),
        }
    }
    Ok((cameras, files))
}

/// User and password of the network cameras, from the file that the configuration names.
pub(crate) fn credentials(config: &Config) -> Result<Option<Credentials>, Failure> {
    let Some(file) = &config.camera.credentials_file else { return Ok(None) };
    let unusable = |why: String| Failure::usage(format!("camera.credentials_file {}: {why}", file.display()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).map_err(|error| unusable(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(unusable("others may read it".to_owned()).hint("chmod 600 it"));
        }
    }
    let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    let credentials = Credentials::parse(&text);
    credentials.map(Some).ok_or_else(|| unusable("its first line is not user:password".to_owned()))
}

/// Ends what was left open, then starts the cameras.
pub(crate) fn start(
    store: &Store,
    config: &Config,
    cameras: Vec<Address>,
    credentials: Option<&Credentials>,
    stop: &Stop,
) -> Result<Running, StoreError> {
    left_open::end_all(store)?;
    let post = Arc::new(Post::new(cameras.len(), config.camera.start.is_by_itself()));
    let mut threads = Vec::new();
    let mut spawn = |name: String, work: Box<dyn FnOnce() + Send>| {
        threads.extend(std::thread::Builder::new().name(name).spawn(work).inspect_err(|error| {
            tracing::error!(%error, "a thread for the cameras can't be started");
        }));
    };
    for (index, address) in cameras.into_iter().enumerate() {
        let shift = shift::Shift {
            number: index + 1,
            address,
            credentials: credentials.cloned(),
            store: store.clone(),
            config: config.clone(),
            post: Arc::clone(&post),
            stop: stop.clone(),
        };
        spawn(format!("camera {}", index + 1), Box::new(move || shift.work()));
    }
    let (its_store, its_stop, its_post) = (store.clone(), stop.clone(), Arc::clone(&post));
    spawn("orders".to_owned(), Box::new(move || orders::serve(&its_store, &its_post, &its_stop)));
    let (its_store, its_stop, budget) = (store.clone(), stop.clone(), Budget::from(&config.camera));
    spawn("room".to_owned(), Box::new(move || room::keep(&its_store, &post, budget, &its_stop)));
    Ok(Running { threads })
}

/// A gap of a live session over a span in seconds from its first frame.
fn gap(session: RecordId, [start_s, end_s]: [f64; 2], what: &str, reason: &str) -> Draft {
    let parents = Parents { session: Some(session), frame: None };
    let body = GapBody { start_s, end_s, what: what.to_owned(), reason: reason.to_owned() };
    Draft::new(RecordId(Uuid::now_v7()), RecordKind::Gap, parents, &body)
}

impl Running {
    /// Waits for the end of all sessions, which comes after the stop, at most so long; false when that was not enough.
    pub(crate) fn ended(self, longest: Duration) -> bool {
        let until = Instant::now() + longest;
        while Instant::now() < until {
            if self.threads.iter().all(JoinHandle::is_finished) {
                return true;
            }
            stop::rest(&Stop::new(), Duration::from_millis(20));
        }
        false
    }
}
