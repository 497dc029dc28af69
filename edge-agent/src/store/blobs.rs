//! Pictures that wait for the hub. A picture may go once the hub has a record that names it.

use crate::store::media::Kept;
use crate::store::outbox::{self, Lane};
use crate::store::records::{self, Draft};
use fieldeye_protocol::blob::BlobRef;
use fieldeye_protocol::body::GapBody;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{At, Parents, RecordId, RecordKind};
use rusqlite::{Connection, Transaction, params};
use uuid::Uuid;

/// Media type of a keyframe.
pub(crate) const JPEG: &str = "image/jpeg";

/// A picture that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Its content.
    pub(crate) sha256: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Where it is, relative to the media folder.
    pub(crate) path: String,
}

/// How a record names a kept picture.
pub(crate) fn reference(kept: &Kept) -> BlobRef {
    BlobRef { sha256: kept.sha256, size: kept.size, content_type: JPEG.to_owned() }
}

// A picture whose file was lost is there again now.
const KEEP: &str =
    "INSERT INTO blobs (sha256, size, content_type, path, lane, state) VALUES (?1, ?2, ?3, ?4, ?5, 'pending')
    ON CONFLICT (sha256) DO UPDATE SET lane = min(lane, excluded.lane),
        state = CASE state WHEN 'corrupt' THEN 'pending' ELSE state END,
        reason = CASE state WHEN 'corrupt' THEN NULL ELSE reason END";
const NAME: &str = "INSERT OR IGNORE INTO blob_names (sha256, record_id) VALUES (?1, ?2)";
const FREE_IF_KNOWN: &str = "UPDATE blobs SET state = 'ready' WHERE sha256 = ?1 AND state = 'pending'
    AND NOT EXISTS (SELECT 1 FROM outbox WHERE record_id = ?2)";

/// Writes down a kept picture and the record (already put) that names it.
pub(crate) fn keep(tx: &Transaction<'_>, kept: &Kept, record: RecordId, lane: Lane) -> rusqlite::Result<()> {
    let sha256 = kept.sha256.to_string();
    tx.prepare_cached(KEEP)?.execute(params![sha256, kept.size, JPEG, kept.path, lane as u8])?;
    tx.prepare_cached(NAME)?.execute(params![sha256, record.to_string()])?;
    tx.prepare_cached(FREE_IF_KNOWN)?.execute(params![sha256, record.to_string()]).map(drop)
}

const READY: &str = "SELECT sha256, size, path FROM blobs WHERE state = 'ready' ORDER BY lane, rowid LIMIT ?1";

/// Pictures that may go, urgent ones first.
pub(crate) fn ready(db: &Connection, limit: usize) -> rusqlite::Result<Vec<Ready>> {
    db.prepare_cached(READY)?
        .query_map([limit], |row| {
            let sha256: String = row.get(0)?;
            let sha256 = Digest::parse(&sha256).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
            })?;
            Ok(Ready { sha256, size: row.get(1)?, path: row.get(2)? })
        })?
        .collect()
}

const STORED: &str = "UPDATE blobs SET state = 'stored', reason = NULL WHERE sha256 = ?1 AND state <> 'stored'";
// Not one whose record the hub does not have (yet, or any more): it may only not know it.
const REFUSED: &str = "UPDATE blobs SET state = 'refused', reason = ?2 WHERE sha256 = ?1 AND state = 'ready'";

const WANTED: &str = "UPDATE blobs SET state = 'ready' WHERE sha256 = ?1 AND state = 'stored'";

/// The hub wants this picture: if it was called stored before, it is not there any more.
pub(crate) fn wanted(tx: &Transaction<'_>, sha256: &Digest) -> rusqlite::Result<bool> {
    Ok(tx.prepare_cached(WANTED)?.execute([sha256.to_string()])? > 0)
}

/// The hub has this picture, verified.
pub(crate) fn stored(tx: &Transaction<'_>, sha256: &Digest) -> rusqlite::Result<bool> {
    Ok(tx.prepare_cached(STORED)?.execute([sha256.to_string()])? > 0)
}

/// The hub will never take this picture.
pub(crate) fn refused(tx: &Transaction<'_>, sha256: &Digest, reason: &str) -> rusqlite::Result<bool> {
    let reason: String = reason.chars().take(1000).collect();
    Ok(tx.prepare_cached(REFUSED)?.execute(params![sha256.to_string(), reason])? > 0)
}

const CORRUPT: &str =
    "UPDATE blobs SET state = 'corrupt', reason = ?2 WHERE sha256 = ?1 AND state IN ('pending', 'ready')";
const SESSIONS_AND_TIMES: &str = "SELECT DISTINCT r.session_id, json_extract(r.body, '$.timestamp_s')
    FROM blob_names n JOIN records r ON r.id = n.record_id WHERE n.sha256 = ?1 AND r.session_id IS NOT NULL";

