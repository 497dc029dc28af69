//! What can't be accepted is kept for people to look at, once for each content; past a device's share without the
//! content, and past ten times as many not at all: then only the device's count says so.

use super::times;
use fieldeye_protocol::batch::Numbered;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::Value;
use std::borrow::Cow;
use uuid::Uuid;

/// Contents that are kept of one device, and their bytes together.
const SHARE_ROWS: u64 = 1000;
const SHARE_BYTES: u64 = 8 * 1024 * 1024;
/// Rows of one device, with or without content.
const MOST_ROWS: u64 = 10 * SHARE_ROWS;
/// Longest reason and name that are kept, in characters.
const LONGEST: usize = 1000;

/// Something that can't be accepted.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    kind: Option<&'a str>,
    record_id: Option<&'a str>,
    seq: Option<u64>,
    batch: Option<Uuid>,
    reason: &'a str,
    sha256: Digest,
    size: u64,
    raw: Cow<'a, [u8]>,
}

impl<'a> Entry<'a> {
    /// One record of a batch.
    pub(super) fn of_record(numbered: &'a Numbered, batch: Uuid, reason: &'a str) -> Self {
        let raw = numbered.raw.to_string().into_bytes();
        let field = |name| numbered.raw.get(name).and_then(Value::as_str);
        Self {
            kind: field("kind"),
            record_id: field("id"),
            seq: Some(numbered.seq),
            batch: Some(batch),
            reason,
            sha256: Digest::of(&raw),
            size: raw.len() as u64,
            raw: raw.into(),
        }
    }

    /// A message that is not even a batch.
    pub(super) fn of_message(raw: &'a [u8], batch: Option<Uuid>, reason: &'a str) -> Self {
        let (sha256, size) = (Digest::of(raw), raw.len() as u64);
        Self { kind: None, record_id: None, seq: None, batch, reason, sha256, size, raw: raw.into() }
    }
}

/// The quarantine of one device, within one transaction.
#[derive(Debug)]
pub(super) struct Quarantine<'a> {
    device: &'a DeviceId,
    now: Timestamp,
    /// Rows, rows with content, bytes of that content; once looked up.
    used: Option<(u64, u64, u64)>,
}

const USED: &str = "SELECT count(*), count(raw), coalesce(sum(length(raw)), 0) FROM field_eye_quarantine
    WHERE device_id = ?1";
const AGAIN: &str = "UPDATE field_eye_quarantine SET times = times + 1, last_at = ?3, reason = ?4
    WHERE device_id = ?1 AND sha256 = ?2";
const ADD: &str = "INSERT INTO field_eye_quarantine
    (device_id, sha256, kind, record_id, seq, batch, reason, size, raw, last_at, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)";
const COUNT: &str = "UPDATE field_eye_devices SET rejected_total = rejected_total + 1 WHERE id = ?1";

impl<'a> Quarantine<'a> {
    pub(super) fn new(device: &'a DeviceId, now: Timestamp) -> Self {
        Self { device, now, used: None }
    }

    /// Takes something in.
    pub(super) fn put(&mut self, db: &Connection, entry: &Entry<'_>) -> rusqlite::Result<()> {
        let (device, sha256, now) = (self.device.as_str(), entry.sha256.to_string(), times::text(self.now));
        db.prepare_cached(COUNT)?.execute([device])?;
        let reason = clip(entry.reason);
        if db.prepare_cached(AGAIN)?.execute(params![device, sha256, now, reason])? > 0 {
            return Ok(());
        }
        let (rows, kept, bytes) = match self.used {
            Some(used) => used,
            None => db.prepare_cached(USED)?.query_row([device], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?,
        };
        if rows >= MOST_ROWS {
            self.used = Some((rows, kept, bytes));
            return Ok(());
        }
        let size = entry.raw.len() as u64;
        let keep = kept < SHARE_ROWS && bytes + size <= SHARE_BYTES;
        self.used = Some((rows + 1, kept + u64::from(keep), bytes + if keep { size } else { 0 }));
        db.prepare_cached(ADD)?.execute(params![
            device,
            sha256,
            entry.kind.map(clip),
            entry.record_id.map(clip),
            // Hostile numbers are no reason to fail.
            entry.seq.and_then(|seq| i64::try_from(seq).ok()),
            entry.batch.map(|batch| batch.to_string()),
            reason,
            entry.size,
            keep.then_some(&*entry.raw),
            now,
        ])?;
        Ok(())
    }
}

fn clip(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{self, device, now};

    fn put(db: &Connection, device: &DeviceId, raw: &[u8]) {
        let entry = Entry::of_message(raw, None, "no batch");
        Quarantine::new(device, now()).put(db, &entry).expect("written");
    }

    fn numbers(db: &Connection, device: &DeviceId) -> (u64, u64, u64) {
        db.query_row(USED, [device.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("read")
    }

    #[test]
    fn the_same_content_is_kept_once() {
        let (db, device) = (testing::database(), device("cam-7"));
        testing::greet(&db, &device);
        for raw in [&b"a"[..], b"b", b"a", b"a"] {
            put(&db, &device, raw);
        }
        assert_eq!(numbers(&db, &device), (2, 2, 2));
        let times: u64 = db
            .query_row(
                "SELECT times FROM field_eye_quarantine WHERE sha256 = ?1",
                [Digest::of(b"a").to_string()],
                |row| row.get(0),
            )
            .expect("there");
        let total: u64 =
            db.query_row("SELECT rejected_total FROM field_eye_devices", [], |row| row.get(0)).expect("there");
        assert_eq!((times, total), (3, 4));
    }

    #[test]
    fn past_its_share_a_device_keeps_ids_and_hashes_and_others_their_share() {
        let (db, device, other) = (testing::database(), device("cam-7"), device("cam-8"));
        testing::greet(&db, &device);
        testing::greet(&db, &other);
        db.execute_batch("BEGIN").expect("begun");
        let mut quarantine = Quarantine::new(&device, now());
        for n in 0..SHARE_ROWS + 5 {
            let raw = n.to_string();
            quarantine.put(&db, &Entry::of_message(raw.as_bytes(), None, "no")).expect("written");
        }
        db.execute_batch("COMMIT").expect("committed");
        let (rows, kept, _) = numbers(&db, &device);
        assert_eq!((rows, kept), (SHARE_ROWS + 5, SHARE_ROWS));
        put(&db, &device, b"one more, counted anew");
        assert_eq!(numbers(&db, &device).1, SHARE_ROWS);
        put(&db, &other, b"x");
        assert_eq!(numbers(&db, &other).1, 1);
    }

    #[test]
    fn bytes_count_too_and_rows_end_somewhere() {
        let (db, device) = (testing::database(), device("cam-7"));
        testing::greet(&db, &device);
        put(&db, &device, &vec![b'x'; SHARE_BYTES as usize]);
        put(&db, &device, b"y");
        assert_eq!(numbers(&db, &device), (2, 1, SHARE_BYTES));
        db.execute_batch("BEGIN").expect("begun");
        let mut quarantine = Quarantine::new(&device, now());
        for n in 0..MOST_ROWS {
            let raw = n.to_string();
            quarantine.put(&db, &Entry::of_message(raw.as_bytes(), None, "no")).expect("written");
        }
        db.execute_batch("COMMIT").expect("committed");
        assert_eq!(numbers(&db, &device).0, MOST_ROWS);
        let total: u64 =
            db.query_row("SELECT rejected_total FROM field_eye_devices", [], |row| row.get(0)).expect("there");
        assert_eq!(total, MOST_ROWS + 2, "everything is counted");
    }
}
