//! Batches against the real schema.

use crate::store::testing::{
    apply, apply_numbered, blob_ref, database, defect, device, event, frame, id, numbered, on, pause, record, session,
    value, void, within,
};
use crate::store::{Applied, Audience, Standing};
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{At, Parents, Record, RecordKind};
use rusqlite::Connection;
use serde_json::{Value, json};

fn stored(applied: &Applied) -> Vec<u64> {
    applied.stored.expand(100).expect("few")
}

fn reasons(applied: &Applied) -> Vec<(u64, &str)> {
    applied.rejected.iter().map(|rejection| (rejection.seq, rejection.reason.as_str())).collect()
}

fn count(db: &Connection, table: &str) -> u64 {
    value(db, &format!("SELECT count(*) FROM {table}"))
}

#[test]
fn an_inspection_becomes_rows() {
    let (mut db, cam) = (database(), device("cam-7"));
    let records = [
        session(1, 1, "anna"),
        frame(30, 1, 1, Some(b"picture")),
        record(
            RecordKind::Pause,
            40,
            1,
            on(1, 30),
            json!({"start_s": 3.1, "end_s": 6.4, "confidence": 0.82, "keyframe_s": 4.7, "frame_id": id(30)}),
        ),
        defect(50, 1, 1, 30, "critical"),
        record(RecordKind::Clip, 60, 1, within(1), json!({"start_s": 1, "blob": blob_ref(b"video", 5)})),
        record(
            RecordKind::Gap,
            70,
            1,
            within(1),
            json!({"start_s": 8.0, "end_s": 9.0, "what": "late", "reason": "no network"}),
        ),
        event(80, 1, "mark"),
    ];
    let applied = apply(&mut db, &cam, &records);
    assert_eq!(stored(&applied), [1, 2, 3, 4, 5, 6, 7], "{applied:?}");
    let wanted = |size| Standing::Wanted { size, ranges: vec![] };
    let mut blobs = applied.blobs.clone();
    blobs.sort_by_key(|(_, standing)| matches!(standing, Standing::Wanted { size: 7, .. }));
    assert_eq!(blobs, [(Digest::of(b"video"), wanted(5)), (Digest::of(b"picture"), wanted(7))]);
    let row: (String, i64, i64, u64, String, String, String, String) = db
        .query_row(
            "SELECT technician_id, duration_sec, total_frames, pause_count, date, status, time_quality, metadata
                FROM field_eye_sessions",
            [],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                    row.get(7)?,
                ))
            },
        )
        .expect("a session");
    let expected = ("anna", 95, 2862, 1, "2026-02-28T09:00:00.000Z", "closed", "synced", r#"{"shift":"early"}"#);
    let (a, b, c, d, e, f, g, h) = &row;
    assert_eq!((a.as_str(), *b, *c, *d, e.as_str(), f.as_str(), g.as_str(), h.as_str()), expected);
    let pauses: String = value(&db, "SELECT pauses FROM field_eye_sessions");
    let pauses: Value = serde_json::from_str(&pauses).expect("JSON");
    let expected = json!([{"id": id(40), "start_s": 3.1, "end_s": 6.4, "confidence": 0.82, "keyframe_s": 4.7,
        "frame_id": id(30)}]);
    assert_eq!(pauses, expected);
    let kept: Value = serde_json::from_str(&value::<String>(&db, "SELECT body FROM field_eye_sessions")).expect("JSON");
    assert_eq!(kept["new_field"], json!([1]), "what this hub does not know is kept");
    let model: String = value(&db, "SELECT model_name || model_version || model_sha256 FROM field_eye_defects");
    assert_eq!(model, "torque-stripe1.0.0ab");
    assert_eq!(count(&db, "field_eye_alerts WHERE target = 'console' AND wanted_rev = 1"), 1);
    assert_eq!(count(&db, "field_eye_clips WHERE blob_sha256 IS NOT NULL AND end_s IS NULL"), 1);
}

