//! Whatever the order in which records come, however they are cut into batches and however often they come again: the
//! tables end the same.

use crate::store::testing::{
    apply, blob_ref, database, defect, device, event, frame, id, pause, record, session, void, within,
};
use fieldeye_protocol::record::{At, Parents, Record, RecordKind};
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;

/// What one revision of a record says, as small numbers.
#[derive(Debug, Clone, Copy)]
struct Said {
    kind: usize,
    /// Which of a few things of that kind.
    thing: u128,
    rev: u64,
    /// Makes the content differ between revisions.
    salt: u64,
    withdrawn: bool,
    synced: bool,
}

fn said() -> impl Strategy<Value = Said> {
    (0..7usize, 0..3u128, 1..5u64, 0..12u64, prop::bool::weighted(0.2), any::<bool>())
        .prop_map(|(kind, thing, rev, salt, withdrawn, synced)| Said { kind, thing, rev, salt, withdrawn, synced })
}

impl Said {
    fn record(&self) -> Record {
        let Self { thing, rev, salt, .. } = *self;
        let session_id = 1 + u128::from(salt % 2);
        let frame_id = 30 + u128::from(salt % 3);
        let picture: Option<&[u8]> = [None, Some(&b"one"[..]), Some(b"two")][salt as usize % 3];
        let severity = ["info", "warning", "critical"][salt as usize % 3];
        let record = match self.kind {
            0 => {
                let mut session = session(1 + thing, rev, &format!("technician {salt}"));
                if salt % 4 == 0 {
                    session.body.as_object_mut().expect("object").remove("date");
                }
                session
            }
            1 => frame(30 + thing, rev, session_id, picture),
            2 => pause(60 + thing, rev, session_id, salt as f64),
            3 => defect(90 + thing, rev, session_id, frame_id, severity),
            4 => {
                let blob = picture.map(|bytes| blob_ref(bytes, bytes.len() as u64));
                record(RecordKind::Clip, 120 + thing, rev, within(session_id), json!({"start_s": salt, "blob": blob}))
            }
            5 => {
                let body = json!({"start_s": salt, "end_s": salt + 1, "what": "late", "reason": "rain"});
                record(RecordKind::Gap, 150 + thing, rev, within(session_id), body)
            }
            _ => Record {
                parents: if salt % 2 == 0 { within(session_id) } else { Parents::default() },
                ..event(180 + thing, rev, &format!("event {salt}"))
            },
        };
        let wall = "2026-02-28T10:00:00Z".parse().expect("time");
        let at = At { wall, boot: salt % 3, mono_ms: 1000 * (salt + rev), synced: self.synced };
        let record = Record { at, ..record };
        if self.withdrawn { void(record, rev) } else { record }
    }
}

/// Everything that devices say, without the hub's own clock and numbering.
fn dump(db: &Connection) -> Vec<(String, Vec<String>)> {
    const TABLES: [&str; 13] = [
        "field_eye_sessions",
        "field_eye_frames",
        "field_eye_pauses",
        "field_eye_defects",
        "field_eye_clips",
        "field_eye_gaps",
        "field_eye_events",
        "field_eye_blobs",
        "field_eye_blob_refs",
        "field_eye_uploads",
        "field_eye_boots",
        "field_eye_alerts",
        "field_eye_quarantine",
    ];
    let ours = |table: &str, name: &str| {
        matches!(name, "created_at" | "received_at" | "due_at") || (table == "field_eye_alerts" && name == "id")
    };
    let mut dump = Vec::new();
    for table in TABLES {
        let mut columns: Vec<String> = db
            .prepare("SELECT name FROM pragma_table_info(?1)")
            .and_then(|mut query| query.query_map([table], |row| row.get(0))?.collect())
            .expect("columns");
        columns.retain(|name| !ours(table, name));
        // A placeholder says nothing; one may remain of a parent that only an older revision named.
        let real = if columns.iter().any(|name| name == "rev") { "WHERE rev > 0" } else { "" };
        let list = columns.join(", ");
        let width = columns.len();
        let rows = db
            .prepare(&format!("SELECT {list} FROM {table} {real} ORDER BY {list}"))
            .and_then(|mut query| {
                let row = |row: &rusqlite::Row<'_>| {
                    (0..width).map(|at| row.get::<_, Value>(at).map(|value| format!("{value:?}"))).collect()
                };
                query.query_map([], row)?.collect::<rusqlite::Result<Vec<Vec<String>>>>()
            })
            .expect("rows");
        dump.extend(rows.into_iter().map(|row| (table.to_owned(), row)));
    }
    dump
}

/// Orders by one random number for each, and cuts into batches.
fn shuffled(records: &[Record], keys: &[u32], batch: usize) -> Vec<Vec<Record>> {
    let mut order: Vec<(u32, usize)> = keys.iter().copied().zip((0..records.len()).cycle()).collect();
    // Some come twice, and each at least once.
    order.extend((0..records.len()).map(|at| (keys[at % keys.len()].rotate_left(at as u32), at)));
    order.sort_unstable();
    let all: Vec<Record> = order.into_iter().map(|(_, at)| records[at].clone()).collect();
    all.chunks(batch).map(<[Record]>::to_vec).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_order_does_not_matter(
        mut said in prop::collection::vec(said(), 1..40),
        keys in prop::collection::vec(any::<u32>(), 1..60),
        other_keys in prop::collection::vec(any::<u32>(), 1..60),
        batch in 1..50usize,
        other_batch in 1..50usize,
    ) {
        // One revision of a thing says one thing.
        said.sort_by_key(|said| (said.kind, said.thing, said.rev));
        said.dedup_by_key(|said| (said.kind, said.thing, said.rev));
        let records: Vec<Record> = said.iter().map(Said::record).collect();
        let cam = device("cam-7");
        let run = |keys: &[u32], batch: usize| {
            let mut db = database();
            for records in shuffled(&records, keys, batch) {
                let applied = apply(&mut db, &cam, &records);
                assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
            }
            dump(&db)
        };
        let (one, other) = (run(&keys, batch), run(&other_keys, other_batch));
        prop_assert_eq!(one, other);
    }
}

#[test]
fn the_dump_sees_what_is_there() {
    let (mut db, cam) = (database(), device("cam-7"));
    apply(&mut db, &cam, &[session(1, 1, "anna"), frame(30, 1, 1, Some(b"one")), defect(90, 1, 1, 30, "critical")]);
    let tables: Vec<String> = dump(&db).into_iter().map(|(table, _)| table).collect();
    let expected = ["sessions", "frames", "defects", "blobs", "blob_refs", "uploads", "boots", "alerts"];
    assert_eq!(tables, expected.map(|name| format!("field_eye_{name}")));
    assert!(dump(&db).iter().any(|(_, row)| row.iter().any(|value| value.contains(&id(90).to_string()))));
}
