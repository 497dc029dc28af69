//! SQLite opened the durable way: WAL, `synchronous=FULL`, foreign keys, migrations, private files.

use crate::exit::{Exit, Failure};
use include_dir::Dir;
use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::Migrations;
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process's write before it fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Creates a folder (and its parents) that only its owner may enter.
pub fn private_dir(path: &Path) -> Result<(), Failure> {
    let fail = |error: std::io::Error| {
        let exit = Exit::Failed;
        Failure::new(exit, format!("can't use the folder {}: {error}", path.display())).hint("choose another data_dir")
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(fail)
}

/// Opens (creating if need be) a database and brings it to the newest schema.
///
/// A database of a newer program is refused rather than guessed at.
pub fn open(path: &Path, migrations: &'static Dir<'static>) -> Result<Connection, Failure> {
    let fail = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("{what} the database {}: {error}", path.display()))
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Created before SQLite does it, so that it is private from its first byte.
        std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| fail("can't create", &error))?;
    }
    let mut connection = Connection::open(path).map_err(|error| fail("can't open", &error))?;
    prepare(&connection).map_err(|error| fail("can't set up", &error))?;
    let steps = Migrations::from_directory(migrations).map_err(|error| fail("bad migrations for", &error))?;
    steps.to_latest(&mut connection).map_err(|error| match error {
        rusqlite_migration::Error::MigrationDefinition(
            rusqlite_migration::MigrationDefinitionError::DatabaseTooFarAhead,
        ) => fail("too old a program for", &"it was written by a newer version").hint("update this program"),
        // Not the whole script that it was at.
        rusqlite_migration::Error::RusqliteError { err, .. } => fail("can't migrate", &err),
        error => fail("can't migrate", &error),
    })?;
    Ok(connection)
}

/// Opens an existing database for reading beside a program that writes it.
pub fn open_beside(path: &Path) -> Result<Connection, Failure> {
    let fail = |error: rusqlite::Error| {
        Failure::new(Exit::Failed, format!("can't open the database {}: {error}", path.display()))
    };
    if !path.exists() {
        return Err(Failure::new(Exit::Failed, format!("there is no database at {} yet", path.display()))
            .hint("start the program once, or name the right --data-dir"));
    }
    let connection = Connection::open(path).map_err(fail)?;
    prepare(&connection).map_err(fail)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // Small boards: 2 MB of page cache, and the log is cut back after a burst.
    connection.pragma_update(None, "cache_size", -2000)?;
    connection.pragma_update(None, "journal_size_limit", 8 * 1024 * 1024)
}

/// Whether an error means that there is no room left.
pub fn is_full(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull))
        || matches!(error, rusqlite::Error::SqliteFailure(code, _) if code.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pragmas_hold() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("x.db");
        let db = {
            let connection = Connection::open(&path).expect("opens");
            prepare(&connection).expect("pragmas");
            connection
        };
        let text = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, String>(0));
        let number = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        assert_eq!(text("journal_mode").expect("pragma"), "wal");
        assert_eq!(number("synchronous").expect("pragma"), 2);
        assert_eq!(number("foreign_keys").expect("pragma"), 1);
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a/b");
        private_dir(&path).expect("created");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o700);
    }
}