#[test]
fn only_a_greater_revision_applies_and_every_one_is_answered_stored() {
    let (mut db, cam) = (database(), device("cam-7"));
    let technician = |db: &Connection| value::<String>(db, "SELECT technician_id || rev FROM field_eye_sessions");
    for (rev, name, expected) in [(2, "b", "b2"), (1, "a", "b2"), (2, "other", "b2"), (5, "c", "c5")] {
        let applied = apply(&mut db, &cam, &[session(1, rev, name)]);
        assert_eq!((stored(&applied), reasons(&applied)), (vec![1], vec![]));
        assert_eq!(technician(&db), expected);
    }
    apply(&mut db, &cam, &[session(1, 6, "d"), session(1, 8, "f"), session(1, 7, "e")]);
    assert_eq!(technician(&db), "f8", "within one batch, too");
    assert_eq!(count(&db, "field_eye_sessions"), 1);
}

#[test]
fn what_belongs_to_another_device_is_rejected() {
    let (mut db, cam, thief) = (database(), device("cam-7"), device("cam-8"));
    let mine = [session(1, 1, "anna"), frame(30, 1, 1, None), event(80, 1, "mark"), defect(50, 1, 1, 31, "info")];
    apply(&mut db, &cam, &mine);
    let theirs = [
        session(1, 9, "thief"),
        frame(30, 9, 2, None),
        event(80, 9, "stolen"),
        frame(32, 1, 1, None),
        defect(51, 1, 2, 30, "critical"),
        defect(52, 1, 2, 31, "critical"),
        pause(41, 1, 1, 1.0),
        session(2, 1, "thief"),
    ];
    let applied = apply(&mut db, &thief, &theirs);
    assert_eq!(stored(&applied), [8], "only what is its own");
    let names = ["session", "frame", "event", "session", "frame", "frame", "session"];
    for ((seq, reason), name) in reasons(&applied).into_iter().zip(names) {
        assert!(reason.contains(name) && reason.contains("belongs to another device"), "{seq}: {reason}");
    }
    assert_eq!(value::<String>(&db, "SELECT technician_id FROM field_eye_sessions WHERE rev = 1 LIMIT 1"), "anna");
    assert_eq!(count(&db, "field_eye_alerts"), 0);
    assert_eq!(count(&db, "field_eye_quarantine WHERE device_id = 'cam-8'"), 7);
    assert_eq!(count(&db, "field_eye_defects"), 1);
}

#[test]
fn parents_may_come_later() {
    let (mut db, cam) = (database(), device("cam-7"));
    let applied = apply(&mut db, &cam, &[defect(50, 1, 1, 30, "critical")]);
    assert_eq!(stored(&applied), [1]);
    assert_eq!(count(&db, "field_eye_sessions WHERE rev = 0 AND technician_id = 'unknown'"), 1);
    assert_eq!(count(&db, "field_eye_frames WHERE rev = 0 AND session_id IS NOT NULL"), 1);
    apply(&mut db, &cam, &[frame(30, 1, 1, None), session(1, 1, "anna")]);
    assert_eq!(count(&db, "field_eye_sessions WHERE rev = 1 AND technician_id = 'anna'"), 1);
    assert_eq!(count(&db, "field_eye_frames WHERE rev = 1 AND frame_number = 30"), 1);
    assert_eq!(count(&db, "field_eye_defects WHERE frame_id IS NOT NULL"), 1);
}

#[test]
fn a_withdrawn_row_is_gone_for_everybody_and_comes_back_when_found_again() {
    let (mut db, cam) = (database(), device("cam-7"));
    let all = [session(1, 1, "anna"), frame(30, 1, 1, Some(b"p")), pause(40, 1, 1, 1.0), pause(41, 1, 1, 5.0)];
    apply(&mut db, &cam, &all);
    apply(&mut db, &cam, &[defect(50, 1, 1, 30, "critical")]);
    let counts = |db: &Connection| {
        let counts = crate::store::queries::counts(db).expect("counted");
        (counts.sessions, counts.pauses, counts.frames, counts.defects, counts.alerts_open, counts.blobs_wanted)
    };
    let pause_count = |db: &Connection| {
        let listed: u64 = value(db, "SELECT json_array_length(pauses) FROM field_eye_sessions");
        let count: u64 = value(db, "SELECT pause_count FROM field_eye_sessions");
        assert_eq!(listed, count, "the list and its length");
        count
    };
    assert_eq!((counts(&db), pause_count(&db)), ((1, 2, 1, 1, 1, 1), 2));
    // A withdrawal says nothing else: whatever stands in its body does not matter.
    let mut odd = void(pause(41, 1, 1, 5.0), 2);
    odd.body = json!("nothing");
    let withdrawn = [void(frame(30, 1, 1, Some(b"p")), 2), odd, void(defect(50, 1, 1, 30, "critical"), 2)];
    assert_eq!(stored(&apply(&mut db, &cam, &withdrawn)), [1, 2, 3]);
    assert_eq!((counts(&db), pause_count(&db)), ((1, 1, 0, 0, 0, 0), 1));
    assert_eq!(count(&db, "field_eye_defects WHERE void = 1 AND defect_type IS NULL"), 1, "the row keeps its place");
    let again = [frame(30, 3, 1, Some(b"p")), pause(41, 3, 1, 5.0), defect(50, 3, 1, 30, "critical")];
    apply(&mut db, &cam, &again);
    assert_eq!((counts(&db), pause_count(&db)), ((1, 2, 1, 1, 1, 1), 2));
    apply(&mut db, &cam, &[void(pause(40, 1, 1, 1.0), 9), void(pause(41, 1, 1, 5.0), 9), void(event(99, 1, "x"), 9)]);
    assert_eq!(pause_count(&db), 0, "not what the session once said");
    assert_eq!(apply(&mut db, &cam, &[event(99, 1, "x")]).rejected, [], "overtaken by its withdrawal");
    assert_eq!(count(&db, "field_eye_events WHERE void = 1 AND rev = 9"), 1);
}