/// The file of a picture is gone or changed: it is not sent any more, and a gap says why.
pub(crate) fn corrupt(tx: &Transaction<'_>, sha256: &Digest, why: &str, at: &At) -> rusqlite::Result<()> {
    let text = sha256.to_string();
    if tx.prepare_cached(CORRUPT)?.execute(params![text, why])? == 0 {
        return Ok(());
    }
    let named: Vec<(String, Option<f64>)> = tx
        .prepare_cached(SESSIONS_AND_TIMES)?
        .query_map([&text], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (session, time) in named {
        let session = session.parse().ok().map(RecordId);
        let start_s = time.unwrap_or(0.0);
        let reason = format!("the picture {text} was lost on the device: {why}");
        let body = GapBody { start_s, end_s: start_s, what: "evicted".to_owned(), reason };
        let id = RecordId(Uuid::now_v7());
        let gap = Draft::new(id, RecordKind::Gap, Parents { session, frame: None }, &body);
        records::put(tx, &gap, at, Lane::Backlog)?;
    }
    Ok(())
}

/// Depth of the queue, for the retained state.
pub(crate) fn queue_depth(db: &Connection) -> rusqlite::Result<fieldeye_protocol::state::QueueDepth> {
    let depth = outbox::depth(db)?;
    Ok(fieldeye_protocol::state::QueueDepth { records: depth.records, blobs: depth.blobs, bytes: depth.bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::depth;
    use crate::store::testing::{at, database, draft, outbox_rows, write};
    use serde_json::json;

    fn kept(name: &str) -> Kept {
        Kept { sha256: Digest::of(name.as_bytes()), size: name.len() as u64, path: format!("keyframes/{name}.jpg") }
    }

    fn named(db: &mut Connection, id: u128, name: &str, lane: Lane) {
        let mut frame = draft(id, json!({"timestamp_s": 1.5, "id": id as u64}));
        frame.parents.session = Some(RecordId(Uuid::from_u128(1000)));
        write(db, |tx| {
            records::put(tx, &frame, &at(1), lane)?;
            keep(tx, &kept(name), frame.id, lane)
        });
    }

    fn ready_names(db: &Connection) -> Vec<String> {
        ready(db, 10).expect("read").into_iter().map(|blob| blob.path).collect()
    }

    fn state_of(db: &Connection, name: &str) -> String {
        let sha256 = Digest::of(name.as_bytes()).to_string();
        db.query_row("SELECT state FROM blobs WHERE sha256 = ?1", [sha256], |row| row.get(0)).expect("known")
    }

    #[test]
    fn a_picture_goes_after_a_record_that_names_it() {
        let mut db = database();
        named(&mut db, 1, "a", Lane::Backlog);
        named(&mut db, 2, "b", Lane::Urgent);
        assert!(ready_names(&db).is_empty());
        assert!(!write(&mut db, |tx| refused(tx, &Digest::of(b"a"), "not named")), "it was not offered yet");
        write(&mut db, |tx| outbox::stored(tx, 1));
        assert_eq!(ready_names(&db), ["keyframes/a.jpg"]);
        write(&mut db, |tx| outbox::stored(tx, 2));
        assert_eq!(ready_names(&db), ["keyframes/b.jpg", "keyframes/a.jpg"], "urgent first");
        named(&mut db, 1, "a", Lane::Backlog);
        assert_eq!(state_of(&db, "a"), "ready", "said again, it still may go");
        assert!(write(&mut db, |tx| stored(tx, &Digest::of(b"a"))));
        assert!(!write(&mut db, |tx| refused(tx, &Digest::of(b"a"), "late")), "stored is final");
        assert_eq!(depth(&db).expect("read").blobs, 1);
        assert!(write(&mut db, |tx| wanted(tx, &Digest::of(b"a"))), "the hub lost it");
        assert!(!write(&mut db, |tx| wanted(tx, &Digest::of(b"nobody's"))));
        assert_eq!(depth(&db).expect("read").blobs, 2);
    }

    #[test]
    fn a_picture_of_two_records_is_only_refused_with_both() {
        let mut db = database();
        named(&mut db, 1, "a", Lane::Backlog);
        named(&mut db, 2, "a", Lane::Backlog);
        write(&mut db, |tx| outbox::rejected(tx, 1, "no"));
        assert_eq!(state_of(&db, "a"), "pending");
        write(&mut db, |tx| outbox::rejected(tx, 2, "no"));
        assert_eq!(state_of(&db, "a"), "refused");
        assert!(depth(&db).expect("read").is_empty(), "nothing is left to wait for");
        let session = Uuid::from_u128(1000).to_string();
        let all = outbox::depth_of(&db, &session).expect("read");
        assert_eq!((all.is_empty(), all.rejected), (true, 3), "two records and their picture, all of one session");
        write(&mut db, outbox::offer_rejected_again);
        assert_eq!(state_of(&db, "a"), "pending");
        let all = outbox::depth_of(&db, &session).expect("read");
        assert_eq!((all, all.rejected), (depth(&db).expect("read"), 0));
        assert_eq!(outbox::depth_of(&db, "another").expect("read"), outbox::Depth::default());
    }

    #[test]
    fn a_lost_file_is_said_once_and_never_sent() {
        let mut db = database();
        named(&mut db, 1, "a", Lane::Backlog);
        write(&mut db, |tx| outbox::stored(tx, 1));
        for _ in 0..2 {
            write(&mut db, |tx| corrupt(tx, &Digest::of(b"a"), "gone", &at(2)));
        }
        assert!(ready_names(&db).is_empty());
        assert_eq!(outbox_rows(&db).len(), 1, "one gap record");
        assert_eq!(depth(&db).expect("read").rejected, 1);
        named(&mut db, 1, "a", Lane::Backlog);
        assert_eq!(state_of(&db, "a"), "ready", "the file is there again");
    }
}
