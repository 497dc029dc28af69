//! Which files a path means: the file itself, or every video in a folder and below it. A chapter means the recording
//! that it belongs to.

use crate::jobs::chapters;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Endings of files that count as videos inside a folder.
const ENDINGS: [&str; 7] = ["mp4", "mov", "mkv", "avi", "ts", "m4v", "mts"];

/// What was found behind some paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Files, absolute, in order, each once; of a recording in several files the first.
    pub(crate) files: Vec<PathBuf>,
    /// Paths that can't be read, and why.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
}

/// Looks behind `paths`. A named file is taken whatever it is called; folders are searched without following links to
/// other folders and without hidden entries (memory cards carry a `._` shadow of each file).
pub(crate) fn expand(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        let result = std::path::absolute(path).and_then(|path| {
            if std::fs::metadata(&path)?.is_dir() { search(&path, &mut found) } else { found.add(path) }
        });
        if let Err(error) = result {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "it does not exist; check the path".to_owned(),
                io::ErrorKind::PermissionDenied => "this user may not read it; change its permissions".to_owned(),
                _ => error.to_string(),
            };
            found.unreadable.push((path.clone(), why));
        }
    }
    found
}

impl Found {
    fn add(&mut self, path: PathBuf) -> io::Result<()> {
        if path.to_str().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, "the name is not valid UTF-8; rename the file"));
        }
        let path = chapters::first(path);
        if !self.files.contains(&path) {
            self.files.push(path);
        }
        Ok(())
    }
}

fn search(folder: &Path, found: &mut Found) -> io::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        let looked = std::fs::symlink_metadata(&path).and_then(|metadata| {
            if metadata.is_dir() {
                search(&path, found)
            } else if path.extension().is_some_and(is_video) && std::fs::metadata(&path)?.is_file() {
                found.add(path.clone())
            } else {
                Ok(())
            }
        });
        if let Err(error) = looked {
            found.unreadable.push((path, error.to_string()));
        }
    }
    Ok(())
}

fn is_video(ending: &OsStr) -> bool {
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// The path that a source of the configuration means.
pub(crate) fn source_path(source: &str) -> Result<PathBuf, String> {
    if let Some(path) = source.strip_prefix("file://").or_else(|| source.strip_prefix("file:")) {
        return Ok(PathBuf::from(path));
    }
    match source.split_once(':') {
        // A single letter would be a drive, anything longer that looks like a scheme is one.
        Some((scheme, _)) if scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric()) => Err(format!(
            "it does not know {scheme}: sources, only files, folders and rtsp:, v4l2:, libcamera:, nvargus:, test: and play:"
        )),
        _ => Ok(PathBuf::from(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_and_named_files_are_taken() {
        let dir = tempfile::tempdir().expect("dir");
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("card/DCIM/.thumbs")).expect("made");
        for name in
            ["card/b.MP4", "card/a.txt", "card/DCIM/._c.mov", "card/DCIM/c.mov", "card/DCIM/.thumbs/d.mp4", "odd.bin"]
        {
            std::fs::write(path(name), name).expect("written");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(path("card"), path("card/DCIM/loop")).expect("linked");
        let found = expand(&[path("odd.bin"), path("card"), path("card/b.MP4"), path("none.mp4")]);
        assert_eq!(found.files, [path("odd.bin"), path("card/DCIM/c.mov"), path("card/b.MP4")]);
        assert_eq!(found.unreadable.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), [path("none.mp4")]);
    }

    #[test]
    fn a_chapter_stands_for_its_recording() {
        let dir = tempfile::tempdir().expect("dir");
        let path = |name: &str| dir.path().join(name);
        for name in ["GX010001.MP4", "GX010002.MP4", "GX020001.MP4", "GX030001.MP4"] {
            std::fs::write(path(name), chapters::whole_mp4(name)).expect("written");
        }
        assert_eq!(expand(&[dir.path().to_owned()]).files, [path("GX010001.MP4"), path("GX010002.MP4")]);
        assert_eq!(expand(&[path("GX030001.MP4"), path("GX020001.MP4")]).files, [path("GX010001.MP4")]);
    }

    #[test]
    fn sources_are_paths() {
        assert_eq!(source_path("/a/b.mp4"), Ok(PathBuf::from("/a/b.mp4")));
        assert_eq!(source_path("file:///a/b.mp4"), Ok(PathBuf::from("/a/b.mp4")));
        assert_eq!(source_path("videos/10:30.mp4"), Ok(PathBuf::from("videos/10:30.mp4")));
        assert!(source_path("ftp://camera/1").expect_err("not a file").contains("ftp"));
    }
}
