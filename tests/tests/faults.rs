//! What goes wrong in the field, and what is said about it: full disks, taken ports, second instances, bad messages,
//! bad settings. Whatever it is, nothing is lost and the next good thing works.

#![cfg(target_os = "linux")]

use fieldeye_protocol::batch::{Batch, CONTENT_TYPE_JSON, CONTENT_TYPE_ZSTD, encode};
use fieldeye_protocol::body::Severity;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{Record, RecordKind};
use fieldeye_tests::agent::AgentSetup;
use fieldeye_tests::device::{Device, Inspection};
use fieldeye_tests::ledger::{self, assert_arrived};
use fieldeye_tests::running::{Hub, HubSetup, until};
use fieldeye_tests::small_disk::{SmallDisk, may_mount};
use fieldeye_tests::workspace;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;
use uuid::Uuid;

const PATIENT: Duration = Duration::from_secs(150);
const SOON: Duration = Duration::from_secs(30);
/// How long a program may take to end after SIGTERM.
const DRAIN: Duration = Duration::from_secs(5);

fn clip() -> String {
    workspace::root().join("deploy/demo/lift-hill.mp4").display().to_string()
}

fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (hub, agent) = (dir.path().join("hub"), dir.path().join("agent"));
    for folder in [&hub, &agent] {
        std::fs::create_dir(folder).expect("a folder");
    }
    (dir, hub, agent)
}

fn count(hub_dir: &Path, query: &str) -> i64 {
    ledger::database(&hub_dir.join("hub.db")).query_row(query, [], |row| row.get(0)).expect("a readable database")
}

