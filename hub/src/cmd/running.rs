//! `serve.json`: who serves this data directory, and where it listens. For the other commands and for tests.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A program that serves. After a hard death the file is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    /// Its process.
    pub(super) pid: u32,
    /// Where its broker listens.
    pub(super) mqtt: SocketAddr,
    /// Where `/health` is answered.
    pub(super) health: SocketAddr,
}

/// The written file; dropping this removes it.
#[derive(Debug)]
pub(super) struct Written(PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "can't remove the file");
        }
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("serve.json")
}

impl Running {
    /// Writes it in one piece: whoever reads sees all of it or nothing.
    pub(super) fn write(&self, data_dir: &Path) -> anyhow::Result<Written> {
        let (path, new) = (path(data_dir), data_dir.join("serve.json.new"));
        let text = serde_json::to_string(self)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let write = || -> std::io::Result<()> {
            options.open(&new)?.write_all(text.as_bytes())?;
            fs::rename(&new, &path)
        };
        write().with_context(|| format!("can't write {}", path.display()))?;
        Ok(Written(path))
    }

    /// Who serves, or did until a hard death. `None` when nobody does.
    pub(super) fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(data_dir)).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_as_long_as_it_is_held() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Running::read(dir.path()), None);
        let (mqtt, health) = ("127.0.0.1:1".parse().expect("valid"), "[::1]:2".parse().expect("valid"));
        let running = Running { pid: 7, mqtt, health };
        let written = running.write(dir.path()).expect("written");
        assert_eq!(Running::read(dir.path()), Some(running));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(path(dir.path())).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        drop(written);
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0, "nothing is left");
    }
}
