//! Blobs as rows: which records need them, which device may send them, what of them has come.
//!
//! A blob is taken only from a device whose record named it, and only in the size that it named.

use super::times;
use fieldeye_protocol::blob::{BlobRef, MAX_BLOB_BYTES, merge_ranges};
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

/// After so many contents with another digest a device is not asked for this blob any more.
const MOST_WRONG: u64 = 3;
/// Most separate pieces of one blob. Those who send in any usual order need a few.
const MOST_PIECES: usize = 4096;

/// How a blob stands with a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No record of this device names it.
    Unnamed {
        /// Whether one of another device does.
        elsewhere: bool,
    },
    /// Not complete.
    Wanted {
        /// The size that the device named.
        size: u64,
        /// What has come: start inclusive, end exclusive, rising.
        ranges: Vec<[u64; 2]>,
    },
    /// Complete, verified, durable.
    Stored,
    /// Not to be sent any more, and why.
    Refused(String),
}

impl Standing {
    /// Whether all bytes have come and nobody has looked at them yet.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Wanted { size: 0, .. } => true,
            Self::Wanted { size, ranges } => ranges[..] == [[0, *size]],
            _ => false,
        }
    }
}

const BLOB: &str = "INSERT INTO field_eye_blobs (sha256, content_type, created_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (sha256) DO NOTHING";
const REF: &str = "SELECT device_id, sha256 FROM field_eye_blob_refs WHERE kind = ?1 AND record_id = ?2";
const ADD_REF: &str = "INSERT INTO field_eye_blob_refs (kind, record_id, device_id, sha256) VALUES (?1, ?2, ?3, ?4)";
const DROP_REF: &str = "DELETE FROM field_eye_blob_refs WHERE kind = ?1 AND record_id = ?2";
const UPLOAD: &str = "INSERT INTO field_eye_uploads (device_id, sha256, size, content_type, refused, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (device_id, sha256) DO NOTHING";
// Another size than before is another offer: what has come of the first is worth nothing.
const OTHER_SIZE: &str = "UPDATE field_eye_uploads SET size = ?3, wrong = 0, refused = ?4
    WHERE device_id = ?1 AND sha256 = ?2 AND size <> ?3";
const DROP_PARTS: &str = "DELETE FROM field_eye_blob_parts WHERE device_id = ?1 AND sha256 = ?2";
const DROP_UNNEEDED_UPLOAD: &str = "DELETE FROM field_eye_uploads WHERE device_id = ?1 AND sha256 = ?2
    AND NOT EXISTS (SELECT 1 FROM field_eye_blob_refs r WHERE r.sha256 = ?2 AND r.device_id = ?1)";
const DROP_UNNEEDED_BLOB: &str = "DELETE FROM field_eye_blobs WHERE sha256 = ?1 AND state = 'wanted'
    AND NOT EXISTS (SELECT 1 FROM field_eye_blob_refs r WHERE r.sha256 = ?1)";

