//! Both ends of the line compared: what the agent has written down, and what the hub has of it.

use fieldeye_protocol::digest::Digest;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A record as one side holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its kind, as on the wire.
    pub kind: String,
    /// Its revision.
    pub rev: u64,
    /// A later look withdrew it.
    pub void: bool,
    /// The session it belongs to.
    pub session: Option<String>,
    /// Its content; null when it was withdrawn.
    pub body: Value,
}

/// Everything that one side holds, by id.
pub type Records = BTreeMap<String, Held>;

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Records.
    pub records: usize,
    /// Pictures.
    pub blobs: usize,
}

/// Opens a database of a program that may be running.
///
/// # Panics
/// When it can't be opened.
pub fn database(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    database.busy_timeout(Duration::from_secs(30)).expect("a timeout can be set");
    database
}

/// A number that a query gives; 0 while the database or the table is not there yet.
pub fn count(path: &Path, query: &str) -> i64 {
    if !path.exists() {
        return 0;
    }
    database(path).query_row(query, [], |row| row.get(0)).unwrap_or(0)
}

fn all(database: &Connection, query: &str) -> Records {
    let mut statement = database.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let rows = statement.query_map([], |row| {
        let (id, void): (String, bool) = (row.get(0)?, row.get(3)?);
        let body: Option<String> = row.get(5)?;
        let body = body.filter(|_| !void).map(|text| serde_json::from_str(&text).expect("a body is JSON"));
        Ok((
            id,
            Held { kind: row.get(1)?, rev: row.get(2)?, void, session: row.get(4)?, body: body.unwrap_or_default() },
        ))
    });
    rows.and_then(Iterator::collect).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// All records of an agent.
pub fn agent_records(database: &Connection) -> Records {
    all(database, "SELECT id, kind, rev, void, session_id, body FROM records")
}

/// All records of a hub, placeholders (rev 0) included.
pub fn hub_records(database: &Connection) -> Records {
    let tables = [
        ("sessions", "session", "NULL"),
        ("frames", "frame", "session_id"),
        ("pauses", "pause", "session_id"),
        ("defects", "defect", "session_id"),
        ("clips", "clip", "session_id"),
        ("gaps", "gap", "session_id"),
        ("events", "event", "session_id"),
    ];
    let query = |(table, kind, session): (&str, &str, &str)| {
        format!("SELECT id, '{kind}', rev, void, {session}, body FROM field_eye_{table}")
    };
    tables.into_iter().flat_map(|table| all(database, &query(table))).collect()
}

/// Whether two JSON values are the same, but for the last digits of fractions that were printed and read again.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap_or(f64::NAN), other.as_f64().unwrap_or(f64::NAN));
            one == other || (one - other).abs() <= 1e-12 * one.abs().max(other.abs())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// Files below a folder, but for the mark that says whose folder it is.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with(".store-id") {
            found.push(path);
        }
    }
    found
}

/// Checks that everything the agent has is at the hub exactly once and nothing waits any more: records with the same
/// revision and content, pictures whole under their names, no placeholder, no leftover.
///
/// # Panics
/// With the first difference.
pub fn assert_arrived(agent_dir: &Path, hub_dir: &Path) -> Arrived {
    let agent = database(&agent_dir.join("agent.db"));
    let hub = database(&hub_dir.join("hub.db"));
    for (name, database) in [("agent.db", &agent), ("hub.db", &hub)] {
        let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checkable");
        assert_eq!(check, "ok", "{name}");
    }
    let number = |database: &Connection, query: &str| -> i64 {
        database.query_row(query, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{query}: {error}"))
    };
    assert_eq!(number(&agent, "SELECT count(*) FROM outbox"), 0, "the outbox is empty");
    assert_eq!(number(&hub, "SELECT count(*) FROM field_eye_quarantine"), 0, "nothing was refused");

    let (there, here) = (agent_records(&agent), hub_records(&hub));
    assert!(!there.is_empty(), "the agent has records");
    for (id, sent) in &there {
        let got = here.get(id).unwrap_or_else(|| panic!("{} {id} is not at the hub: {sent:?}", sent.kind));
        assert_eq!((&got.kind, got.rev, got.void), (&sent.kind, sent.rev, sent.void), "{id}");
        assert!(sent.kind == "session" || got.session == sent.session, "{id}: {sent:?} became {got:?}");
        assert!(same(&got.body, &sent.body), "{id}: {} became {}", sent.body, got.body);
    }
    let strangers: Vec<_> = here.iter().filter(|(id, _)| !there.contains_key(*id)).collect();
    assert!(strangers.is_empty(), "nobody sent these: {strangers:?}");

    let blobs: BTreeMap<String, u64> = agent
        .prepare("SELECT sha256, size FROM blobs WHERE state = 'stored'")
        .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .expect("the agent's pictures can be listed");
    assert_eq!(number(&agent, "SELECT count(*) FROM blobs"), blobs.len() as i64, "every picture is stored");
    let stored: BTreeMap<String, u64> = hub
        .prepare("SELECT sha256, size FROM field_eye_blobs WHERE state = 'stored'")
        .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .expect("the hub's pictures can be listed");
    assert_eq!(stored, blobs, "the same pictures on both sides");
    assert_eq!(number(&hub, "SELECT count(*) FROM field_eye_blobs"), blobs.len() as i64, "none is still wanted");
    let on_disk = files(&hub_dir.join("blobs"));
    assert_eq!(on_disk.len(), blobs.len(), "each picture is one file: {on_disk:?}");
    for path in on_disk {
        let bytes = std::fs::read(&path).expect("a picture can be read");
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert_eq!(Digest::of(&bytes).to_string(), name, "a picture is what its name says");
        assert_eq!(blobs.get(name), Some(&(bytes.len() as u64)), "{name}");
    }
    assert_eq!(files(&hub_dir.join("parts")), Vec::<PathBuf>::new(), "no part is left over");
    Arrived { records: there.len(), blobs: blobs.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_last_digits_may_differ() {
        assert!(same(&json!({"a": [1, 0.1 + 0.2]}), &json!({"a": [1.0, 0.3]})));
        assert!(!same(&json!({"a": 1.0}), &json!({"a": 1.001})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
        assert!(!same(&json!([1, 2]), &json!([2, 1])));
    }
}
