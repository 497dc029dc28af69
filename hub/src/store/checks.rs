//! What `doctor` asks of the database as a file: whether it is whole, whether its schema is this program's, and which
//! blobs it believes to be there.

use super::rows::Field;
use super::{MIGRATIONS, Store, StoreError};
use fieldeye_protocol::digest::Digest;
use rusqlite::Connection;

const QUICK_CHECK: &str = "PRAGMA quick_check(10)";
const FOREIGN_KEY_CHECK: &str = "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check() LIMIT 10";
const SCHEMA_VERSION: &str = "PRAGMA user_version";
const STORED_BLOBS: &str = "SELECT sha256, size, path FROM field_eye_blobs WHERE state = 'stored' ORDER BY sha256";

/// A blob that the database calls stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredBlob {
    /// Its content's digest.
    pub(crate) sha256: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Where it is in the blob store.
    pub(crate) path: String,
}

impl Store {
    /// What is wrong with the database, in SQLite's words; empty when nothing is.
    pub(crate) async fn damage(&self) -> Result<Vec<String>, StoreError> {
        self.read("check", damage).await
    }

    /// How many steps of the schema were taken there, and how many this program knows.
    pub(crate) async fn schema(&self) -> Result<(u64, u64), StoreError> {
        let taken = self.read("check", |db| db.query_row(SCHEMA_VERSION, [], |row| row.get(0))).await?;
        Ok((taken, MIGRATIONS.dirs().count() as u64))
    }

    /// All blobs that are called stored.
    pub(crate) async fn stored_blobs(&self) -> Result<Vec<StoredBlob>, StoreError> {
        self.read("list the blobs", stored_blobs).await
    }
}

fn damage(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found: Vec<String> =
        db.prepare(QUICK_CHECK)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    found.retain(|line| line != "ok");
    let orphans: Vec<String> =
        db.prepare(FOREIGN_KEY_CHECK)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    found.extend(orphans.into_iter().map(|table| format!("rows of {table} point to nothing")));
    Ok(found)
}

fn stored_blobs(db: &Connection) -> rusqlite::Result<Vec<StoredBlob>> {
    db.prepare(STORED_BLOBS)?
        .query_map([], |row| {
            Ok(StoredBlob { sha256: Field::take(row, "sha256")?, size: row.get("size")?, path: row.get("path")? })
        })?
        .collect()
}
