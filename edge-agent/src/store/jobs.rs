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

/// Who wants a file analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody named it, and may wait for it.
    Person,
    /// It lies in a folder that is watched.
    Source,
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Source => "source",
        }
    }
}

/// One file to analyse.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    /// Number of the row.
    pub(crate) id: i64,
    /// The file, absolute.
    pub(crate) path: String,
    /// What a person said about the inspection, JSON.
    pub(crate) facts: String,
    /// Who wants it.
    pub(crate) origin: Origin,
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
    /// How far it is, 0 to 1.
    pub(crate) progress: f64,
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
// What a person said is not unsaid by a folder.
const REFRESH: &str = "UPDATE jobs SET facts = ?2, origin = ?3, updated_ms = ?4
    WHERE id = ?1 AND state = 'waiting' AND (origin = 'source' OR ?3 = 'person')";
const ADD: &str =
    "INSERT INTO jobs (path, facts, origin, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, ?4) RETURNING id";

/// Asks for a file. One that is asked for already is not asked for twice.
pub(crate) fn add(tx: &Transaction<'_>, path: &str, facts: &str, origin: Origin, now_ms: i64) -> rusqlite::Result<i64> {
    let unfinished: Option<i64> =
        tx.prepare_cached(UNFINISHED_OF_PATH)?.query_row([path], |row| row.get(0)).optional()?;
    match unfinished {
        Some(id) => {
            tx.prepare_cached(REFRESH)?.execute(params![id, facts, origin.as_str(), now_ms])?;
            Ok(id)
        }
        None => {
            let values = params![path, facts, origin.as_str(), now_ms];
            tx.prepare_cached(ADD)?.query_row(values, |row| row.get(0))
        }
    }
}

// A program that dies over the same file again and again must come to an end with it.
const GIVE_UP: &str = "UPDATE jobs SET state = 'failed', updated_ms = ?1,
    message = 'the program died over this file five times; try another copy of it, and report this'
    WHERE state = 'running' AND deaths >= 4";
const RELEASE: &str =
    "UPDATE jobs SET state = 'waiting', progress = 0, deaths = deaths + 1, updated_ms = ?1 WHERE state = 'running'";
// A week is enough for whoever asked to look.
const FORGET: &str = "DELETE FROM jobs WHERE state NOT IN ('waiting', 'running') AND updated_ms < ?1 - 604800000";

/// After a start: what ran when the program died waits again, behind what it did not die over.
pub(super) fn release_left_over(tx: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
    tx.execute(GIVE_UP, [now_ms])?;
    tx.execute(RELEASE, [now_ms])?;
    tx.execute(FORGET, [now_ms]).map(drop)
}

const NEXT: &str =
    "SELECT id, path, facts, origin, state, source_sha256, session_id, pauses, defects, message, progress
    FROM jobs WHERE state = 'waiting' AND id <= ?1 ORDER BY deaths, origin, id LIMIT 1";
const GET: &str = "SELECT id, path, facts, origin, state, source_sha256, session_id, pauses, defects, message, progress
    FROM jobs WHERE id = ?1";
const RUNNING: &str =
    "SELECT id, path, facts, origin, state, source_sha256, session_id, pauses, defects, message, progress
    FROM jobs WHERE state = 'running' ORDER BY id LIMIT 1";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get(0)?,
        path: row.get(1)?,
        facts: row.get(2)?,
        origin: if row.get_ref(3)?.as_str()? == "source" { Origin::Source } else { Origin::Person },
        state: JobState::parse(row.get_ref(4)?.as_str()?),
        source_sha256: row.get(5)?,
        session_id: row.get(6)?,
        pauses: row.get(7)?,
        defects: row.get(8)?,
        message: row.get(9)?,
        progress: row.get(10)?,
    })
}

/// The next job that nobody has begun, of those with numbers up to `up_to`: persons' before folders'.
pub(crate) fn next(db: &Connection, up_to: i64) -> rusqlite::Result<Option<Job>> {
    db.prepare_cached(NEXT)?.query_row([up_to], from_row).optional()
}

/// One job.
pub(crate) fn get(db: &Connection, id: i64) -> rusqlite::Result<Option<Job>> {
    db.prepare_cached(GET)?.query_row([id], from_row).optional()
}

/// The job that is being worked on.
pub(crate) fn running(db: &Connection) -> rusqlite::Result<Option<Job>> {
    db.prepare_cached(RUNNING)?.query_row([], from_row).optional()
}

const FAILED: &str =
    "SELECT id, path, facts, origin, state, source_sha256, session_id, pauses, defects, message, progress
    FROM jobs j WHERE state IN ('unreadable', 'bad_model', 'failed')
        AND NOT EXISTS (SELECT 1 FROM jobs later WHERE later.path = j.path AND later.id > j.id)
    ORDER BY id DESC LIMIT ?1";

/// Files that could not be analysed and were not asked for again since, newest first.
pub(crate) fn failed(db: &Connection, limit: usize) -> rusqlite::Result<Vec<Job>> {
    db.prepare_cached(FAILED)?.query_map([limit], from_row)?.collect()
}

