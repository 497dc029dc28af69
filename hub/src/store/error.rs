//! What can go wrong with the store, sorted by what the operator does next.

use fieldeye_base::disk;
use fieldeye_base::exit::{Exit, Failure};
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
    /// The work failed on the way, which only a bug can do.
    #[error("the program failed at the database; its log says where: please report this")]
    Closed,
}

impl StoreError {
    pub(super) fn database(path: &Path, what: &'static str, source: rusqlite::Error) -> Self {
        if fieldeye_base::sqlite::is_full(&source) {
            Self::full(path)
        } else {
            Self::Database { what, path: path.to_owned(), source }
        }
    }

    pub(crate) fn file(what: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::full(path)
        } else {
            Self::File { what, path: path.to_owned(), source }
        }
    }

    pub(crate) fn full(path: &Path) -> Self {
        let folder = path.parent().unwrap_or(path);
        Self::Full { path: path.to_owned(), free: disk::room(folder).map(|room| room.free) }
    }

    /// For the person at the console.
    pub(crate) fn failure(&self) -> Failure {
        let failure = Failure::new(Exit::Failed, self.to_string());
        match self {
            Self::Full { .. } => failure.hint("nothing is lost: make room, devices send again what has no answer"),
            Self::Database { .. } => failure.hint("`fieldeye-hub doctor` checks the database"),
            Self::File { .. } | Self::Closed => failure,
        }
    }
}
