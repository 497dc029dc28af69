//! Who this store is.

use super::{MIGRATIONS, StoreError};
use fieldeye_base::exit::{Exit, Failure};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::path::Path;
use uuid::Uuid;

/// What answers carry, so that devices know which store spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The store.
    pub(crate) store: Uuid,
    /// How often it was restored from a backup, counted from 1.
    pub(crate) generation: u64,
}

const GET: &str = "SELECT value FROM field_eye_meta WHERE key = ?1";
const SET_ONCE: &str = "INSERT OR IGNORE INTO field_eye_meta (key, value) VALUES (?1, ?2)";

/// Gives a new store its id.
pub(super) fn create(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(SET_ONCE, params!["store_id", Uuid::new_v4().to_string()])?;
    tx.execute(SET_ONCE, params!["generation", "1"]).map(drop)
}

/// Reads who this store is.
pub(super) fn origin(db: &Connection) -> rusqlite::Result<Origin> {
    let get = |key: &str| -> rusqlite::Result<String> {
        db.query_row(GET, [key], |row| row.get(0)).optional().map(Option::unwrap_or_default)
    };
    let bad = |error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error)
    };
    let store = get("store_id")?.parse().map_err(|error: uuid::Error| bad(error.into()))?;
    let generation = get("generation")?.parse().map_err(|error: std::num::ParseIntError| bad(error.into()))?;
    Ok(Origin { store, generation })
}

const PROBE: &str = "UPDATE field_eye_meta SET value = value WHERE key = 'store_id'";

/// Writes what is there already.
pub(super) fn probe(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(PROBE, []).map(drop)
}

const SCHEMA: &str = "PRAGMA user_version";

/// Refuses a database whose schema is not this program's: only the program that serves changes it.
pub(super) fn require_schema(db: &Connection, path: &Path) -> Result<(), Failure> {
    let known = MIGRATIONS.dirs().count() as u64;
    let found: u64 = db
        .query_row(SCHEMA, [], |row| row.get(0))
        .map_err(|error| StoreError::database(path, "find the schema", error).failure())?;
    if found == known {
        return Ok(());
    }
    let message = format!("the database {} has schema {found}, this program knows {known}", path.display());
    Err(Failure::new(Exit::Failed, message).hint("use the version of the program that serves, or restart that one"))
}

#[cfg(test)]
mod tests {
    use crate::store::{Audience, Store, database_path};

    #[tokio::test]
    async fn a_store_keeps_its_id_and_is_found_beside() {
        let dir = tempfile::tempdir().expect("dir");
        assert!(Store::beside(dir.path()).expect_err("nothing there").to_string().contains("no database"));
        let store = Store::open(dir.path(), Audience::Console).expect("opened");
        let beside = Store::beside(dir.path()).expect("opened");
        assert_eq!(beside.origin(), store.origin());
        assert_eq!(store.origin().generation, 1);
        beside.audit("cli", "test", "x", "done").await.expect("written beside the one that serves");
        store.ping().await.expect("alive");
        store.probe().await.expect("writable");
        let origin = store.origin();
        drop(store);
        assert_eq!(Store::open(dir.path(), Audience::Console).expect("opened").origin(), origin);
        drop(beside);
        let db = rusqlite::Connection::open(database_path(dir.path())).expect("opened");
        db.pragma_update(None, "user_version", 77).expect("set");
        let refused = Store::beside(dir.path()).expect_err("newer").to_string();
        assert!(refused.contains("schema 77"), "{refused}");
        assert!(Store::open(dir.path(), Audience::Console).expect_err("newer").to_string().contains("newer"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn files_are_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("dir");
        let data_dir = dir.path().join("data");
        let store = Store::open(&data_dir, Audience::Console).expect("opened");
        store.probe().await.expect("written");
        let mode = |path: &std::path::Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&data_dir), 0o700);
        for entry in std::fs::read_dir(&data_dir).expect("listed") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}
