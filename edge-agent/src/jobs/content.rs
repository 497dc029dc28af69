//! What a file is: the digest of its content, and when it was made, as well as can be told.

use fieldeye_base::stop::Stop;
use fieldeye_protocol::digest::Digest;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes read at once.
const PIECE: usize = 256 * 1024;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// Its content.
    pub(crate) sha256: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was last written, which for a recording is about when it ended.
    pub(crate) modified: Option<Timestamp>,
}

/// Reads a file to its end; `progress` is told bytes read and bytes in all. `None` when stopped. Blocks.
pub(crate) fn read(path: &Path, stop: &Stop, mut progress: impl FnMut(u64, u64)) -> io::Result<Option<Content>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
        size += read as u64;
        progress(size, metadata.len());
    }
    Ok(Some(Content { sha256: Digest::from_bytes(hasher.finalize().into()), size, modified }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_to_the_end_or_to_the_stop() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("x");
        std::fs::write(&path, vec![7u8; PIECE * 2 + 5]).expect("written");
        let stop = Stop::new();
        let mut seen = Vec::new();
        let content = read(&path, &stop, |done, all| seen.push((done, all))).expect("read").expect("not stopped");
        assert_eq!(content.sha256, Digest::of(&vec![7u8; PIECE * 2 + 5]));
        assert!(content.modified.is_some() && seen.last() == Some(&(content.size, content.size)));
        stop.cancel();
        assert_eq!(read(&path, &stop, |_, _| {}).expect("read"), None);
        assert!(read(dir.path(), &Stop::new(), |_, _| {}).is_err(), "a folder is not a file");
    }
}
