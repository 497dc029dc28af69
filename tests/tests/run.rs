//! `fieldeye-agent run` with the real program: sources that come and go, the service manager, a clean stop.

#![cfg(unix)]

use fieldeye_tests::agent::AgentSetup;
use fieldeye_tests::inspect::clip;
use fieldeye_tests::running::until;
use std::path::Path;
use std::time::Duration;

/// A test fails when something takes longer than this.
const PATIENT: Duration = Duration::from_secs(60);

async fn until_there_are(agent: &AgentSetup, wanted: i64, sql: &str) {
    let what = format!("{wanted} of: {sql}");
    until(&what, PATIENT, || async { (agent.count(sql) == wanted).then_some(()) }).await;
}

/// Copies a clip in two parts, as a slow card does: the file has its name before it has its content.
async fn copy_slowly(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).expect("read");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    std::fs::write(to, first).expect("written");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut file = std::fs::File::options().append(true).open(to).expect("opened");
    std::io::Write::write_all(&mut file, second).expect("written");
}

#[tokio::test]
async fn files_are_taken_as_they_come_and_each_content_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, card) = (dir.path().join("data"), dir.path().join("card"));
    std::fs::create_dir(&data).expect("a folder");
    let agent = AgentSetup::new(&data).variable("FIELDEYE_AGENT_SESSION__VEHICLE_ID", "train-3");
    let named = clip("turned.mp4");
    let sources = [named.to_str().expect("UTF-8"), card.to_str().expect("UTF-8")];
    let running = agent.start(&sources).await;
    until_there_are(&agent, 1, "SELECT count(*) FROM sessions WHERE status = 'closed'").await;
    // The card is put in now; one of its files is a copy of what is known, one is no video, one comes slowly.
    std::fs::create_dir(&card).expect("a folder");
    std::fs::copy(&named, card.join("copy.mp4")).expect("copied");
    std::fs::write(card.join("text.mp4"), "no video").expect("written");
    copy_slowly(&clip("index-first.mp4"), &card.join("slow.mp4")).await;
    let finished = "SELECT count(*) FROM jobs WHERE state IN ('done', 'known', 'unreadable')";
    until_there_are(&agent, 4, finished).await;
    for (state, wanted) in [("done", 2), ("known", 1), ("unreadable", 1)] {
        assert_eq!(agent.count(&format!("SELECT count(*) FROM jobs WHERE state = '{state}'")), wanted, "{state}");
    }
    let facts = "SELECT count(*) FROM records WHERE kind = 'session' AND body LIKE '%train-3%'";
    assert_eq!(agent.count(facts), 2);
    let (status, took) = running.stop().await;
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");

    // At the next start nothing is new.
    let records = agent.count("SELECT count(*) FROM records");
    let running = agent.start(&sources).await;
    until_there_are(&agent, 6, "SELECT count(*) FROM jobs WHERE state IN ('done', 'known')").await;
    assert_eq!(agent.count("SELECT count(*) FROM records"), records);
    let log = std::fs::read_to_string(data.join("logs/agent.log")).expect("there is a log");
    assert!(log.contains("started") && log.contains("a source can't be read"), "{log}");
    drop(running);
}

#[tokio::test]
async fn the_service_manager_hears_that_it_is_ready_alive_and_stopping() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let agent = AgentSetup::new(dir.path()).variable("WATCHDOG_USEC", "400000");
    let mut running = agent.start(&[]).await;
    for _ in 0..3 {
        running.hears("WATCHDOG=1", PATIENT).await;
    }
    running.signal(libc::SIGTERM);
    running.hears("STOPPING=1", PATIENT).await;
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn sources_that_it_can_never_read_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let agent = AgentSetup::new(dir.path());
    let ended = agent.run(&["run", "ftp://camera/1"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("ftp"), "{ended:?}");
}

#[tokio::test]
async fn a_model_that_cannot_be_used_does_not_stop_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().display().to_string();
    let agent = AgentSetup::new(dir.path()).variable("FIELDEYE_AGENT_MODEL__PATH", &folder);
    let named = clip("turned.mp4");
    let mut running = agent.start(&[named.to_str().expect("UTF-8")]).await;
    until_there_are(&agent, 1, "SELECT count(*) FROM jobs WHERE state = 'bad_model'").await;
    assert!(running.is_running());
    let doctor = agent.run(&["doctor", "--json"]).await;
    assert_eq!(doctor.code, Some(1));
    let checks = doctor.json()["checks"].as_array().expect("checks").clone();
    let model = checks.iter().find(|check| check["name"] == "model").expect("the model is looked at").clone();
    assert_eq!(model["state"], "fail", "{model}");
    assert!(running.stop().await.0.success());
}
