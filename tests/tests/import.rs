//! `fieldeye-agent import` with the real programs: alone and beside others, with a hub and without, stopped and killed.

#![cfg(unix)]

use fieldeye_tests::agent::{Agent, AgentSetup, Ended};
use fieldeye_tests::running::{Hub, HubSetup, until};
use fieldeye_tests::workspace;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A test fails when something takes longer than this.
const PATIENT: Duration = Duration::from_secs(90);

/// A small clip: some pauses, seconds to look at.
fn small() -> PathBuf {
    workspace::root().join("tests/clips/turned.mp4")
}

/// A longer clip: long enough to be stopped in the middle.
fn long() -> PathBuf {
    workspace::root().join("deploy/demo/lift-hill.mp4")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A folder with room for videos, a device and a hub.
struct Site {
    dir: TempDir,
    agent: AgentSetup,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in ["agent", "hub", "card"] {
            std::fs::create_dir(dir.path().join(name)).expect("a folder");
        }
        let agent = AgentSetup::new(&dir.path().join("agent"));
        Self { dir, agent }
    }

    /// A file on the card.
    fn card(&self, name: &str) -> PathBuf {
        self.dir.path().join("card").join(name)
    }

    fn copy(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.card(name);
        std::fs::copy(from, &to).expect("copied");
        to
    }

    async fn hub(&self) -> (Hub, HubSetup) {
        let setup = HubSetup::new(&self.dir.path().join("hub"));
        (setup.start().await, setup)
    }

    fn count(&self, sql: &str) -> i64 {
        self.agent.database().query_row(sql, [], |row| row.get(0)).expect("a count")
    }

    /// Waits until a query of the agent's database gives more than 0.
    async fn until_some(&self, what: &str, sql: &str) {
        let database = self.dir.path().join("agent/agent.db");
        until(what, PATIENT, || async {
            let there = database.exists() && rows_exist(&self.agent, sql);
            there.then_some(())
        })
        .await;
    }
}

/// Whether a query gives more than 0; not yet, while the database is being made.
fn rows_exist(agent: &AgentSetup, sql: &str) -> bool {
    agent.database().query_row(sql, [], |row| row.get::<_, i64>(0)).is_ok_and(|count| count > 0)
}

async fn rows(hub: &HubSetup, arguments: &[&str]) -> Vec<Value> {
    let output = hub.command(&[arguments, &["--json"]].concat()).output().await.expect("the hub's program starts");
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    rows.as_array().expect("an array").clone()
}

fn states(ended: &Ended) -> Vec<String> {
    let files = ended.json()["files"].as_array().expect("files").clone();
    files.iter().map(|file| file["state"].as_str().expect("a state").to_owned()).collect()
}

/// Everything is at the hub, each thing once, and nothing waits here.
async fn assert_arrived(site: &Site, hub: &HubSetup) {
    let status = site.agent.run(&["status", "--json"]).await.json();
    assert_eq!(status["outbox"], json!({"records": 0, "blobs": 0, "bytes": 0}), "{status}");
    let sessions = rows(hub, &["session", "list"]).await;
    assert_eq!(i64::try_from(sessions.len()).expect("few"), site.count("SELECT count(*) FROM sessions"));
    for session in sessions {
        let id = session["id"].as_str().expect("an id");
        let pauses = site.count(&format!("SELECT pauses FROM sessions WHERE id = '{id}' AND status = 'closed'"));
        assert_eq!(session["pause_count"].as_i64(), Some(pauses), "{session}");
    }
}

#[tokio::test]
async fn without_a_hub_everything_is_kept_until_there_is_one() {
    let site = Site::new();
    let clip = site.copy(&small(), "a.mp4");
    let alone = site.agent.run(&["import", "--wait-synced", "1", text(&clip)]).await;
    assert_eq!(alone.code, Some(6), "{alone:?}");
    assert!(alone.err.contains("can't be reached") && alone.err.contains("nothing is lost"), "{alone:?}");
    assert!(alone.out.contains("session"), "what was found is told all the same: {alone:?}");
    let status = site.agent.run(&["status", "--json"]).await.json();
    assert_eq!((&status["device"], &status["sessions"]), (&json!("cam-7"), &json!(1)));
    let waiting = status["outbox"]["records"].as_i64().expect("a number");
    assert!(waiting > 2 && status["outbox"]["bytes"].as_i64() > Some(1000), "{status}");

    let nobody_waits = site.agent.run(&["import", text(&clip)]).await;
    assert_eq!(nobody_waits.code, Some(0), "{nobody_waits:?}");
    assert!(nobody_waits.out.contains("analysed before") && nobody_waits.out.contains("wait for the hub"));

    let (hub, hub_setup) = site.hub().await;
    let there = site.agent.clone().hub(hub.mqtt());
    let arguments = ["import", "--wait-synced", "60", "--json", "--technician", "anna", text(&clip)];
    let arrived = there.run(&arguments).await;
    assert_eq!(arrived.code, Some(0), "{arrived:?}");
    assert_eq!(states(&arrived), ["known"], "it is not looked at again");
    assert_eq!(arrived.json()["hub"]["synced"], true);
    assert_arrived(&site, &hub_setup).await;
    let sessions = rows(&hub_setup, &["session", "list"]).await;
    assert_eq!(sessions[0]["technician_id"], "anna", "what is said later counts too");
    let records = site.count("SELECT count(*) FROM records");
    assert_eq!(there.run(&["import", text(&clip)]).await.code, Some(0));
    assert_eq!(site.count("SELECT count(*) FROM records"), records);
}