/// The command's end, its errors as text.
async fn run(setup: &HubSetup, arguments: &[&str]) -> (Option<i32>, String) {
    let output = tokio::time::timeout(SOON, setup.command(arguments).output()).await;
    let Output { status, stderr, .. } = output.expect("it ends").expect("the hub's program starts");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn waiting(agent_dir: &Path) -> i64 {
    ledger::count(&agent_dir.join("agent.db"), "SELECT count(*) FROM outbox")
}

#[tokio::test]
async fn a_full_disk_of_the_agent_makes_it_wait() {
    if !may_mount("a_full_disk_of_the_agent_makes_it_wait") {
        return;
    }
    let (_dir, hub_dir, agent_dir) = folders();
    let disk = SmallDisk::at(&agent_dir, 16);
    let hub = HubSetup::new(&hub_dir).start().await;
    let setup = AgentSetup::new(&agent_dir).hub(hub.mqtt());
    let mut import = setup.spawn(&["import", "--wait-synced", "120", &clip()]);
    let written =
        || async { (ledger::count(&agent_dir.join("agent.db"), "SELECT count(*) FROM records") > 0).then_some(()) };
    until("the inspection begins", PATIENT, written).await;
    disk.fill();
    until("it says so", PATIENT, || async { import.console().contains("no room left on the disk").then_some(()) })
        .await;
    assert!(import.is_running(), "it waits for room: {}", import.console());
    disk.make_room();
    let ended = import.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_arrived(&agent_dir, &hub_dir);
    let inspected = setup.run(&["inspect", "--json", &clip()]).await.json();
    let pauses = "SELECT count(*) FROM records WHERE kind = 'pause' AND void = 0";
    let pauses = usize::try_from(ledger::count(&agent_dir.join("agent.db"), pauses)).expect("a number");
    assert_eq!(Some(pauses), inspected["pauses"].as_array().map(Vec::len), "everything was found after all");
}

#[tokio::test]
async fn a_full_disk_of_the_hub_keeps_everything_on_the_agent() {
    if !may_mount("a_full_disk_of_the_hub_keeps_everything_on_the_agent") {
        return;
    }
    let (_dir, hub_dir, agent_dir) = folders();
    // The hub calls itself well with 64 MiB free.
    let disk = SmallDisk::at(&hub_dir, 96);
    let hub = HubSetup::new(&hub_dir).start().await;
    disk.fill();
    let setup = AgentSetup::new(&agent_dir).hub(hub.mqtt());
    let import = setup.run(&["import", "--wait-synced", "3", &clip()]).await;
    assert_eq!(import.code, Some(6), "{import:?}");
    assert!(import.err.contains("nothing is lost"), "{import:?}");
    let waits = waiting(&agent_dir);
    assert!(waits > 0, "what the hub can't keep stays here");
    let (code, health) = hub.health().await;
    assert_eq!(code, 503, "{health}");
    assert!(health.to_string().contains("free") || health.to_string().contains("room"), "{health}");
    disk.make_room();
    let import = setup.run(&["import", "--wait-synced", "120", &clip()]).await;
    assert_eq!(import.code, Some(0), "{import:?}");
    assert_arrived(&agent_dir, &hub_dir);
    until("the hub is well again", SOON, || async { (hub.health().await.0 == 200).then_some(()) }).await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for variable in ["FIELDEYE_HUB_MQTT__LISTEN", "FIELDEYE_HUB_HEALTH__LISTEN"] {
        let (_dir, hub_dir, _) = folders();
        let setup = HubSetup::new(&hub_dir).variable(variable, &address);
        let (code, said) = run(&setup, &["serve"]).await;
        assert_eq!(code, Some(1), "{said}");
        for word in [&address, "taken", variable] {
            assert!(said.contains(word), "{word} is missing in {said}");
        }
        assert!(!hub_dir.join("serve.json").exists(), "a program that does not serve says no address");
        // The folder is free again.
        let (status, _) = HubSetup::new(&hub_dir).start().await.stop().await;
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_said_and_nothing_is_lost() {
    let (_dir, _, agent_dir) = folders();
    let setup = AgentSetup::new(&agent_dir);
    let import = setup.run(&["import", "--wait-synced", "1", &clip()]).await;
    assert_eq!(import.code, Some(6), "{import:?}");
    assert!(import.err.contains("127.0.0.1:9") && import.err.contains("nothing is lost"), "{import:?}");
    assert_eq!(import.err.trim().lines().count(), 1, "one line: {import:?}");
    assert!(waiting(&agent_dir) > 0);
}

/// A hub, a device that will misbehave, and one that does not.
struct Line {
    dir: tempfile::TempDir,
    hub: Hub,
    device: Device,
    good: Device,
}

impl Line {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let hub = HubSetup::new(dir.path()).start().await;
        let device = Device::connect("cam-7", hub.mqtt()).await;
        let good = Device::connect("cam-8", hub.mqtt()).await;
        Self { dir, hub, device, good }
    }

    fn count(&self, query: &str) -> i64 {
        count(self.dir.path(), query)
    }

    /// The hub still works, for the device that misbehaved and for others.
    async fn ends_well(mut self) {
        for device in [&mut self.device, &mut self.good] {
            let (_, session) = Inspection::closed("anna", "train-3", now());
            let ack = device.publish(vec![session]).await;
            assert!(ack.stored.count() == Some(1) && ack.rejected.is_empty(), "{ack:?}");
        }
        assert_eq!(self.hub.health().await.0, 200);
        let (status, took) = self.hub.stop().await;
        assert!(status.success() && took < DRAIN, "{status} after {took:?}");
    }
}

fn now() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn batch_of(device: &str, records: Vec<Record>) -> Batch {
    let numbered: Vec<(u64, Record)> = (1..).zip(records).collect();
    Batch::new(DeviceId::parse(device).expect("valid"), Uuid::new_v4(), &numbered)
}

const RECORDS: &str = "fieldeye/v1/cam-7/up/records";

#[tokio::test]
async fn messages_that_are_no_batches_are_answered_and_kept_aside() {
    let mut line = Line::new().await;
    let (_, session) = Inspection::closed("anna", "train-3", now());
    let mut torn = encode(&batch_of("cam-7", vec![session]));
    torn.truncate(torn.len() / 2);
    // Small on the wire, too large once it is unpacked.
    let mut bomb = batch_of("cam-7", vec![]);
    bomb.records.push(" ".repeat(17 * 1024 * 1024).into());
    let bomb = encode(&bomb);
    assert!(bomb.len() < 10_000);
    let messages: [(&str, Vec<u8>, Option<&str>); 8] = [
        ("a bomb", bomb, Some(CONTENT_TYPE_ZSTD)),
        ("text that calls itself zstd", b"not zstd".to_vec(), Some(CONTENT_TYPE_ZSTD)),
        ("half of a batch", torn, Some(CONTENT_TYPE_ZSTD)),
        ("not JSON", b"{\"v\":1,".to_vec(), Some(CONTENT_TYPE_JSON)),
        ("not JSON, and says nothing of it", vec![0, 159, 146, 150], None),
        ("another version", b"{\"v\":2}".to_vec(), Some(CONTENT_TYPE_JSON)),
        ("no batch", b"[]".to_vec(), None),
        ("nothing", Vec::new(), None),
    ];
    for (round, (what, payload, content_type)) in messages.into_iter().enumerate() {
        line.device.send(RECORDS, payload, content_type).await;
        let ack = line.device.batch_answer(|ack| ack.batch.is_none()).await;
        let error = ack.error.unwrap_or_default();
        assert!(!error.is_empty() && ack.stored.is_empty(), "{what}: {error}");
        assert!(line.count("SELECT count(*) FROM field_eye_quarantine") <= 1 + round as i64, "{what}");
    }
    assert!(line.count("SELECT count(*) FROM field_eye_quarantine") >= 6, "they can be looked at");
    assert_eq!(line.count("SELECT count(*) FROM field_eye_sessions"), 0);
    line.ends_well().await;
}

#[tokio::test]
async fn bad_records_do_not_stop_good_ones() {
    let mut line = Line::new().await;
    let (mut inspection, session) = Inspection::closed("anna", "train-3", now());
    let (frame_id, frame) = inspection.frame(b"a picture", now());
    let (defect_id, defect) = inspection.defect(frame_id, "crack", Severity::Info, now());
    let mut smell = frame.clone();
    (smell.id, smell.kind) = (fieldeye_protocol::record::RecordId(Uuid::now_v7()), RecordKind::Unknown("smell".into()));
    let mut batch = batch_of("cam-7", vec![session, smell, frame, defect]);
    batch.records.push(serde_json::json!({"id": 7}));
    batch.records.push(serde_json::json!("not even an object"));
    batch.seqs = (1..=6).collect();
    batch.last_seq = 6;
    let wanted = batch.batch;
    line.device.send(RECORDS, encode(&batch), Some(CONTENT_TYPE_ZSTD)).await;
    let ack = line.device.batch_answer(|ack| ack.batch == Some(wanted)).await;
    assert_eq!(ack.stored.as_slice(), [[1, 1], [3, 4]], "{ack:?}");
    let rejected: Vec<u64> = ack.rejected.iter().map(|rejection| rejection.seq).collect();
    assert_eq!(rejected, [2, 5, 6], "{ack:?}");
    assert!(ack.rejected[0].reason.contains("smell"), "{ack:?}");
    assert_eq!(line.count("SELECT count(*) FROM field_eye_quarantine"), 3);
    let defect = format!("SELECT count(*) FROM field_eye_defects WHERE id = '{defect_id}'");
    assert_eq!(line.count(&defect), 1);
    line.ends_well().await;
}

#[tokio::test]
async fn a_device_speaks_only_for_itself() {
    let mut line = Line::new().await;
    let (mut inspection, session) = Inspection::closed("anna", "train-3", now());
    let (frame_id, frame) = inspection.frame(b"a picture", now());
    let (defect_id, defect) = inspection.defect(frame_id, "crack", Severity::Info, now());
    let ack = line.good.publish(vec![session, frame, defect.clone()]).await;
    assert_eq!(ack.stored.count(), Some(3), "{ack:?}");

    // In another's name, on its own topic.
    let (_, own) = Inspection::closed("eve", "train-3", now());
    let batch = batch_of("cam-8", vec![own]);
    line.device.send(RECORDS, encode(&batch), Some(CONTENT_TYPE_ZSTD)).await;
    let ack = line.device.batch_answer(|ack| ack.error.is_some()).await;
    assert!(ack.stored.is_empty(), "{ack:?}");

    // A newer revision of what belongs to another; and a record that hangs on another's session.
    let mut stolen = defect;
    stolen.rev = 99;
    let (_, hanging) = inspection.defect(frame_id, "scratch", Severity::Info, now());
    let ack = line.device.publish(vec![stolen, hanging]).await;
    assert_eq!((ack.stored.count(), ack.rejected.len()), (Some(0), 2), "{ack:?}");
    let untouched =
        format!("SELECT count(*) FROM field_eye_defects WHERE id = '{defect_id}' AND rev = 1 AND device_id = 'cam-8'");
    assert_eq!(line.count(&untouched), 1);
    assert_eq!(line.count("SELECT count(*) FROM field_eye_defects"), 1);

    // A picture that another has named.
    let sha256 = Digest::of(b"a picture");
    line.device.send(&format!("fieldeye/v1/cam-7/up/blob/{sha256}/0"), b"a picture".to_vec(), None).await;
    let ack = line.device.blob_answer(sha256).await;
    assert_eq!(serde_json::to_value(ack.state).expect("a state"), "refused", "{ack:?}");
    assert_eq!(line.count("SELECT count(*) FROM field_eye_blobs WHERE state = 'stored'"), 0);

    // On another's topic: the broker does not let it through. The line it came on may be cut.
    let mut eve = Device::connect("cam-9", line.hub.mqtt()).await;
    let (_, own) = Inspection::closed("eve", "train-9", now());
    let batch = batch_of("cam-8", vec![own]);
    eve.send("fieldeye/v1/cam-8/up/records", encode(&batch), Some(CONTENT_TYPE_ZSTD)).await;
    let (_, mine) = Inspection::closed("anna", "train-4", now());
    let ack = line.good.publish(vec![mine]).await;
    assert_eq!(ack.stored.count(), Some(1), "{ack:?}");
    assert_eq!(line.count("SELECT count(*) FROM field_eye_sessions WHERE vehicle_id = 'train-9'"), 0);
    drop(eve);
    line.ends_well().await;
}

#[tokio::test]
async fn the_second_on_a_folder_is_told_who_is_there() {
    let (_dir, hub_dir, agent_dir) = folders();
    let setup = HubSetup::new(&hub_dir);
    let hub = setup.start().await;
    let (code, said) = run(&setup, &["serve"]).await;
    assert_eq!(code, Some(5), "{said}");
    let serve = std::fs::read_to_string(hub_dir.join("serve.json")).expect("the first one's addresses stay");
    let serve: serde_json::Value = serde_json::from_str(&serve).expect("JSON");
    assert!(said.contains("serve") && said.contains(&serve["pid"].to_string()), "{said}");
    // Everything but serve works beside it.
    assert_eq!(run(&setup, &["session", "list"]).await.0, Some(0));

    let setup = AgentSetup::new(&agent_dir).hub(hub.mqtt());
    let agent = setup.start(&[]).await;
    let second = setup.run(&["run"]).await;
    assert_eq!(second.code, Some(5), "{second:?}");
    assert!(second.err.contains("run") && second.err.contains(&agent.pid().to_string()), "{second:?}");
    assert_eq!(setup.run(&["status"]).await.code, Some(0));

    // A hard death frees the folder.
    agent.kill().await;
    hub.kill().await;
    drop(setup.start(&[]).await);
    drop(HubSetup::new(&hub_dir).start().await);
}

#[tokio::test]
async fn a_stop_takes_less_than_five_seconds() {
    let (_dir, hub_dir, agent_dir) = folders();
    let hub = HubSetup::new(&hub_dir).start().await;
    let setup = AgentSetup::new(&agent_dir).hub(hub.mqtt());
    // In the middle of an inspection, with a line to the hub.
    let agent = setup.start(&[&clip()]).await;
    let written =
        || async { (ledger::count(&agent_dir.join("agent.db"), "SELECT count(*) FROM records") > 0).then_some(()) };
    until("the inspection begins", PATIENT, written).await;
    let (status, took) = agent.stop().await;
    assert!(status.success() && took < DRAIN, "{status} after {took:?}");
    // And without a hub.
    let (status, took) = hub.stop().await;
    assert!(status.success() && took < DRAIN, "{status} after {took:?}");
    assert!(!hub_dir.join("serve.json").exists(), "taken away by a clean stop");
    let (status, took) = setup.start(&[&clip()]).await.stop().await;
    assert!(status.success() && took < DRAIN, "{status} after {took:?}");
}

#[tokio::test]
async fn an_unknown_setting_names_the_nearest() {
    let (dir, hub_dir, agent_dir) = folders();
    let hub = HubSetup::new(&hub_dir);
    let (code, said) = run(&hub.clone().variable("FIELDEYE_HUB_MQTT__LISTENER", "127.0.0.1:1"), &["serve"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("FIELDEYE_HUB_MQTT__LISTENER") && said.contains("mqtt.listen"), "{said}");
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "[telegram]\nadmin = [1]\n").expect("written");
    let path = file.to_str().expect("UTF-8");
    let (code, said) = run(&hub, &["serve", "--config", path]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("mine.toml") && said.contains("telegram.admins"), "{said}");
    assert_eq!(run(&hub, &["serve", "--config", "/no/such/file.toml"]).await.0, Some(2));

    let agent = AgentSetup::new(&agent_dir);
    std::fs::write(&file, "[sync]\nack_timeouts = 3\n").expect("written");
    let ended = agent.run(&["run", "--config", path]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("mine.toml") && ended.err.contains("sync.ack_timeout"), "{ended:?}");
    let ended = agent.clone().variable("FIELDEYE_AGENT_HUB__URI", "mqtt://h").run(&["status"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("hub.url"), "{ended:?}");
}

#[tokio::test]
async fn a_hub_that_others_could_reach_is_refused() {
    let (_dir, hub_dir, _) = folders();
    let setup = HubSetup::new(&hub_dir).variable("FIELDEYE_HUB_MQTT__LISTEN", "0.0.0.0:0");
    let (code, said) = run(&setup, &["serve"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("mqtt.listen"), "{said}");
}

/// The sizes of the log files in a data directory.
fn logs(folder: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(folder.join("logs")).expect("there are logs");
    entries.map(|entry| entry.expect("an entry").metadata().expect("metadata").len()).collect()
}

#[tokio::test]
async fn logs_rotate_and_never_grow_past_five_files() {
    const FULL: u64 = 10 * 1024 * 1024;
    let (_dir, hub_dir, agent_dir) = folders();
    let hub = HubSetup::new(&hub_dir);
    let agent = AgentSetup::new(&agent_dir);
    for _ in 0..6 {
        hub.start().await.stop().await;
        agent.start(&[]).await.stop().await;
        for folder in [&hub_dir, &agent_dir] {
            let name = if folder == &hub_dir { "fieldeye-hub.log" } else { "agent.log" };
            let current = folder.join("logs").join(name);
            let file = std::fs::File::options().append(true).open(&current).expect("the log is there");
            // As if it had run for months.
            file.set_len(FULL + 1).expect("a file can grow");
        }
    }
    hub.start().await.stop().await;
    agent.start(&[]).await.stop().await;
    for folder in [&hub_dir, &agent_dir] {
        let sizes = logs(folder);
        assert_eq!(sizes.len(), 5, "{}: {sizes:?}", folder.display());
        assert!(sizes.iter().any(|size| *size < FULL), "a new one was begun: {sizes:?}");
    }
}

#[tokio::test]
async fn what_is_kept_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("set");
    // Made by the programs themselves. The usual umask lets everybody read.
    let (hub_dir, agent_dir) = (dir.path().join("h"), dir.path().join("a"));
    let hub_setup = HubSetup::new(dir.path()).variable("FIELDEYE_HUB_DATA_DIR", hub_dir.to_str().expect("UTF-8"));
    let mut child = hub_setup.command(&["serve"]).stdout(std::process::Stdio::null()).spawn().expect("it starts");
    until("the hub is there", SOON, || async { hub_dir.join("serve.json").exists().then_some(()) }).await;
    let serve = std::fs::read_to_string(hub_dir.join("serve.json")).expect("readable");
    let serve: serde_json::Value = serde_json::from_str(&serve).expect("JSON");
    let setup = AgentSetup::new(dir.path())
        .variable("FIELDEYE_AGENT_DATA_DIR", agent_dir.to_str().expect("UTF-8"))
        .hub(serve["mqtt"].as_str().expect("an address"));
    let import = setup.run(&["import", "--wait-synced", "120", &clip()]).await;
    assert_eq!(import.code, Some(0), "{import:?}");
    let mut looked_at = 0;
    for root in [&hub_dir, &agent_dir] {
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
            for path in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
                if path.is_dir() {
                    // Below a folder that nobody else may enter, the mode of others does not matter.
                    if folder == *root {
                        folders.push(path);
                    }
                } else if name.contains(".db") || name == "serve.json" {
                    assert_eq!(mode(&path), 0o600, "{}", path.display());
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at >= 3, "databases were looked at");
    child.kill().await.expect("a child can be killed");
}
