//! Alerts: whoever has to know of a critical defect is told within a second of its being stored.
//!
//! What passes through: the store makes one row for each defect and reader in the transaction that brings the defect.
//! This room claims what is due, puts it into words ([`text`]), and brings it to a Telegram chat or to the console. A
//! claim runs out by itself, so a crash loses nothing; between sending and writing that down lies the one duplicate
//! that can happen.
//!
//! Every reader has a line of their own, in order: one who can't be reached holds nobody else up.

mod delivery;
mod lines;
pub(crate) mod text;

use crate::blobs::Blobs;
use crate::bot::BotHandle;
use crate::store::AlertTarget;
use crate::store::{Store, StoreError};
use delivery::{Delivery, Desk};
use fieldeye_base::clock;
use fieldeye_base::stop::Stop;
use lines::Lines;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Alerts claimed at once.
const AT_ONCE: u32 = 32;
/// A busy store changes many times a second; it is asked for due alerts at most this often.
const PACE: Duration = Duration::from_millis(100);
/// It is asked at least this often, should a change be missed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After an error of the store.
const STORE_WAIT: Duration = Duration::from_secs(2);
/// Deliveries under way at a stop get this long.
const LAST_DELIVERIES: Duration = Duration::from_secs(3);

/// How the room stands: `None` when all is well, else what is wrong.
pub(crate) type AlertsState = Option<String>;

/// Starts the room in a task of its own, which ends when `stop` is cancelled.
pub(crate) fn start(
    store: Store,
    blobs: Blobs,
    bot: Option<BotHandle>,
    stop: Stop,
) -> (watch::Receiver<AlertsState>, JoinHandle<()>) {
    let (sender, state) = watch::channel(None);
    let desk = Arc::new(Desk { store: store.clone(), blobs, bot });
    let task = tokio::spawn(async move {
        let (lines, under_way, readers) = (Lines::default(), JoinSet::new(), HashMap::new());
        let mut room = Room { store, desk, lines, under_way, readers, state: sender };
        let _ = stop.run_until_cancelled(room.work()).await;
        let rest = async { while room.under_way.join_next().await.is_some() {} };
        if timeout(LAST_DELIVERIES, rest).await.is_err() {
            tracing::warn!("alerts that were under way at the stop will be sent again");
        }
    });
    (state, task)
}

struct Room {
    store: Store,
    desk: Arc<Desk>,
    lines: Lines,
    under_way: JoinSet<Delivery>,
    /// To whom each delivery under way goes.
    readers: HashMap<Id, AlertTarget>,
    state: watch::Sender<AlertsState>,
}

impl Room {
    async fn work(&mut self) {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            let next = match self.round().await {
                Ok(next) => {
                    self.state.send_if_modified(|state| state.take().is_some());
                    next
                }
                Err(error) => {
                    tracing::error!(%error, "due alerts can't be found; trying again");
                    self.state.send_replace(Some(error.to_string()));
                    Instant::now() + STORE_WAIT
                }
            };
            sleep(PACE).await;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = sleep_until(next) => {}
                Some(done) = self.under_way.join_next_with_id(), if !self.under_way.is_empty() => self.settle(done),
            }
        }
    }

    /// Claims, sends off, and says when to look again.
    async fn round(&mut self) -> Result<Instant, StoreError> {
        while let Some(done) = self.under_way.try_join_next_with_id() {
            self.settle(done);
        }
        // A full house claims no more: what it can't begin soon would run out in its hands.
        if self.lines.waiting() < AT_ONCE as usize {
            let now = Instant::now();
            for alert in self.store.claim_alerts(AT_ONCE).await? {
                self.lines.join(alert, now);
            }
        }
        while let Some(alert) = self.lines.next(Instant::now()) {
            let (desk, reader) = (Arc::clone(&self.desk), alert.target);
            let task = self.under_way.spawn(async move { desk.deliver(alert).await });
            self.readers.insert(task.id(), reader);
        }
        let now = clock::now();
        let due = self.store.next_alert().await?;
        let wait = due.map_or(LONGEST_WAIT, |at| at.duration_since(now).try_into().unwrap_or(Duration::ZERO));
        let next = Instant::now() + wait.min(LONGEST_WAIT);
        Ok(self.lines.wake().map_or(next, |wake| wake.min(next)))
    }

    fn settle(&mut self, done: Result<(Id, Delivery), JoinError>) {
        let (task, pause) = match done {
            Ok((task, delivery)) => (task, delivery.pause),
            // The alert itself is due again when its claim has run out.
            Err(error) => {
                tracing::error!(%error, "an alert's delivery broke off");
                (error.id(), None)
            }
        };
        if let Some(reader) = self.readers.remove(&task) {
            self.lines.done(reader, pause.map(|pause| Instant::now() + pause));
        }
    }
}
