//! What the tests of the store and of those who use it share.

use super::apply::{self, Applied, Context, Marker};
use super::{Audience, devices};
use fieldeye_protocol::batch::{Batch, Numbered};
use fieldeye_protocol::blob::BlobRef;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{At, Parents, Record, RecordId, RecordKind};
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
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

/// A device's id.
pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).expect("valid")
}

/// A moment of the hub's clock.
pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("time")
}

/// Makes a device known.
pub(crate) fn greet(db: &Connection, device: &DeviceId) {
    devices::seen(db, device, now()).expect("written");
}

/// A record id.
pub(crate) fn id(n: u128) -> RecordId {
    RecordId(Uuid::from_u128(n))
}

/// A record of a device that knows the time.
pub(crate) fn record(kind: RecordKind, n: u128, rev: u64, parents: Parents, body: Value) -> Record {
    let at = At { wall: "2026-02-28T10:00:00Z".parse().expect("time"), boot: 1, mono_ms: 1000, synced: true };
    Record { id: id(n), rev, kind, at, parents, body, void: false }
}

/// In this session.
pub(crate) fn within(session: u128) -> Parents {
    Parents { session: Some(id(session)), frame: None }
}

/// On this frame of this session.
pub(crate) fn on(session: u128, frame: u128) -> Parents {
    Parents { session: Some(id(session)), frame: Some(id(frame)) }
}

/// A session.
pub(crate) fn session(n: u128, rev: u64, technician: &str) -> Record {
    let body = json!({"status": "closed", "technician_id": technician, "vehicle_id": "train-3",
        "equipment_type": "coaster", "date": "2026-02-28T09:00:00Z", "duration_s": 95.4, "total_frames": 2862,
        "pause_count": 3, "source": "lift-hill.mp4", "metadata": {"shift": "early"}, "new_field": [1]});
    record(RecordKind::Session, n, rev, Parents::default(), body)
}

/// A pause.
pub(crate) fn pause(n: u128, rev: u64, session: u128, start_s: f64) -> Record {
    let body = json!({"start_s": start_s, "end_s": start_s + 2.0, "confidence": 0.75, "keyframe_s": start_s + 1.0});
    record(RecordKind::Pause, n, rev, within(session), body)
}

/// A frame with a picture, if there is one.
pub(crate) fn frame(n: u128, rev: u64, session: u128, picture: Option<&[u8]>) -> Record {
    let blob = picture.map(|bytes| blob_ref(bytes, bytes.len() as u64));
    let body = json!({"frame_number": n as u64, "timestamp_s": n as f64, "width": 1280, "height": 720, "blob": blob});
    record(RecordKind::Frame, n, rev, within(session), body)
}

/// How a record names a blob.
pub(crate) fn blob_ref(bytes: &[u8], size: u64) -> BlobRef {
    BlobRef { sha256: Digest::of(bytes), size, content_type: "image/jpeg".to_owned() }
}

/// A defect on a frame.
pub(crate) fn defect(n: u128, rev: u64, session: u128, frame: u128, severity: &str) -> Record {
    let body = json!({"defect_type": "torque_stripe_missing", "severity": severity, "confidence": 0.91,
        "bounding_box": {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}, "first_s": 3.2, "last_s": 6.3,
        "model": {"name": "torque-stripe", "version": "1.0.0", "sha256": "ab"}});
    record(RecordKind::Defect, n, rev, on(session, frame), body)
}

/// Something that happened.
pub(crate) fn event(n: u128, rev: u64, name: &str) -> Record {
    record(RecordKind::Event, n, rev, Parents::default(), json!({"name": name}))
}

/// Withdrawn.
pub(crate) fn void(mut record: Record, rev: u64) -> Record {
    record.rev = rev;
    record.void = true;
    record
}

/// Numbers records from 1 on, as a batch does.
pub(crate) fn numbered(records: &[Record]) -> Vec<Numbered> {
    let records: Vec<(u64, Record)> = (1..).zip(records.iter().cloned()).collect();
    Batch::new(device("any"), Uuid::nil(), &records).split().expect("well-formed")
}

/// Applies records in one transaction.
pub(crate) fn apply(db: &mut Connection, device: &DeviceId, records: &[Record]) -> Applied {
    apply_numbered(db, device, &numbered(records), &Audience::Console)
}

/// Applies records in one transaction, for a certain audience.
pub(crate) fn apply_numbered(
    db: &mut Connection,
    device: &DeviceId,
    records: &[Numbered],
    audience: &Audience,
) -> Applied {
    let marker = &Marker::none();
    let context = Context { device, batch: Uuid::nil(), audience, marker, now: now() };
    let mut tx = db.transaction().expect("begun");
    let applied = apply::batch(&mut tx, &context, records).expect("applied");
    tx.commit().expect("committed");
    applied
}

/// One value of one row.
pub(crate) fn value<T: rusqlite::types::FromSql>(db: &Connection, sql: &str) -> T {
    db.query_row(sql, [], |row| row.get(0)).expect("one row")
}
