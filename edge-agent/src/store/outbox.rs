//! Records without a final answer of the hub, in two lanes, so that a critical defect overtakes a week of history.

use crate::store::records;
use fieldeye_base::disk;
use fieldeye_protocol::record::Record;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use std::fmt;

/// Which queue a record waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    /// Critical defects and what they need to be understood.
    Urgent = 0,
    /// Everything else.
    Backlog = 1,
}

const TAKE_OUT: &str = "DELETE FROM outbox WHERE record_id = ?1 RETURNING lane, state";
const PUT_IN: &str = "INSERT INTO outbox (record_id, lane) VALUES (?1, ?2)";
const LANE_OF: &str = "SELECT lane FROM outbox WHERE record_id = ?1 AND state = 'pending'";

/// Puts a record into the outbox under a new number. What was urgent stays urgent.
pub(super) fn enqueue(tx: &Transaction<'_>, record: &str, lane: Lane) -> rusqlite::Result<()> {
    let before: Option<(u8, String)> =
        tx.prepare_cached(TAKE_OUT)?.query_row([record], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let lane = match before {
        Some((before, state)) if state == "pending" => before.min(lane as u8),
        _ => lane as u8,
    };
    tx.prepare_cached(PUT_IN)?.execute(params![record, lane]).map(drop)
}

/// Moves a waiting record into the urgent lane.
pub(crate) fn promote(tx: &Transaction<'_>, record: &str) -> rusqlite::Result<()> {
    let lane: Option<u8> = tx.prepare_cached(LANE_OF)?.query_row([record], |row| row.get(0)).optional()?;
    if lane == Some(Lane::Backlog as u8) {
        // Under a new number: readers go through a lane by rising numbers.
        enqueue(tx, record, Lane::Urgent)?;
    }
    Ok(())
}

const NEXT: &str =
    "SELECT o.seq, r.id, r.rev, r.kind, r.session_id, r.frame_id, r.wall_ms, r.boot, r.mono_ms, r.synced,
        r.body, r.void
    FROM outbox o JOIN records r ON r.id = o.record_id
    WHERE o.state = 'pending' AND o.lane = ?1 AND o.seq > ?2 ORDER BY o.seq LIMIT ?3";

/// The next records of a lane after number `after`: at most `records` of them, and no more once their bodies together
/// reach `bytes`. At least one, if there is one. A row that can't be read comes as an error of its own.
pub(crate) fn next(
    db: &Connection,
    lane: Lane,
    after: u64,
    records: usize,
    bytes: usize,
) -> rusqlite::Result<Vec<Waiting>> {
    let mut statement = db.prepare_cached(NEXT)?;
    let mut rows = statement.query(params![lane as u8, after, records])?;
    let mut taken = Vec::new();
    let mut sum = 0;
    while let Some(row) = rows.next()? {
        sum += row.get_ref(10)?.as_str()?.len() + ENVELOPE_BYTES;
        if sum > bytes && !taken.is_empty() {
            break;
        }
        taken.push((row.get(0)?, readable(records::from_row(row, 1))?));
    }
    Ok(taken)
}

/// A number and its record, or why the record can't be read.
pub(crate) type Waiting = (u64, Result<Record, String>);

/// Tells a damaged row, which must not stop the others, from a database that does not work.
fn readable(record: rusqlite::Result<Record>) -> rusqlite::Result<Result<Record, String>> {
    match record {
        Ok(record) => Ok(Ok(record)),
        Err(error @ (rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..))) => {
            Ok(Err(format!("damaged on this device: {error}")))
        }
        Err(error) => Err(error),
    }
}

/// What a record takes beside its body, about.
const ENVELOPE_BYTES: usize = 300;

const AGAIN: &str = "SELECT r.id, r.rev, r.kind, r.session_id, r.frame_id, r.wall_ms, r.boot, r.mono_ms, r.synced,
        r.body, r.void
    FROM outbox o JOIN records r ON r.id = o.record_id WHERE o.state = 'pending' AND o.seq = ?1";

/// Those of `seqs` that still wait.
pub(crate) fn again(db: &Connection, seqs: &[u64]) -> rusqlite::Result<Vec<Waiting>> {
    let mut statement = db.prepare_cached(AGAIN)?;
    let mut waiting = Vec::new();
    for seq in seqs {
        if let Some(record) = statement.query_row([seq], |row| readable(records::from_row(row, 0))).optional()? {
            waiting.push((*seq, record));
        }
    }
    Ok(waiting)
}

