//! The line to the hub: records and pictures go up, answers come down, and only answers let anything leave the outbox.
//!
//! One task holds one connection at a time ([`link`]) and speaks over it ([`engine`]): batches of records in two lanes,
//! then the pictures that the hub has heard of. Each connection starts from nothing; the store says what is to be
//! sent. What has no answer in time is sent again on the same connection, whatever MQTT says about its delivery.
//!
//! The task that reads the network never waits for the one that writes to it: the engine only queues what is sure
//! to fit ([`pace`]), so neither can stop the other. Database and files are read on other threads.

mod batches;
mod chunks;
mod engine;
pub(crate) mod link;
mod pace;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod tests;

use crate::config::{HubAddress, SyncSection};
use crate::store::{Store, StoreError, meta};
use fieldeye_base::backoff::Backoff;
use fieldeye_base::stop::Stop;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Longest wait between two attempts, for a device that stays.
const PATIENT: Duration = Duration::from_secs(30);
/// The same where somebody waits, or where the hub is on this machine and an attempt costs nothing.
const EAGER: Duration = Duration::from_secs(3);
/// A connection that lasted this long was a good one: the next attempt comes soon.
const GOOD: Duration = Duration::from_secs(5);

/// How the line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineStatus {
    /// The first attempt is under way.
    Connecting,
    /// The hub can hear us.
    Connected,
    /// Not connected, and why.
    Down(String),
}

/// What the line needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Where the records are.
    pub(crate) store: Store,
    /// Where the hub is.
    pub(crate) hub: HubAddress,
    /// How records travel.
    pub(crate) settings: SyncSection,
    /// Whether somebody at a console waits for it.
    pub(crate) eager: bool,
}

/// Why a conversation ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The network or the broker.
    #[error("{0}")]
    Lost(String),
    /// The store: what the hub says can't be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The running line.
#[derive(Debug)]
pub(crate) struct Running {
    status: watch::Receiver<LineStatus>,
    task: JoinHandle<()>,
}

impl Running {
    /// How the line stands, now and later.
    pub(crate) fn status(&self) -> watch::Receiver<LineStatus> {
        self.status.clone()
    }

    /// Waits for the end, which comes after the stop that [`start`] was given.
    pub(crate) async fn ended(self) {
        let _ = self.task.await;
    }
}

/// Starts the line; it tries until `stop`.
pub(crate) fn start(line: Line, stop: Stop) -> Running {
    if !line.hub.is_loopback() {
        tracing::warn!(hub = %line.hub, "the line to the hub is not encrypted");
    }
    let (sender, status) = watch::channel(LineStatus::Connecting);
    let task = tokio::spawn(async move { keep_connected(&line, &sender, &stop).await });
    Running { status, task }
}

async fn keep_connected(line: &Line, status: &watch::Sender<LineStatus>, stop: &Stop) {
    let cap = if line.eager || line.hub.is_loopback() { EAGER } else { PATIENT };
    let mut backoff = Backoff::new(cap);
    let mut connection = 0;
    while !stop.is_cancelled() {
        connection += 1;
        let begun = Instant::now();
        let ended = engine::converse(line, connection, status, stop).await;
        let was_connected = *status.borrow() == LineStatus::Connected;
        if was_connected
            && let Err(error) = line.store.write("note the lost line", |tx| meta::set_line(tx, false)).await
        {
            tracing::warn!(%error, "the lost line is not noted");
        }
        let Err(error) = ended else { break };
        if was_connected {
            tracing::warn!(hub = %line.hub, %error, "the line to the hub is lost");
        } else if *status.borrow() == LineStatus::Down(error.to_string()) {
            // A hub that is away for days is no news every few seconds.
            tracing::debug!(hub = %line.hub, %error, "still no line to the hub");
        } else {
            tracing::info!(hub = %line.hub, %error, "no line to the hub; it is tried again until there is one");
        }
        status.send_replace(LineStatus::Down(error.to_string()));
        if was_connected && begun.elapsed() >= GOOD {
            backoff.reset();
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(backoff.next_delay()) => {}
        }
    }
}
