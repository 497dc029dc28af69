//! Alerts: one row for each critical defect and reader, made in the transaction that brings the defect, claimed by a
//! lease, so that none is lost and at most one is sent twice after a crash.

use super::rows::{AlertRow, AlertTarget, DefectRow, DueAlert, Field};
use super::{Audience, queries, times};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::time::Duration;

/// How long an alert waits for its picture.
const PICTURE: Duration = Duration::from_secs(10);
/// How long whoever claimed an alert has for it.
const LEASE: Duration = Duration::from_secs(120);

const RAISE: &str = "INSERT INTO field_eye_alerts (defect_id, target, wanted_rev, due_at, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (defect_id, target) DO UPDATE SET wanted_rev = excluded.wanted_rev";
const CHATS: &str = "SELECT id, chat_id FROM field_eye_users ORDER BY id";

/// A critical defect came: everybody in the audience is to know. Where nobody can be reached yet, the console is told.
pub(super) fn raise(
    tx: &Connection,
    audience: &Audience,
    defect: &str,
    rev: u64,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut targets = Vec::new();
    if let Audience::Telegram { admins } = audience {
        let mut query = tx.prepare_cached(CHATS)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            if admins.contains(&row.get::<_, i64>(0)?) {
                targets.push(AlertTarget::Chat(row.get(1)?));
            }
        }
    }
    if targets.is_empty() {
        targets.push(AlertTarget::Console);
    }
    let due = times::text(times::after(now, PICTURE));
    for target in targets {
        tx.prepare_cached(RAISE)?.execute(params![defect, target.as_text(), rev, due, times::text(now)])?;
    }
    Ok(())
}

const CALL_OFF: &str = "DELETE FROM field_eye_alerts WHERE defect_id = ?1 AND sent_rev = 0";

/// The defect is not critical any more, or withdrawn: what was not sent yet is not sent.
pub(super) fn call_off(tx: &Connection, defect: &str) -> rusqlite::Result<()> {
    tx.prepare_cached(CALL_OFF)?.execute([defect]).map(drop)
}

// Due with its picture, when none will come, or when it has waited long enough.
const DUE: &str = "SELECT a.id FROM field_eye_alerts a
    JOIN field_eye_defects d ON d.id = a.defect_id AND d.void = 0
    LEFT JOIN field_eye_frames f ON f.id = d.frame_id
    LEFT JOIN field_eye_blobs b ON b.sha256 = f.blob_sha256 AND b.state = 'stored'
    WHERE a.sent_rev = 0 AND a.dropped_at IS NULL
        AND (a.lease_until IS NULL OR a.lease_until <= ?1)
        AND (a.retry_at IS NULL OR a.retry_at <= ?1)
        AND (a.due_at <= ?1 OR b.sha256 IS NOT NULL OR d.frame_id IS NULL OR (f.rev > 0 AND f.blob_sha256 IS NULL))
    ORDER BY a.id LIMIT ?2";
const CLAIM: &str = "UPDATE field_eye_alerts SET lease_until = ?2 WHERE id = ?1";
const ALERT: &str = "SELECT a.target, a.tries, a.defect_id, b.sha256 AS picture FROM field_eye_alerts a
    JOIN field_eye_defects d ON d.id = a.defect_id
    LEFT JOIN field_eye_frames f ON f.id = d.frame_id
    LEFT JOIN field_eye_blobs b ON b.sha256 = f.blob_sha256 AND b.state = 'stored'
    WHERE a.id = ?1";