const STORED: &str = "DELETE FROM outbox WHERE seq = ?1 AND state = 'pending' RETURNING record_id";
const RELEASE_BLOBS: &str = "UPDATE blobs SET state = 'ready'
    WHERE state = 'pending' AND sha256 IN (SELECT sha256 FROM blob_names WHERE record_id = ?1)";

/// The hub has this number: it leaves the outbox, and pictures that it names may go. A number that is not there any
/// more (its record has changed since) means nothing.
pub(crate) fn stored(tx: &Transaction<'_>, seq: u64) -> rusqlite::Result<bool> {
    let record: Option<String> = tx.prepare_cached(STORED)?.query_row([seq], |row| row.get(0)).optional()?;
    if let Some(record) = &record {
        tx.prepare_cached(RELEASE_BLOBS)?.execute([record])?;
    }
    Ok(record.is_some())
}

const REJECTED: &str = "UPDATE outbox SET state = 'rejected', reason = ?2 WHERE seq = ?1 AND state = 'pending'
    RETURNING record_id";
// A picture waits for the answers to all records that name it.
const REFUSE_BLOBS: &str = "UPDATE blobs SET state = 'refused', reason = 'the record that names it was rejected'
    WHERE state = 'pending' AND sha256 IN (SELECT sha256 FROM blob_names WHERE record_id = ?1)
      AND NOT EXISTS (SELECT 1 FROM blob_names n JOIN outbox o ON o.record_id = n.record_id
                      WHERE n.sha256 = blobs.sha256 AND o.state = 'pending')";

/// The hub will never take this number as it is: it stays, marked, and is not sent again.
pub(crate) fn rejected(tx: &Transaction<'_>, seq: u64, reason: &str) -> rusqlite::Result<bool> {
    let reason: String = reason.chars().take(1000).collect();
    let record: Option<String> =
        tx.prepare_cached(REJECTED)?.query_row(params![seq, reason], |row| row.get(0)).optional()?;
    if let Some(record) = &record {
        tx.prepare_cached(REFUSE_BLOBS)?.execute([record])?;
    }
    Ok(record.is_some())
}

// New numbers, in the old order: readers are already past the old ones.
const REJECTED_AGAIN: &str = "INSERT OR REPLACE INTO outbox (record_id, lane)
    SELECT record_id, lane FROM outbox WHERE state = 'rejected' ORDER BY seq";
const REFUSED_AGAIN: &str = "UPDATE blobs SET reason = NULL, state = CASE
    WHEN EXISTS (SELECT 1 FROM blob_names n WHERE n.sha256 = blobs.sha256
                 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.record_id = n.record_id)) THEN 'ready' ELSE 'pending' END
    WHERE state = 'refused'";

/// Offers what was rejected or refused once more.
pub(crate) fn offer_rejected_again(tx: &Transaction<'_>) -> rusqlite::Result<usize> {
    let records = tx.execute(REJECTED_AGAIN, [])?;
    Ok(records + tx.execute(REFUSED_AGAIN, [])?)
}

const ALL_AGAIN: &str = "INSERT INTO outbox (record_id, lane)
    SELECT id, 1 FROM records WHERE id NOT IN (SELECT record_id FROM outbox) ORDER BY rowid";
const ALL_BLOBS_AGAIN: &str = "UPDATE blobs SET state = 'pending', reason = NULL WHERE state IN ('ready', 'stored')";

/// Offers everything once more, to a hub that does not have it.
pub(crate) fn offer_all_again(tx: &Transaction<'_>) -> rusqlite::Result<usize> {
    let rejected = offer_rejected_again(tx)?;
    let records = tx.execute(ALL_AGAIN, [])?;
    Ok(rejected + records + tx.execute(ALL_BLOBS_AGAIN, [])?)
}

/// What waits, and what the hub will not take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Depth {
    /// Records without an answer.
    pub(crate) records: u64,
    /// Pictures that are not at the hub.
    pub(crate) blobs: u64,
    /// Bytes of those pictures.
    pub(crate) bytes: u64,
    /// Records and pictures that the hub rejected, and pictures whose file is gone.
    #[serde(skip)]
    pub(crate) rejected: u64,
}

impl Depth {
    /// Both together.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            blobs: self.blobs + other.blobs,
            bytes: self.bytes + other.bytes,
            rejected: self.rejected + other.rejected,
        }
    }

    /// Whether nothing waits any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0 && self.blobs == 0
    }
}

