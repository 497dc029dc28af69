//! Where the real programs are: beside the test, as `cargo build --workspace` (or `--release`) left them, or in the
//! folder that `FIELDEYE_BIN_DIR` names.

use crate::workspace;
use std::path::PathBuf;

/// The environment variable with the folder of both programs.
const FOLDER: &str = "FIELDEYE_BIN_DIR";

/// `fieldeye-hub`, or what `FIELDEYE_HUB_BIN` names.
pub fn hub() -> PathBuf {
    program("fieldeye-hub", "FIELDEYE_HUB_BIN")
}

/// `fieldeye-agent`, or what `FIELDEYE_AGENT_BIN` names.
pub fn agent() -> PathBuf {
    program("fieldeye-agent", "FIELDEYE_AGENT_BIN")
}

/// A test runs from `<target>/<profile>/deps`; the programs stand one folder up.
fn program(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return PathBuf::from(path);
    }
    if let Some(folder) = std::env::var_os(FOLDER).filter(|path| !path.is_empty()) {
        // A test may have any working directory, cargo gives it the folder of its package.
        let path = workspace::root().join(folder).join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        assert!(path.exists(), "{} is not there, though {FOLDER} says so", path.display());
        return path;
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let deps = test.parent().expect("a program stands in a folder");
    let folder = if deps.ends_with("deps") { deps.parent().expect("deps has a parent") } else { deps };
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not built: run `cargo build --workspace` first", path.display());
    path
}

/// Whether these are the programs as they are installed. Limits of time and memory are theirs; those of development are
/// several times larger and slower.
pub fn are_released() -> bool {
    [hub(), agent()].iter().all(|program| program.parent().is_some_and(|folder| folder.ends_with("release")))
}
