//! What the hub knows, durably: SQLite in one file, business verbs as methods.
//!
//! `ingest` brings batches, chunks and states; each batch is one transaction. The bot, the alerts and the admin
//! commands ask and tell. Only this room knows SQL: statements stand as constants beside the functions that use them,
//! one file for each subject.
//!
//! Two threads own a connection each: one writes, one reads beside it, so that a long list holds up no batch. Tasks
//! await their answers.

mod alerts;
mod apply;
mod boots;
mod checks;
mod devices;
mod error;
mod meta;
mod people;
mod quarantine;
mod queries;
mod rows;
#[cfg(test)]
pub(crate) mod testing;
mod times;
mod uploads;

pub(crate) use apply::Applied;
use apply::Marker;

pub(crate) use error::StoreError;
pub(crate) use meta::Origin;
pub(crate) use rows::{
    AlertRow, AlertTarget, Counts, DefectRow, DeviceRow, DueAlert, QuarantineRow, SessionDetail, SessionRow, Stats,
};
pub(crate) use uploads::Standing;

use bytes::Bytes;
use fieldeye_base::clock;
use fieldeye_base::database::DatabaseThread;
use fieldeye_base::exit::Failure;
use fieldeye_base::sqlite;
use fieldeye_protocol::batch::Numbered;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::state::DeviceState;
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// The schema's steps.
static MIGRATIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../migrations/hub-sqlite");

/// Beside the database: which record is being applied.
const MARK: &str = "hub.mark";
/// Statements that each connection keeps ready: all that there are.
const STATEMENTS: usize = 128;

/// Where the database is inside a data directory.
pub(crate) fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join("hub.db")
}

/// Who is told of critical defects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Whoever looks at the hub's console.
    Console,
    /// The chats of these people, once they have started the bot.
    Telegram {
        /// Their Telegram ids.
        admins: Vec<i64>,
    },
}

/// The hub's store. Clones share its threads.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    writer: DatabaseThread,
    reader: DatabaseThread,
    path: PathBuf,
    origin: Origin,
    audience: Audience,
    marker: Arc<Marker>,
    changes: watch::Sender<u64>,
}

impl Store {
    /// Opens the store of `data_dir` for the program that serves, creating what is not there.
    pub(crate) fn open(data_dir: &Path, audience: Audience) -> Result<Self, Failure> {
        sqlite::private_dir(data_dir)?;
        let path = database_path(data_dir);
        let mut connection = sqlite::open(&path, &MIGRATIONS)?;
        let mut start = || -> rusqlite::Result<()> {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            meta::create(&tx)?;
            alerts::release_all(&tx)?;
            tx.commit()
        };
        start().map_err(|error| StoreError::database(&path, "start", error).failure())?;
        let marker = Marker::open(&path.with_file_name(MARK), &connection).map_err(|error| error.failure())?;
        Self::with(connection, path, audience, marker)
    }

    /// Opens an existing store beside the program that serves, for admin commands.
    pub(crate) fn beside(data_dir: &Path) -> Result<Self, Failure> {
        let path = database_path(data_dir);
        let connection = sqlite::open_beside(&path)?;
        meta::require_schema(&connection, &path)?;
        Self::with(connection, path, Audience::Console, Marker::none())
    }

    fn with(connection: Connection, path: PathBuf, audience: Audience, marker: Marker) -> Result<Self, Failure> {
        let origin =
            meta::origin(&connection).map_err(|error| StoreError::database(&path, "find its id", error).failure())?;
        let reading = sqlite::open_beside(&path)?;
        for connection in [&connection, &reading] {
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
        }
        let start = |name, connection| {
            DatabaseThread::start(name, connection)
                .map_err(|error| StoreError::file("start a database thread of", &path, error).failure())
        };
        let (writer, reader) = (start("store", connection)?, start("store-read", reading)?);
        let shared =
            Shared { writer, reader, path, origin, audience, marker: Arc::new(marker), changes: watch::Sender::new(0) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Which store this is: what answers to devices carry.
    pub(crate) fn origin(&self) -> Origin {
        self.shared.origin
    }

    /// Tells when something was committed by this program.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Applies a device's batch in one transaction; when this returns, what it says is durable.
    pub(crate) async fn apply_batch(
        &self,
        device: DeviceId,
        batch: Uuid,
        records: Vec<Numbered>,
    ) -> Result<Applied, StoreError> {
        let (audience, marker) = (self.shared.audience.clone(), Arc::clone(&self.shared.marker));
        let work = move |tx: &mut Transaction<'_>, now: Timestamp| {
            let context = apply::Context { device: &device, batch, audience: &audience, marker: &marker, now };
            apply::batch(tx, &context, &records)
        };
        self.write("apply a batch", work).await
    }

    /// Keeps a message that is not even a batch, for people to look at.
    pub(crate) async fn quarantine(
        &self,
        device: DeviceId,
        batch: Option<Uuid>,
        raw: Bytes,
        reason: String,
    ) -> Result<(), StoreError> {
        let work = move |tx: &mut Transaction<'_>, now: Timestamp| {
            devices::seen(tx, &device, now)?;
            let entry = quarantine::Entry::of_message(&raw, batch, &reason);
            quarantine::Quarantine::new(&device, now).put(tx, &entry)
        };
        self.write("quarantine a message", work).await
    }

