//! Ends the live sessions that a dead program or a power cut left open.

use crate::capture::camera::{self, Piece};
use crate::store::outbox::Lane;
use crate::store::records::{self, Draft};
use crate::store::sessions::{self, Ended, LeftOpen, Status};
use crate::store::{Store, StoreError, footage};
use fieldeye_protocol::record::{Parents, RecordKind};
use serde_json::json;

/// Why such a session ended.
const REASON: &str = "the program or the device ended without notice";

/// Ends all of them at their last known moment.
pub(super) fn end_all(store: &Store) -> Result<(), StoreError> {
    for left in store.read_blocking("look for sessions left open", sessions::left_open)? {
        tracing::warn!(session = %left.id, reached_s = left.reached_s, "a session was left open; it ends where it was");
        end(store, &left)?;
    }
    Ok(())
}

fn end(store: &Store, left: &LeftOpen) -> Result<(), StoreError> {
    let LeftOpen { id, reached_s } = *left;
    let root = store.media().root().to_path_buf();
    let files = camera::pieces_in(&root.join("video").join(id.to_string()));
    let at = store.at();
    store.write_blocking("end a session that was left open", move |tx| {
        let count = |kind: &str| records::bodies(tx, &id.to_string(), kind).map(|bodies| bodies.len() as u64);
        let (pauses, defects) = (count("pause")?, count("defect")?);
        let known = footage::end_of(tx, id)?;
        // The newest piece was not closed; fragments make it readable all the same.
        for file in files.into_iter().filter(|file| !known.files.contains(file.strip_prefix(&root).unwrap_or(file))) {
            let piece = Piece::of(file, known.end_s, reached_s.max(known.end_s));
            footage::add(tx, &root, id, &piece)?;
        }
        let gap = super::gap(id, [reached_s, reached_s], "not_recorded", REASON);
        records::put(tx, &gap, &at, Lane::Backlog)?;
        if let Some(mut body) = records::body(tx, &id.to_string())? {
            body["status"] = json!("interrupted");
            body["duration_s"] = json!(reached_s);
            body["pause_count"] = json!(pauses);
            body["metadata"]["ended"] = json!(REASON);
            let draft = Draft { id, kind: RecordKind::Session, parents: Parents::default(), body };
            records::put(tx, &draft, &at, Lane::Backlog)?;
        }
        let ended = Ended { status: Status::Interrupted, pauses, defects, looked_with: String::new() };
        sessions::end(tx, id, &ended, at.wall.as_millisecond())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Opening;
    use fieldeye_protocol::body::SessionBody;
    use fieldeye_protocol::record::RecordId;
    use uuid::Uuid;

    #[test]
    fn what_was_left_open_ends_where_it_was_once() {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(dir.path(), None, Opening::Start).expect("opened");
        let (id, at) = (RecordId(Uuid::now_v7()), store.at());
        let folder = store.media().root().join("video").join(id.to_string());
        std::fs::create_dir_all(&folder).expect("made");
        for name in ["00001.mp4", "00002.mp4"] {
            std::fs::write(folder.join(name), name).expect("written");
        }
        let (root, first) = (store.media().root().to_path_buf(), folder.join("00001.mp4"));
        let begin = move |tx: &rusqlite::Transaction<'_>| {
            sessions::begin(tx, id, "test:ball", None, 1)?;
            let body = SessionBody { source: "test:ball".into(), ..SessionBody::default() };
            let draft = Draft::new(id, RecordKind::Session, Parents::default(), &body);
            records::put(tx, &draft, &at, Lane::Backlog)?;
            sessions::reached(tx, id, 14.5)?;
            footage::add(tx, &root, id, &Piece { file: first, start_s: 0.0, end_s: 10.0, size: 9 })
        };
        store.write_blocking("begin", begin).expect("written");
        end_all(&store).expect("ended");
        let look = move |db: &rusqlite::Connection| {
            let gaps = records::bodies(db, &id.to_string(), "gap")?;
            Ok((records::body(db, &id.to_string())?, gaps, footage::end_of(db, id)?))
        };
        let (body, gaps, footage) = store.read_blocking("look", look).expect("read");
        let body = body.expect("a session");
        assert_eq!((&body["status"], &body["duration_s"]), (&json!("interrupted"), &json!(14.5)));
        assert_eq!((gaps.len(), &gaps[0]["what"]), (1, &json!("not_recorded")));
        assert_eq!((footage.files.len(), footage.end_s), (2, 14.5), "the open piece is known too");
        end_all(&store).expect("nothing to do");
        assert_eq!(store.read_blocking("look", look).expect("read").1.len(), 1, "ended once");
    }
}