/// What is another device's is rejected: the second to bring a file is told so, and keeps what it has.
#[tokio::test]
async fn what_the_hub_rejects_is_told_and_kept() {
    let (site, other) = (Site::new(), Site::new());
    let (hub, hub_setup) = site.hub().await;
    let clip = small();
    let first = site.agent.clone().hub(hub.mqtt());
    let ended = first.run(&["import", "--wait-synced", "60", text(&clip)]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let second = other.agent.clone().hub(hub.mqtt()).variable("FIELDEYE_AGENT_DEVICE__ID", "cam-8");
    let ended = second.run(&["import", "--wait-synced", "60", text(&clip)]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("rejected") && ended.err.contains("fieldeye-agent doctor"), "{ended:?}");
    let records = other.count("SELECT count(*) FROM records");
    assert_eq!(other.count("SELECT count(*) FROM outbox WHERE state = 'rejected' AND reason <> ''"), records);
    let status = second.run(&["status", "--json"]).await.json();
    assert!(status["rejected"].as_i64() >= Some(records), "{status}");
    let doctor = second.run(&["doctor"]).await;
    assert!(doctor.out.contains("warn  rejected"), "{doctor:?}");
    assert_arrived(&site, &hub_setup).await;
}

#[tokio::test]
async fn an_unreadable_file_does_not_cost_the_others() {
    let site = Site::new();
    let good = site.copy(&small(), "b-good.mp4");
    std::fs::write(site.card("a-text.mp4"), "this is no video").expect("written");
    std::fs::write(site.card("c-empty.mp4"), "").expect("written");
    std::fs::write(site.card("notes.txt"), "not even called a video").expect("written");
    let none = site.card("none.mp4");
    let card = site.dir.path().join("card");
    let ended = site.agent.run(&["import", text(&card), text(&none)]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.starts_with("fieldeye-agent: 3 of 4 files can't be read"), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "one line: {ended:?}");
    let line =
        |name: &str| ended.out.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {ended:?}"));
    assert!(line(text(&good)).contains(", session "), "{ended:?}");
    assert!(line("c-empty.mp4").contains("0 bytes") && line("none.mp4").contains("does not exist"), "{ended:?}");
    assert_eq!(site.count("SELECT count(*) FROM sessions WHERE status = 'closed'"), 1);
    let none_at_all = site.agent.run(&["import", text(&none)]).await;
    assert_eq!(none_at_all.code, Some(3), "{none_at_all:?}");
    std::fs::create_dir(site.card("empty")).expect("a folder");
    let nothing = site.agent.run(&["import", text(&site.card("empty"))]).await;
    assert_eq!(nothing.code, Some(3), "{nothing:?}");
    assert!(nothing.err.contains("there is no video in"), "{nothing:?}");
}

/// What a file system says of a file or folder, with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mode: u32,
    modified: (i64, i64),
    /// When anything of it changed, be it a name in a folder or a time; nobody can set it back.
    changed: (i64, i64),
    content: Vec<u8>,
}

/// A folder and all that lies below it.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut all = BTreeMap::new();
    let mut paths = vec![folder.to_path_buf()];
    while let Some(path) = paths.pop() {
        let metadata = path.symlink_metadata().expect("metadata");
        let mut content = Vec::new();
        if metadata.is_dir() {
            paths.extend(std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            content = std::fs::read(&path).expect("read");
        }
        let (modified, changed) =
            ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
        all.insert(path, Entry { mode: metadata.mode(), modified, changed, content });
    }
    all
}

