//! Who this store is.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
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