#[test]
fn a_device_that_sends_no_pauses_is_believed_their_number() {
    let (mut db, cam) = (database(), device("cam-7"));
    apply(&mut db, &cam, &[session(1, 1, "anna")]);
    assert_eq!(value::<u64>(&db, "SELECT pause_count FROM field_eye_sessions"), 3);
    apply(&mut db, &cam, &[pause(40, 1, 1, 1.0)]);
    assert_eq!(value::<u64>(&db, "SELECT pause_count FROM field_eye_sessions"), 1);
    apply(&mut db, &cam, &[session(2, 1, "anna"), pause(40, 2, 2, 1.0)]);
    let counts: String =
        value(&db, "SELECT group_concat(pause_count) FROM (SELECT * FROM field_eye_sessions ORDER BY id)");
    assert_eq!(counts, "3,1", "a pause that moved counts where it is now");
}

#[test]
fn a_bad_record_costs_only_itself() {
    let (mut db, cam) = (database(), device("cam-7"));
    let with = |record: Record, field: &str, value: Value| {
        let mut record = record;
        record.body[field] = value;
        record
    };
    let mut many_frames = session(4, 1, "x");
    many_frames.body["total_frames"] = json!(u64::MAX);
    let mut from_zero = event(80, 1, "x");
    from_zero.rev = 0;
    let mut later_than_sql = event(81, u64::MAX, "x");
    later_than_sql.rev = u64::MAX;
    let mut far_boot = event(82, 1, "x");
    far_boot.at.boot = u64::MAX;
    let alone = |record: Record| Record { parents: Parents::default(), ..record };
    let bad = [
        with(defect(51, 1, 1, 30, "critical"), "confidence", json!(7.0)),
        with(defect(52, 1, 1, 30, "critical"), "severity", json!("awful")),
        with(defect(53, 1, 1, 30, "critical"), "bounding_box", Value::Null),
        with(pause(41, 1, 1, 3.0), "end_s", json!(1.0)),
        with(frame(31, 1, 1, None), "blob", json!({"sha256": "abc", "size": 1, "content_type": "x"})),
        with(session(3, 1, "x"), "duration_s", json!(-5.0)),
        many_frames,
        from_zero,
        later_than_sql,
        far_boot,
        alone(frame(32, 1, 1, None)),
        alone(pause(42, 1, 1, 3.0)),
        alone(defect(54, 1, 1, 30, "info")),
        alone(record(RecordKind::Clip, 61, 1, Parents::default(), json!({}))),
        record(RecordKind::Unknown("smell".into()), 90, 1, within(77), json!({"x": 1})),
        record(RecordKind::Clip, 60, 1, within(78), json!({"blob": {"sha256": 7}})),
        event(83, 1, "\u{0}"),
    ];
    let mut all = vec![session(1, 1, "anna")];
    all.extend(bad[..16].iter().cloned());
    all.push(frame(30, 1, 1, None));
    let mut numbered = numbered(&all);
    numbered[5].record = Err("not a record: missing field `rev`".to_owned());
    let applied = apply_numbered(&mut db, &cam, &numbered, &Audience::Console);
    assert_eq!(stored(&applied), [1, 18], "{:#?}", applied.rejected);
    assert_eq!(applied.rejected.len(), 16);
    let about = |seq: u64| reasons(&applied).into_iter().find(|(s, _)| *s == seq).expect("rejected").1.to_owned();
    assert!(about(2).contains("confidence"), "{}", about(2));
    assert!(about(3).contains("awful"), "{}", about(3));
    assert!(about(6).contains("missing field `rev`"), "{}", about(6));
    assert!(about(9).contains("counts from 1"), "{}", about(9));
    assert!(about(12).contains("must name its session"), "{}", about(12));
    assert!(about(16).contains("smell"), "{}", about(16));
    assert_eq!(count(&db, "field_eye_sessions"), 1, "no placeholder of a rejected record stays");
    assert_eq!(count(&db, "field_eye_alerts"), 0, "nor an alert");
    assert_eq!(count(&db, "field_eye_quarantine WHERE raw IS NOT NULL"), 16);
    assert_eq!(value::<u64>(&db, "SELECT rejected_total FROM field_eye_devices"), 16);
    let kept: String = value(&db, "SELECT CAST(raw AS TEXT) FROM field_eye_quarantine WHERE kind = 'smell'");
    let kept: Record = serde_json::from_str(&kept).expect("as it came");
    assert_eq!(kept.body, json!({"x": 1}));
    assert_eq!(apply(&mut db, &cam, &bad[16..]).rejected, [], "odd, but a name");
}

