//! The first thing that anybody runs: the demo, with the programs of this test run.

#![cfg(target_os = "linux")]

use fieldeye_tests::running::until;
use fieldeye_tests::{ledger, programs, workspace};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

const PATIENT: Duration = Duration::from_secs(150);
const SOON: Duration = Duration::from_secs(30);

/// A place for a demo: programs, and a folder for what it leaves.
struct Stage {
    dir: TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        symlink(programs::hub(), dir.path().join("fieldeye-hub")).expect("a link");
        symlink(programs::agent(), dir.path().join("fieldeye-agent")).expect("a link");
        Self { dir }
    }

    fn out(&self) -> std::path::PathBuf {
        self.dir.path().join("what it leaves")
    }

    /// Starts the demo on a video (the usual one without), with its output in `said`.
    fn start(&self, video: Option<&Path>, said: &str) -> Child {
        let file = std::fs::File::create(self.dir.path().join(said)).expect("a file can be made");
        let mut command = Command::new(workspace::root().join("deploy/demo/demo.sh"));
        command.env("FIELDEYE_BIN_DIR", self.dir.path()).env("OUT", self.out()).env_remove("VIDEO");
        // Nothing of the caller's settings reaches it.
        command.env("FIELDEYE_HUB_MQTT__LISTEN", "nonsense").env("TELEGRAM_BOT_TOKEN", "nonsense");
        command.envs(video.map(|video| ("VIDEO", video))).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a file can be held twice")).stderr(file);
        command.kill_on_drop(true).spawn().expect("the demo starts")
    }

    fn said(&self, said: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.path().join(said)).unwrap_or_default()).into_owned()
    }

    /// The end of a demo, and that nothing is left running.
    async fn ended(&self, mut child: Child, said: &str) -> Option<i32> {
        let status = tokio::time::timeout(PATIENT, child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end\n{}", self.said(said)));
        let text = self.said(said);
        if let Some((_, rest)) = text.split_once("process ") {
            let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
            assert!(!Path::new("/proc").join(&pid).exists(), "the hub still runs\n{text}");
            assert!(!self.out().join("hub/serve.json").exists(), "the hub was not ended kindly\n{text}");
        }
        status.expect("a child can be waited for").code()
    }
}

#[tokio::test]
async fn the_demo_shows_what_was_found() {
    let stage = Stage::new();
    let code = stage.ended(stage.start(None, "said"), "said").await;
    let said = stage.said("said");
    assert_eq!(code, Some(0), "{said}");
    let database = ledger::database(&stage.out().join("hub/hub.db"));
    let ids = |query: &str| -> Vec<String> {
        let mut statement = database.prepare(query).expect(query);
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect(query)
    };
    let report = stage.out().join("report/report.html");
    assert!(report.metadata().expect("the report stays").len() > 10_000);
    let mut wanted = vec![report.display().to_string(), "What to type next".to_owned(), "make demo VIDEO=".to_owned()];
    wanted.extend(ids("SELECT id FROM field_eye_sessions"));
    for kind in ["pauses", "defects"] {
        let found = ids(&format!("SELECT id FROM field_eye_{kind} WHERE void = 0"));
        assert!(!found.is_empty(), "{kind} were found");
        wanted.extend(found);
    }
    let alerts = std::fs::read_to_string(stage.out().join("hub.txt")).expect("the hub's words are kept");
    let alerts: Vec<String> =
        alerts.lines().filter(|line| line.starts_with("ALERT critical")).map(str::to_owned).collect();
    assert!(!alerts.is_empty(), "there was an alert");
    wanted.extend(alerts);
    for word in wanted {
        assert!(said.contains(&word), "{word:?} is not shown:\n{said}");
    }
}

#[tokio::test]
async fn a_video_of_ones_own_may_be_called_anything() {
    let stage = Stage::new();
    let folder = stage.dir.path().join("Oma's \"rides\"");
    std::fs::create_dir(&folder).expect("a folder");
    let video = folder.join("-a $HOME; b & c.mp4");
    std::fs::copy(workspace::root().join("tests/clips/turned.mp4"), &video).expect("copied");
    assert_eq!(stage.ended(stage.start(Some(&video), "said"), "said").await, Some(0), "{}", stage.said("said"));
    assert!(stage.said("said").contains("What to type next"));
}

#[tokio::test]
async fn an_unreadable_video_ends_it_with_the_agents_code_and_sentence() {
    let stage = Stage::new();
    let video = stage.dir.path().join("it's \"not\" a $video; really.mp4");
    std::fs::write(&video, "text").expect("written");
    assert_eq!(stage.ended(stage.start(Some(&video), "said"), "said").await, Some(3), "{}", stage.said("said"));
    assert!(stage.said("said").lines().any(|line| line.starts_with("fieldeye-agent: ")), "{}", stage.said("said"));
    let missing = Path::new("no/such/video.mp4");
    assert_eq!(stage.ended(stage.start(Some(missing), "again"), "again").await, Some(3), "{}", stage.said("again"));
}

#[tokio::test]
async fn an_interrupted_demo_leaves_nothing_running() {
    let stage = Stage::new();
    let demo = stage.start(None, "said");
    let begun = || async { stage.said("said").contains("== agent: inspect").then_some(()) };
    until("the hub runs", SOON, begun).await;
    // Another one in the same place would disturb it, and says so.
    assert_eq!(stage.start(None, "second").wait().await.expect("it ends").code(), Some(1));
    assert!(stage.said("second").contains("still works on"), "{}", stage.said("second"));
    let pid = demo.id().expect("it runs").to_string();
    let kill = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill starts");
    assert!(kill.success());
    assert_eq!(stage.ended(demo, "said").await, Some(130), "{}", stage.said("said"));
}
