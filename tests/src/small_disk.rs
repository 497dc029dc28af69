//! A small disk to fill: a tmpfs that this process alone sees, so that nothing of it stays, whatever happens.
//!
//! Mounting needs root, or a user namespace in which one is root; where neither is allowed, the test says so and ends.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the second try, which runs as root of a user namespace.
const INNER: &str = "FIELDEYE_IN_NAMESPACE";

/// Moves this thread, and every program that it starts from now on, to a place where it may mount. `test` is the full
/// name of the running test.
///
/// Gives false when there is nothing more to do here: the test was run in a user namespace of its own instead, or
/// can't be run at all on this machine, which is printed.
///
/// # Panics
/// When the test fails in there.
#[expect(unsafe_code, reason = "unshare(2) has no safe wrapper in the standard library")]
pub fn may_mount(test: &str) -> bool {
    // SAFETY: it changes what this thread sees of the file system, and no memory.
    let alone = unsafe { libc::geteuid() == 0 && libc::unshare(libc::CLONE_NEWNS) == 0 };
    if alone && mount(&["--make-rprivate", "/"]) {
        return true;
    }
    if std::env::var_os(INNER).is_some() {
        return false;
    }
    if !Command::new("unshare").args(["-Urm", "true"]).status().is_ok_and(|status| status.success()) {
        #[expect(clippy::print_stderr, reason = "whoever reads the test's output should know why it did nothing")]
        {
            eprintln!("skipped: {test}: neither root nor a user namespace may mount on this machine");
        }
        return false;
    }
    let program = std::env::current_exe().expect("a running test has a path");
    let mut again = Command::new("unshare");
    again.arg("-Urm").arg(program).args(["--exact", test, "--nocapture"]).env(INNER, "1");
    let status = again.status().expect("unshare starts");
    assert!(status.success(), "{test} failed in a user namespace");
    false
}

fn mount(arguments: &[&str]) -> bool {
    Command::new("mount")
        .args(arguments)
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A small disk.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many megabytes at an empty folder. Call after [`may_mount`].
    ///
    /// # Panics
    /// When it can't be mounted.
    pub fn at(path: &Path, megabytes: u32) -> Self {
        let size = format!("size={megabytes}m,mode=0700");
        let place = path.to_str().expect("paths of tests are UTF-8");
        assert!(mount(&["-t", "tmpfs", "-o", &size, "small", place]), "a tmpfs can be mounted at {place}");
        Self { path: path.to_path_buf() }
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).expect("a file can be made");
        let mut piece = vec![0; 64 * 1024];
        while !piece.is_empty() {
            if filler.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }

    /// Makes room again.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("it was filled");
    }
}
