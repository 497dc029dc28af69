//! What people ask: lists, one inspection, numbers. Withdrawn rows and placeholders are left out.

use super::rows::{
    Counts, DefectRow, DeviceRow, FrameRow, GapRow, PauseRow, QuarantineRow, SessionDetail, SessionRow, Stats,
};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use uuid::Uuid;

const STATS: &str = "SELECT
    (SELECT count(*) FROM field_eye_sessions WHERE void = 0 AND rev > 0) AS total_sessions,
    (SELECT count(*) FROM field_eye_frames WHERE void = 0 AND rev > 0) AS total_frames,
    (SELECT count(*) FROM field_eye_defects WHERE void = 0) AS total_defects,
    (SELECT count(*) FROM field_eye_frames WHERE void = 0 AND rev > 0 AND is_defect IS NOT NULL) AS labeled_frames,
    (SELECT count(*) FROM field_eye_kits WHERE status = 'active') AS active_kits,
    (SELECT max(date) FROM field_eye_sessions WHERE void = 0 AND rev > 0) AS latest_session,
    (SELECT coalesce(avg(pause_count), 0.0) FROM field_eye_sessions WHERE void = 0 AND rev > 0)
        AS avg_pauses_per_session";

const COUNTS: &str = "SELECT
    (SELECT count(*) FROM field_eye_sessions WHERE void = 0 AND rev > 0) AS sessions,
    (SELECT count(*) FROM field_eye_pauses WHERE void = 0) AS pauses,
    (SELECT count(*) FROM field_eye_frames WHERE void = 0 AND rev > 0) AS frames,
    (SELECT count(*) FROM field_eye_defects WHERE void = 0) AS defects,
    (SELECT count(*) FROM field_eye_gaps WHERE void = 0) AS gaps,
    (SELECT count(*) FROM field_eye_devices) AS devices,
    (SELECT count(*) FROM field_eye_devices WHERE presence = 'online') AS devices_online,
    (SELECT count(*) FROM field_eye_blobs WHERE state = 'stored') AS blobs_stored,
    (SELECT count(*) FROM field_eye_blobs WHERE state = 'wanted') AS blobs_wanted,
    (SELECT coalesce(sum(size), 0) FROM field_eye_blobs WHERE state = 'stored') AS blob_bytes,
    (SELECT count(*) FROM field_eye_alerts a JOIN field_eye_defects d ON d.id = a.defect_id
        WHERE a.sent_rev = 0 AND a.dropped_at IS NULL AND d.void = 0) AS alerts_open,
    (SELECT count(*) FROM field_eye_quarantine) AS quarantined";

const DEFECTS_OF_SESSION: &str =
    "(SELECT count(*) FROM field_eye_defects d WHERE d.session_id = s.id AND d.void = 0) AS defect_count";

// What follows is put together from constants alone.
const SESSIONS: &str = "SELECT s.*, {defects} FROM field_eye_sessions s WHERE s.void = 0 AND s.rev > 0
    ORDER BY s.date DESC, s.id LIMIT ?1";
const SESSION: &str = "SELECT s.*, {defects} FROM field_eye_sessions s WHERE s.id = ?1 AND s.void = 0";

const DEFECTS: &str =
    "SELECT d.*, s.technician_id, s.vehicle_id, s.equipment_type, s.date AS session_date, f.frame_path
    FROM field_eye_defects d
    LEFT JOIN field_eye_sessions s ON s.id = d.session_id
    LEFT JOIN field_eye_frames f ON f.id = d.frame_id
    WHERE d.void = 0 ORDER BY d.observed_at DESC, d.id LIMIT ?1";
const DEFECTS_IN: &str =
    "SELECT d.*, s.technician_id, s.vehicle_id, s.equipment_type, s.date AS session_date, f.frame_path
    FROM field_eye_defects d
    LEFT JOIN field_eye_sessions s ON s.id = d.session_id
    LEFT JOIN field_eye_frames f ON f.id = d.frame_id
    WHERE d.session_id = ?1 AND d.void = 0 ORDER BY d.first_s, d.id";