const DEPTH: &str = "SELECT
    (SELECT count(*) FROM outbox WHERE state = 'pending'),
    (SELECT count(*) FROM blobs WHERE state IN ('pending', 'ready')),
    (SELECT coalesce(sum(size), 0) FROM blobs WHERE state IN ('pending', 'ready')),
    (SELECT count(*) FROM outbox WHERE state = 'rejected')
        + (SELECT count(*) FROM blobs WHERE state IN ('refused', 'corrupt'))";

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, blobs, bytes, .. } = self;
        let ending = |number: u64| if number == 1 { "" } else { "s" };
        write!(f, "{records} record{}, {blobs} picture{} ({})", ending(*records), ending(*blobs), disk::human(*bytes))
    }
}

/// Counts what waits.
pub(crate) fn depth(db: &Connection) -> rusqlite::Result<Depth> {
    db.prepare_cached(DEPTH)?.query_row([], |row| {
        Ok(Depth { records: row.get(0)?, blobs: row.get(1)?, bytes: row.get(2)?, rejected: row.get(3)? })
    })
}

const DEPTH_OF_RECORDS: &str = "SELECT
    coalesce(sum(o.state = 'pending'), 0), coalesce(sum(o.state = 'rejected'), 0)
    FROM records r JOIN outbox o ON o.record_id = r.id WHERE r.session_id = ?1 OR r.id = ?1";
const DEPTH_OF_PICTURES: &str = "SELECT
    coalesce(sum(state IN ('pending', 'ready')), 0),
    coalesce(sum(CASE WHEN state IN ('pending', 'ready') THEN size END), 0),
    coalesce(sum(state IN ('refused', 'corrupt')), 0)
    FROM blobs WHERE sha256 IN
        (SELECT n.sha256 FROM blob_names n JOIN records r ON r.id = n.record_id WHERE r.session_id = ?1)";

/// Counts what waits of one session.
pub(crate) fn depth_of(db: &Connection, session: &str) -> rusqlite::Result<Depth> {
    let (records, rejected): (u64, u64) =
        db.prepare_cached(DEPTH_OF_RECORDS)?.query_row([session], |row| Ok((row.get(0)?, row.get(1)?)))?;
    db.prepare_cached(DEPTH_OF_PICTURES)?.query_row([session], |row| {
        let refused: u64 = row.get(2)?;
        Ok(Depth { records, blobs: row.get(0)?, bytes: row.get(1)?, rejected: rejected + refused })
    })
}

/// Something that the hub will not take.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Rejected {
    /// Kind of the record, or `picture`.
    pub(crate) kind: String,
    /// Id of the record, or digest.
    pub(crate) id: String,
    /// What the hub said.
    pub(crate) reason: String,
}

const REJECTED_LIST: &str =
    "SELECT r.kind, r.id, coalesce(o.reason, '') FROM outbox o JOIN records r ON r.id = o.record_id
    WHERE o.state = 'rejected'
    UNION ALL SELECT 'picture', sha256, coalesce(reason, '') FROM blobs WHERE state IN ('refused', 'corrupt') LIMIT ?1";

const REJECTED_LIST_OF: &str =
    "SELECT r.kind, r.id, coalesce(o.reason, '') FROM outbox o JOIN records r ON r.id = o.record_id
    WHERE o.state = 'rejected' AND (r.session_id = ?1 OR r.id = ?1)
    UNION ALL SELECT 'picture', b.sha256, coalesce(b.reason, '') FROM blobs b
    WHERE b.state IN ('refused', 'corrupt') AND b.sha256 IN
        (SELECT n.sha256 FROM blob_names n JOIN records r ON r.id = n.record_id WHERE r.session_id = ?1)";

fn rejected_from(row: &Row<'_>) -> rusqlite::Result<Rejected> {
    Ok(Rejected { kind: row.get(0)?, id: row.get(1)?, reason: row.get(2)? })
}

/// What the hub will not take, at most `limit` of it.
pub(crate) fn rejected_list(db: &Connection, limit: usize) -> rusqlite::Result<Vec<Rejected>> {
    db.prepare_cached(REJECTED_LIST)?.query_map([limit], rejected_from)?.collect()
}

