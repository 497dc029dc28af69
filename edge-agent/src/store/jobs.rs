//! Files to analyse: whoever asks writes a row, the holder of the data directory works it off and writes what came
//! of it.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    /// Nobody has begun it.
    Waiting,
    /// It is being read.
    Running,
    /// Analysed to the end.
    Done,
    /// Its content was analysed to the end before.
    Known,
    /// The file, or a part of it, can't be read.
    Unreadable,
    /// The defect model can't be used.
    BadModel,
    /// Something else went wrong here.
    Failed,
}

impl JobState {
    /// As it stands in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Known => "known",
            Self::Unreadable => "unreadable",
            Self::BadModel => "bad_model",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "waiting" => Self::Waiting,
            "running" => Self::Running,
            "done" => Self::Done,
            "known" => Self::Known,
            "unreadable" => Self::Unreadable,
            "bad_model" => Self::BadModel,
            _ => Self::Failed,
        }
    }

    /// Whether nothing more will happen to it.
    pub(crate) fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// One file to analyse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// Number of the row.
    pub(crate) id: i64,
    /// The file, absolute.
    pub(crate) path: String,
    /// What a person said about the inspection, JSON.
    pub(crate) facts: String,
    /// How it stands.
    pub(crate) state: JobState,
    /// Digest of the content, once read.
    pub(crate) source_sha256: Option<String>,
    /// The session, once known.
    pub(crate) session_id: Option<String>,
    /// Pauses found.
    pub(crate) pauses: u64,
    /// Defects found.
    pub(crate) defects: u64,
    /// One line for a person.
    pub(crate) message: Option<String>,
}

/// What came of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Digest of the content.
    pub(crate) source_sha256: Option<String>,
    /// The session.
    pub(crate) session_id: Option<String>,
    /// Pauses found.
    pub(crate) pauses: u64,
    /// Defects found.
    pub(crate) defects: u64,
    /// One line for a person.
    pub(crate) message: Option<String>,
}

const UNFINISHED_OF_PATH: &str = "SELECT id FROM jobs WHERE path = ?1 AND state IN ('waiting', 'running')";
const REFRESH: &str = "UPDATE jobs SET facts = ?2, updated_ms = ?3 WHERE id = ?1 AND state = 'waiting'";
const ADD: &str = "INSERT INTO jobs (path, facts, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?3) RETURNING id";

/// Asks for a file. One that is asked for already is not asked for twice.
pub(crate) fn add(tx: &Transaction<'_>, path: &str, facts: &str, now_ms: i64) -> rusqlite::Result<i64> {
    let unfinished: Option<i64> =
        tx.prepare_cached(UNFINISHED_OF_PATH)?.query_row([path], |row| row.get(0)).optional()?;
    match unfinished {
        Some(id) => {
            tx.prepare_cached(REFRESH)?.execute(params![id, facts, now_ms])?;
            Ok(id)
        }
        None => tx.prepare_cached(ADD)?.query_row(params![path, facts, now_ms], |row| row.get(0)),
    }
}

const RELEASE: &str = "UPDATE jobs SET state = 'waiting', updated_ms = ?1 WHERE state = 'running'";
// A week is enough for whoever asked to look.
const FORGET: &str = "DELETE FROM jobs WHERE state NOT IN ('waiting', 'running') AND updated_ms < ?1 - 604800000";

/// After a start: what ran when the program died waits again.
pub(super) fn release_left_over(tx: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
    tx.execute(RELEASE, [now_ms])?;
    tx.execute(FORGET, [now_ms]).map(drop)
}

const NEXT: &str = "SELECT id, path, facts, state, source_sha256, session_id, pauses, defects, message FROM jobs
    WHERE state = 'waiting' AND id > ?1 ORDER BY id LIMIT 1";
const GET: &str = "SELECT id, path, facts, state, source_sha256, session_id, pauses, defects, message FROM jobs
    WHERE id = ?1";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get(0)?,
        path: row.get(1)?,
        facts: row.get(2)?,
        state: JobState::parse(row.get_ref(3)?.as_str()?),
        source_sha256: row.get(4)?,
        session_id: row.get(5)?,
        pauses: row.get(6)?,
        defects: row.get(7)?,
        message: row.get(8)?,
    })
}

/// The first job after `after` that nobody has begun.
pub(crate) fn next(db: &Connection, after: i64) -> rusqlite::Result<Option<Job>> {
    db.prepare_cached(NEXT)?.query_row([after], from_row).optional()
}

/// One job.
pub(crate) fn get(db: &Connection, id: i64) -> rusqlite::Result<Option<Job>> {
    db.prepare_cached(GET)?.query_row([id], from_row).optional()
}

const SET_STATE: &str = "UPDATE jobs SET state = ?2, updated_ms = ?3 WHERE id = ?1";

/// Begins a job, or lets it wait again.
pub(crate) fn set_state(tx: &Transaction<'_>, id: i64, state: JobState, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(SET_STATE)?.execute(params![id, state.as_str(), now_ms]).map(drop)
}

const FINISH: &str = "UPDATE jobs SET state = ?2, source_sha256 = ?3, session_id = ?4, pauses = ?5, defects = ?6,
    message = ?7, updated_ms = ?8 WHERE id = ?1";

/// Writes down what came of a job.
pub(crate) fn finish(
    tx: &Transaction<'_>,
    id: i64,
    state: JobState,
    found: &Found,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let Found { source_sha256, session_id, pauses, defects, message } = found;
    tx.prepare_cached(FINISH)?
        .execute(params![id, state.as_str(), source_sha256, session_id, pauses, defects, message, now_ms])
        .map(drop)
}

const UNFINISHED: &str = "SELECT count(*) FROM jobs WHERE state IN ('waiting', 'running')";

/// How many jobs are not finished.
pub(crate) fn unfinished(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached(UNFINISHED)?.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{database, write};

    #[test]
    fn a_file_is_asked_for_once_and_survives_a_death() {
        let mut db = database();
        let one = write(&mut db, |tx| add(tx, "/a.mp4", "{}", 1));
        assert_eq!(write(&mut db, |tx| add(tx, "/a.mp4", r#"{"x":1}"#, 2)), one);
        let job = next(&db, 0).expect("read").expect("waits");
        assert_eq!((job.id, job.facts.as_str()), (one, r#"{"x":1}"#));
        write(&mut db, |tx| set_state(tx, one, JobState::Running, 3));
        assert_eq!(next(&db, 0).expect("read"), None);
        write(&mut db, |tx| release_left_over(tx, 4));
        assert_eq!(next(&db, 0).expect("read").map(|job| job.id), Some(one));
        let found = Found { pauses: 2, message: Some("fine".into()), ..Found::default() };
        write(&mut db, |tx| finish(tx, one, JobState::Done, &found, 5));
        let job = get(&db, one).expect("read").expect("there");
        assert!(job.state.is_final() && job.pauses == 2);
        assert_eq!(unfinished(&db).expect("read"), 0);
        assert_ne!(write(&mut db, |tx| add(tx, "/a.mp4", "{}", 6)), one, "a finished job can be asked for again");
        write(&mut db, |tx| release_left_over(tx, 604_800_010));
        assert_eq!(get(&db, one).expect("read"), None, "an old one is forgotten");
    }
}
