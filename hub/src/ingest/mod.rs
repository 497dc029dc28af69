//! Everything that devices send: batches, chunks of blobs, states.
//!
//! What passes through: an MQTT 5 client of the broker ([`line`]) hands over messages, which are worked off in order
//! for each device and side by side for different ones ([`lanes`]); [`desk`] reads them, the store and the blob store
//! keep them, and the answers go back. Both acknowledgements, MQTT's own and the application's, follow the commit: a
//! program that is killed at any instruction loses nothing, for the device has no answer and sends again.
//!
//! Everything is bounded. The broker sends at most [`line::IN_FLIGHT`] messages without an acknowledgement, so that
//! many devices at once only wait. When the store can't write, the connection is given up until it can: what is not
//! taken in stays with the devices.

mod chunks;
mod desk;
mod lanes;
mod line;
#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod tests;

use crate::blobs::Blobs;
use crate::broker::Login;
use crate::store::Store;
use desk::Desk;
use fieldeye_base::stop::Stop;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Waiting times after a connection that was lost.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How the ingest stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IngestStatus {
    /// Connected and subscribed.
    Up,
    /// Not connected, and why. It goes on trying.
    Down {
        /// One sentence.
        why: String,
    },
}

/// The ingest at work.
#[derive(Debug)]
pub(crate) struct Running {
    /// How it stands.
    pub(crate) status: watch::Receiver<IngestStatus>,
    /// Ends some moments after the stop.
    pub(crate) task: JoinHandle<()>,
}

/// Starts to take in what comes to the broker, until `stop` is cancelled.
pub(crate) fn start(broker: SocketAddr, login: &Login, store: Store, blobs: Blobs, stop: Stop) -> Running {
    let (status, seen) = watch::channel(IngestStatus::Down { why: "not connected yet".to_owned() });
    let login = login.clone();
    let task = tokio::spawn(async move {
        clean(&store, &blobs).await;
        let desk = Arc::new(Desk::new(store, blobs));
        let mut wait = FIRST_WAIT;
        while !stop.is_cancelled() {
            // Whoever can't write has no business listening.
            let why = match desk.store.probe().await {
                Ok(()) => match line::converse(broker, &login, &desk, &status, &stop).await {
                    Ok(()) => break,
                    Err(why) => why,
                },
                Err(error) => error.to_string(),
            };
            if *status.borrow() == IngestStatus::Up {
                wait = FIRST_WAIT;
            }
            tracing::error!(why, "devices can't be heard");
            status.send_replace(IngestStatus::Down { why });
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    });
    Running { status: seen, task }
}

/// Removes files that an earlier life left behind. Their absence of mind costs space, not truth: errors are told only.
async fn clean(store: &Store, blobs: &Blobs) {
    let known = match store.blobs_with_parts().await {
        Ok(known) => known,
        Err(error) => return tracing::error!(%error, "left-over files are not looked for"),
    };
    match blobs.clean(store.origin().store, known).await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "left-over files were removed"),
        Err(error) => tracing::error!(%error, "left-over files can't be removed"),
    }
}