/// What the hub will not take of one session.
pub(crate) fn rejected_list_of(db: &Connection, session: &str) -> rusqlite::Result<Vec<Rejected>> {
    db.prepare_cached(REJECTED_LIST_OF)?.query_map([session], rejected_from)?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::records::put;
    use crate::store::testing::{at, database, draft, outbox_rows, write};
    use serde_json::json;

    fn seqs(db: &Connection, lane: Lane, after: u64) -> Vec<u64> {
        next(db, lane, after, 100, 1 << 20).expect("read").into_iter().map(|(seq, _)| seq).collect()
    }

    #[test]
    fn an_answer_to_an_older_revision_takes_nothing_away() {
        let mut db = database();
        write(&mut db, |tx| put(tx, &draft(1, json!(1)), &at(1), Lane::Backlog));
        write(&mut db, |tx| put(tx, &draft(1, json!(2)), &at(1), Lane::Backlog));
        assert!(!write(&mut db, |tx| stored(tx, 1)));
        assert!(!write(&mut db, |tx| rejected(tx, 1, "old")));
        assert_eq!(seqs(&db, Lane::Backlog, 0), [2]);
        assert!(write(&mut db, |tx| stored(tx, 2)));
        assert_eq!(depth(&db).expect("read"), Depth::default());
        write(&mut db, |tx| put(tx, &draft(1, json!(3)), &at(1), Lane::Backlog));
        assert_eq!(seqs(&db, Lane::Backlog, 0), [3], "numbers are never used twice");
    }

    #[test]
    fn urgent_records_have_their_own_lane_and_stay_in_it() {
        let mut db = database();
        for n in 1..=3 {
            write(&mut db, |tx| put(tx, &draft(n, json!(1)), &at(1), Lane::Backlog));
        }
        assert_eq!(write(&mut db, |tx| put(tx, &draft(2, json!(1)), &at(1), Lane::Urgent)), records::Put::Same);
        assert_eq!((seqs(&db, Lane::Urgent, 0), seqs(&db, Lane::Backlog, 0)), (vec![4], vec![1, 3]));
        write(&mut db, |tx| put(tx, &draft(2, json!(5)), &at(1), Lane::Backlog));
        assert_eq!(seqs(&db, Lane::Urgent, 0), [5], "a change does not make it less urgent");
        write(&mut db, |tx| put(tx, &draft(2, json!(5)), &at(1), Lane::Urgent));
        assert_eq!(seqs(&db, Lane::Urgent, 0), [5], "urgent already");
    }

    #[test]
    fn batches_are_cut_by_number_and_size() {
        let mut db = database();
        for n in 1..=5 {
            write(&mut db, |tx| put(tx, &draft(n, json!("x".repeat(1000))), &at(1), Lane::Backlog));
        }
        let count = |records, bytes| next(&db, Lane::Backlog, 1, records, bytes).expect("read").len();
        assert_eq!(count(3, 1 << 20), 3);
        assert_eq!(count(100, 3000), 2);
        assert_eq!(count(100, 10), 1, "one too large a record still goes");
        assert_eq!(again(&db, &[1, 5, 9]).expect("read").iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 5]);
    }

    #[test]
    fn a_damaged_row_does_not_stop_the_others() {
        let mut db = database();
        for n in 1..=2 {
            write(&mut db, |tx| put(tx, &draft(n, json!(n)), &at(1), Lane::Backlog));
        }
        db.execute("UPDATE records SET body = '{' WHERE rowid = 1", []).expect("damaged");
        let taken = next(&db, Lane::Backlog, 0, 10, 1 << 20).expect("read");
        assert!(matches!(&taken[..], [(1, Err(why)), (2, Ok(_))] if why.contains("damaged")), "{taken:?}");
    }

    #[test]
    fn rejected_records_stay_and_are_offered_again_when_the_hub_changes() {
        let mut db = database();
        for n in 1..=3 {
            write(&mut db, |tx| put(tx, &draft(n, json!(n)), &at(1), Lane::Backlog));
        }
        assert!(write(&mut db, |tx| rejected(tx, 1, "no such kind")));
        write(&mut db, |tx| stored(tx, 2));
        let depth = |db: &Connection| super::depth(db).expect("read");
        assert_eq!((depth(&db).records, depth(&db).rejected), (1, 1));
        assert!(!write(&mut db, |tx| stored(tx, 1)), "a late answer does not undo it");
        assert_eq!(rejected_list(&db, 10).expect("read")[0].reason, "no such kind");
        write(&mut db, offer_rejected_again);
        assert_eq!((depth(&db).records, depth(&db).rejected), (2, 0));
        assert_eq!(seqs(&db, Lane::Backlog, 3), [4], "under a number that no reader has passed");
        write(&mut db, offer_all_again);
        assert_eq!(
            outbox_rows(&db).iter().map(|row| (row.seq, row.record)).collect::<Vec<_>>(),
            [(3, 3), (4, 1), (5, 2)]
        );
    }
}
