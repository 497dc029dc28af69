//! Sessions as this device knows them: which content was looked at, and whether to the end.

use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::RecordId;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// How far a session was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Not to the end yet.
    Open,
    /// Completely.
    Closed,
    /// As far as the file can be read.
    Interrupted,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Interrupted => "interrupted",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "closed" => Self::Closed,
            "interrupted" => Self::Interrupted,
            _ => Self::Open,
        }
    }
}

const REACHED: &str = "UPDATE sessions SET reached_s = ?2 WHERE id = ?1";

/// Notes how far a live session is, seconds.
pub(crate) fn reached(tx: &Transaction<'_>, id: RecordId, reached_s: f64) -> rusqlite::Result<()> {
    tx.prepare_cached(REACHED)?.execute(params![id.to_string(), reached_s]).map(drop)
}

const LEFT_OPEN: &str =
    "SELECT id, reached_s FROM sessions WHERE status = 'open' AND source_sha256 IS NULL ORDER BY created_ms";

/// A live session that nobody ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LeftOpen {
    /// Its id.
    pub(crate) id: RecordId,
    /// How far it was, seconds.
    pub(crate) reached_s: f64,
}

/// Live sessions that nobody ended: the program or the device died.
pub(crate) fn left_open(db: &Connection) -> rusqlite::Result<Vec<LeftOpen>> {
    let rows: Vec<(String, f64)> = db
        .prepare_cached(LEFT_OPEN)?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, Option<f64>>(1)?.unwrap_or(0.0))))?
        .collect::<rusqlite::Result<_>>()?;
    let ids =
        rows.into_iter().filter_map(|(id, reached_s)| Some(LeftOpen { id: RecordId(id.parse().ok()?), reached_s }));
    Ok(ids.collect())
}

/// What is known of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its session.
    pub(crate) id: String,
    /// How far it was looked at.
    pub(crate) status: Status,
    /// Pauses found.
    pub(crate) pauses: u64,
    /// Defects found.
    pub(crate) defects: u64,
    /// Program, model and settings of the last look that ended.
    pub(crate) looked_with: Option<String>,
}

const OF_CONTENT: &str = "SELECT id, status, pauses, defects, looked_with FROM sessions WHERE source_sha256 = ?1";

/// The session of a content, if there is one.
pub(crate) fn of_content(db: &Connection, content: &Digest) -> rusqlite::Result<Option<Known>> {
    db.prepare_cached(OF_CONTENT)?
        .query_row([content.to_string()], |row| {
            let status = Status::parse(row.get_ref(1)?.as_str()?);
            let looked_with = row.get(4)?;
            Ok(Known { id: row.get(0)?, status, pauses: row.get(2)?, defects: row.get(3)?, looked_with })
        })
        .optional()
}

const BEGIN: &str =
    "INSERT INTO sessions (id, source, source_sha256, status, created_ms) VALUES (?1, ?2, ?3, 'open', ?4)
    ON CONFLICT (id) DO UPDATE SET source = excluded.source, status = 'open', ended_ms = NULL";

/// A look at a session begins (again).
pub(crate) fn begin(
    tx: &Transaction<'_>,
    id: RecordId,
    source: &str,
    content: Option<&Digest>,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let content = content.map(Digest::to_string);
    tx.prepare_cached(BEGIN)?.execute(params![id.to_string(), source, content, now_ms]).map(drop)
}

const END: &str =
    "UPDATE sessions SET status = ?2, pauses = ?3, defects = ?4, looked_with = ?5, ended_ms = ?6 WHERE id = ?1";

/// How a look at a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// How far it came.
    pub(crate) status: Status,
    /// Pauses found.
    pub(crate) pauses: u64,
    /// Defects found.
    pub(crate) defects: u64,
    /// Program, model and settings.
    pub(crate) looked_with: String,
}

/// A look at a session has ended.
pub(crate) fn end(tx: &Transaction<'_>, id: RecordId, ended: &Ended, now_ms: i64) -> rusqlite::Result<()> {
    let Ended { status, pauses, defects, looked_with } = ended;
    let values = params![id.to_string(), status.as_str(), pauses, defects, looked_with, now_ms];
    tx.prepare_cached(END)?.execute(values).map(drop)
}

