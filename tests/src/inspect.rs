//! `fieldeye-agent inspect`, run as a person runs it, and the clips that it is run on.

use crate::agent::Ended;
use crate::programs;
use crate::workspace;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A clip of `tests/clips`.
///
/// # Panics
/// When there is none of this name.
pub fn clip(name: &str) -> PathBuf {
    there(workspace::root().join("tests/clips").join(name))
}

/// The model package that finds the one red thing in a picture.
///
/// # Panics
/// When it is not there.
pub fn red_spot() -> PathBuf {
    there(workspace::root().join("tests/models/red-spot"))
}

fn there(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// A run of `inspect` (or `detect`, or a subcommand of `model`) that is being put together.
#[derive(Debug)]
pub struct Inspect(Command);

impl Inspect {
    /// Looks at a video, in a folder where there is nothing of the project.
    pub fn at(file: &Path) -> Self {
        Self::with("inspect", file)
    }

    /// Looks at a picture.
    pub fn picture(file: &Path) -> Self {
        Self::with("detect", file)
    }

    /// Learns a model from the good pictures in a folder (`model learn`).
    pub fn learning(good: &Path, out: &Path) -> Self {
        Self::with("model", Path::new("learn")).arg("--good").arg(good).out(out)
    }

    /// Verifies the package in a folder (`model verify`).
    pub fn verifying(package: &Path) -> Self {
        Self::with("model", Path::new("verify")).arg(package)
    }

    fn with(name: &str, file: &Path) -> Self {
        let mut command = Command::new(programs::agent());
        command.arg(name).arg(file).env_clear().current_dir(std::env::temp_dir()).stdin(Stdio::null());
        for name in ["PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "LLVM_PROFILE_FILE"] {
            std::env::var_os(name).map(|value| command.env(name, value));
        }
        Self(command)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Asks for JSON.
    #[must_use]
    pub fn json(self) -> Self {
        self.arg("--json")
    }

    /// Gives it another model.
    #[must_use]
    pub fn model(self, folder: &Path) -> Self {
        self.arg("--model").arg(folder)
    }

    /// Gives it a folder for the report.
    #[must_use]
    pub fn out(self, folder: &Path) -> Self {
        self.arg("--out").arg(folder)
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not start or prints what is not UTF-8.
    pub fn run(mut self) -> Ended {
        let output = self.0.output().expect("the agent's program starts");
        let text = |bytes| String::from_utf8(bytes).expect("programs print UTF-8");
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}