    /// A device has said how it stands. `live` is false for a state that the broker had kept. Gives whether it came or
    /// went.
    pub(crate) async fn device_state(&self, state: DeviceState, live: bool) -> Result<bool, StoreError> {
        self.write("note a device's state", move |tx, now| devices::state(tx, &state, live, now)).await
    }

    /// How a blob stands with a device.
    pub(crate) async fn blob_standing(&self, device: DeviceId, sha256: Digest) -> Result<Standing, StoreError> {
        self.read("look for a blob", move |db| uploads::standing(db, &device, &sha256)).await
    }

    /// The bytes `range` of a blob are durable in the folder of parts.
    pub(crate) async fn blob_part(
        &self,
        device: DeviceId,
        sha256: Digest,
        range: [u64; 2],
    ) -> Result<Standing, StoreError> {
        self.write("note a part", move |tx, _| uploads::part(tx, &device, &sha256, range)).await
    }

    /// A blob is complete, verified and durable at `path` in the blob store. Gives the devices whose parts of it are
    /// of no use any more.
    pub(crate) async fn blob_stored(&self, sha256: Digest, size: u64, path: String) -> Result<Vec<String>, StoreError> {
        self.write("note a blob", move |tx, now| uploads::stored(tx, &sha256, size, &path, now)).await
    }

    /// All bytes of a blob came and its digest is another: they are forgotten.
    pub(crate) async fn blob_wrong(&self, device: DeviceId, sha256: Digest) -> Result<Standing, StoreError> {
        self.write("discard a blob", move |tx, now| uploads::wrong(tx, &device, &sha256, now)).await
    }

    /// A stored blob is gone from the blob store: it is wanted again.
    pub(crate) async fn blob_lost(&self, sha256: Digest) -> Result<(), StoreError> {
        self.write("note a lost blob", move |tx, _| uploads::lost(tx, &sha256)).await
    }

    /// Devices and digests of which there are parts.
    pub(crate) async fn blobs_with_parts(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read("list the parts", uploads::with_parts).await
    }

    /// Everything in numbers.
    pub(crate) async fn stats(&self) -> Result<Stats, StoreError> {
        self.read("count everything", queries::stats).await
    }

    /// How much there is, for `doctor` and `/health`.
    pub(crate) async fn counts(&self) -> Result<Counts, StoreError> {
        self.read("count everything", queries::counts).await
    }

    /// The last `limit` inspections, newest first.
    pub(crate) async fn sessions(&self, limit: u32) -> Result<Vec<SessionRow>, StoreError> {
        self.read("list sessions", move |db| queries::sessions(db, limit)).await
    }

    /// The last `limit` defects, newest first.
    pub(crate) async fn defects(&self, limit: u32) -> Result<Vec<DefectRow>, StoreError> {
        self.read("list defects", move |db| queries::defects(db, limit)).await
    }

    /// One inspection with everything in it. `None` when there is none, or it was withdrawn.
    pub(crate) async fn session(&self, id: Uuid) -> Result<Option<SessionDetail>, StoreError> {
        self.read("show a session", move |db| queries::session(db, id)).await
    }

    /// One defect. `None` when there is none, or it was withdrawn.
    pub(crate) async fn defect(&self, id: Uuid) -> Result<Option<DefectRow>, StoreError> {
        self.read("show a defect", move |db| queries::defect(db, id)).await
    }