#[test]
fn a_parent_that_a_rejected_record_made_is_made_again_by_the_next() {
    let (mut db, cam) = (database(), device("cam-7"));
    let mut bad = defect(50, 1, 1, 30, "info");
    bad.body["confidence"] = json!(-1);
    let applied = apply(&mut db, &cam, &[bad, defect(51, 1, 1, 30, "info"), defect(52, 1, 1, 30, "info")]);
    assert_eq!(stored(&applied), [2, 3], "{applied:?}");
    assert_eq!(count(&db, "field_eye_sessions"), 1);
}

#[test]
fn what_people_said_stays_when_the_device_says_more() {
    let (mut db, cam) = (database(), device("cam-7"));
    apply(&mut db, &cam, &[session(1, 1, "anna"), frame(30, 1, 1, None), defect(50, 1, 1, 30, "critical")]);
    db.execute_batch(
        "UPDATE field_eye_defects SET human_verified = 1, notes = 'seen it', sensor_data = '{\"t\":80}';
        UPDATE field_eye_frames SET is_defect = 1, labels = '[\"rust\"]', defect_type = 'rust', confidence = 0.5;
        UPDATE field_eye_devices SET kit_id = NULL",
    )
    .expect("written");
    let more = [defect(50, 2, 1, 30, "warning"), frame(30, 2, 1, Some(b"p")), void(frame(31, 1, 1, None), 1)];
    apply(&mut db, &cam, &more);
    assert_eq!(count(&db, "field_eye_defects WHERE human_verified = 1 AND notes = 'seen it' AND rev = 2"), 1);
    assert_eq!(count(&db, "field_eye_frames WHERE is_defect = 1 AND labels = '[\"rust\"]' AND rev = 2"), 1);
}

#[test]
fn alerts_are_for_the_audience_and_called_off_in_time() {
    let cam = device("cam-7");
    let admins = Audience::Telegram { admins: vec![7, 9] };
    let targets = |db: &Connection| {
        let mut query = db.prepare("SELECT target FROM field_eye_alerts ORDER BY target").expect("prepared");
        let rows = query.query_map([], |row| row.get(0)).expect("queried");
        rows.collect::<rusqlite::Result<Vec<String>>>().expect("read")
    };
    let raise = |db: &mut Connection, record: Record| {
        apply_numbered(db, &cam, &numbered(&[record]), &admins);
    };
    let mut db = database();
    raise(&mut db, defect(50, 1, 1, 30, "critical"));
    assert_eq!(targets(&db), ["console"], "nobody has started the bot yet");
    db.execute_batch(
        "INSERT INTO field_eye_users (id, chat_id, name, updated_at, created_at)
            VALUES (7, 70, 'a', '', ''), (8, 80, 'b', '', ''), (9, 90, 'c', '', '')",
    )
    .expect("written");
    raise(&mut db, defect(51, 1, 1, 30, "critical"));
    assert_eq!(targets(&db), ["chat:70", "chat:90", "console"]);
    raise(&mut db, defect(52, 1, 1, 30, "warning"));
    raise(&mut db, defect(51, 2, 1, 30, "critical"));
    assert_eq!(targets(&db).len(), 3, "one for each defect and reader");
    assert_eq!(count(&db, "field_eye_alerts WHERE wanted_rev = 2"), 2);
    db.execute_batch("UPDATE field_eye_alerts SET sent_rev = 2 WHERE target = 'chat:70'").expect("written");
    raise(&mut db, defect(51, 3, 1, 30, "info"));
    assert_eq!(targets(&db), ["chat:70", "console"], "what was sent was sent");
    raise(&mut db, void(defect(50, 1, 1, 30, "critical"), 2));
    assert_eq!(targets(&db), ["chat:70"]);
}

