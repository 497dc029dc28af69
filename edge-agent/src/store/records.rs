//! Records as they were last said. Saying the same again changes nothing; saying something else is a new revision
//! and a new place in the outbox.

use crate::store::outbox::{self, Lane};
use fieldeye_protocol::record::{At, Parents, Record, RecordId, RecordKind};
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;
use uuid::Uuid;

/// What is to be said about one thing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    /// Its id.
    pub(crate) id: RecordId,
    /// Its kind.
    pub(crate) kind: RecordKind,
    /// What it belongs to.
    pub(crate) parents: Parents,
    /// The content.
    pub(crate) body: Value,
}

impl Draft {
    /// A draft with a body of the protocol's.
    pub(crate) fn new(id: RecordId, kind: RecordKind, parents: Parents, body: &impl Serialize) -> Self {
        let body = serde_json::to_value(body).expect("bodies are plain data");
        Self { id, kind, parents, body }
    }
}

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It was not known.
    New,
    /// It was known with another content.
    Changed,
    /// It was known just so.
    Same,
}

const FIND: &str = "SELECT rev, kind, session_id, frame_id, body, void FROM records WHERE id = ?1";
const INSERT: &str =
    "INSERT INTO records (id, rev, kind, session_id, frame_id, wall_ms, boot, mono_ms, synced, body, void)
    VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)";
const UPDATE: &str =
    "UPDATE records SET rev = rev + 1, kind = ?2, session_id = ?3, frame_id = ?4, wall_ms = ?5, boot = ?6,
    mono_ms = ?7, synced = ?8, body = ?9, void = 0 WHERE id = ?1";
const VOID: &str =
    "UPDATE records SET rev = rev + 1, void = 1, wall_ms = ?2, boot = ?3, mono_ms = ?4, synced = ?5 WHERE id = ?1";
const OF_SESSION: &str = "SELECT id FROM records WHERE session_id = ?1 AND void = 0";
const EXISTS: &str = "SELECT 1 FROM records WHERE id = ?1";

/// Writes a draft down and puts it into the outbox if it says anything new.
pub(crate) fn put(tx: &Transaction<'_>, draft: &Draft, at: &At, lane: Lane) -> rusqlite::Result<Put> {
    let id = draft.id.to_string();
    let kind = draft.kind.as_str();
    let session = draft.parents.session.map(|id| id.to_string());
    let frame = draft.parents.frame.map(|id| id.to_string());
    let body = draft.body.to_string();
    let known = tx
        .prepare_cached(FIND)?
        .query_row([&id], |row| {
            Ok(row.get_ref(1)?.as_str()? == kind
                && row.get::<_, Option<String>>(2)? == session
                && row.get::<_, Option<String>>(3)? == frame
                && row.get_ref(4)?.as_str()? == body
                && !row.get::<_, bool>(5)?)
        })
        .optional()?;
    let (sql, put) = match known {
        Some(true) => {
            if lane == Lane::Urgent {
                outbox::promote(tx, &id)?;
            }
            return Ok(Put::Same);
        }
        Some(false) => (UPDATE, Put::Changed),
        None => (INSERT, Put::New),
    };
    let wall_ms = at.wall.as_millisecond();
    tx.prepare_cached(sql)?
        .execute(params![id, kind, session, frame, wall_ms, at.boot, at.mono_ms, at.synced, body])?;
    outbox::enqueue(tx, &id, lane)?;
    Ok(put)
}

