//! What can go wrong with the store, sorted by what the operator does next.

use fieldeye_base::disk;
use fieldeye_base::exit::{Exit, Failure};
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// A store's error. Nothing that was committed is lost by any of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Make room, then do it again.
    #[error("no room left on the disk of {}: {} free", path.display(), free.map_or_else(|| "unknown".to_owned(), disk::human))]
    Full {
        /// What was to be written.
        path: PathBuf,
        /// Bytes that are free there.
        free: Option<u64>,
    },
    /// The database refused.
    #[error("can't {what} in the database {}: {source}", path.display())]
    Database {
        /// What was tried.
        what: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A file or folder can't be used.
    #[error("can't {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database's thread has ended, which only a bug can do.
    #[error("the database's thread has ended; restart the program and report this")]
    Closed,
}

impl StoreError {
    pub(super) fn database(path: &Path, what: &'static str, source: rusqlite::Error) -> Self {
        if fieldeye_base::sqlite::is_full(&source) || is_input_output(&source) && has_no_room(path) {
            Self::full(path)
        } else {
            Self::Database { what, path: path.to_owned(), source }
        }
    }

    pub(super) fn file(what: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::full(path)
        } else {
            Self::File { what, path: path.to_owned(), source }
        }
    }

    pub(super) fn full(path: &Path) -> Self {
        let folder = path.parent().unwrap_or(path);
        Self::Full { path: path.to_owned(), free: disk::room(folder).map(|room| room.free) }
    }

    /// For the person at the console.
    pub(crate) fn failure(&self) -> Failure {
        let failure = Failure::new(Exit::Failed, self.to_string());
        match self {
            Self::Full { .. } => {
                failure.hint("everything found so far is kept: make room and run the same command again")
            }
            Self::Database { .. } => failure.hint("`fieldeye-agent doctor` checks the database"),
            Self::File { .. } | Self::Closed => failure,
        }
    }
}

/// Below this, SQLite can't write a page, grow its shared memory, or make a journal.
const NEXT_TO_NOTHING: u64 = 256 * 1024;

/// A full disk shows itself in many ways: as a short write, a failed sync, shared memory that can't grow, a journal that
/// can't be made.
fn is_input_output(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen))
}

fn has_no_room(path: &Path) -> bool {
    disk::room(path.parent().unwrap_or(path)).is_some_and(|room| room.free < NEXT_TO_NOTHING)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        error.failure()
    }
}
