//! What can go wrong with blobs.

use fieldeye_base::disk;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the blob store. Whoever sent the bytes has no answer and sends them again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    /// Make room.
    #[error("no room left on the disk of {}: {} free", path.display(), free.map_or_else(|| "unknown".to_owned(), disk::human))]
    Full {
        /// What was to be written.
        path: PathBuf,
        /// Bytes that are free there.
        free: Option<u64>,
    },
    /// A file can't be used.
    #[error("can't {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The blob store refused.
    #[error("can't {what} the blob {}: {source}", path.display())]
    Object {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: object_store::Error,
    },
    /// The program ends.
    #[error("the program ends before the blob is written")]
    Interrupted,
}

impl BlobError {
    pub(super) fn file(what: &'static str, path: &Path, source: io::Error) -> Self {
        if is_full(&source) { Self::full(path) } else { Self::File { what, path: path.to_owned(), source } }
    }

    pub(super) fn object(what: &'static str, path: &Path, source: object_store::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&source);
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(is_full) {
                return Self::full(path);
            }
            cause = error.source();
        }
        Self::Object { what, path: path.to_owned(), source }
    }

    fn full(path: &Path) -> Self {
        let free = disk::room(path.parent().unwrap_or(path)).map(|room| room.free);
        Self::Full { path: path.to_owned(), free }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
