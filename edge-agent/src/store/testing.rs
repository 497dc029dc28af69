//! What the tests of the store and of those who use it share.

use crate::store::jobs::{Job, JobState, Origin};
use crate::store::records::Draft;
use fieldeye_protocol::record::{At, Parents, RecordId, RecordKind};
use rusqlite::{Connection, Transaction};
use serde_json::Value;
use uuid::Uuid;

/// A database in memory with the real schema.
pub(crate) fn database() -> Connection {
    let mut db = Connection::open_in_memory().expect("opened");
    db.pragma_update(None, "foreign_keys", "ON").expect("pragma");
    rusqlite_migration::Migrations::from_directory(&super::MIGRATIONS)
        .expect("well-formed")
        .to_latest(&mut db)
        .expect("migrated");
    db
}

/// Runs `work` in a transaction.
pub(crate) fn write<R>(db: &mut Connection, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<R>) -> R {
    let tx = db.transaction().expect("begun");
    let value = work(&tx).expect("done");
    tx.commit().expect("committed");
    value
}

/// A job of a person, on a card.
pub(crate) fn job(id: i64, state: JobState, progress: f64) -> Job {
    Job {
        id,
        path: format!("/card/{id}.mp4"),
        facts: "{}".into(),
        origin: Origin::Person,
        state,
        source_sha256: None,
        session_id: None,
        pauses: 0,
        defects: 0,
        message: None,
        progress,
    }
}

/// A moment.
pub(crate) fn at(mono_ms: u64) -> At {
    At { wall: "2026-01-01T00:00:00Z".parse().expect("time"), boot: 1, mono_ms, synced: true }
}

/// An event with a small id.
pub(crate) fn draft(id: u128, body: Value) -> Draft {
    Draft { id: RecordId(Uuid::from_u128(id)), kind: RecordKind::Event, parents: Parents::default(), body }
}

/// One row of the outbox, with its record's small id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    pub(crate) seq: u64,
    pub(crate) record: u128,
    pub(crate) rev: u64,
    pub(crate) lane: u8,
}

/// The outbox in order.
pub(crate) fn outbox_rows(db: &Connection) -> Vec<OutboxRow> {
    db.prepare(
        "SELECT o.seq, o.record_id, r.rev, o.lane FROM outbox o JOIN records r ON r.id = o.record_id ORDER BY o.seq",
    )
    .expect("prepared")
    .query_map([], |row| {
        let record: String = row.get(1)?;
        let record = record.parse::<Uuid>().expect("uuid").as_u128();
        Ok(OutboxRow { seq: row.get(0)?, record, rev: row.get(2)?, lane: row.get(3)? })
    })
    .expect("queried")
    .collect::<rusqlite::Result<_>>()
    .expect("read")
}