/// Claims what is due, oldest first: for [`LEASE`] nobody else gets it.
pub(super) fn claim(tx: &Transaction<'_>, limit: u32, now: Timestamp) -> rusqlite::Result<Vec<DueAlert>> {
    let ids: Vec<i64> = tx
        .prepare_cached(DUE)?
        .query_map(params![times::text(now), limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let until = times::text(times::after(now, LEASE));
    let mut due = Vec::with_capacity(ids.len());
    for id in ids {
        tx.prepare_cached(CLAIM)?.execute(params![id, until])?;
        let (target, tries, defect, picture) = tx.prepare_cached(ALERT)?.query_row([id], |row| {
            Ok((Field::take(row, "target")?, row.get(1)?, row.get::<_, String>(2)?, Field::take(row, "picture")?))
        })?;
        let defect = tx.prepare_cached(queries::DEFECT)?.query_row([defect], DefectRow::from_row)?;
        due.push(DueAlert { id, target, tries, defect, picture });
    }
    Ok(due)
}

// A lease is for the living: the one who held it is gone when this store is opened again.
const RELEASE: &str = "UPDATE field_eye_alerts SET lease_until = NULL WHERE lease_until IS NOT NULL";

/// Takes every claim back.
pub(super) fn release_all(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(RELEASE, []).map(drop)
}

const SENT: &str = "UPDATE field_eye_alerts SET sent_rev = wanted_rev, message_id = ?2, sent_at = ?3, trouble = NULL,
    lease_until = NULL WHERE id = ?1";

/// It has arrived.
pub(super) fn sent(tx: &Transaction<'_>, id: i64, message: Option<i64>, now: Timestamp) -> rusqlite::Result<()> {
    tx.prepare_cached(SENT)?.execute(params![id, message, times::text(now)]).map(drop)
}

const LATER: &str = "UPDATE field_eye_alerts SET retry_at = ?2, tries = tries + 1, trouble = ?3, lease_until = NULL
    WHERE id = ?1";

/// It did not arrive; not before `wait` is over.
pub(super) fn later(tx: &Transaction<'_>, id: i64, wait: Duration, why: &str, now: Timestamp) -> rusqlite::Result<()> {
    let retry = times::text(times::after(now, wait));
    tx.prepare_cached(LATER)?.execute(params![id, retry, why]).map(drop)
}

const DROPPED: &str = "UPDATE field_eye_alerts SET dropped_at = ?2, trouble = ?3, lease_until = NULL WHERE id = ?1";

/// It will never arrive.
pub(super) fn dropped(tx: &Transaction<'_>, id: i64, why: &str, now: Timestamp) -> rusqlite::Result<()> {
    tx.prepare_cached(DROPPED)?.execute(params![id, times::text(now), why]).map(drop)
}

const LIST: &str = "SELECT a.*, d.defect_type, d.severity FROM field_eye_alerts a
    LEFT JOIN field_eye_defects d ON d.id = a.defect_id ORDER BY a.id DESC LIMIT ?1";

/// The last alerts, newest first.
pub(super) fn list(db: &Connection, limit: u32) -> rusqlite::Result<Vec<AlertRow>> {
    db.prepare_cached(LIST)?.query_map([limit], AlertRow::from_row)?.collect()
}

// When the next one falls due by time alone.
const NEXT: &str = "SELECT min(max(a.due_at, coalesce(a.retry_at, ''), coalesce(a.lease_until, '')))
    FROM field_eye_alerts a JOIN field_eye_defects d ON d.id = a.defect_id AND d.void = 0
    WHERE a.sent_rev = 0 AND a.dropped_at IS NULL";

/// When to look again at the latest, if nothing new comes meanwhile.
pub(super) fn next(db: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let text: Option<String> = db.prepare_cached(NEXT)?.query_row([], |row| row.get(0)).optional()?.flatten();
    Ok(text.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{apply, database, defect, device, frame, now, void};
    use crate::store::uploads;
    use fieldeye_protocol::digest::Digest;

    fn after(seconds: u64) -> Timestamp {
        times::after(now(), Duration::from_secs(seconds))
    }

    fn in_tx<R>(db: &mut Connection, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<R>) -> R {
        let tx = db.transaction().expect("begun");
        let value = work(&tx).expect("done");
        tx.commit().expect("committed");
        value
    }

    fn claimed(db: &mut Connection, at: Timestamp) -> Vec<DueAlert> {
        in_tx(db, |tx| claim(tx, 10, at))
    }

    #[test]
    fn due_with_its_picture_or_after_ten_seconds_without() {
        let (mut db, cam) = (database(), device("cam-7"));
        let picture = Digest::of(b"picture");
        apply(&mut db, &cam, &[frame(30, 1, 1, Some(b"picture")), defect(50, 1, 1, 30, "critical")]);
        apply(&mut db, &cam, &[frame(31, 1, 1, Some(b"other")), defect(51, 1, 1, 31, "critical")]);
        assert_eq!(claimed(&mut db, after(9)), []);
        assert_eq!(next(&db).expect("read"), Some(after(10)));
        uploads::stored(&db, &picture, 7, "x", now()).expect("stored");
        let due = claimed(&mut db, after(1));
        assert_eq!(due.len(), 1, "at once when the picture is there");
        assert_eq!(
            (due[0].picture, due[0].target, due[0].defect.id.as_u128()),
            (Some(picture), AlertTarget::Console, 50)
        );
        let due = claimed(&mut db, after(10));
        assert_eq!(due.iter().map(|due| (due.defect.id.as_u128(), due.picture)).collect::<Vec<_>>(), [(51, None)]);
        apply(&mut db, &cam, &[frame(32, 1, 1, None), defect(52, 1, 1, 32, "critical")]);
        assert_eq!(claimed(&mut db, after(0)).len(), 1, "no picture will ever come");
    }

    #[test]
    fn a_claim_is_for_one_and_for_a_time() {
        let (mut db, cam) = (database(), device("cam-7"));
        apply(&mut db, &cam, &[frame(30, 1, 1, None), defect(50, 1, 1, 30, "critical")]);
        let first = claimed(&mut db, after(0));
        assert_eq!((first.len(), claimed(&mut db, after(119)).len()), (1, 0));
        assert_eq!(next(&db).expect("read"), Some(after(120)));
        let second = claimed(&mut db, after(120));
        assert_eq!(second.len(), 1, "who claimed it has died");
        in_tx(&mut db, release_all);
        assert_eq!(claimed(&mut db, after(121)).len(), 1, "nobody holds a claim over a restart");
        let id = first[0].id;
        in_tx(&mut db, |tx| later(tx, id, Duration::from_secs(60), "busy", after(121)));
        assert_eq!(claimed(&mut db, after(180)), []);
        let again = claimed(&mut db, after(181));
        assert_eq!((again.len(), again[0].tries), (1, 1));
        in_tx(&mut db, |tx| sent(tx, id, Some(77), after(182)));
        assert_eq!(claimed(&mut db, after(100_000)), []);
        assert_eq!(next(&db).expect("read"), None);
        let row = &list(&db, 10).expect("read")[0];
        assert_eq!((row.sent_rev, row.message_id, row.target.as_str()), (1, Some(77), "console"));
        apply(&mut db, &cam, &[defect(50, 2, 1, 30, "critical")]);
        assert_eq!(claimed(&mut db, after(200_000)), [], "told once");
    }

    #[test]
    fn what_is_dropped_or_withdrawn_is_not_sent() {
        let (mut db, cam) = (database(), device("cam-7"));
        apply(&mut db, &cam, &[frame(30, 1, 1, None), defect(50, 1, 1, 30, "critical")]);
        let id = claimed(&mut db, after(0))[0].id;
        in_tx(&mut db, |tx| dropped(tx, id, "the chat is closed", after(1)));
        assert_eq!(claimed(&mut db, after(100_000)), []);
        assert_eq!(list(&db, 10).expect("read")[0].trouble.as_deref(), Some("the chat is closed"));
        apply(&mut db, &cam, &[defect(51, 1, 1, 30, "critical")]);
        apply(&mut db, &cam, &[void(defect(51, 1, 1, 30, "critical"), 2)]);
        assert_eq!(claimed(&mut db, after(100_000)), []);
    }
}
