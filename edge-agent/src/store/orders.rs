//! What people ask of the program that runs. The asker writes a row, the program answers in it.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Begin a session.
    Start,
    /// Look away for a while.
    Pause,
    /// Go on looking.
    Resume,
    /// End the session that goes on.
    Stop,
    /// Remember this moment.
    Mark,
}

impl Order {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Mark => "mark",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "start" => Self::Start,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "stop" => Self::Stop,
            _ => Self::Mark,
        }
    }
}

/// An order that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its number.
    pub(crate) id: i64,
    /// What is asked.
    pub(crate) what: Order,
    /// Of which camera, from 1; of all without it.
    pub(crate) camera: Option<usize>,
    /// Facts or a note, JSON.
    pub(crate) said: String,
    /// When it was asked, Unix ms.
    pub(crate) created_ms: i64,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether it was done.
    pub(crate) done: bool,
    /// One line for a person.
    pub(crate) text: String,
}

/// Asks; gives the number.
pub(crate) fn ask(
    tx: &Transaction<'_>,
    what: Order,
    camera: Option<usize>,
    said: &str,
    now_ms: i64,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO orders (what, camera, said, created_ms) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute(params![what.as_str(), camera, said, now_ms])?;
    Ok(tx.last_insert_rowid())
}

/// The orders that nobody has answered, oldest first.
pub(crate) fn waiting(db: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    let sql = "SELECT id, what, camera, said, created_ms FROM orders WHERE done IS NULL ORDER BY id";
    db.prepare_cached(sql)?
        .query_map([], |row| {
            Ok(Waiting {
                id: row.get(0)?,
                what: Order::parse(row.get_ref(1)?.as_str()?),
                camera: row.get(2)?,
                said: row.get(3)?,
                created_ms: row.get(4)?,
            })
        })?
        .collect()
}

/// Answers an order.
pub(crate) fn answer(tx: &Transaction<'_>, id: i64, answer: &Answer) -> rusqlite::Result<()> {
    let sql = "UPDATE orders SET done = ?2, answer = ?3 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id, answer.done, answer.text]).map(drop)
}

/// The answer to an order, if there is one.
pub(crate) fn answer_to(db: &Connection, id: i64) -> rusqlite::Result<Option<Answer>> {
    let sql = "SELECT done, answer FROM orders WHERE id = ?1 AND done IS NOT NULL";
    db.prepare_cached(sql)?
        .query_row([id], |row| {
            Ok(Answer { done: row.get(0)?, text: row.get::<_, Option<String>>(1)?.unwrap_or_default() })
        })
        .optional()
}

/// Takes an order back that nobody has answered; false when somebody has.
pub(crate) fn take_back(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM orders WHERE id = ?1 AND done IS NULL";
    tx.prepare_cached(sql)?.execute([id]).map(|rows| rows > 0)
}
