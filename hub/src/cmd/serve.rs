//! `fieldeye-hub serve`: puts the rooms together, runs until it is told to stop, and takes them apart again.
//!
//! Whatever ends by itself ends the program with exit 1: the service manager starts it again, and what was under way
//! is in the store or comes again from the devices.

use super::running::Running;
use crate::alerts;
use crate::blobs::Blobs;
use crate::bot::{self, BotHandle};
use crate::broker;
use crate::cli::Global;
use crate::config::Config;
use crate::health::{self, Parts};
use crate::ingest::{self, IngestStatus};
use crate::store::{Audience, Store};
use anyhow::Context as _;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_base::secret::{self, Secret};
use fieldeye_base::stop::{self, Stop};
use fieldeye_base::{console, instance, logs, memory, service, sqlite};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// Small boards have few cores, and nothing here computes for long.
const WORKERS: usize = 2;
const MOST_BLOCKING: usize = 16;
/// The broker is in this very process: if its own client can't reach it within this time, nobody can.
const FIRST_CONNECTION: Duration = Duration::from_secs(15);
/// What is under way at a stop gets this long, all together.
const DRAIN: Duration = Duration::from_secs(4);
/// How often memory that is free goes back to the system.
const GIVE_BACK: Duration = Duration::from_secs(10);
/// Threads that are stuck in a call of the system are left behind after this time.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// Serves until SIGINT, SIGTERM or Ctrl-C.
pub(crate) fn run(global: &Global) -> anyhow::Result<()> {
    memory::stay_small();
    let config = global.load(&[])?.value;
    let token = secret::find(bot::TOKEN)?;
    sqlite::private_dir(&config.data_dir)?;
    let _instance = instance::take(&config.data_dir, "serve")?;
    let _logs = logs::for_service(&config.data_dir, "fieldeye-hub")?;
    let audience = match &token {
        Some(_) => Audience::Telegram { admins: config.telegram.admins.clone() },
        None => Audience::Console,
    };
    let store = Store::open(&config.data_dir, audience)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(MOST_BLOCKING)
        .thread_name("hub")
        .enable_all()
        .build()
        .context("can't start the threads of the program")?;
    let result = runtime.block_on(serve(&config, token, store));
    runtime.shutdown_timeout(LEFT_BEHIND);
    result
}

async fn serve(config: &Config, token: Option<Secret>, store: Store) -> anyhow::Result<()> {
    let stop = stop::on_signals().context("can't listen for signals")?;
    let page = health::listen(config.health_listen()?).await?;
    let mut broker = broker::start(config.mqtt_listen()?).await?;
    let blobs = Blobs::open(&config.data_dir)?;
    let ingest = ingest::start(broker.address(), broker.login(), store.clone(), blobs.clone(), stop.clone());
    let mut connection = ingest.status.clone();
    let (bot, bot_task) = start_bot(config, token, &store, &stop)?;
    let (alerts, alerts_task) = alerts::start(store.clone(), blobs, bot.clone(), stop.clone());
    let parts = Arc::new(Parts {
        data_dir: config.data_dir.clone(),
        store,
        broker: broker.facts().clone(),
        ingest: ingest.status,
        alerts,
        bot,
    });
    let page_stop = Stop::new();
    let page = health::serve(page, Arc::clone(&parts), page_stop.clone())?;
    let (mut rooms, mut page_task) = (JoinSet::new(), JoinSet::new());
    rooms.spawn(over("the ingest", ingest.task));
    rooms.spawn(over("the alerts", alerts_task));
    rooms.spawn(over("the bot", bot_task));
    page_task.spawn(over("the health page", page.task));

    let running = Running { pid: std::process::id(), mqtt: broker.address(), health: page.address };
    let work = async {
        first_connection(&mut connection).await?;
        let written = running.write(&config.data_dir)?;
        service::ready();
        tracing::info!(mqtt = %running.mqtt, health = %running.health, version = env!("CARGO_PKG_VERSION"), "ready");
        console::say(&format!("ready: MQTT on {}, http://{}/health", running.mqtt, running.health));
        tokio::select! {
            () = health::watch(&parts, &stop) => {}
            never = stay_small() => match never {},
        }
        drop(written);
        anyhow::Ok(())
    };
    let result = tokio::select! {
        // A room that ends because of the stop did not end by itself.
        biased;
        () = stop.cancelled() => Ok(()),
        result = work => result,
        why = broker.ended() => Err(ended("the broker", &why)),
        Some(Ok((name, why))) = rooms.join_next() => Err(ended(name, &why)),
        Some(Ok((name, why))) = page_task.join_next() => Err(ended(name, &why)),
    };
    // A room that sees the stop may be over before it is seen here.
    let result = if stop.is_cancelled() { Ok(()) } else { result };
    stop.cancel();
    service::stopping();
    let rest = async {
        while rooms.join_next().await.is_some() {}
        page_stop.cancel();
        page_task.join_next().await;
    };
    if timeout(DRAIN, rest).await.is_err() {
        tracing::warn!(seconds = DRAIN.as_secs(), "some work was not finished in time; it will be done again");
    }
    drop(broker);
    tracing::info!("stopped");
    result
}

/// The bot, if there is a token; and a task that ends with it.
fn start_bot(
    config: &Config,
    token: Option<Secret>,
    store: &Store,
    stop: &Stop,
) -> Result<(Option<BotHandle>, JoinHandle<()>), Failure> {
    let Some(token) = token else {
        tracing::info!("no TELEGRAM_BOT_TOKEN: alerts go to the console");
        let stop = stop.clone();
        return Ok((None, tokio::spawn(async move { stop.cancelled().await })));
    };
    let telegram = &config.telegram;
    let (bot, task) = bot::start(token, &telegram.api_url, &telegram.admins, store.clone(), stop.clone())
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok((Some(bot), task))
}

/// Waits until what devices send is taken in: before that, nobody should be told that this program is ready.
async fn first_connection(status: &mut watch::Receiver<IngestStatus>) -> Result<(), Failure> {
    let up = status.wait_for(|status| matches!(status, IngestStatus::Up));
    match timeout(FIRST_CONNECTION, up).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Failure::new(Exit::Failed, "the program can't reach its own broker").hint("the log says more")),
    }
}

/// Gives memory back now and then, so that a burst of work does not stay visible for days.
async fn stay_small() -> std::convert::Infallible {
    loop {
        tokio::time::sleep(GIVE_BACK).await;
        // It says nothing that could be of use.
        let _ = tokio::task::spawn_blocking(memory::give_back).await;
    }
}

fn ended(part: &str, why: &str) -> anyhow::Error {
    tracing::error!(part, why, "ended by itself");
    Failure::new(Exit::Failed, format!("{part} ended by itself: {why}")).hint("the log may say more").into()
}

/// Waits for the end of a room's task, and says how it ended.
async fn over(name: &'static str, task: JoinHandle<()>) -> (&'static str, String) {
    (name, task.await.map_or_else(|error| error.to_string(), |()| "there was no more to do".to_owned()))
}
