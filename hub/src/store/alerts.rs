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