/// A record of a device names this blob, or none (any more).
pub(super) fn name(
    db: &Connection,
    device: &DeviceId,
    kind: &str,
    record: &str,
    blob: Option<&BlobRef>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let before: Option<(String, String)> =
        db.prepare_cached(REF)?.query_row([kind, record], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let named = blob.map(|blob| blob.sha256.to_string());
    if let Some((owner, sha256)) = &before
        && named.as_ref() != Some(sha256)
    {
        db.prepare_cached(DROP_REF)?.execute([kind, record])?;
        db.prepare_cached(DROP_UNNEEDED_UPLOAD)?.execute([owner, sha256])?;
        db.prepare_cached(DROP_UNNEEDED_BLOB)?.execute([sha256])?;
    }
    let (Some(blob), Some(sha256)) = (blob, named) else { return Ok(()) };
    let (device, now) = (device.as_str(), times::text(now));
    let size = i64::try_from(blob.size).unwrap_or(i64::MAX);
    let refused = (blob.size > MAX_BLOB_BYTES).then(|| format!("{} bytes are more than a hub takes", blob.size));
    db.prepare_cached(BLOB)?.execute(params![sha256, blob.content_type, now])?;
    if before.is_none_or(|(_, before)| before != sha256) {
        db.prepare_cached(ADD_REF)?.execute([kind, record, device, sha256.as_str()])?;
    }
    let values = params![device, sha256, size, blob.content_type, refused, now];
    if db.prepare_cached(UPLOAD)?.execute(values)? == 0
        && db.prepare_cached(OTHER_SIZE)?.execute(params![device, sha256, size, refused])? > 0
    {
        db.prepare_cached(DROP_PARTS)?.execute([device, sha256.as_str()])?;
    }
    Ok(())
}

const STANDING: &str = "SELECT u.size, u.refused, b.state, b.size FROM field_eye_uploads u
    JOIN field_eye_blobs b ON b.sha256 = u.sha256 WHERE u.device_id = ?1 AND u.sha256 = ?2";
const ELSEWHERE: &str = "SELECT 1 FROM field_eye_uploads WHERE sha256 = ?1";

/// How a blob stands with a device.
pub(super) fn standing(db: &Connection, device: &DeviceId, sha256: &Digest) -> rusqlite::Result<Standing> {
    let (device, sha256) = (device.as_str(), sha256.to_string());
    let row: Option<(u64, Option<String>, String, Option<u64>)> = db
        .prepare_cached(STANDING)?
        .query_row([device, &sha256], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    Ok(match row {
        None => Standing::Unnamed { elsewhere: db.prepare_cached(ELSEWHERE)?.exists([&sha256])? },
        Some((size, _, state, Some(stored))) if state == "stored" => {
            if size == stored {
                Standing::Stored
            } else {
                Standing::Refused(format!("this blob has {stored} bytes, not {size}"))
            }
        }
        Some((_, Some(why), ..)) => Standing::Refused(why),
        Some((size, ..)) => Standing::Wanted { size, ranges: ranges(db, device, &sha256)? },
    })
}

const PARTS: &str = "SELECT offset, length FROM field_eye_blob_parts WHERE device_id = ?1 AND sha256 = ?2
    ORDER BY offset";

fn ranges(db: &Connection, device: &str, sha256: &str) -> rusqlite::Result<Vec<[u64; 2]>> {
    db.prepare_cached(PARTS)?
        .query_map([device, sha256], |row| {
            let (offset, length): (u64, u64) = (row.get(0)?, row.get(1)?);
            Ok([offset, offset.saturating_add(length)])
        })?
        .collect()
}

const ADD_PART: &str = "INSERT INTO field_eye_blob_parts (device_id, sha256, offset, length) VALUES (?1, ?2, ?3, ?4)";

/// The bytes `start..end` are durable in the folder of parts.
pub(super) fn part(
    db: &Connection,
    device: &DeviceId,
    sha256: &Digest,
    [start, end]: [u64; 2],
) -> rusqlite::Result<Standing> {
    let standing = standing(db, device, sha256)?;
    let Standing::Wanted { size, ranges } = standing else { return Ok(standing) };
    let mut all = ranges.clone();
    all.push([start, end]);
    let merged = merge_ranges(all);
    if end > size || merged == ranges || merged.len() > MOST_PIECES {
        return Ok(Standing::Wanted { size, ranges });
    }
    let (device, sha256) = (device.as_str(), sha256.to_string());
    db.prepare_cached(DROP_PARTS)?.execute([device, &sha256])?;
    let mut add = db.prepare_cached(ADD_PART)?;
    for [start, end] in &merged {
        add.execute(params![device, sha256, start, end - start])?;
    }
    Ok(Standing::Wanted { size, ranges: merged })
}

const STORED: &str = "UPDATE field_eye_blobs SET state = 'stored', size = ?2, path = ?3, stored_at = ?4
    WHERE sha256 = ?1";
const FRAME_PATHS: &str = "UPDATE field_eye_frames SET frame_path = ?2 WHERE blob_sha256 = ?1";
const SENDERS: &str = "SELECT DISTINCT device_id FROM field_eye_blob_parts WHERE sha256 = ?1";
const DROP_ALL_PARTS: &str = "DELETE FROM field_eye_blob_parts WHERE sha256 = ?1";

/// The blob is complete, verified and durable at `path`. Gives the devices whose parts of it are of no use any more.
pub(super) fn stored(
    db: &Connection,
    sha256: &Digest,
    size: u64,
    path: &str,
    now: Timestamp,
) -> rusqlite::Result<Vec<String>> {
    let sha256 = sha256.to_string();
    db.prepare_cached(STORED)?.execute(params![sha256, size, path, times::text(now)])?;
    db.prepare_cached(FRAME_PATHS)?.execute([sha256.as_str(), path])?;
    let senders = db.prepare_cached(SENDERS)?.query_map([&sha256], |row| row.get(0))?.collect();
    db.prepare_cached(DROP_ALL_PARTS)?.execute([&sha256])?;
    senders
}

const WRONG: &str = "UPDATE field_eye_uploads SET wrong = wrong + 1,
    refused = CASE WHEN wrong + 1 >= ?3 THEN ?4 ELSE refused END WHERE device_id = ?1 AND sha256 = ?2";

const IS_REFUSED: &str = "SELECT refused IS NOT NULL FROM field_eye_uploads WHERE device_id = ?1 AND sha256 = ?2";
const MISSING: &str = "SELECT session_id, timestamp_sec, timestamp_sec FROM field_eye_frames
        WHERE blob_sha256 = ?1 AND device_id = ?2 AND void = 0
    UNION SELECT session_id, start_s, end_s FROM field_eye_clips
        WHERE blob_sha256 = ?1 AND device_id = ?2 AND void = 0";
const GAP: &str = "INSERT INTO field_eye_gaps (id, session_id, device_id, rev, start_s, end_s, what, reason,
        observed_at, time_quality, received_at, created_at)
    VALUES (?1, ?2, ?3, 1, ?4, ?5, 'corrupt', ?6, ?7, 'synced', ?7, ?7)";

/// All bytes came, and they are not what their name says: they are forgotten. After some times nobody asks again, and
/// a gap says what is missing.
pub(super) fn wrong(db: &Connection, device: &DeviceId, sha256: &Digest, now: Timestamp) -> rusqlite::Result<Standing> {
    let text = sha256.to_string();
    let why = format!("what came {MOST_WRONG} times had another content than its name says");
    let is_refused = |db: &Connection| -> rusqlite::Result<bool> {
        let refused =
            db.prepare_cached(IS_REFUSED)?.query_row([device.as_str(), &text], |row| row.get(0)).optional()?;
        Ok(refused.unwrap_or(true))
    };
    let before = is_refused(db)?;
    db.prepare_cached(WRONG)?.execute(params![device.as_str(), text, MOST_WRONG, why])?;
    db.prepare_cached(DROP_PARTS)?.execute([device.as_str(), &text])?;
    if !before && is_refused(db)? {
        let reason = format!("the blob {text} did not arrive: {why}");
        let spans: Vec<(Option<String>, Option<f64>, Option<f64>)> = db
            .prepare_cached(MISSING)?
            .query_map([&text, device.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (session, start, end) in spans {
            let start = start.unwrap_or(0.0);
            let end = end.unwrap_or(start).max(start);
            let id = Uuid::now_v7().to_string();
            let values = params![id, session, device.as_str(), start, end, reason, times::text(now)];
            db.prepare_cached(GAP)?.execute(values)?;
        }
    }
    standing(db, device, sha256)
}

const LOST: &str = "UPDATE field_eye_blobs SET state = 'wanted', size = NULL, path = NULL, stored_at = NULL
    WHERE sha256 = ?1 AND state = 'stored'";
const NO_FRAME_PATHS: &str = "UPDATE field_eye_frames SET frame_path = NULL WHERE blob_sha256 = ?1";

/// A stored blob is not in the blob store any more: it is wanted again.
pub(super) fn lost(db: &Connection, sha256: &Digest) -> rusqlite::Result<()> {
    let sha256 = sha256.to_string();
    db.prepare_cached(LOST)?.execute([&sha256])?;
    db.prepare_cached(NO_FRAME_PATHS)?.execute([&sha256]).map(drop)
}

const ALL_PARTS: &str = "SELECT DISTINCT device_id, sha256 FROM field_eye_blob_parts";

/// Whose parts there are.
pub(super) fn with_parts(db: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    db.prepare_cached(ALL_PARTS)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{apply, database, device, frame};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn ranges_are_what_came(parts in prop::collection::vec((0u64..1000, 1u64..300), 0..30)) {
            let (mut db, cam) = (database(), device("cam-7"));
            let whole = vec![1; 1000];
            let sha256 = Digest::of(&whole);
            apply(&mut db, &cam, &[frame(30, 1, 1, Some(&whole))]);
            let mut came = Vec::new();
            for (offset, length) in parts {
                let range = [offset, offset + length];
                let said = part(&db, &cam, &sha256, range).expect("noted");
                if range[1] <= 1000 {
                    came.push(range);
                }
                let ranges = merge_ranges(came.clone());
                prop_assert_eq!(said.is_complete(), ranges == [[0, 1000]]);
                prop_assert_eq!(said, Standing::Wanted { size: 1000, ranges });
            }
            let rows: u64 =
                db.query_row("SELECT count(*) FROM field_eye_blob_parts", [], |row| row.get(0)).expect("counted");
            prop_assert_eq!(rows, merge_ranges(came).len() as u64, "neighbours are merged");
        }
    }

    #[test]
    fn a_device_cannot_fill_the_store_with_crumbs() {
        let (mut db, cam) = (database(), device("cam-7"));
        let whole = vec![1; 20_000];
        let sha256 = Digest::of(&whole);
        apply(&mut db, &cam, &[frame(30, 1, 1, Some(&whole))]);
        db.execute_batch("BEGIN").expect("begun");
        for at in MOST_PIECES as u64 - 2..MOST_PIECES as u64 + 2 {
            // As many pieces as there may be, without writing each of them the slow way.
            if at == MOST_PIECES as u64 - 2 {
                let mut add = db.prepare(ADD_PART).expect("prepared");
                for piece in 0..at {
                    add.execute(params![cam.as_str(), sha256.to_string(), piece * 2, 1]).expect("written");
                }
            }
            part(&db, &cam, &sha256, [at * 2, at * 2 + 1]).expect("noted");
        }
        let Standing::Wanted { ranges, .. } = standing(&db, &cam, &sha256).expect("read") else { panic!("wanted") };
        assert_eq!(ranges.len(), MOST_PIECES);
        let filled = part(&db, &cam, &sha256, [0, 20_000]).expect("noted");
        assert!(filled.is_complete(), "what closes gaps is always taken");
    }
}
