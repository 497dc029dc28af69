//! Memory cards with the real program: sticks that come and go, and recordings that the camera split.

#![cfg(unix)]

use fieldeye_tests::agent::{Agent, AgentSetup};
use fieldeye_tests::inspect::clip;
use fieldeye_tests::running::{HubSetup, until};
use fieldeye_tests::workspace;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A test fails when something takes longer than this.
const PATIENT: Duration = Duration::from_secs(90);

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A device and a place where sticks are mounted.
struct Site {
    dir: TempDir,
    agent: AgentSetup,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in ["agent", "hub", "media"] {
            std::fs::create_dir(dir.path().join(name)).expect("a folder");
        }
        let agent = AgentSetup::new(&dir.path().join("agent"));
        Self { dir, agent }
    }

    fn media(&self) -> PathBuf {
        self.dir.path().join("media")
    }

    /// A stick appears with a recording of an hour ago on it.
    fn put_in(&self, stick: &str, from: &Path, name: &str) -> PathBuf {
        // As when it is mounted: all of it is there at once.
        let aside = self.dir.path().join("aside");
        std::fs::create_dir_all(aside.join("DCIM/100GOPRO")).expect("a folder");
        let file = aside.join("DCIM/100GOPRO").join(name);
        std::fs::copy(from, &file).expect("copied");
        let shot = SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_000_000);
        std::fs::File::options().append(true).open(&file).expect("opened").set_modified(shot).expect("set");
        let stick = self.media().join(stick);
        std::fs::rename(&aside, &stick).expect("moved");
        stick.join("DCIM/100GOPRO").join(name)
    }

    fn count(&self, sql: &str) -> i64 {
        self.agent.database().query_row(sql, [], |row| row.get(0)).expect("a count")
    }
}

/// Waits until a program has printed a line that has all of `parts`.
async fn says(agent: &Agent, parts: &[&str]) -> String {
    let found = || agent.out().lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned);
    until(&format!("it says {parts:?}"), PATIENT, || async { found() }).await
}

#[tokio::test]
async fn what_appears_is_imported_once_until_it_is_stopped() {
    let site = Site::new();
    let hub_setup = HubSetup::new(&site.dir.path().join("hub"));
    let hub = hub_setup.start().await;
    let there = site.agent.clone().hub(hub.mqtt());
    let mut watching = there.spawn(&["import", "--watch", text(&site.media())]);
    watching.hears("READY=1", PATIENT).await;
    assert_eq!(watching.out(), format!("Watching {} until stopped\n", site.media().display()));

    let first = site.put_in("stick", &clip("turned.mp4"), "GX010001.MP4");
    says(&watching, &[text(&first), "new"]).await;
    let told = says(&watching, &[text(&first), ", session "]).await;
    assert!(!told.contains("analysed before"), "{told}");
    says(&watching, &["The hub at", "has everything"]).await;

    std::fs::remove_dir_all(site.media().join("stick")).expect("pulled out");
    let again = site.put_in("stick of another slot", &clip("turned.mp4"), "GX010007.MP4");
    says(&watching, &[text(&again), "analysed before"]).await;
    assert_eq!(site.count("SELECT count(*) FROM sessions"), 1, "one content is one session");

    std::fs::write(site.media().join("broken.mp4"), "this is no video").expect("written");
    says(&watching, &["broken.mp4"]).await;
    assert!(watching.is_running(), "a file that can't be read ends nothing");
    let (status, took) = watching.stop().await;
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

/// A folder that is not there yet, and a program that works on the data directory already.
#[tokio::test]
async fn it_waits_for_folders_and_hands_over_to_a_running_agent() {
    let site = Site::new();
    let agent = site.agent.start(&[]).await;
    let stick = site.media().join("later");
    let watching = site.agent.spawn(&["import", "--watch", "--technician", "anna", text(&stick)]);
    says(&watching, &["Watching", "`run`", "does the work"]).await;
    says(&watching, &["later: it does not exist", "waiting for it"]).await;
    let file = site.put_in("later", &clip("turned.mp4"), "GX010001.MP4");
    says(&watching, &["later: can be read now"]).await;
    says(&watching, &[text(&file), ", session "]).await;
    let technician =
        "SELECT count(*) FROM records WHERE kind = 'session' AND json_extract(body, '$.technician_id') = 'anna'";
    assert_eq!(site.count(technician), 1);
    watching.signal(libc::SIGINT);
    let ended = watching.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.ends_with("\nStopped\n"), "{ended:?}");
    assert!(agent.stop().await.0.success());
}

