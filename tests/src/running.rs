//! A hub that runs: started as a process of its own, asked over HTTP, ended kindly or not.

use crate::bot_api::BotApi;
use crate::{http, programs};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long a program may take to be there.
const START: Duration = Duration::from_secs(30);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// With `what`, when nothing is found within `limit`.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A hub to be started, on free ports and a data directory of its own.
#[derive(Debug, Clone)]
pub struct HubSetup {
    data_dir: PathBuf,
    variables: Vec<(String, String)>,
}

impl HubSetup {
    /// Works on `data_dir`; nothing of this process's environment reaches it but what programs need to run.
    pub fn new(data_dir: &Path) -> Self {
        let setup = Self { data_dir: data_dir.to_path_buf(), variables: Vec::new() };
        setup
            .variable("FIELDEYE_HUB_DATA_DIR", &data_dir.display().to_string())
            .variable("FIELDEYE_HUB_MQTT__LISTEN", "127.0.0.1:0")
            .variable("FIELDEYE_HUB_HEALTH__LISTEN", "127.0.0.1:0")
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a bot.
    #[must_use]
    pub fn bot(self, api: &BotApi, admins: &[i64]) -> Self {
        let admins: Vec<String> = admins.iter().map(i64::to_string).collect();
        self.variable("TELEGRAM_BOT_TOKEN", api.token())
            .variable("FIELDEYE_HUB_TELEGRAM__API_URL", &api.url())
            .variable("FIELDEYE_HUB_TELEGRAM__ADMINS", &admins.join(","))
    }

    /// A command of the hub's program with this setup, for `serve` and all others.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::hub());
        command.args(arguments).env_clear().current_dir(&self.data_dir).kill_on_drop(true);
        for name in ["PATH", "HOME", "LANG", "TMPDIR", "SystemRoot", "LLVM_PROFILE_FILE"] {
            std::env::var_os(name).map(|value| command.env(name, value));
        }
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Starts `serve` and waits until it says where it listens.
    pub async fn start(&self) -> Hub {
        let output = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.data_dir.join("console.txt"))
            .expect("the data directory is there");
        let errors = output.try_clone().expect("a file can be held twice");
        let child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .expect("the hub's program starts");
        let mut hub = Hub { setup: self.clone(), child, addresses: Value::Null };
        let deadline = Instant::now() + START;
        loop {
            let text = std::fs::read(self.data_dir.join("serve.json")).unwrap_or_default();
            let addresses: Value = serde_json::from_slice(&text).unwrap_or_default();
            // A file of an earlier life is still there after a hard death.
            if addresses["pid"].as_u64().is_some() && addresses["pid"].as_u64() == hub.child.id().map(u64::from) {
                hub.addresses = addresses;
                return hub;
            }
            let ended = hub.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "the hub ended at once: {ended:?}\n{}", hub.console());
            assert!(Instant::now() < deadline, "the hub does not start\n{}", hub.console());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A running hub. Dropping it kills it.
#[derive(Debug)]
pub struct Hub {
    setup: HubSetup,
    child: Child,
    addresses: Value,
}

impl Hub {
    /// `127.0.0.1:PORT` of the broker.
    pub fn mqtt(&self) -> &str {
        self.addresses["mqtt"].as_str().expect("serve.json names the broker's address")
    }

    /// The whole of `/health`: status and JSON.
    pub async fn health(&self) -> (u16, Value) {
        let address = self.addresses["health"].as_str().expect("serve.json names the address of /health");
        let answer = http::get(&format!("http://{address}/health")).await.expect("/health answers");
        (answer.status, answer.json().expect("/health is JSON"))
    }

    /// All that it has printed, in this life and earlier ones on the same directory.
    pub fn console(&self) -> String {
        std::fs::read_to_string(self.setup.data_dir.join("console.txt")).unwrap_or_default()
    }

    /// The resident memory, in bytes.
    #[cfg(target_os = "linux")]
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id().unwrap_or_default());
        let pages = std::fs::read_to_string(path).unwrap_or_default();
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Asks it to end (SIGTERM) and waits. Gives its status and how long it took.
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "kill(2) has no safe wrapper in the standard library")]
    pub async fn stop(mut self) -> (ExitStatus, Duration) {
        let pid = i32::try_from(self.child.id().expect("it runs")).expect("a process id fits");
        let start = Instant::now();
        // SAFETY: a signal to our own child, which has not been waited for, so that its id is not reused.
        let sent = unsafe { libc::kill(pid, libc::SIGTERM) };
        assert_eq!(sent, 0, "SIGTERM reaches the hub");
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("the hub does not end\n{}", self.console()));
        (status.expect("a child can be waited for"), start.elapsed())
    }
}