#[test]
fn a_clock_that_was_unknown_is_corrected_when_it_becomes_known() {
    let (mut db, cam) = (database(), device("cam-7"));
    let at = |record: Record, boot: u64, mono_ms: u64, wall: &str, synced: bool| {
        let at = At { wall: wall.parse().expect("time"), boot, mono_ms, synced };
        Record { at, ..record }
    };
    let mut undated = session(1, 1, "anna");
    undated.body.as_object_mut().expect("object").remove("date");
    apply(
        &mut db,
        &cam,
        &[
            at(undated, 5, 1_000, "1970-01-01T00:00:01Z", false),
            at(event(80, 1, "early"), 5, 3_500, "1970-01-01T00:00:03.5Z", false),
            at(event(81, 1, "another start"), 6, 3_500, "1970-01-01T00:00:03.5Z", false),
        ],
    );
    let told = |db: &Connection, table: &str, n: u128| -> (String, String) {
        let sql = format!("SELECT observed_at, time_quality FROM {table} WHERE id = ?1");
        db.query_row(&sql, [id(n).to_string()], |row| Ok((row.get(0)?, row.get(1)?))).expect("there")
    };
    let words = |time: &str, quality: &str| (time.to_owned(), quality.to_owned());
    assert_eq!(told(&db, "field_eye_events", 80), words("1970-01-01T00:00:03.500Z", "device"));
    apply(&mut db, &cam, &[at(event(82, 1, "known"), 5, 60_000, "2026-02-28T10:01:00Z", true)]);
    assert_eq!(told(&db, "field_eye_events", 80), words("2026-02-28T10:00:03.500Z", "corrected"));
    assert_eq!(told(&db, "field_eye_sessions", 1), words("2026-02-28T10:00:01.000Z", "corrected"));
    assert_eq!(value::<String>(&db, "SELECT date FROM field_eye_sessions"), "2026-02-28T10:00:01.000Z");
    assert_eq!(told(&db, "field_eye_events", 82), words("2026-02-28T10:01:00.000Z", "synced"));
    assert_eq!(told(&db, "field_eye_events", 81), words("1970-01-01T00:00:03.500Z", "device"));
    apply(&mut db, &cam, &[at(event(83, 1, "late news"), 5, 2_000, "1970-01-01T00:00:02Z", false)]);
    assert_eq!(told(&db, "field_eye_events", 83), words("2026-02-28T10:00:02.000Z", "corrected"));
}

#[test]
fn a_blob_that_nothing_names_any_more_is_not_wanted() {
    let (mut db, cam) = (database(), device("cam-7"));
    apply(&mut db, &cam, &[frame(30, 1, 1, Some(b"a")), frame(31, 1, 1, Some(b"a"))]);
    apply(&mut db, &cam, &[frame(30, 2, 1, Some(b"b"))]);
    assert_eq!(count(&db, "field_eye_blobs"), 2, "one frame still needs it");
    apply(&mut db, &cam, &[void(frame(31, 1, 1, Some(b"a")), 2)]);
    assert_eq!((count(&db, "field_eye_blobs"), count(&db, "field_eye_uploads")), (1, 1));
    db.execute_batch("UPDATE field_eye_blobs SET state = 'stored', size = 1, path = 'x', stored_at = 'y'")
        .expect("set");
    apply(&mut db, &cam, &[frame(30, 3, 1, None)]);
    assert_eq!(count(&db, "field_eye_blobs"), 1, "what is stored stays");
    assert_eq!(count(&db, "field_eye_blob_refs"), 0);
}
