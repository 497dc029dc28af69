//! Closed pieces of live recordings, and which of them go when the disk is full.

use crate::capture::camera::Piece;
use fieldeye_protocol::record::RecordId;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

const ADD: &str = "INSERT INTO footage (path, session_id, start_s, end_s, size) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (path) DO UPDATE SET end_s = excluded.end_s, size = excluded.size";

/// Notes a closed piece; `root` is the media folder.
pub(crate) fn add(tx: &Transaction<'_>, root: &Path, session: RecordId, piece: &Piece) -> rusqlite::Result<()> {
    let path = piece.file.strip_prefix(root).unwrap_or(&piece.file).to_string_lossy().into_owned();
    let values = params![path, session.to_string(), piece.start_s, piece.end_s, piece.size];
    tx.prepare_cached(ADD)?.execute(values).map(drop)
}

/// A piece that may go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// Relative to the media folder.
    pub(crate) path: String,
    /// Its session.
    pub(crate) session: RecordId,
    /// Start, seconds.
    pub(crate) start_s: f64,
    /// End, seconds.
    pub(crate) end_s: f64,
    /// Bytes.
    pub(crate) size: u64,
}

/// Pieces that were looked at and in which nothing was held or found; the oldest first.
const NEXT: &str = "SELECT f.path, f.session_id, f.start_s, f.end_s, f.size FROM footage f
    JOIN sessions s ON s.id = f.session_id
    WHERE NOT EXISTS (
        SELECT 1 FROM records r WHERE r.session_id = f.session_id AND r.void = 0
        AND (r.kind IN ('pause', 'defect') OR r.kind = 'gap' AND r.body ->> 'what' = 'not_analysed')
        AND coalesce(r.body ->> 'start_s', r.body ->> 'first_s') < f.end_s
        AND coalesce(r.body ->> 'end_s', r.body ->> 'last_s') > f.start_s)
    -- What was found in the newest seconds of a session that goes on is not written down yet.
    AND (s.status <> 'open' OR f.end_s < coalesce(s.reached_s, 0) - ?1)
    ORDER BY s.created_ms, f.start_s LIMIT 1";

/// The piece that goes first, if any may go. Of a session that goes on, the newest `keep_s` seconds stay.
pub(crate) fn next_to_go(db: &Connection, keep_s: f64) -> rusqlite::Result<Option<Candidate>> {
    db.prepare_cached(NEXT)?
        .query_row([keep_s], |row| {
            let session: String = row.get(1)?;
            let session = session.parse().map(RecordId).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error))
            })?;
            Ok(Candidate { path: row.get(0)?, session, start_s: row.get(2)?, end_s: row.get(3)?, size: row.get(4)? })
        })
        .optional()
}

/// Forgets a piece whose file is gone.
pub(crate) fn forget(tx: &Transaction<'_>, path: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM footage WHERE path = ?1")?.execute([path]).map(drop)
}

/// What is known of a session's pieces.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Known {
    /// Relative to the media folder.
    pub(crate) files: HashSet<PathBuf>,
    /// End of the newest, seconds.
    pub(crate) end_s: f64,
}

/// The pieces of a session.
pub(crate) fn end_of(db: &Connection, session: RecordId) -> rusqlite::Result<Known> {
    let mut known = Known::default();
    let mut pieces = db.prepare_cached("SELECT path, end_s FROM footage WHERE session_id = ?1")?;
    let mut rows = pieces.query([session.to_string()])?;
    while let Some(row) = rows.next()? {
        known.files.insert(PathBuf::from(row.get::<_, String>(0)?));
        known.end_s = known.end_s.max(row.get(1)?);
    }
    Ok(known)
}

/// Bytes of all pieces.
pub(crate) fn bytes(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT coalesce(sum(size), 0) FROM footage")?.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Lane;
    use crate::store::records::{Draft, put};
    use crate::store::sessions;
    use crate::store::testing::{at, database, write};
    use fieldeye_protocol::record::{Parents, RecordKind};
    use serde_json::{Value, json};
    use uuid::Uuid;

    #[test]
    fn what_was_looked_at_and_shows_nothing_goes_the_oldest_first() {
        let mut db = database();
        let session = RecordId(Uuid::from_u128(7));
        let parents = Parents { session: Some(session), frame: None };
        let say = |kind: RecordKind, body: Value| Draft { id: RecordId(Uuid::new_v4()), kind, parents, body };
        let said = [
            say(RecordKind::Pause, json!({"start_s": 9.0, "end_s": 11.5})),
            say(RecordKind::Defect, json!({"first_s": 31.0, "last_s": 32.0})),
            say(RecordKind::Gap, json!({"start_s": 41.0, "end_s": 43.0, "what": "not_analysed"})),
            say(RecordKind::Gap, json!({"start_s": 21.0, "end_s": 23.0, "what": "not_recorded"})),
        ];
        write(&mut db, |tx| {
            sessions::begin(tx, session, "test:ball", None, 1)?;
            sessions::reached(tx, session, 100.0)?;
            for number in (0..8).rev() {
                let file = Path::new("/m").join(format!("{number}.mp4"));
                let (start_s, end_s) = (f64::from(number) * 10.0, f64::from(number + 1) * 10.0);
                add(tx, Path::new("/m"), session, &Piece { file, start_s, end_s, size: 100 })?;
            }
            said.iter().try_for_each(|draft| put(tx, draft, &at(1), Lane::Backlog).map(drop))
        });
        assert_eq!(bytes(&db).expect("read"), 800);
        let mut gone = Vec::new();
        while let Some(next) = next_to_go(&db, 25.0).expect("read") {
            write(&mut db, |tx| forget(tx, &next.path));
            gone.push(next.path);
        }
        // 0 and 1 show the pause, 3 the defect, 4 was not looked at, 7 is too new.
        assert_eq!(gone, ["2.mp4", "5.mp4", "6.mp4"]);
    }
}