    /// All devices that were ever heard of.
    pub(crate) async fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        self.read("list devices", queries::devices).await
    }

    /// The last `limit` alerts, newest first.
    pub(crate) async fn alerts(&self, limit: u32) -> Result<Vec<AlertRow>, StoreError> {
        self.read("list alerts", move |db| alerts::list(db, limit)).await
    }

    /// The last `limit` things that could not be accepted, newest first.
    pub(crate) async fn quarantined(&self, limit: u32) -> Result<Vec<QuarantineRow>, StoreError> {
        self.read("list the quarantine", move |db| queries::quarantined(db, limit)).await
    }

    /// Whether both threads and the database answer.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.read("read", meta::origin).await?;
        let result = self.shared.writer.call(|connection| meta::origin(connection)).await;
        self.known("read", result).map(drop)
    }

    /// Whether something can be written.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let work = |connection: &mut Connection| in_transaction(connection, |tx| meta::probe(tx));
        let result = self.shared.writer.call(work).await;
        self.known("write", result)
    }

    /// Remembers a person and the chat that alerts go to.
    pub(crate) async fn remember_user(&self, user: i64, chat: i64, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write("remember a person", move |tx, now| people::remember(tx, user, chat, &name, now)).await
    }

    /// Writes down who did what to what, and what came of it.
    pub(crate) async fn audit(&self, who: &str, action: &str, target: &str, result: &str) -> Result<(), StoreError> {
        let [who, action, target, result] = [who, action, target, result].map(str::to_owned);
        self.write("write the audit trail", move |tx, now| people::audit(tx, &who, &action, &target, &result, now))
            .await
    }

    /// Claims up to `limit` alerts that are due. What is not settled in two minutes is due again.
    pub(crate) async fn claim_alerts(&self, limit: u32) -> Result<Vec<DueAlert>, StoreError> {
        // Nothing is told to the watchers: claiming is what they do.
        let work =
            move |connection: &mut Connection| in_transaction(connection, |tx| alerts::claim(tx, limit, clock::now()));
        let result = self.shared.writer.call(work).await;
        self.known("claim alerts", result)
    }

    /// When to look for due alerts at the latest, if nothing changes meanwhile.
    pub(crate) async fn next_alert(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read("look for alerts", alerts::next).await
    }

    /// An alert has arrived.
    pub(crate) async fn alert_sent(&self, id: i64, message: Option<i64>) -> Result<(), StoreError> {
        self.write("note a sent alert", move |tx, now| alerts::sent(tx, id, message, now)).await
    }

    /// An alert did not arrive; it is due again after `wait`.
    pub(crate) async fn alert_later(&self, id: i64, wait: Duration, why: &str) -> Result<(), StoreError> {
        let why = why.to_owned();
        self.write("put off an alert", move |tx, now| alerts::later(tx, id, wait, &why, now)).await
    }

    /// An alert will never arrive.
    pub(crate) async fn alert_dropped(&self, id: i64, why: &str) -> Result<(), StoreError> {
        let why = why.to_owned();
        self.write("give up an alert", move |tx, now| alerts::dropped(tx, id, &why, now)).await
    }

    /// Runs `work` in one transaction and waits for its commit. It gets the time, too.
    async fn write<R, F>(&self, what: &'static str, work: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&mut Transaction<'_>, Timestamp) -> rusqlite::Result<R> + Send + 'static,
    {
        let result =
            self.shared.writer.call(move |connection| in_transaction(connection, |tx| work(tx, clock::now()))).await;
        let value = self.known(what, result)?;
        self.shared.changes.send_modify(|count| *count = count.wrapping_add(1));
        Ok(value)
    }

    /// Runs a query.
    async fn read<R, F>(&self, what: &'static str, work: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        let result = self.shared.reader.call(move |connection| work(connection)).await;
        self.known(what, result)
    }

    fn known<R>(&self, what: &'static str, result: Option<rusqlite::Result<R>>) -> Result<R, StoreError> {
        result.ok_or(StoreError::Closed)?.map_err(|error| StoreError::database(&self.shared.path, what, error))
    }
}

fn in_transaction<R>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Transaction<'_>) -> rusqlite::Result<R>,
) -> rusqlite::Result<R> {
    // Immediate: an admin command may write too, and a lock that is upgraded late can fail at once.
    let mut tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&mut tx)?;
    tx.commit()?;
    Ok(value)
}
