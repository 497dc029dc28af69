//! One instance per data directory: a lock that the kernel releases on any death.

use crate::exit::{Exit, Failure};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The held lock; it is released when this is dropped or the process ends in any way.
#[derive(Debug)]
pub struct Instance {
    _file: File,
}

/// Who holds a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Which command, for example `run`.
    pub role: String,
    /// Its process id, as it wrote it down.
    pub pid: String,
}

/// What came of trying to take the lock.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Instance),
    /// Somebody else has it.
    Held(Holder),
}

fn lock_path(data_dir: &Path) -> PathBuf {
    data_dir.join("lock")
}

/// Tries to take the lock of `data_dir` as `role`.
pub fn try_take(data_dir: &Path, role: &str) -> anyhow::Result<Taken> {
    let path = lock_path(data_dir);
    let context = |error: std::io::Error| Failure::new(Exit::Failed, format!("can't lock {}: {error}", path.display()));
    // The holder's name stands in a file of its own: a locked file can't be read on Windows.
    let note = data_dir.join("lock.holder");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(context)?;
    match file.try_lock() {
        Ok(()) => {
            let mut text = OpenOptions::new().write(true).create(true).truncate(true).open(&note).map_err(context)?;
            // A full disk must not keep a program from starting that could mend it.
            let _ = write!(text, "{role} {}", std::process::id());
            let _ = text.rewind();
            Ok(Taken::Ours(Instance { _file: file }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = File::open(&note).and_then(|mut file| file.read_to_string(&mut text));
            let (role, pid) = text.split_once(' ').unwrap_or(("another program", "unknown"));
            Ok(Taken::Held(Holder { role: role.to_owned(), pid: pid.to_owned() }))
        }
        Err(TryLockError::Error(error)) => Err(context(error).into()),
    }
}

/// Takes the lock, or fails with exit 5 and who holds it.
pub fn take(data_dir: &Path, role: &str) -> anyhow::Result<Instance> {
    match try_take(data_dir, role)? {
        Taken::Ours(instance) => Ok(instance),
        Taken::Held(holder) => Err(already_running(data_dir, &holder).into()),
    }
}

/// The failure that names the holder.
pub fn already_running(data_dir: &Path, holder: &Holder) -> Failure {
    let message = format!("`{}` (process {}) already works on {}", holder.role, holder.pid, data_dir.display());
    Failure::new(Exit::AlreadyRunning, message).hint("stop it first, or use another --data-dir")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("dir");
        let first = take(dir.path(), "run").expect("free");
        let Taken::Held(holder) = try_take(dir.path(), "import").expect("lockable") else { panic!("taken twice") };
        assert_eq!(holder, Holder { role: "run".into(), pid: std::process::id().to_string() });
        drop(first);
        assert!(matches!(try_take(dir.path(), "import").expect("lockable"), Taken::Ours(_)));
    }
}
