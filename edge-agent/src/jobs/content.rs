//! What a file is: the digest of its content, and when it was made, as well as can be told.

use fieldeye_base::stop::Stop;
use fieldeye_protocol::digest::Digest;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

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
    /// How the file system marks it: another stamp is another content, or soon will be.
    pub(crate) stamp: String,
}

/// Size, inode and times of a file, as the file system has them.
pub(crate) fn stamp(metadata: &Metadata) -> String {
    let nanoseconds = |time: io::Result<SystemTime>| {
        time.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).map_or(0, |age| age.as_nanos())
    };
    #[cfg(unix)]
    let (inode, changed) = {
        use std::os::unix::fs::MetadataExt as _;
        (metadata.ino(), format!("{}.{:09}", metadata.ctime(), metadata.ctime_nsec()))
    };
    #[cfg(not(unix))]
    let (inode, changed) = (0, nanoseconds(metadata.created()).to_string());
    format!("{} {inode} {} {changed}", metadata.len(), nanoseconds(metadata.modified()))
}

/// The stamp of the file at `path` now, and when it was last written.
pub(crate) fn look(path: &Path) -> io::Result<(String, Option<Timestamp>)> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(not_a_file());
    }
    Ok((stamp(&metadata), modified(&metadata)))
}

fn modified(metadata: &Metadata) -> Option<Timestamp> {
    metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok())
}

/// Reads a file to its end; `progress` is told bytes read and bytes in all. `None` when stopped. Blocks.
pub(crate) fn read(path: &Path, stop: &Stop, mut progress: impl FnMut(u64, u64)) -> io::Result<Option<Content>> {
    // Asked before it is opened: to open a pipe would wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_a_file());
    }
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
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
    let stamp = stamp(&metadata);
    if self::stamp(&file.metadata()?) != stamp {
        return Err(changed());
    }
    let sha256 = Digest::from_bytes(hasher.finalize().into());
    Ok(Some(Content { sha256, size, modified: modified(&metadata), stamp }))
}

fn not_a_file() -> io::Error {
    io::Error::other("it is not a file")
}

/// The error of a file that is still being written.
pub(crate) fn changed() -> io::Error {
    io::Error::other("it changed while it was read; try again when it is complete")
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
        assert_eq!(look(&path).expect("there").0, content.stamp, "nothing has changed");
        let grow = |_, _| {
            let mut file = File::options().append(true).open(&path).expect("opened");
            std::io::Write::write_all(&mut file, b"more").expect("written");
        };
        let mut once = Some(grow);
        let growing = read(&path, &stop, |a, b| once.take().map_or((), |grow| grow(a, b)));
        assert!(growing.expect_err("changed").to_string().contains("changed while it was read"));
        assert_ne!(look(&path).expect("there").0, content.stamp);
        stop.cancel();
        assert_eq!(read(&path, &stop, |_, _| {}).expect("read"), None);
        assert!(read(dir.path(), &Stop::new(), |_, _| {}).is_err(), "a folder is not a file");
    }
}