#[tokio::test]
async fn a_stop_in_the_middle_says_what_is_not_done() {
    let site = Site::new();
    let file = site.put_in("stick", &workspace::root().join("deploy/demo/lift-hill.mp4"), "GX010001.MP4");
    let watching = site.agent.spawn(&["import", "--watch", text(&site.media())]);
    says(&watching, &[text(&file), "new"]).await;
    until("it is looked at", PATIENT, || async {
        (site.count("SELECT count(*) FROM records WHERE kind = 'pause'") > 0).then_some(())
    })
    .await;
    let begun = std::time::Instant::now();
    watching.signal(libc::SIGTERM);
    let ended = watching.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("Stopped; 1 file not done yet"), "{ended:?}");
    assert_eq!(site.count("SELECT count(*) FROM jobs WHERE state = 'waiting' AND deaths = 0"), 1);
}

/// Chapters are one session: as long as all of them, with the pauses of each; a missing one ends it.
#[tokio::test]
async fn chapters_of_a_camera_are_one_session() {
    let site = Site::new();
    let card = site.media().join("DCIM/100GOPRO");
    std::fs::create_dir_all(&card).expect("a folder");
    let file = |name: &str| card.join(name);
    for name in ["GX010042.MP4", "GX020042.MP4", "GX040042.MP4", "GX010043.MP4"] {
        std::fs::copy(clip("key-frames.mp4"), file(name)).expect("copied");
    }
    let inspected = site.agent.run(&["inspect", "--json", text(&file("GX010043.MP4"))]).await.json();
    let (pauses, duration_s) =
        (inspected["pauses"].as_array().expect("pauses").len(), inspected["duration_s"].as_f64());
    let imported = site.agent.run(&["import", "--json", text(&site.media())]).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let json = imported.json();
    let told: Vec<(&str, &str)> = json["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|told| {
            let path = Path::new(told["path"].as_str().expect("a path"));
            (path.file_name().and_then(|name| name.to_str()).expect("a name"), told["state"].as_str().expect("a state"))
        })
        .collect();
    assert_eq!(told, [("GX010042.MP4", "done"), ("GX010043.MP4", "done"), ("GX040042.MP4", "known")]);
    let session = |told: &Value| -> Value {
        let id = told["session_id"].as_str().expect("a session");
        let body = site
            .agent
            .database()
            .query_row("SELECT body FROM records WHERE id = ?1", [id], |row| row.get::<_, String>(0));
        serde_json::from_str(&body.expect("a record")).expect("JSON")
    };
    let (both, one) = (session(&json["files"][0]), session(&json["files"][1]));
    assert_eq!(
        (both["source"].as_str(), &both["metadata"]["files"]),
        (Some("GX010042.MP4"), &json!(["GX010042.MP4", "GX020042.MP4"]))
    );
    assert_eq!((one["pause_count"].as_u64(), one["duration_s"].as_f64()), (Some(pauses as u64), duration_s));
    let twice = 2.0 * duration_s.expect("a length");
    assert!((both["duration_s"].as_f64().expect("a length") - twice).abs() < 0.01, "{both}");
    assert!(both["pause_count"].as_u64().expect("a number") > pauses as u64, "{both}");
    let behind = format!(
        "SELECT count(*) FROM records WHERE kind = 'pause' AND json_extract(body, '$.start_s') > {}",
        twice / 2.0
    );
    assert!(site.count(&behind) > 0, "times run on");

    // The battery died in the third: it costs the others nothing.
    std::fs::write(file("GX030042.MP4"), &std::fs::read(clip("key-frames.mp4")).expect("read")[..50_000])
        .expect("written");
    let with_damage = site.agent.run(&["import", "--json", text(&site.media())]).await;
    assert_eq!(with_damage.code, Some(3), "{with_damage:?}");
    let states: Vec<Value> =
        with_damage.json()["files"].as_array().expect("files").iter().map(|told| told["state"].clone()).collect();
    assert_eq!(states, ["known", "known", "unreadable", "known"], "{with_damage:?}");
    std::fs::remove_file(file("GX030042.MP4")).expect("removed");
    let sessions = site.count("SELECT count(*) FROM sessions WHERE status = 'closed'");

    // Any of its chapters stands for it, wherever it lies.
    let disk = site.dir.path().join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    for name in ["GX010042.MP4", "GX020042.MP4"] {
        std::fs::copy(file(name), disk.join(name)).expect("copied");
    }
    let again = site.agent.run(&["import", "--json", text(&disk.join("GX020042.MP4"))]).await.json();
    assert_eq!(again["files"][0]["state"], "known", "{again}");
    assert_eq!(again["files"][0]["session_id"], json["files"][0]["session_id"]);
    assert_eq!(site.count("SELECT count(*) FROM sessions WHERE status = 'closed'"), sessions);
}
