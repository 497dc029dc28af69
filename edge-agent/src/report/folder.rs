//! The folder of an inspection: `inspection.json`, `report.html` and `keyframes/`.
//!
//! A folder is only written to when it is empty or when what stands in it was written here. Other files in it are never
//! touched.

use super::inspection::Inspection;
use super::page;
use fieldeye_base::console;
use fieldeye_base::exit::{Exit, Failure};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const JSON: &str = "inspection.json";
const REPORT: &str = "report.html";
const KEYFRAMES: &str = "keyframes";

/// A folder that an inspection may be written to.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Refuses a folder with files of somebody else. Nothing is written yet.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        let this = Self { path: path.to_path_buf() };
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(Failure::usage(format!("{} is a file", path.display())).hint("give --out a folder"));
        }
        if this.is_ours().map_err(|error| this.failed("read", path, &error))? {
            return Ok(this);
        }
        let message = format!("{} holds files that are not of an inspection", path.display());
        Err(Failure::usage(message).hint("give --out a new or empty folder, or that of an earlier inspection"))
    }

    /// Where the report is.
    pub(crate) fn report(&self) -> PathBuf {
        self.path.join(REPORT)
    }

    /// Makes the folder and takes an earlier inspection out of it.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        let keyframes = self.path.join(KEYFRAMES);
        fs::create_dir_all(&keyframes).map_err(|error| self.failed("make", &keyframes, &error))?;
        let old = fs::read_dir(&keyframes).map_err(|error| self.failed("read", &keyframes, &error))?;
        let old = old.flatten().filter(|entry| is_keyframe(&entry.file_name())).map(|entry| entry.path());
        for path in old.chain([self.path.join(JSON), self.report()]) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed("replace", &path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps a picture and gives its path in the folder.
    pub(super) fn keep(&self, letter: char, number: usize, jpeg: &[u8]) -> Result<String, Failure> {
        let name = format!("{KEYFRAMES}/{letter}{number:03}.jpg");
        let path = self.path.join(&name);
        fs::write(&path, jpeg).map_err(|error| self.failed("write", &path, &error))?;
        Ok(name)
    }

    /// Writes report and JSON; the JSON comes last, for it says that the inspection is whole.
    pub(crate) fn finish(&self, inspection: &Inspection) -> anyhow::Result<()> {
        self.write(REPORT, |out| page::write(inspection, &self.path, out))?;
        let json = console::ascii_json(&serde_json::to_string_pretty(inspection)?);
        self.write(JSON, |out| writeln!(out, "{json}"))?;
        Ok(())
    }

    fn write(&self, name: &str, content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), Failure> {
        let path = self.path.join(name);
        let written = File::create(&path).and_then(|file| {
            let mut out = BufWriter::new(file);
            content(&mut out)?;
            out.flush()
        });
        written.map_err(|error| self.failed("write", &path, &error))
    }

    /// Empty, absent, with an earlier inspection, or with nothing but what an interrupted one leaves.
    fn is_ours(&self) -> io::Result<bool> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        if fs::read(self.path.join(JSON)).is_ok_and(|json| Inspection::is_one(&json)) {
            return Ok(true);
        }
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let ours = match name.to_str() {
                Some(REPORT) => is_report(&entry.path()),
                Some(KEYFRAMES) => fs::read_dir(entry.path())?.flatten().all(|entry| is_keyframe(&entry.file_name())),
                _ => false,
            };
            if !ours {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn failed(&self, what: &str, path: &Path, error: &io::Error) -> Failure {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => "free some space",
            _ => "give --out a folder that this user may write to",
        };
        Failure::new(Exit::Failed, format!("can't {what} {}: {error}", path.display())).hint(hint)
    }
}

/// `p001.jpg` or `d001.jpg`.
fn is_keyframe(name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.strip_prefix(['p', 'd'])?.strip_suffix(".jpg"));
    number.is_some_and(|number| number.len() >= 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a page was made here, whole or not.
fn is_report(path: &Path) -> bool {
    let mut head = [0; 256];
    let read = File::open(path).and_then(|mut file| io::Read::read(&mut file, &mut head)).unwrap_or(0);
    String::from_utf8_lossy(&head[..read]).contains(page::MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> bool {
        Folder::at(path).is_err_and(|failure| failure.exit == Exit::Usage)
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path();
        assert!(!refused(path) && !refused(&path.join("new")));
        fs::create_dir(path.join(KEYFRAMES)).expect("made");
        fs::write(path.join(KEYFRAMES).join("p001.jpg"), b"").expect("written");
        fs::write(path.join(REPORT), b"").expect("written");
        assert!(refused(path), "a report of somebody else");
        fs::write(path.join(REPORT), format!("<!doctype html><meta {}>", page::MARK)).expect("written");
        assert!(!refused(path), "what an interrupted inspection leaves");
        fs::write(path.join("notes.txt"), b"mine").expect("written");
        assert!(refused(path));
        fs::write(path.join(JSON), br#"{"schema":"fieldeye.inspection/1"}"#).expect("written");
        let folder = Folder::at(path).expect("an earlier inspection");
        folder.begin().expect("cleaned");
        let mut left: Vec<_> = fs::read_dir(path).expect("dir").flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, [KEYFRAMES, "notes.txt"]);
        assert!(refused(&path.join("notes.txt")), "a file is no folder");
    }
}