/// Withdraws what a complete second look at a session did not find any more: records with ids that follow from the
/// file's content and that are not in `found`. Gives their number.
pub(crate) fn void_missing(
    tx: &Transaction<'_>,
    session: RecordId,
    found: &HashSet<RecordId>,
    at: &At,
) -> rusqlite::Result<usize> {
    let ids: Vec<String> = tx
        .prepare_cached(OF_SESSION)?
        .query_map([session.to_string()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let derived = |id: &Uuid| id.get_version_num() == 8;
    let gone: Vec<String> = ids
        .into_iter()
        .filter(|id| id.parse::<Uuid>().is_ok_and(|id| derived(&id) && !found.contains(&RecordId(id))))
        .collect();
    for id in &gone {
        tx.prepare_cached(VOID)?.execute(params![id, at.wall.as_millisecond(), at.boot, at.mono_ms, at.synced])?;
        outbox::enqueue(tx, id, Lane::Backlog)?;
    }
    Ok(gone.len())
}

/// Whether anything was ever said about `id`.
pub(crate) fn exists(db: &Connection, id: RecordId) -> rusqlite::Result<bool> {
    db.prepare_cached(EXISTS)?.exists([id.to_string()])
}

const BODY: &str = "SELECT body FROM records WHERE id = ?1 AND void = 0";

/// What was last said about `id`, if that can be read.
pub(crate) fn body(db: &Connection, id: &str) -> rusqlite::Result<Option<Value>> {
    let text: Option<String> = db.prepare_cached(BODY)?.query_row([id], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

const BODIES: &str = "SELECT body FROM records WHERE session_id = ?1 AND kind = ?2 AND void = 0 ORDER BY rowid";

/// What was last said about the things of one kind in a session, as far as that can be read.
pub(crate) fn bodies(db: &Connection, session: &str, kind: &str) -> rusqlite::Result<Vec<Value>> {
    let texts: Vec<String> =
        db.prepare_cached(BODIES)?.query_map([session, kind], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

/// Builds the record of a row that has, from column `first` on: id, rev, kind, session_id, frame_id, wall_ms, boot,
/// mono_ms, synced, body, void.
pub(super) fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Record> {
    let bad = |column: usize, error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(first + column, Type::Text, error)
    };
    let uuid = |column: usize, text: String| text.parse().map(RecordId).map_err(|error| bad(column, Box::new(error)));
    let parent =
        |column: usize| row.get::<_, Option<String>>(first + column)?.map(|text| uuid(column, text)).transpose();
    let wall_ms: i64 = row.get(first + 5)?;
    Ok(Record {
        id: uuid(0, row.get(first)?)?,
        rev: row.get(first + 1)?,
        kind: RecordKind::from(row.get::<_, String>(first + 2)?),
        parents: Parents { session: parent(3)?, frame: parent(4)? },
        at: At {
            wall: Timestamp::from_millisecond(wall_ms).map_err(|error| bad(5, Box::new(error)))?,
            boot: row.get(first + 6)?,
            mono_ms: row.get(first + 7)?,
            synced: row.get(first + 8)?,
        },
        body: serde_json::from_str(row.get_ref(first + 9)?.as_str()?).map_err(|error| bad(9, Box::new(error)))?,
        void: row.get(first + 10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{at, database, draft, outbox_rows, write};
    use serde_json::json;

    #[test]
    fn the_same_again_changes_nothing() {
        let mut db = database();
        let one = draft(1, json!({"x": 1.25}));
        assert_eq!(write(&mut db, |tx| put(tx, &one, &at(1), Lane::Backlog)), Put::New);
        let before = outbox_rows(&db);
        assert_eq!(write(&mut db, |tx| put(tx, &one, &at(2), Lane::Backlog)), Put::Same);
        assert_eq!(outbox_rows(&db), before, "neither revision nor place changed");
    }

    #[test]
    fn another_content_is_a_new_revision_in_a_new_place() {
        let mut db = database();
        write(&mut db, |tx| put(tx, &draft(1, json!({"x": 1})), &at(1), Lane::Backlog));
        write(&mut db, |tx| put(tx, &draft(2, json!({"x": 1})), &at(1), Lane::Backlog));
        assert_eq!(write(&mut db, |tx| put(tx, &draft(1, json!({"x": 2})), &at(1), Lane::Backlog)), Put::Changed);
        let rows = outbox_rows(&db);
        assert_eq!(rows.iter().map(|row| (row.record, row.rev)).collect::<Vec<_>>(), [(2, 1), (1, 2)]);
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 3], "the old number is never used again");
    }

    #[test]
    fn what_a_second_look_does_not_find_is_voided_once() {
        let mut db = database();
        let session = RecordId(Uuid::from_u128(0));
        let derived =
            |n: i64| RecordId::derived(&fieldeye_protocol::digest::Digest::of(b"file"), &RecordKind::Pause, n, "");
        let live = RecordId(Uuid::now_v7());
        write(&mut db, |tx| {
            for id in [derived(1), derived(2), live] {
                let parents = Parents { session: Some(session), frame: None };
                put(tx, &Draft { id, kind: RecordKind::Pause, parents, body: json!({}) }, &at(1), Lane::Backlog)?;
            }
            tx.execute("DELETE FROM outbox", [])
        });
        let found = HashSet::from([derived(1)]);
        assert_eq!(write(&mut db, |tx| void_missing(tx, session, &found, &at(2))), 1);
        assert_eq!(write(&mut db, |tx| void_missing(tx, session, &found, &at(3))), 0, "it is void already");
        let (rev, void): (u64, bool) = db
            .query_row("SELECT rev, void FROM records WHERE id = ?1", [derived(2).to_string()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .expect("row");
        assert_eq!((rev, void, outbox_rows(&db).len()), (2, true, 1));
        let parents = Parents { session: Some(session), frame: None };
        let again = Draft { id: derived(2), kind: RecordKind::Pause, parents, body: json!({}) };
        assert_eq!(write(&mut db, |tx| put(tx, &again, &at(4), Lane::Backlog)), Put::Changed, "found again");
    }
}
