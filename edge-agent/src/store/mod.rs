//! What this device knows, durably: SQLite for records, their outbox and the jobs, a folder for the pictures.
//!
//! Findings come in from `jobs`, one transaction each; a record is committed before anything else sees it, and its
//! picture is on the disk before that. `sync` reads the outbox and brings back the hub's answers. A record leaves the
//! outbox only by such an answer, and nothing else is ever deleted here.
//!
//! All statements run on one thread of their own ([`fieldeye_base::database`]); tasks await its answers, threads wait for them.
//! Other programs may read beside it (`status`, `doctor`) and add jobs (`import`).

pub(crate) mod blobs;
mod error;
pub(crate) mod footage;
pub(crate) mod jobs;
pub(crate) mod media;
pub(crate) mod meta;
pub(crate) mod orders;
pub(crate) mod origin;
pub(crate) mod outbox;
pub(crate) mod records;
pub(crate) mod sessions;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use error::StoreError;

use crate::store::media::Media;
use crate::store::meta::Identity;
use fieldeye_base::clock::{self, Monotonic};
use fieldeye_base::database::DatabaseThread;
use fieldeye_base::exit::Failure;
use fieldeye_base::sqlite;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::record::At;
use include_dir::{Dir, include_dir};
use rusqlite::{Connection, Transaction};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The schema's steps.
static MIGRATIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../migrations/edge");

/// Where the database is inside a data directory.
pub(crate) fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join("agent.db")
}

/// The schema that this program brings: one version for each step.
pub(crate) fn schema_version() -> u64 {
    MIGRATIONS.dirs().count() as u64
}

/// The store of this device. Clones share one database thread.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    writer: DatabaseThread,
    path: PathBuf,
    media: Media,
    identity: Identity,
    started: Monotonic,
    changes: watch::Sender<u64>,
}

/// How a program opens the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// By the holder of the data directory's lock: a new start of the device, left-over jobs wait again.
    Start,
    /// Beside the holder, to hand jobs over.
    Beside,
}

impl Store {
    /// Opens the store of `data_dir`, creating what is not there. `device` is the configured id, if any.
    pub(crate) fn open(data_dir: &Path, device: Option<&DeviceId>, opening: Opening) -> Result<Self, Failure> {
        sqlite::private_dir(data_dir)?;
        let _turn = take_turn(data_dir)?;
        let path = database_path(data_dir);
        let mut connection = sqlite::open(&path, &MIGRATIONS)?;
        let now_ms = clock::now_ms();
        let mut start = || -> rusqlite::Result<Identity> {
            let tx = connection.transaction()?;
            let identity = meta::identify(&tx, device, opening == Opening::Start)?;
            if opening == Opening::Start {
                jobs::release_left_over(&tx, now_ms)?;
            }
            tx.commit()?;
            Ok(identity)
        };
        let identity = start().map_err(|error| StoreError::database(&path, "start", error))?;
        let media = Media::open(data_dir, identity.store_id)?;
        if !media.is_ours() {
            tracing::warn!(folder = %media.root().display(), "the media folder belongs to another store; nothing in it is touched but added to");
        }
        let writer = DatabaseThread::start("store", connection)
            .map_err(|error| StoreError::file("start the database's thread of", &path, error))?;
        let shared =
            Shared { writer, path, media, identity, started: Monotonic::start(), changes: watch::Sender::new(0) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Ids of this store and device, and the start counter.
    pub(crate) fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// The folder with the pictures.
    pub(crate) fn media(&self) -> &Media {
        &self.shared.media
    }

    /// The clocks of this device as they stand.
    pub(crate) fn at(&self) -> At {
        At {
            wall: clock::now(),
            boot: self.shared.identity.boot,
            mono_ms: self.shared.started.elapsed_ms(),
            synced: clock::synchronised(),
        }
    }

    /// Runs `work` in one transaction and waits for its commit, from a task.
    pub(crate) async fn write<R, F>(&self, what: &'static str, work: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<R> + Send + 'static,
    {
        let result = self.shared.writer.call(move |connection| in_transaction(connection, work)).await;
        self.finish(what, result)
    }

    /// Runs `work` in one transaction and waits for its commit, from a thread that may block.
    pub(crate) fn write_blocking<R, F>(&self, what: &'static str, work: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<R> + Send + 'static,
    {
        let result = self.shared.writer.call_blocking(move |connection| in_transaction(connection, work));
        self.finish(what, result)
    }

    /// Runs a query, from a task.
    pub(crate) async fn read<R, F>(&self, what: &'static str, work: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        let result = self.shared.writer.call(move |connection| work(connection)).await;
        result.ok_or(StoreError::Closed)?.map_err(|error| StoreError::database(&self.shared.path, what, error))
    }

    /// Runs a query, from a thread that may block.
    pub(crate) fn read_blocking<R, F>(&self, what: &'static str, work: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        let result = self.shared.writer.call_blocking(move |connection| work(connection));
        result.ok_or(StoreError::Closed)?.map_err(|error| StoreError::database(&self.shared.path, what, error))
    }

    /// Tells when something was committed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    fn finish<R>(&self, what: &'static str, result: Option<rusqlite::Result<R>>) -> Result<R, StoreError> {
        let value =
            result.ok_or(StoreError::Closed)?.map_err(|error| StoreError::database(&self.shared.path, what, error))?;
        self.shared.changes.send_modify(|count| *count = count.wrapping_add(1));
        Ok(value)
    }
}

/// Programs that open a store at the same moment do it one after the other: the first makes the schema and the ids.
fn take_turn(data_dir: &Path) -> Result<File, StoreError> {
    let path = data_dir.join("open.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let turn = file.and_then(|file| file.lock().map(|()| file));
    turn.map_err(|error| StoreError::file("lock", &path, error))
}

fn in_transaction<R>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<R>,
) -> rusqlite::Result<R> {
    // Immediate: another program may hand over jobs, and a lock that is upgraded late can fail at once.
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let value = work(&tx)?;
    tx.commit()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_open_a_new_store_at_once_find_the_same() {
        for _ in 0..5 {
            let dir = tempfile::tempdir().expect("dir");
            let openings = [Opening::Start, Opening::Beside, Opening::Beside, Opening::Beside];
            let ids: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = openings
                    .into_iter()
                    .map(|opening| {
                        scope.spawn({
                            let dir = dir.path();
                            move || Store::open(dir, None, opening).expect("opened").identity().clone()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().expect("ended")).collect()
            });
            assert!(ids.iter().all(|id| (id.store_id, &id.device) == (ids[0].store_id, &ids[0].device)), "{ids:?}");
        }
    }
}
