//! Live cameras with the real program: what is seen, recorded and kept when the camera, the program or the disk fails.

#![cfg(unix)]

use fieldeye_tests::agent::{Agent, AgentSetup};
use fieldeye_tests::inspect::{Inspect, clip, red_spot};
use fieldeye_tests::network_camera::NetworkCamera;
use fieldeye_tests::running::until;
use fieldeye_tests::small_disk::{SmallDisk, may_mount};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A test fails when something takes longer than this.
const PATIENT: Duration = Duration::from_secs(60);

fn agent(data: &Path) -> AgentSetup {
    AgentSetup::new(data)
        .variable("FIELDEYE_AGENT_MODEL__PATH", red_spot().to_str().expect("UTF-8"))
        .variable("FIELDEYE_AGENT_DETECT__RATE_HZ", "4")
}

fn bodies(agent: &AgentSetup, kind: &str) -> Vec<Value> {
    let database = agent.database();
    let mut query =
        database.prepare("SELECT body FROM records WHERE kind = ?1 AND void = 0 ORDER BY rowid").expect("sql");
    let texts: Vec<String> =
        query.query_map([kind], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("texts");
    texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

async fn until_there_are(agent: &AgentSetup, wanted: i64, sql: &str) {
    let what = format!("{wanted} of: {sql}");
    until(&what, PATIENT, || async { (agent.count(sql) >= wanted).then_some(()) }).await;
}

async fn camera_says(agent: &AgentSetup, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let until = tokio::time::Instant::now() + PATIENT;
    loop {
        let camera = agent.run(&["status", "--json"]).await.json()["cameras"][0].clone();
        if is(&camera) {
            return camera;
        }
        let log = || std::fs::read_to_string(agent.data_dir().join("logs/agent.log")).unwrap_or_default();
        assert!(tokio::time::Instant::now() < until, "not {what}: {camera} {}", log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn pieces(agent: &AgentSetup) -> Vec<PathBuf> {
    let folder = agent.data_dir().join("media/video");
    let sessions = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = sessions.flat_map(|session| std::fs::read_dir(session.path()).expect("a folder").flatten());
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.sort();
    files
}

/// Seconds of video in a file.
fn seconds_of(file: &Path) -> f64 {
    let inspection = Inspect::at(file).json().model(&red_spot()).run();
    inspection.json()["duration_s"].as_f64().expect("a length")
}

async fn end(agent: Agent) {
    let (status, took) = agent.stop().await;
    assert!(status.success() && took < Duration::from_secs(8), "{status} after {took:?}");
}

#[tokio::test]
async fn what_is_seen_live_is_what_is_seen_in_the_file() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let agent = agent(dir.path());
    let file = clip("index-first.mp4");
    let running = agent.start(&[&format!("play:{}", file.display())]).await;
    until_there_are(&agent, 1, "SELECT count(*) FROM sessions WHERE status = 'closed'").await;
    end(running).await;
    let inspection = Inspect::at(&file).json().model(&red_spot()).run().json();
    let (live, wanted) = (bodies(&agent, "pause"), inspection["pauses"].as_array().expect("an array").clone());
    assert_eq!(live.len(), wanted.len(), "{live:?} {wanted:?}");
    for (live, wanted) in live.iter().zip(&wanted) {
        for time in ["start_s", "end_s"] {
            let apart = live[time].as_f64().expect("a time") - wanted[time].as_f64().expect("a time");
            assert!(apart.abs() < 0.15, "{live} {wanted}");
        }
    }
    let defects = bodies(&agent, "defect");
    assert_eq!(defects.len(), inspection["defects"].as_array().expect("an array").len(), "{defects:?}");
    let session = &bodies(&agent, "session")[0];
    assert_eq!(session["metadata"]["ended"], "the source ended");
    assert!(session["source"].as_str().is_some_and(|source| source.starts_with("play:")));
    let recorded: f64 = pieces(&agent).iter().map(|piece| seconds_of(piece)).sum();
    assert!(
        (recorded - inspection["duration_s"].as_f64().expect("a length")).abs() < 0.2,
        "{recorded} s were recorded"
    );
    let ids = agent.count("SELECT count(*) FROM records WHERE substr(id, 15, 1) <> '7'");
    assert_eq!(ids, 0, "live records carry ids of version 7");
}

#[tokio::test]
async fn a_camera_that_goes_and_comes_back_leaves_a_gap_and_no_secret() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let secrets = dir.path().join("camera.txt");
    std::fs::write(&secrets, NetworkCamera::credentials()).expect("written");
    std::fs::set_permissions(&secrets, PermissionsExt::from_mode(0o600)).expect("allowed");
    let mut camera = NetworkCamera::drawing(320, 240).protected();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    let agent = agent(&data)
        .variable("FIELDEYE_AGENT_CAMERA__CREDENTIALS_FILE", secrets.to_str().expect("UTF-8"))
        .variable("FIELDEYE_AGENT_CAMERA__STALL_S", "2")
        .variable("FIELDEYE_AGENT_CAMERA__RECONNECT_S", "1")
        .variable("FIELDEYE_AGENT_CAMERA__PIECE_S", "2")
        .variable("RUST_LOG", "debug");
    let running = agent.start(&[&camera.address()]).await;
    camera_says(&agent, "pictures", |camera| camera["frames"].as_u64() > Some(60)).await;
    camera.switch_off();
    camera_says(&agent, "no pictures", |camera| camera["gone"].is_string()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    camera.switch_on();
    until_there_are(&agent, 1, "SELECT count(*) FROM records WHERE kind = 'gap'").await;
    camera_says(&agent, "pictures again", |camera| {
        camera["gone"].is_null() && camera["connections"].as_u64() > Some(1)
    })
    .await;
    let gap = &bodies(&agent, "gap")[0];
    let missing = gap["end_s"].as_f64().expect("a time") - gap["start_s"].as_f64().expect("a time");
    assert_eq!(gap["what"], "not_recorded");
    assert!(missing > 1.5 && missing < 15.0, "{gap}");
    assert_eq!(agent.count("SELECT count(*) FROM sessions"), 1, "the session goes on");
    let why = agent.run(&["why"]).await;
    assert!(why.out.contains("the camera was gone"), "{why:?}");
    // It is gone again, and does not come back before the end.
    camera.switch_off();
    camera_says(&agent, "no pictures", |camera| camera["gone"].is_string()).await;
    assert!(agent.run(&["session", "stop"]).await.out.starts_with("ended: "));
    until_there_are(&agent, 1, "SELECT count(*) FROM sessions WHERE status = 'closed'").await;
    end(running).await;
    assert_eq!(bodies(&agent, "gap").len(), 2, "what was missing at the end is told too");
    assert!(pieces(&agent).len() >= 2, "{:?}", pieces(&agent));
    let log = std::fs::read_to_string(data.join("logs/agent.log")).expect("there is a log");
    let database = std::fs::read(data.join("agent.db")).expect("there is a database");
    let secret = NetworkCamera::password();
    assert!(!log.contains(secret) && !String::from_utf8_lossy(&database).contains(secret));
}

#[tokio::test]
async fn a_camera_that_is_connected_to_again_and_again_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let camera = NetworkCamera::drawing(160, 120);
    let agent = agent(dir.path())
        .variable("FIELDEYE_AGENT_CAMERA__RECONNECT_S", "0.1")
        .variable("FIELDEYE_AGENT_CAMERA__STALL_S", "3");
    let running = agent.start(&[&camera.address()]).await;
    let connections = |wanted: u64| {
        let (agent, camera) = (&agent, &camera);
        async move {
            let reached = |text: Option<String>| {
                let health: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
                health.is_some_and(|health| {
                    health["connections"].as_u64() >= Some(wanted) && health["frames"].as_u64() >= Some(wanted)
                })
            };
            let sql = "SELECT value FROM meta WHERE key = 'camera.1'";
            let until = tokio::time::Instant::now() + 3 * PATIENT;
            while !reached(agent.database().query_row(sql, [], |row| row.get(0)).ok()) {
                assert!(tokio::time::Instant::now() < until, "{wanted} connections are not reached");
                camera.hang_up();
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    };
    let used = || {
        let of = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", running.pid())).expect("alive").count();
        (of("task"), of("fd"), running.resident_bytes() / 1_000_000)
    };
    connections(30).await;
    let before = used();
    connections(230).await;
    let after = used();
    assert!(after.0 <= before.0 + 3 && after.1 <= before.1 + 5, "threads and files: {before:?}, then {after:?}");
    assert!(after.2 < before.2 + 20, "MB: {before:?}, then {after:?}");
    end(running).await;
}

#[tokio::test]
async fn a_camera_that_changes_its_picture_is_connected_to_anew_and_all_of_its_video_is_known() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let camera = NetworkCamera::changing(90);
    let agent = agent(dir.path());
    let running = agent.start(&[&camera.address()]).await;
    until_there_are(&agent, 1, "SELECT count(*) FROM records WHERE kind = 'gap'").await;
    let gap = &bodies(&agent, "gap")[0];
    assert!(gap["reason"].as_str().is_some_and(|why| why.contains("changed its picture")), "{gap}");
    assert_eq!(agent.run(&["session", "stop"]).await.code, Some(0));
    until_there_are(&agent, 1, "SELECT count(*) FROM sessions WHERE status = 'closed'").await;
    end(running).await;
    let known = agent.count("SELECT count(*) FROM footage");
    assert_eq!(pieces(&agent).len() as i64, known, "a piece that broke off with the camera is known, too");
}

#[tokio::test]
async fn a_killed_program_loses_at_most_a_fragment_and_its_session_ends_where_it_was() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let agent = agent(dir.path()).variable("FIELDEYE_AGENT_CAMERA__PIECE_S", "60");
    let running = agent.start(&["test:ball,320x240,30"]).await;
    until_there_are(&agent, 1, "SELECT count(*) FROM sessions WHERE reached_s > 7").await;
    running.signal(libc::SIGKILL);
    drop(running);
    let reached: f64 =
        agent.database().query_row("SELECT reached_s FROM sessions", [], |row| row.get(0)).expect("a time");
    let files = pieces(&agent);
    assert_eq!(files.len(), 1);
    let recorded = seconds_of(&files[0]);
    assert!(recorded > reached - 2.5, "{recorded} s can be played of at least {reached} s");
    let running = agent.start(&["test:ball,320x240,30"]).await;
    until_there_are(&agent, 1, "SELECT count(*) FROM sessions WHERE status = 'interrupted'").await;
    assert_eq!(bodies(&agent, "session")[0]["status"], "interrupted");
    assert_eq!(bodies(&agent, "gap")[0]["reason"], "the program or the device ended without notice");
    assert_eq!(agent.count("SELECT count(*) FROM footage"), 1, "the piece that was open is known");
    end(running).await;
}

#[tokio::test]
async fn a_technician_starts_marks_and_stops() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let agent = agent(dir.path()).variable("FIELDEYE_AGENT_CAMERA__START", "hand");
    std::fs::create_dir_all(dir.path()).expect("a folder");
    let nobody = agent.run(&["session", "start"]).await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.err.contains("fieldeye-agent run"), "{nobody:?}");
    let running = agent.start(&["test:ball,320x240,30"]).await;
    for order in ["stop", "mark"] {
        let refused = agent.run(&["session", order]).await;
        assert!(refused.code == Some(1) && refused.err.contains("no session goes on"), "{refused:?}");
    }
    assert_eq!(agent.count("SELECT count(*) FROM sessions"), 0, "nobody has said start");
    let started = agent.run(&["session", "start", "--technician", "t-9", "--vehicle", "train-3"]).await;
    assert_eq!(started.code, Some(0), "{started:?}");
    until_there_are(&agent, 1, "SELECT count(*) FROM sessions WHERE reached_s > 1").await;
    assert_eq!(agent.run(&["session", "start"]).await.code, Some(1), "one goes on");
    let marked = agent.run(&["session", "mark", "--note", "here!"]).await;
    assert_eq!(marked.code, Some(0), "{marked:?}");
    assert_eq!(agent.run(&["session", "resume"]).await.code, Some(1), "it is not paused");
    assert_eq!(agent.run(&["session", "pause"]).await.code, Some(0));
    camera_says(&agent, "paused", |camera| camera["gone"].as_str().is_some_and(|why| why.contains("paused"))).await;
    assert_eq!(agent.run(&["session", "resume"]).await.code, Some(0));
    until_there_are(&agent, 1, "SELECT count(*) FROM records WHERE kind = 'gap'").await;
    let gap = &bodies(&agent, "gap")[0];
    assert_eq!((&gap["what"], &gap["reason"]), (&"not_recorded".into(), &"the session was paused by hand".into()));
    assert_eq!(agent.run(&["session", "stop"]).await.code, Some(0));
    until_there_are(&agent, 1, "SELECT count(*) FROM sessions WHERE status = 'closed'").await;
    let (session, mark) = (&bodies(&agent, "session")[0], &bodies(&agent, "event")[0]);
    assert_eq!((&session["technician_id"], &session["vehicle_id"]), (&"t-9".into(), &"train-3".into()));
    assert_eq!(session["metadata"]["ended"], "by hand");
    assert_eq!((&mark["name"], &mark["data"]["note"]), (&"mark".into(), &"here!".into()));
    let listed = agent.run(&["session", "list", "--json"]).await.json();
    assert_eq!(listed[0]["status"], "closed");
    end(running).await;
}

#[tokio::test]
async fn on_a_full_disk_what_shows_nothing_goes_and_what_was_found_stays() {
    let test = "on_a_full_disk_what_shows_nothing_goes_and_what_was_found_stays";
    if !may_mount(test) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    let _disk = SmallDisk::at(&data, 200);
    // No room at all: only what shows something stays.
    let agent =
        agent(&data).variable("FIELDEYE_AGENT_CAMERA__BUDGET_MB", "0").variable("FIELDEYE_AGENT_CAMERA__FREE_MB", "20");
    let sources = ["restless.mp4", "index-first.mp4"].map(|name| format!("play:{}", clip(name).display()));
    let running = agent.start(&[&sources[0], &sources[1]]).await;
    until_there_are(&agent, 2, "SELECT count(*) FROM sessions WHERE status = 'closed'").await;
    until_there_are(&agent, 1, "SELECT count(*) FROM records WHERE kind = 'gap' AND body LIKE '%evicted%'").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let of = |name: &str| {
        let sql = format!(
            "SELECT count(*) FROM footage f JOIN sessions s ON s.id = f.session_id WHERE s.source LIKE '%{name}'"
        );
        agent.count(&sql)
    };
    assert_eq!((of("restless.mp4"), of("index-first.mp4")), (0, 1), "what was held stays");
    let known = agent.count("SELECT count(*) FROM footage");
    assert_eq!(
        pieces(&agent).len(),
        usize::try_from(known).expect("a few"),
        "what was evicted is gone, the rest is there"
    );
    let database = agent.database();
    let mut query = database.prepare("SELECT path FROM blobs").expect("sql");
    for path in query.query_map([], |row| row.get::<_, String>(0)).expect("rows") {
        assert!(data.join("media").join(path.expect("a path")).exists(), "a picture is gone");
    }
    let why = agent.run(&["why"]).await;
    assert!(why.out.contains("the disk was full"), "{why:?}");
    end(running).await;
}

#[tokio::test]
async fn what_can_not_be_a_camera_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let agent = agent(dir.path());
    let refused = agent.run(&["run", "rtsp://me:secret@10.0.0.7/1"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("credentials_file") && !refused.err.contains("secret"), "{refused:?}");
    let open = dir.path().join("open.txt");
    std::fs::write(&open, "me:secret").expect("written");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o644)).expect("allowed");
    let agent = agent.variable("FIELDEYE_AGENT_CAMERA__CREDENTIALS_FILE", open.to_str().expect("UTF-8"));
    let refused = agent.run(&["run", "rtsp://10.0.0.7/1"]).await;
    assert!(refused.code == Some(2) && refused.err.contains("chmod 600"), "{refused:?}");
}