const REMEMBER: &str = "INSERT INTO files (path, stamp, sha256) VALUES (?1, ?2, ?3)
    ON CONFLICT (path) DO UPDATE SET stamp = excluded.stamp, sha256 = excluded.sha256";

/// Remembers what a file is, under the stamp that the file system gives it.
pub(crate) fn remember_file(tx: &Transaction<'_>, path: &str, stamp: &str, content: &Digest) -> rusqlite::Result<()> {
    tx.prepare_cached(REMEMBER)?.execute(params![path, stamp, content.to_string()]).map(drop)
}

const CONTENT_OF_FILE: &str = "SELECT sha256 FROM files WHERE path = ?1 AND stamp = ?2";

/// What a file is, if it was read before and has not changed since.
pub(crate) fn content_of_file(db: &Connection, path: &str, stamp: &str) -> rusqlite::Result<Option<Digest>> {
    let text: Option<String> =
        db.prepare_cached(CONTENT_OF_FILE)?.query_row([path, stamp], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| Digest::parse(&text).ok()))
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its id.
    pub(crate) id: String,
    /// File name, or URI without credentials.
    pub(crate) source: String,
    /// How far it was looked at.
    pub(crate) status: Status,
}

const LIST: &str =
    "SELECT id, source, status FROM sessions WHERE substr(id, 1, length(?1)) = ?1 ORDER BY created_ms, id";

/// The sessions whose ids begin so, oldest first.
pub(crate) fn list(db: &Connection, beginning: &str) -> rusqlite::Result<Vec<Listed>> {
    let listed = |row: &rusqlite::Row<'_>| {
        Ok(Listed { id: row.get(0)?, source: row.get(1)?, status: Status::parse(row.get_ref(2)?.as_str()?) })
    };
    db.prepare_cached(LIST)?.query_map([beginning.to_ascii_lowercase()], listed)?.collect()
}

/// A session, as the newest are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    /// Its id.
    pub(crate) id: String,
    /// File name, or URI without credentials.
    pub(crate) source: String,
    /// How far it was looked at.
    pub(crate) status: Status,
    /// Pauses found, once it has ended.
    pub(crate) pauses: u64,
    /// Defects found, once it has ended.
    pub(crate) defects: u64,
    /// When it was begun, Unix ms.
    pub(crate) created_ms: i64,
}

const NEWEST: &str =
    "SELECT id, source, status, pauses, defects, created_ms FROM sessions ORDER BY created_ms DESC, id LIMIT ?1";

/// The newest sessions, the newest first.
pub(crate) fn newest(db: &Connection, limit: usize) -> rusqlite::Result<Vec<Newest>> {
    db.prepare_cached(NEWEST)?
        .query_map([limit], |row| {
            Ok(Newest {
                id: row.get(0)?,
                source: row.get(1)?,
                status: Status::parse(row.get_ref(2)?.as_str()?),
                pauses: row.get(3)?,
                defects: row.get(4)?,
                created_ms: row.get(5)?,
            })
        })?
        .collect()
}

/// A session, and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    /// Its id.
    pub(crate) id: String,
    /// File name, or URI without credentials.
    pub(crate) source: String,
    /// How far a live one is, seconds; 0 for files.
    pub(crate) reached_s: f64,
}

const SPANS: &str = "SELECT id, source, coalesce(reached_s, 0.0) FROM sessions ORDER BY created_ms, id";

/// All sessions, oldest first.
pub(crate) fn spans(db: &Connection) -> rusqlite::Result<Vec<Span>> {
    let span = |row: &rusqlite::Row<'_>| Ok(Span { id: row.get(0)?, source: row.get(1)?, reached_s: row.get(2)? });
    db.prepare_cached(SPANS)?.query_map([], span)?.collect()
}

const COUNT: &str = "SELECT count(*) FROM sessions";

/// How many sessions there are.
pub(crate) fn count(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached(COUNT)?.query_row([], |row| row.get(0))
}
