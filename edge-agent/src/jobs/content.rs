//! What a recording is: the digest of its content, and when its files were written. One in several files (its chapters)
//! is known by what is in all of them, in their order.

use fieldeye_base::stop::Stop;
use fieldeye_protocol::digest::Digest;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes read at once.
const PIECE: usize = 256 * 1024;

/// Begins what is digested of a recording in several files; the digests of its files follow, in hexadecimal, each on a
/// line of its own.
const CHAPTERS: &str = "fieldeye chapters 1\n";

/// A recording as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// Its content: of one file the SHA-256 of that, of several one that follows from theirs.
    pub(crate) sha256: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When its (first) file was last written, which is about when that ended.
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

/// The stamp of the files at `paths` now, and when the first of them was last written.
pub(crate) fn look(paths: &[PathBuf]) -> io::Result<(String, Option<Timestamp>)> {
    let mut all = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        all.push((stamp(&metadata), modified(&metadata)));
    }
    let first = all.first().and_then(|(_, modified)| *modified);
    Ok((together(all.into_iter().map(|(stamp, _)| stamp)), first))
}

fn together(stamps: impl Iterator<Item = String>) -> String {
    stamps.collect::<Vec<_>>().join("; ")
}

/// Size of the files at `paths`, as far as they are there.
pub(crate) fn size(paths: &[PathBuf]) -> u64 {
    paths.iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).sum()
}

/// Reads the files of a recording to their ends; `progress` is told bytes read and bytes in all. `None` when stopped.
/// Blocks.
pub(crate) fn read(paths: &[PathBuf], stop: &Stop, mut progress: impl FnMut(u64, u64)) -> io::Result<Option<Content>> {
    let all = size(paths);
    let (mut files, mut before) = (Vec::new(), 0);
    for path in paths {
        let Some(file) = read_file(path, stop, |done| progress(before + done, all))? else { return Ok(None) };
        before += file.size;
        files.push(file);
    }
    Ok(merge(files))
}

/// The content of a recording in these files.
fn merge(mut files: Vec<Content>) -> Option<Content> {
    if files.len() < 2 {
        return files.pop();
    }
    let digests = files.iter().map(|file| format!("{}\n", file.sha256));
    let sha256 = Digest::of([CHAPTERS.to_owned()].into_iter().chain(digests).collect::<String>().as_bytes());
    let (size, modified) = (files.iter().map(|file| file.size).sum(), files.first()?.modified);
    Some(Content { sha256, size, modified, stamp: together(files.into_iter().map(|file| file.stamp)) })
}

fn modified(metadata: &Metadata) -> Option<Timestamp> {
    metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok())
}

fn read_file(path: &Path, stop: &Stop, mut progress: impl FnMut(u64)) -> io::Result<Option<Content>> {
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
        progress(size);
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
        let one = std::slice::from_ref(&path);
        std::fs::write(&path, vec![7u8; PIECE * 2 + 5]).expect("written");
        let stop = Stop::new();
        let mut seen = Vec::new();
        let content = read(one, &stop, |done, all| seen.push((done, all))).expect("read").expect("not stopped");
        assert_eq!(content.sha256, Digest::of(&vec![7u8; PIECE * 2 + 5]));
        assert!(content.modified.is_some() && seen.last() == Some(&(content.size, content.size)));
        assert_eq!(look(one).expect("there").0, content.stamp, "nothing has changed");
        let grow = |_, _| {
            let mut file = File::options().append(true).open(&path).expect("opened");
            std::io::Write::write_all(&mut file, b"more").expect("written");
        };
        let mut once = Some(grow);
        let growing = read(one, &stop, |a, b| once.take().map_or((), |grow| grow(a, b)));
        assert!(growing.expect_err("changed").to_string().contains("changed while it was read"));
        assert_ne!(look(one).expect("there").0, content.stamp);
        stop.cancel();
        assert_eq!(read(one, &stop, |_, _| {}).expect("read"), None);
        assert!(read(&[dir.path().to_owned()], &Stop::new(), |_, _| {}).is_err(), "a folder is not a file");
    }

    #[test]
    fn chapters_are_one_content_that_follows_from_theirs() {
        let dir = tempfile::tempdir().expect("dir");
        let file = |name: &str, content: &str| {
            std::fs::write(dir.path().join(name), content).expect("written");
            dir.path().join(name)
        };
        let (first, second, copy) = (file("1", "one"), file("2", "three"), file("copy of 1", "one"));
        let content = |paths: &[&PathBuf]| {
            let paths: Vec<PathBuf> = paths.iter().map(|path| (*path).clone()).collect();
            read(&paths, &Stop::new(), |_, _| {}).expect("read").expect("not stopped")
        };
        let both = content(&[&first, &second]);
        // Computed with sha256sum.
        let wanted = "5ae9f204df85b69677b60f63427ce99edd743ccbd8567e7ade7f6119715aa574";
        assert_eq!((both.sha256.to_string().as_str(), both.size), (wanted, 8));
        assert_eq!(content(&[&copy, &second]).sha256, both.sha256, "wherever they lie");
        let others = [content(&[&second, &first]), content(&[&first]), content(&[&first, &second, &second])];
        assert!(others.iter().all(|other| other.sha256 != both.sha256));
        assert_eq!(content(&[&first]).sha256, Digest::of(b"one"), "one file is what it is");
        let both_files = [first.clone(), second.clone()];
        assert_eq!(look(&both_files).expect("there").0, both.stamp);
        let mut seen = Vec::new();
        read(&both_files, &Stop::new(), |done, all| seen.push((done, all))).expect("read");
        assert_eq!(seen, [(3, 8), (8, 8)]);
        std::fs::write(&second, "other").expect("written");
        assert_ne!(look(&both_files).expect("there").0, both.stamp);
        assert!(look(&[first, dir.path().join("none")]).is_err());
    }
}
