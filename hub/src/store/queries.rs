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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{self, apply, database, defect, device, frame, pause, void};
    use fieldeye_protocol::record::Record;
    use serde_json::{Value, json};

    fn dated(n: u128, date: &str) -> Record {
        let mut session = testing::session(n, 1, "anna");
        session.body["date"] = json!(date);
        session
    }

    fn database_with_two_sessions() -> Connection {
        let (mut db, cam) = (database(), device("cam-7"));
        let records = [
            dated(1, "2026-02-01T00:00:00Z"),
            dated(2, "2026-02-02T00:00:00+01:00"),
            dated(3, "2026-02-03T00:00:00Z"),
            void(dated(3, "2026-02-03T00:00:00Z"), 2),
            frame(30, 1, 1, Some(b"picture")),
            pause(40, 1, 1, 5.0),
            pause(41, 1, 1, 2.0),
            defect(50, 1, 1, 30, "critical"),
            defect(51, 1, 4, 31, "info"),
            void(defect(52, 1, 1, 30, "info"), 2),
        ];
        assert_eq!(apply(&mut db, &cam, &records).rejected, []);
        db
    }

    #[test]
    fn the_newest_come_first_and_what_is_no_observation_is_left_out() {
        let db = database_with_two_sessions();
        let seen: Vec<(u128, u64, u64)> = sessions(&db, 10)
            .expect("read")
            .into_iter()
            .map(|row| (row.id.as_u128(), row.pause_count, row.defect_count))
            .collect();
        assert_eq!(seen, [(2, 3, 0), (1, 2, 1)], "the third was withdrawn, the fourth has not come yet");
        assert_eq!(sessions(&db, 1).expect("read").len(), 1);
        let seen = defects(&db, 10).expect("read");
        assert_eq!(seen.iter().map(|row| row.id.as_u128()).collect::<Vec<_>>(), [50, 51]);
        assert_eq!((seen[0].vehicle_id.as_deref(), seen[1].vehicle_id.as_deref()), (Some("train-3"), None));
        let stats = stats(&db).expect("counted");
        assert_eq!((stats.total_sessions, stats.total_frames, stats.total_defects), (2, 1, 2));
        assert_eq!(stats.latest_session, Some("2026-02-01T23:00:00Z".parse().expect("time")));
        assert!((stats.avg_pauses_per_session - 2.5).abs() < 1e-9);
        let counts = counts(&db).expect("counted");
        assert_eq!((counts.sessions, counts.pauses, counts.devices, counts.alerts_open), (2, 2, 1, 1));
        assert_eq!(devices(&db).expect("read")[0].session_count, 2);
    }

    #[test]
    fn rows_are_json_with_the_columns_names() {
        let db = database_with_two_sessions();
        let list = serde_json::to_value(sessions(&db, 1).expect("read")).expect("JSON");
        let row = &list[0];
        assert_eq!(row["date"], "2026-02-01T23:00:00Z", "a time is RFC 3339 in UTC");
        assert_eq!((&row["metadata"], &row["pauses"]), (&json!({"shift": "early"}), &json!([])), "JSON is JSON");
        assert_eq!(
            (&row["duration_sec"], &row["technician_id"], &row["device_id"]),
            (&json!(95), &json!("anna"), &json!("cam-7"))
        );
        let list = serde_json::to_value(defects(&db, 1).expect("read")).expect("JSON");
        assert_eq!((&list[0]["auto_detected"], &list[0]["human_verified"]), (&json!(true), &json!(false)));
        assert_eq!(list[0]["bounding_box"]["width"], 3.0);
        let columns: Vec<String> = db
            .prepare("SELECT name FROM pragma_table_info('field_eye_sessions')")
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .expect("columns");
        let keys = row.as_object().expect("an object").keys();
        let strange: Vec<&String> = keys.filter(|key| !columns.contains(key)).collect();
        assert_eq!(strange, ["defect_count"]);
    }

    #[test]
    fn one_session_with_everything_in_it() {
        let db = database_with_two_sessions();
        assert_eq!(session(&db, Uuid::from_u128(9)).expect("read"), None);
        assert_eq!(session(&db, Uuid::from_u128(3)).expect("read"), None, "withdrawn");
        let detail = session(&db, Uuid::from_u128(1)).expect("read").expect("there");
        let json = serde_json::to_value(&detail).expect("JSON");
        let ids = |name: &str| -> Vec<u64> {
            let id = |row: &Value| row["id"].as_str().and_then(|id| Uuid::parse_str(id).ok()).expect("an id");
            json[name].as_array().expect("rows").iter().map(|row| id(row).as_u128() as u64).collect()
        };
        assert_eq!(json["technician_id"], "anna");
        assert_eq!((ids("pauses"), ids("defects"), ids("frames")), (vec![41, 40], vec![50], vec![30]));
        assert_eq!(json["gaps"], json!([]));
        assert_eq!(json["pauses"][0]["session_id"], json["id"], "whole rows");
    }
}
