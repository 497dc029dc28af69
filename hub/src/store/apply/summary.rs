//! What a session's row repeats of its pauses, because old queries read it there.

use rusqlite::Connection;

// A device that sends no pauses at all is believed their number.
const REFRESH: &str = "UPDATE field_eye_sessions AS s SET
    pauses = (SELECT coalesce(json_group_array(json_object('id', p.id, 'start_s', p.start_s, 'end_s', p.end_s,
            'confidence', p.confidence, 'keyframe_s', p.keyframe_s, 'frame_id', p.frame_id) ORDER BY p.start_s, p.id),
            '[]') FROM field_eye_pauses p WHERE p.session_id = s.id AND p.void = 0),
    pause_count = CASE
        WHEN EXISTS (SELECT 1 FROM field_eye_pauses p WHERE p.session_id = s.id)
            THEN (SELECT count(*) FROM field_eye_pauses p WHERE p.session_id = s.id AND p.void = 0)
        WHEN s.void = 0 THEN coalesce(CAST(json_extract(s.body, '$.pause_count') AS INTEGER), 0)
        ELSE 0 END
    WHERE s.id = ?1";

/// Brings `pauses` and `pause_count` of a session up to date.
pub(super) fn refresh(db: &Connection, session: &str) -> rusqlite::Result<()> {
    db.prepare_cached(REFRESH)?.execute([session]).map(drop)
}
