//! `fieldeye-agent run`: the program that stays. It analyses what lies in its sources and what `import` hands over,
//! keeps what it finds, and brings it to the hub whenever that can be reached.

use crate::capture::camera::{Address, Credentials};
use crate::cli::Global;
use crate::config::Config;
use crate::jobs::eye::Analysis;
use crate::jobs::facts::Facts;
use crate::jobs::pulse::Pulse;
use crate::jobs::{scan, sources, worker};
use crate::live;
use crate::store::{Opening, Store};
use crate::sync::{self, Line};
use clap::Args;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_base::stop::{self, Stop};
use fieldeye_base::{instance, logs, service, sqlite};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Videos and folders to analyse and cameras to watch, besides the `sources` of the configuration
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
}

/// The role that other programs are told.
const ROLE: &str = "run";
/// The parts may take so long to come to a stop.
const LEAVING: Duration = Duration::from_secs(4);
/// A worker without a sign of life for so long has stopped getting on. A large model takes a while to load.
const LIFELESS: Duration = Duration::from_secs(25);
/// The store must answer within this time.
const ANSWER: Duration = Duration::from_secs(5);

/// Runs until it is told to stop.
pub(crate) fn run(global: &Global, args: &RunArgs) -> anyhow::Result<()> {
    let config = global.load(&[])?.value;
    let named: Vec<String> = config.sources.iter().chain(&args.sources).cloned().collect();
    let (cameras, files) = live::cameras(&named)?;
    let credentials = live::credentials(&config)?;
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|source| scan::source_path(source).map_err(|why| Failure::usage(format!("source {source:?}: {why}"))))
        .collect::<Result<_, _>>()?;
    sqlite::private_dir(&config.data_dir)?;
    let _instance = instance::take(&config.data_dir, ROLE)?;
    let _logs = logs::for_service(&config.data_dir, "agent")?;
    let store = Store::open(&config.data_dir, config.device_id()?.as_ref(), Opening::Start)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(serve(&config, store, paths, Cameras { addresses: cameras, credentials }));
    runtime.shutdown_timeout(Duration::from_millis(500));
    result
}

/// The cameras that are to be watched.
struct Cameras {
    addresses: Vec<Address>,
    credentials: Option<Credentials>,
}

async fn serve(config: &Config, store: Store, paths: Vec<PathBuf>, cameras: Cameras) -> anyhow::Result<()> {
    let stop = stop::on_signals()?;
    let identity = store.identity();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        device = %identity.device,
        store = %identity.store_id,
        boot = identity.boot,
        data_dir = %config.data_dir.display(),
        hub = config.hub.url,
        sources = paths.len(),
        cameras = cameras.addresses.len(),
        "started"
    );
    let line = Line { store: store.clone(), hub: config.hub_address()?, settings: config.sync.clone(), eager: false };
    let line = sync::start(line, stop.clone());
    let eye = Analysis::new(config);
    let mut worker = worker::start(store.clone(), Box::new(eye), i64::MAX, stop.clone())?;
    sources::start(store.clone(), paths, &Facts::from(&config.session), stop.clone())?;
    let live = {
        let (store, config, stop) = (store.clone(), config.clone(), stop.clone());
        let Cameras { addresses, credentials } = cameras;
        tokio::task::spawn_blocking(move || live::start(&store, &config, addresses, credentials.as_ref(), &stop))
            .await??
    };
    service::ready();
    let pulse = worker.pulse();
    let lost = tokio::select! {
        () = stop.cancelled() => false,
        () = worker.ended() => !stop.is_cancelled(),
        () = watch_over(&store, &pulse, &stop) => false,
    };
    service::stopping();
    stop.cancel();
    let left = tokio::time::timeout(LEAVING, async {
        if !lost {
            worker.ended().await;
        }
        line.ended().await;
    });
    let left = left.await;
    if !tokio::task::spawn_blocking(move || live.ended(LEAVING)).await.unwrap_or(false) {
        tracing::warn!("a camera does not come to a stop; its session is ended at the next start");
    }
    if left.is_err() {
        tracing::warn!("something does not come to a stop; the next start begins the file again");
    }
    if lost {
        let failure = Failure::new(Exit::Failed, "the thread that analyses files has ended by itself");
        return Err(failure.hint("start again, and report this with the log").into());
    }
    tracing::info!("stopped");
    Ok(())
}

/// Tells the service manager that the program gets on with its work, as long as that is true.
async fn watch_over(store: &Store, worker: &Pulse, stop: &Stop) {
    let Some(interval) = service::watchdog_interval() else { return std::future::pending().await };
    while !stop.is_cancelled() {
        let store_answers = tokio::time::timeout(
            ANSWER,
            store.read("ask for a sign of life", |db| db.query_row("SELECT 1", [], |_| Ok(()))),
        );
        match store_answers.await {
            Ok(_) if worker.age() < LIFELESS => service::alive(),
            Ok(_) => tracing::error!(silent_for_s = worker.age().as_secs(), "the analysis does not get on"),
            Err(_) => tracing::error!("the database does not answer"),
        }
        tokio::time::sleep(interval).await;
    }
}
