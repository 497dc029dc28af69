//! Where things are: the programs that are measured, the peers' Python, the clips.
//!
//! What is made once (Python packages, clips, models) stays in `bench/` of the target folder.

use crate::measured::run;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of a run.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
    target: PathBuf,
}

impl Place {
    /// Finds the workspace, builds the programs, installs the peers' packages.
    pub(crate) fn prepare() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace is not there")?.to_path_buf();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let this = Self { root, target };
        this.build()?;
        this.install()?;
        Ok(this)
    }

    fn build(&self) -> anyhow::Result<()> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).args([
            "build",
            "--release",
            "--quiet",
            "-p",
            "fieldeye-agent",
            "-p",
            "fieldeye-hub",
        ]);
        run(cargo.args(["--features", "fieldeye-agent/onnxruntime"])).context("the programs can't be built")?;
        Ok(())
    }

    fn install(&self) -> anyhow::Result<()> {
        let (list, done) = (self.root.join("bench/peers/requirements.txt"), self.kept("python/done.txt"));
        let wanted = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
        if std::fs::read_to_string(&done).is_ok_and(|there| there == wanted) {
            return Ok(());
        }
        let folder = self.kept("python");
        std::fs::create_dir_all(&folder)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            .context("no Python environment; install it: apt-get install python3-venv")?;
        run(self.python().args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(list))?;
        std::fs::write(done, wanted)?;
        Ok(())
    }

    /// The peers' Python, in the folder of the workspace.
    pub(crate) fn python(&self) -> Command {
        let mut python = Command::new(self.kept("python/bin/python"));
        python.current_dir(&self.root);
        python
    }

    /// The agent, as it is installed.
    pub(crate) fn agent(&self) -> Command {
        let mut agent = Command::new(self.target.join("release/fieldeye-agent"));
        agent.current_dir(&self.target);
        agent
    }

    /// A file of the project.
    pub(crate) fn project(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A file that is made once.
    pub(crate) fn kept(&self, path: &str) -> PathBuf {
        self.target.join("bench").join(path)
    }

    /// ONNX Runtime's library: the one that the peers use.
    pub(crate) fn onnxruntime(&self) -> anyhow::Result<PathBuf> {
        let script = "import onnxruntime, pathlib; \
                      print(next(pathlib.Path(onnxruntime.__file__).parent.glob('capi/libonnxruntime.so.*')))";
        Ok(PathBuf::from(run(self.python().args(["-c", script]))?.out.trim()))
    }

    /// A file that a script of `bench/` makes; made if it is not there.
    pub(crate) fn made(&self, path: &str, script: &str, arguments: &[&str]) -> anyhow::Result<PathBuf> {
        let target = self.kept(path);
        if target.exists() {
            return Ok(target);
        }
        let folder = target.parent().context("a file in a folder")?;
        std::fs::create_dir_all(folder)?;
        let mut python = self.python();
        python.arg(self.project(script));
        for argument in arguments {
            python.arg(
                argument.replace("{folder}", &folder.to_string_lossy()).replace("{file}", &target.to_string_lossy()),
            );
        }
        run(&mut python)?;
        if !target.exists() {
            bail!("{script} did not make {}", target.display());
        }
        Ok(target)
    }
}
