//! Each part, asked how it stands.

use crate::alerts::AlertsState;
use crate::bot::{BotHandle, BotState};
use crate::broker;
use crate::ingest::IngestStatus;
use crate::store::Store;
use fieldeye_base::disk;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a part may take for an answer.
const ANSWER: Duration = Duration::from_secs(3);
/// So much stays free for the database, in bytes: below it, nothing new is taken in.
const RESERVED: u64 = 64 * 1024 * 1024;

/// Everything that can be asked.
pub(crate) struct Parts {
    pub(crate) data_dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) broker: broker::Facts,
    pub(crate) ingest: watch::Receiver<IngestStatus>,
    pub(crate) alerts: watch::Receiver<AlertsState>,
    pub(crate) bot: Option<BotHandle>,
}

/// Whether the program does anything at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alive {
    Yes,
    /// This part does not even answer.
    No(&'static str),
}

/// How a part stands.
#[derive(Debug, Clone, PartialEq)]
struct Standing {
    state: &'static str,
    more: Map<String, Value>,
}

impl Standing {
    fn new(state: &'static str) -> Self {
        Self { state, more: Map::new() }
    }

    fn up() -> Self {
        Self::new("up")
    }

    fn down(why: impl Into<String>) -> Self {
        Self::new("down").with("why", why.into())
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.insert(key.to_owned(), value.into());
        self
    }

    fn into_json(self) -> Value {
        let mut object = self.more;
        object.insert("state".to_owned(), self.state.into());
        Value::Object(object)
    }
}

impl Parts {
    /// The health page, and whether all is well.
    pub(crate) async fn look(&self) -> (bool, Value) {
        let (store, disk) = tokio::join!(self.store(), self.disk());
        let parts = [
            ("store", store),
            ("disk", disk),
            ("broker", self.broker()),
            ("ingest", self.ingest()),
            ("alerts", self.alerts()),
            ("bot", self.bot()),
        ];
        page(&self.store.origin().store.to_string(), parts)
    }

    /// Whether the parts answer within `limit`, well or not.
    pub(crate) async fn alive(&self, limit: Duration) -> Alive {
        if timeout(limit, self.store.ping()).await.is_ok() { Alive::Yes } else { Alive::No("store") }
    }

    async fn store(&self) -> Standing {
        match timeout(ANSWER, self.store.ping()).await {
            Ok(Ok(())) => Standing::up(),
            Ok(Err(error)) => Standing::down(error.to_string()),
            Err(_) => Standing::down(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }

    async fn disk(&self) -> Standing {
        let data_dir = self.data_dir.clone();
        // A network file system can make even this question wait.
        let asked = tokio::task::spawn_blocking(move || disk::room(&data_dir));
        match timeout(ANSWER, asked).await {
            Ok(Ok(Some(room))) => room_standing(room),
            Ok(Ok(None)) => Standing::up().with("free_bytes", Value::Null),
            _ => Standing::down(format!("{} does not say how much room it has", self.data_dir.display())),
        }
    }

    fn broker(&self) -> Standing {
        // When it ends, so does the program.
        let (address, dropped) = (self.broker.address.to_string(), self.broker.dropped());
        Standing::up().with("address", address).with("dropped", dropped)
    }

    fn ingest(&self) -> Standing {
        match &*self.ingest.borrow() {
            IngestStatus::Up => Standing::up(),
            IngestStatus::Down { why } => Standing::down(why.clone()),
        }
    }

    fn alerts(&self) -> Standing {
        self.alerts.borrow().as_ref().map_or_else(Standing::up, |why| Standing::down(why.clone()))
    }

    fn bot(&self) -> Standing {
        match self.bot.as_ref().map(BotHandle::state) {
            None => Standing::new("off").with("why", "TELEGRAM_BOT_TOKEN is not set"),
            Some(BotState::Starting) => Standing::new("starting"),
            Some(BotState::Up { username }) => Standing::up().with("username", username),
            Some(BotState::Down { why }) => Standing::down(why),
        }
    }
}

fn room_standing(room: disk::Room) -> Standing {
    let standing = if room.free < RESERVED {
        Standing::down(format!("only {} free, make room", disk::human(room.free)))
    } else {
        Standing::up()
    };
    standing.with("free_bytes", room.free)
}

fn page<const N: usize>(store: &str, parts: [(&'static str, Standing); N]) -> (bool, Value) {
    let well = parts.iter().all(|(_, standing)| standing.state != "down");
    let parts: Map<String, Value> =
        parts.into_iter().map(|(name, standing)| (name.to_owned(), standing.into_json())).collect();
    let status = if well { "ok" } else { "degraded" };
    (well, json!({ "status": status, "version": env!("CARGO_PKG_VERSION"), "store": store, "parts": parts }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_down_is_enough() {
        let (well, json) = page("s", [("a", Standing::up()), ("b", Standing::new("off").with("why", "x"))]);
        assert!(well && json["status"] == "ok" && json["parts"]["b"] == json!({"state": "off", "why": "x"}), "{json}");
        let (well, json) = page("s", [("a", Standing::up()), ("b", Standing::down("y"))]);
        assert!(!well && json["status"] == "degraded" && json["parts"]["b"]["why"] == "y", "{json}");
    }

    #[test]
    fn a_full_disk_is_down_and_says_how_full() {
        let standing = |free| room_standing(disk::Room { free, total: 1 << 40 }).into_json();
        assert_eq!(standing(RESERVED)["state"], "up");
        assert_eq!(
            standing(1_000_000),
            json!({"state": "down", "why": "only 1.0 MB free, make room", "free_bytes": 1_000_000})
        );
    }
}