/// One defect by its id.
pub(super) const DEFECT: &str =
    "SELECT d.*, s.technician_id, s.vehicle_id, s.equipment_type, s.date AS session_date, f.frame_path
    FROM field_eye_defects d
    LEFT JOIN field_eye_sessions s ON s.id = d.session_id
    LEFT JOIN field_eye_frames f ON f.id = d.frame_id
    WHERE d.id = ?1 AND d.void = 0";
const PAUSES_IN: &str = "SELECT * FROM field_eye_pauses WHERE session_id = ?1 AND void = 0 ORDER BY start_s, id";
const FRAMES_IN: &str =
    "SELECT * FROM field_eye_frames WHERE session_id = ?1 AND void = 0 AND rev > 0 ORDER BY timestamp_sec, id";
const GAPS_IN: &str = "SELECT * FROM field_eye_gaps WHERE session_id = ?1 AND void = 0 ORDER BY start_s, id";
const DEVICES: &str = "SELECT d.*,
    (SELECT count(*) FROM field_eye_sessions s WHERE s.device_id = d.id AND s.void = 0 AND s.rev > 0) AS session_count
    FROM field_eye_devices d ORDER BY d.id";
const QUARANTINED: &str =
    "SELECT *, raw IS NOT NULL AS kept FROM field_eye_quarantine ORDER BY last_at DESC, id DESC LIMIT ?1";

fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// Everything in numbers.
pub(super) fn stats(db: &Connection) -> rusqlite::Result<Stats> {
    db.prepare_cached(STATS)?.query_row([], Stats::from_row)
}

/// How much there is.
pub(super) fn counts(db: &Connection) -> rusqlite::Result<Counts> {
    db.prepare_cached(COUNTS)?.query_row([], Counts::from_row)
}

/// The last inspections, newest first.
pub(super) fn sessions(db: &Connection, limit: u32) -> rusqlite::Result<Vec<SessionRow>> {
    all(db, &SESSIONS.replace("{defects}", DEFECTS_OF_SESSION), [limit], SessionRow::from_row)
}

/// The last defects, newest first.
pub(super) fn defects(db: &Connection, limit: u32) -> rusqlite::Result<Vec<DefectRow>> {
    all(db, DEFECTS, [limit], DefectRow::from_row)
}

/// One defect.
pub(super) fn defect(db: &Connection, id: Uuid) -> rusqlite::Result<Option<DefectRow>> {
    db.prepare_cached(DEFECT)?.query_row([id.to_string()], DefectRow::from_row).optional()
}

/// One inspection with everything in it.
pub(super) fn session(db: &Connection, id: Uuid) -> rusqlite::Result<Option<SessionDetail>> {
    let id = id.to_string();
    let session = db
        .prepare_cached(&SESSION.replace("{defects}", DEFECTS_OF_SESSION))?
        .query_row([&id], SessionRow::from_row)
        .optional()?;
    let Some(session) = session else { return Ok(None) };
    Ok(Some(SessionDetail {
        session,
        pauses: all(db, PAUSES_IN, [&id], PauseRow::from_row)?,
        defects: all(db, DEFECTS_IN, [&id], DefectRow::from_row)?,
        frames: all(db, FRAMES_IN, [&id], FrameRow::from_row)?,
        gaps: all(db, GAPS_IN, [&id], GapRow::from_row)?,
    }))
}

/// All devices.
pub(super) fn devices(db: &Connection) -> rusqlite::Result<Vec<DeviceRow>> {
    all(db, DEVICES, [], DeviceRow::from_row)
}

/// What was quarantined last, newest first.
pub(super) fn quarantined(db: &Connection, limit: u32) -> rusqlite::Result<Vec<QuarantineRow>> {
    all(db, QUARANTINED, [limit], QuarantineRow::from_row)
}
