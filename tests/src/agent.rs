//! An agent that runs: the real program with a data directory of its own and nothing of the test's environment.

use crate::programs;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

/// How long a program may take to be there.
const START: Duration = Duration::from_secs(30);
/// How long a command may take that is waited for.
const END: Duration = Duration::from_secs(180);
/// Nothing listens there: the port of the discard service, which no machine has switched on.
const NOBODY: &str = "127.0.0.1:9";

/// An agent to be started, again and again on the same data directory if need be.
#[derive(Debug, Clone)]
pub struct AgentSetup {
    data_dir: PathBuf,
    variables: Vec<(String, String)>,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it printed on standard error.
    pub err: String,
}

impl Ended {
    /// What it printed, as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

impl AgentSetup {
    /// Works on `data_dir` as the device `cam-7`, with a hub where nobody listens.
    pub fn new(data_dir: &Path) -> Self {
        let setup = Self { data_dir: data_dir.to_path_buf(), variables: Vec::new() };
        setup
            .variable("FIELDEYE_AGENT_DATA_DIR", &data_dir.display().to_string())
            .variable("FIELDEYE_AGENT_DEVICE__ID", "cam-7")
            .hub(NOBODY)
    }

    /// The hub's broker listens at `host:port`.
    #[must_use]
    pub fn hub(self, mqtt: &str) -> Self {
        self.variable("FIELDEYE_AGENT_HUB__URL", &format!("mqtt://{mqtt}"))
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A command of the agent's program with this setup. What it leaves behind is killed with the test.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::agent());
        command.args(arguments).env_clear().current_dir(&self.data_dir).kill_on_drop(true).stdin(Stdio::null());
        let passed_on = ["PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "LLVM_PROFILE_FILE"];
        let gstreamer = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GST_"));
        for (name, value) in gstreamer {
            command.env(name, value);
        }
        for name in passed_on {
            std::env::var_os(name).map(|value| command.env(name, value));
        }
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it takes longer than three minutes.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let output = tokio::time::timeout(END, self.command(arguments).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end"));
        let output = output.expect("the agent's program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Starts a command and goes on.
    pub fn spawn(&self, arguments: &[&str]) -> Agent {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let socket = dir.path().join("notify");
        let notices = UnixDatagram::bind(&socket).expect("a socket can be made");
        let file = |name: &str| std::fs::File::create(dir.path().join(name)).expect("a file can be made");
        let child = self
            .command(arguments)
            .env("NOTIFY_SOCKET", &socket)
            .stdout(file("out.txt"))
            .stderr(file("err.txt"))
            .spawn()
            .expect("the agent's program starts");
        Agent { child, dir, notices, said: Vec::new() }
    }

    /// Starts `run`, with more arguments if there are any, and waits until it says that it is ready.
    pub async fn start(&self, arguments: &[&str]) -> Agent {
        let mut agent = self.spawn(&[&["run"], arguments].concat());
        agent.hears("READY=1", START).await;
        agent
    }

    /// A number that a query on the agent's database gives.
    ///
    /// # Panics
    /// When it gives none.
    pub fn count(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).expect("a count")
    }

    /// The agent's database, for reading. Works beside a running agent.
    pub fn database(&self) -> Connection {
        let path = self.data_dir.join("agent.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(path, flags).expect("the agent has a database");
        database.busy_timeout(Duration::from_secs(30)).expect("a timeout can be set");
        database
    }
}

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    dir: TempDir,
    notices: UnixDatagram,
    said: Vec<String>,
}

impl Agent {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// Waits until it tells the service manager `wanted` (`READY=1`, `WATCHDOG=1`, `STOPPING=1`). Each notice counts
    /// once.
    ///
    /// # Panics
    /// When it does not say so within `limit`.
    pub async fn hears(&mut self, wanted: &str, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        let mut message = [0; 4096];
        loop {
            if let Some(place) = self.said.iter().position(|line| line == wanted) {
                self.said.remove(place);
                return;
            }
            tokio::select! {
                heard = self.notices.recv(&mut message) => {
                    let length = heard.expect("the socket works");
                    self.said.extend(String::from_utf8_lossy(&message[..length]).lines().map(str::to_owned));
                }
                ended = self.child.wait() => panic!("it ended ({ended:?}) before {wanted}\n{}", self.console()),
                () = tokio::time::sleep_until(deadline) => panic!("not within {limit:?}: {wanted}\n{}", self.console()),
            }
        }
    }

    /// What it has printed on standard output.
    pub fn out(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out.txt")).unwrap_or_default()
    }

    /// All that it has printed.
    pub fn console(&self) -> String {
        let errors = std::fs::read(self.dir.path().join("err.txt")).unwrap_or_default();
        self.out() + &String::from_utf8_lossy(&errors)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// The resident memory, in bytes.
    #[cfg(target_os = "linux")]
    pub fn resident_bytes(&self) -> u64 {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).unwrap_or_default();
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes longer than three minutes.
    pub async fn ended(mut self) -> Ended {
        let status = tokio::time::timeout(END, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end\n{}", self.console()));
        let err = String::from_utf8_lossy(&std::fs::read(self.dir.path().join("err.txt")).unwrap_or_default()).into();
        Ended { code: status.expect("a child can be waited for").code(), out: self.out(), err }
    }

    /// Sends it a signal.
    #[expect(unsafe_code, reason = "kill(2) has no safe wrapper in the standard library")]
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.pid()).expect("a process id fits");
        // SAFETY: a signal to our own child, which has not been waited for, so that its id is not reused.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0, "the signal reaches the agent");
    }

    /// Asks it to end (SIGTERM) and waits. Gives its status and how long it took.
    ///
    /// # Panics
    /// When it does not end within half a minute.
    pub async fn stop(mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.signal(libc::SIGTERM);
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("the agent does not end\n{}", self.console()));
        (status.expect("a child can be waited for"), start.elapsed())
    }
}