const SET_PROGRESS: &str = "UPDATE jobs SET progress = ?2, updated_ms = ?3 WHERE id = ?1";

/// Tells whoever waits how far a job is, 0 to 1.
pub(crate) fn set_progress(tx: &Transaction<'_>, id: i64, progress: f64, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(SET_PROGRESS)?.execute(params![id, progress.clamp(0.0, 1.0), now_ms]).map(drop)
}

const BEGIN: &str = "UPDATE jobs SET state = 'running', progress = 0, message = NULL, updated_ms = ?2 WHERE id = ?1";
const WAIT: &str = "UPDATE jobs SET state = 'waiting', progress = 0, message = ?2, updated_ms = ?3 WHERE id = ?1";

/// Begins a job.
pub(crate) fn begin(tx: &Transaction<'_>, id: i64, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(BEGIN)?.execute(params![id, now_ms]).map(drop)
}

/// Lets a job wait again, and says why.
pub(crate) fn wait(tx: &Transaction<'_>, id: i64, why: Option<&str>, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(WAIT)?.execute(params![id, why, now_ms]).map(drop)
}

const FINISH: &str = "UPDATE jobs SET state = ?2, source_sha256 = ?3, session_id = ?4, pauses = ?5, defects = ?6,
    message = ?7, progress = 1, updated_ms = ?8 WHERE id = ?1";

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

    fn ask(db: &mut Connection, path: &str, facts: &str, origin: Origin) -> i64 {
        write(db, |tx| add(tx, path, facts, origin, 1))
    }

    fn next_id(db: &Connection) -> Option<i64> {
        next(db, i64::MAX).expect("read").map(|job| job.id)
    }

    #[test]
    fn a_file_is_asked_for_once_and_survives_a_death() {
        let mut db = database();
        let one = ask(&mut db, "/a.mp4", "{}", Origin::Source);
        assert_eq!(ask(&mut db, "/a.mp4", r#"{"x":1}"#, Origin::Person), one);
        assert_eq!(ask(&mut db, "/a.mp4", "{}", Origin::Source), one);
        let job = next(&db, one).expect("read").expect("waits");
        assert_eq!(
            (job.id, job.facts.as_str(), job.origin),
            (one, r#"{"x":1}"#, Origin::Person),
            "a person's word stays"
        );
        assert_eq!(next(&db, one - 1).expect("read"), None, "not asked to go so far");
        write(&mut db, |tx| begin(tx, one, 3));
        write(&mut db, |tx| set_progress(tx, one, 0.5, 3));
        assert_eq!(running(&db).expect("read").map(|job| (job.id, job.progress)), Some((one, 0.5)));
        assert_eq!(next_id(&db), None);
        write(&mut db, |tx| release_left_over(tx, 4));
        assert_eq!(next_id(&db), Some(one));
        let found = Found { pauses: 2, message: Some("fine".into()), ..Found::default() };
        write(&mut db, |tx| finish(tx, one, JobState::Done, &found, 5));
        let job = get(&db, one).expect("read").expect("there");
        assert!(job.state.is_final() && job.pauses == 2);
        assert_eq!(failed(&db, 9).expect("read"), []);
        assert_eq!(unfinished(&db).expect("read"), 0);
        assert_ne!(ask(&mut db, "/a.mp4", "{}", Origin::Person), one, "a finished job can be asked for again");
        write(&mut db, |tx| release_left_over(tx, 604_800_010));
        assert_eq!(get(&db, one).expect("read"), None, "an old one is forgotten");
    }

    #[test]
    fn persons_come_first_and_deadly_files_last() {
        let mut db = database();
        let deadly = ask(&mut db, "/deadly.mp4", "{}", Origin::Person);
        let folder = ask(&mut db, "/folder/1.mp4", "{}", Origin::Source);
        let person = ask(&mut db, "/2.mp4", "{}", Origin::Person);
        write(&mut db, |tx| begin(tx, deadly, 1));
        write(&mut db, |tx| release_left_over(tx, 2));
        for expected in [person, folder, deadly] {
            assert_eq!(next_id(&db), Some(expected));
            write(&mut db, |tx| begin(tx, expected, 3));
            if expected != deadly {
                write(&mut db, |tx| finish(tx, expected, JobState::Done, &Found::default(), 4));
            }
        }
        for death in 2..=5 {
            write(&mut db, |tx| release_left_over(tx, death));
            let job = get(&db, deadly).expect("read").expect("there");
            assert_eq!(job.state, if death == 5 { JobState::Failed } else { JobState::Waiting }, "death {death}");
            if death < 5 {
                write(&mut db, |tx| begin(tx, deadly, death));
            }
        }
        assert_eq!(failed(&db, 9).expect("read").len(), 1);
        ask(&mut db, "/deadly.mp4", "{}", Origin::Person);
        assert_eq!(failed(&db, 9).expect("read"), [], "somebody tries it again");
    }
}