/// Cards as cameras make them; nothing on them is written, not even beside a video that can't be read.
#[tokio::test]
async fn a_card_is_searched_and_left_as_it_was() {
    let site = Site::new();
    let folder = |name: &str| std::fs::create_dir_all(site.card(name)).expect("a folder");
    for name in ["DCIM/100GOPRO", "DCIM/101MEDIA", "PRIVATE/AVCHD/BDMV/STREAM", "MISC", ".Trashes/501", "DCIM/.thumbs"]
    {
        folder(name);
    }
    site.copy(&small(), "DCIM/100GOPRO/GX010042.MP4");
    std::fs::write(site.card("DCIM/101MEDIA/DJI_0001.MOV"), "this is no video").expect("written");
    std::fs::write(site.card("PRIVATE/AVCHD/BDMV/STREAM/00000.MTS"), "nor is this").expect("written");
    for name in [
        "DCIM/100GOPRO/GL010042.LRV",
        "DCIM/100GOPRO/GX010042.THM",
        "DCIM/101MEDIA/DJI_0002.JPG",
        "DCIM/101MEDIA/._DJI_0001.MOV",
        ".Trashes/501/GX010041.MP4",
        "DCIM/.thumbs/1.mp4",
        "MISC/version.txt",
    ] {
        std::fs::write(site.card(name), "something else").expect("written");
    }
    let card = site.dir.path().join("card");
    let every = |mode_of_folders: u32, mode_of_files: u32| {
        for path in tree(&card).into_keys() {
            let mode = if path.is_dir() { mode_of_folders } else { mode_of_files };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        }
    };
    every(0o555, 0o444);
    let before = tree(&card);
    let ended = site.agent.run(&["import", "--json", text(&card)]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let after = tree(&card);
    assert!(after.keys().eq(before.keys()), "nothing was added or taken away: {:?}", after.keys());
    assert!(after == before, "nothing was changed");
    every(0o755, 0o644);
    let json = ended.json();
    let files = json["files"].as_array().expect("files").iter().map(|file| {
        let path = Path::new(file["path"].as_str().expect("a path")).strip_prefix(&card).expect("on the card");
        (text(path).to_owned(), file["state"].as_str().expect("a state").to_owned())
    });
    let file = |path: &str, state: &str| (path.to_owned(), state.to_owned());
    assert_eq!(
        files.collect::<Vec<_>>(),
        [
            file("DCIM/100GOPRO/GX010042.MP4", "done"),
            file("DCIM/101MEDIA/DJI_0001.MOV", "unreadable"),
            file("PRIVATE/AVCHD/BDMV/STREAM/00000.MTS", "unreadable"),
        ]
    );
}

/// Writes a creation time into the header of an MP4, in seconds from 1904.
fn date_mp4(path: &Path, seconds: u32) {
    let mut bytes = std::fs::read(path).expect("read");
    let mvhd = bytes.windows(4).position(|name| name == b"mvhd").expect("it has a movie header");
    assert_eq!(bytes[mvhd + 4], 0, "32 bits for a time");
    bytes[mvhd + 8..mvhd + 12].copy_from_slice(&seconds.to_be_bytes());
    std::fs::write(path, bytes).expect("written");
}

/// The camera's word counts before that of the file system, unless it can't be true.
#[tokio::test]
async fn an_inspection_has_the_date_of_its_recording() {
    let site = Site::new();
    let copied: std::time::SystemTime = std::time::UNIX_EPOCH + Duration::from_secs(1_735_000_000);
    // 2024-05-01T10:20:30Z; a clock that was never set; 2040; nothing.
    let clips =
        [("shot.mp4", 3_797_403_630), ("unset.mp4", 2_082_844_860), ("future.mp4", 4_291_747_200), ("no.mp4", 0)];
    for (name, seconds) in clips {
        let clip = site.copy(&small(), name);
        date_mp4(&clip, seconds);
        std::fs::OpenOptions::new().append(true).open(&clip).expect("opened").set_modified(copied).expect("set");
    }
    let ended = site.agent.run(&["import", text(&site.dir.path().join("card"))]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let dates = |name: &str| -> (String, String) {
        let sql = "SELECT json_extract(body, '$.date'), json_extract(body, '$.metadata.time_quality') FROM records
            WHERE kind = 'session' AND json_extract(body, '$.source') = ?1";
        site.agent.database().query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?))).expect("a session")
    };
    assert_eq!(dates("shot.mp4"), ("2024-05-01T10:20:30Z".to_owned(), "container".to_owned()));
    for name in ["unset.mp4", "future.mp4", "no.mp4"] {
        assert_eq!(dates(name), ("2024-12-24T00:26:40Z".to_owned(), "file_modification_time".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn usage_and_models_have_their_own_codes() {
    let site = Site::new();
    let clip = small();
    let wrong = site.agent.clone().variable("FIELDEYE_AGENT_SYNC__WINDOW", "0");
    let ended = wrong.run(&["import", text(&clip)]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("sync.window"), "{ended:?}");
    assert_eq!(site.agent.run(&["import"]).await.code, Some(2));
    let model = site.dir.path().join("card");
    let no_model = site.agent.clone().variable("FIELDEYE_AGENT_MODEL__PATH", text(&model));
    let ended = no_model.run(&["import", text(&clip)]).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.err.contains("model.toml"), "{ended:?}");
    assert_eq!(site.agent.run(&["import", text(&clip)]).await.code, Some(0), "with a good model it goes on");
}

#[tokio::test]
async fn two_at_once_share_the_work() {
    let site = Site::new();
    let (first, second) = (site.copy(&long(), "first.mp4"), site.copy(&small(), "second.mp4"));
    let (hub, hub_setup) = site.hub().await;
    let there = site.agent.clone().hub(hub.mqtt());
    let one = there.spawn(&["import", "--wait-synced", "90", text(&first)]);
    site.until_some("the first works", "SELECT count(*) FROM jobs WHERE state = 'running'").await;
    let two = there.run(&["import", "--wait-synced", "90", "--json", text(&second), text(&first)]).await;
    let one = one.ended().await;
    assert_eq!((one.code, two.code), (Some(0), Some(0)), "{one:?} {two:?}");
    assert_eq!(states(&two), ["done", "done"], "the first file is the same job for both");
    assert_eq!(site.count("SELECT count(*) FROM jobs"), 2, "nothing was done twice");
    assert_arrived(&site, &hub_setup).await;
}

#[tokio::test]
async fn two_on_a_new_folder_at_the_same_moment() {
    let site = Site::new();
    let (first, second) = (site.copy(&small(), "first.mp4"), site.copy(&small(), "second.mp4"));
    let imports = [&first, &second].map(|file| site.agent.spawn(&["import", "--json", text(file)]));
    let mut came = Vec::new();
    for import in imports {
        let ended = import.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        came.extend(states(&ended));
    }
    came.sort();
    assert_eq!(came, ["done", "known"], "the same content is looked at once");
    assert_eq!(site.count("SELECT count(*) FROM sessions"), 1);
}

#[tokio::test]
async fn a_running_agent_does_the_work() {
    let site = Site::new();
    let clip = site.copy(&small(), "a.mp4");
    let (hub, hub_setup) = site.hub().await;
    let there = site.agent.clone().hub(hub.mqtt());
    let agent = there.start(&[]).await;
    let ended = there.run(&["import", "--wait-synced", "60", text(&clip)]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_arrived(&site, &hub_setup).await;
    let status = there.run(&["status", "--json"]).await.json();
    assert_eq!(status["hub"]["connected"], true, "{status}");
    let (status, took) = agent.stop().await;
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    let doctor = there.run(&["doctor", "--json"]).await;
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    drop(hub);
}

/// Whoever waits for a program that dies does its work, and all of it arrives.
#[tokio::test]
async fn a_program_that_dies_is_succeeded() {
    let site = Site::new();
    let clip = site.copy(&long(), "a.mp4");
    let (hub, hub_setup) = site.hub().await;
    let there = site.agent.clone().hub(hub.mqtt());
    let agent = there.start(&[]).await;
    let import = there.spawn(&["import", "--wait-synced", "90", text(&clip)]);
    site.until_some("some of it is found", "SELECT count(*) FROM records WHERE kind = 'pause'").await;
    agent.kill().await;
    let ended = import.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(site.count("SELECT deaths FROM jobs"), 1);
    assert_arrived(&site, &hub_setup).await;
}

#[tokio::test]
async fn a_stop_is_clean_and_the_same_command_goes_on() {
    let site = Site::new();
    let clip = site.copy(&long(), "a.mp4");
    let import: Agent = site.agent.spawn(&["import", text(&clip)]);
    site.until_some("some of it is found", "SELECT count(*) FROM records WHERE kind = 'pause'").await;
    let begun = std::time::Instant::now();
    import.signal(libc::SIGINT);
    let ended = import.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("stopped") && ended.err.contains("the same command goes on"), "{ended:?}");
    assert_eq!(site.count("SELECT count(*) FROM jobs WHERE state = 'waiting' AND deaths = 0"), 1);
    assert_eq!(site.count("SELECT count(*) FROM sessions WHERE status = 'open'"), 1);
    let ids = "SELECT count(*) FROM records WHERE kind = 'pause' AND void = 0";
    let before = site.count(ids);
    let ended = site.agent.run(&["import", "--json", text(&clip)]).await;
    assert_eq!((ended.code, states(&ended)), (Some(0), vec!["done".to_owned()]), "{ended:?}");
    let pauses = ended.json()["files"][0]["pauses"].as_i64().expect("a number");
    assert_eq!(site.count(ids), pauses, "{before} were found before, none is there twice");
    let inspected = site.agent.run(&["inspect", "--json", text(&clip)]).await.json();
    assert_eq!(inspected["pauses"].as_array().map(Vec::len), usize::try_from(pauses).ok(), "as many as inspect finds");
}
