//! The hub's program as an operator meets it: how it starts and refuses to, what it lists, what it says of itself.

use fieldeye_protocol::body::Severity;
use fieldeye_tests::device::{Device, Inspection};
use fieldeye_tests::running::{Hub, HubSetup, until};
use jiff::Timestamp;
use serde_json::Value;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(20);

fn picture() -> Vec<u8> {
    include_bytes!("data/grey.jpg").to_vec()
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is set");
    Timestamp::from_second(i64::try_from(since.as_secs()).expect("not that late")).expect("a time")
}

fn place() -> (TempDir, HubSetup) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    }
    let setup = HubSetup::new(dir.path());
    (dir, setup)
}

/// What a command came to.
struct Ended {
    code: i32,
    said: String,
    complained: String,
}

async fn run(setup: &HubSetup, arguments: &[&str]) -> Ended {
    let output = setup.command(arguments).output();
    let output = tokio::time::timeout(SOON, output).await.expect("it ends").expect("it starts");
    Ended {
        code: output.status.code().expect("it ends by itself"),
        said: String::from_utf8(output.stdout).expect("text"),
        complained: String::from_utf8(output.stderr).expect("text"),
    }
}

async fn json(setup: &HubSetup, arguments: &[&str]) -> Value {
    let ended = run(setup, arguments).await;
    assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.complained);
    assert!(ended.said.is_ascii(), "{}", ended.said);
    serde_json::from_str(&ended.said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", ended.said))
}

/// One closed inspection with a picture and a critical defect on it; gives the session's id.
async fn inspect(hub: &Hub, device: &mut Device, technician: &str) -> String {
    assert!(!hub.mqtt().is_empty());
    let (mut inspection, session) = Inspection::closed(technician, "train-3", now());
    let (frame_id, frame) = inspection.frame(&picture(), now());
    let (_, defect) = inspection.defect(frame_id, "torque_stripe_missing", Severity::Critical, now());
    let ack = device.publish(vec![session, frame, defect]).await;
    assert!(ack.rejected.is_empty() && ack.stored.count() == Some(3), "{ack:?}");
    device.send_blob(&picture()).await;
    inspection.session_id().to_string()
}

fn alerts_in(console: &str) -> usize {
    console.lines().filter(|line| line.starts_with("ALERT critical: torque stripe missing")).count()
}

#[tokio::test]
async fn what_can_not_work_is_refused_with_exit_2() {
    let (_dir, setup) = place();
    for (name, value, words) in [
        ("FIELDEYE_HUB_MQTT__LISTEN", "0.0.0.0:1883", "mqtt.listen"),
        ("FIELDEYE_HUB_MQTT__LISTEN", "nonsense", "mqtt.listen"),
        ("FIELDEYE_HUB_HEALTH__LISTEN", "9876", "health.listen"),
        ("FIELDEYE_HUB_DATABASE__URL", "postgres://hub:hunter2@db/x", "SQLite"),
        ("FIELDEYE_HUB_TELEGRAM__API_URL", "api.telegram.org", "telegram.api_url"),
        ("FIELDEYE_HUB_TELEGRAM__ADMINS", "7,anna", "admins"),
        ("FIELDEYE_HUB_MQQT__LISTEN", "127.0.0.1:0", "did you mean `mqtt.listen`"),
    ] {
        let ended = run(&setup.clone().variable(name, value), &["serve"]).await;
        assert_eq!(ended.code, 2, "{name}={value}: {}", ended.complained);
        assert!(ended.complained.contains(words), "{name}={value}: {}", ended.complained);
        assert_eq!(ended.complained.lines().count(), 1, "{}", ended.complained);
        assert!(!ended.complained.contains("hunter2"), "{}", ended.complained);
    }
    assert_eq!(run(&setup, &["serv"]).await.code, 2);
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let (_dir, setup) = place();
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for key in ["FIELDEYE_HUB_MQTT__LISTEN", "FIELDEYE_HUB_HEALTH__LISTEN"] {
        let ended = run(&setup.clone().variable(key, &address), &["serve"]).await;
        assert_eq!(ended.code, 1, "{}", ended.complained);
        let last = ended.complained.lines().last().unwrap_or_default();
        assert!(last.contains(&address) && last.contains("already taken") && last.contains(key), "{last}");
    }
}

#[tokio::test]
async fn one_hub_per_folder() {
    let (dir, setup) = place();
    let hub = setup.start().await;
    let second = run(&setup, &["serve"]).await;
    assert_eq!(second.code, 5, "{}", second.complained);
    assert!(second.complained.contains("serve"), "{}", second.complained);
    hub.kill().await;
    let hub = setup.start().await;
    assert_eq!(hub.health().await.0, 200, "a hard death leaves nothing in the way");
    drop(hub);
    drop(dir);
}

#[tokio::test]
async fn without_a_bot_alerts_are_said_on_the_console_once() {
    let (_dir, setup) = place();
    let hub = setup.start().await;
    let mut device = Device::connect("cam-7", hub.mqtt()).await;
    inspect(&hub, &mut device, "anna").await;
    until("an alert on the console", SOON, || async { (alerts_in(&hub.console()) > 0).then_some(()) }).await;
    let sent = || async {
        let alerts = json(&setup, &["alert", "list", "--json"]).await;
        (alerts[0]["sent_at"].is_string() && alerts[0]["target"] == "console").then_some(alerts)
    };
    let alerts = until("the alert is noted as sent", SOON, sent).await;
    let text = alerts[0]["text"].as_str().expect("what it says");
    assert!(hub.console().lines().any(|line| line == text), "{text} is not in {}", hub.console());
    let list = run(&setup, &["alert", "list"]).await;
    assert!(list.said.contains(text) && list.said.contains("told to console"), "{}", list.said);
    hub.kill().await;
    let hub = setup.start().await;
    let mut device = Device::connect("cam-7", hub.mqtt()).await;
    inspect(&hub, &mut device, "bea").await;
    until("the second alert", SOON, || async { hub.console().contains("bea").then_some(()) }).await;
    assert_eq!(alerts_in(&hub.console()), 2, "{}", hub.console());
}

#[tokio::test]
async fn lists_are_rows_beside_a_running_hub() {
    let (_dir, setup) = place();
    let hub = setup.start().await;
    assert_eq!(json(&setup, &["session", "list", "--json"]).await, Value::Array(Vec::new()));
    let mut device = Device::connect("cam-7", hub.mqtt()).await;
    let first = inspect(&hub, &mut device, "anna \u{e9}").await;
    let second = inspect(&hub, &mut device, "bea").await;

    let sessions = json(&setup, &["session", "list", "--json"]).await;
    let ids: Vec<&str> = sessions.as_array().expect("an array").iter().filter_map(|row| row["id"].as_str()).collect();
    assert!(ids.len() == 2 && ids.contains(&first.as_str()) && ids.contains(&second.as_str()), "{sessions}");
    let row = &sessions.as_array().expect("an array").iter().find(|row| row["id"] == first).expect("the first");
    for (column, value) in
        [("technician_id", "anna \u{e9}"), ("vehicle_id", "train-3"), ("device_id", "cam-7"), ("status", "closed")]
    {
        assert_eq!(row[column], value, "{row}");
    }
    assert!(row["pause_count"] == 3 && row["pauses"].is_array() && row["metadata"].is_object(), "{row}");
    assert!(row["date"].as_str().is_some_and(|date| date.parse::<Timestamp>().is_ok()), "{row}");
    assert_eq!(json(&setup, &["session", "list", "--json", "--limit", "1"]).await.as_array().map(Vec::len), Some(1));

    let show = json(&setup, &["session", "show", &first, "--json"]).await;
    assert_eq!((&show["id"], &show["technician_id"]), (&row["id"], &row["technician_id"]));
    assert!(show["pauses"].is_array(), "{show}");
    let (defect, frame) = (&show["defects"][0], &show["frames"][0]);
    assert_eq!((&defect["defect_type"], &defect["severity"]), (&"torque_stripe_missing".into(), &"critical".into()));
    assert!(defect["bounding_box"]["width"] == 50.0 && defect["human_verified"] == false, "{defect}");
    assert!(defect["frame_id"] == frame["id"] && frame["frame_path"].is_string(), "{show}");
    assert_eq!(json(&setup, &["session", "show", &first[..23], "--json"]).await["id"], show["id"], "a beginning does");

    let defects = json(&setup, &["defect", "list", "--json"]).await;
    assert_eq!(defects.as_array().map(Vec::len), Some(2), "{defects}");
    let devices = json(&setup, &["device", "list", "--json"]).await;
    assert!(devices[0]["id"] == "cam-7" && devices[0]["session_count"] == 2, "{devices}");

    let table = run(&setup, &["session", "list"]).await;
    assert!(table.code == 0 && table.said.contains("bea") && table.said.is_ascii(), "{}", table.said);
    let table = run(&setup, &["session", "show", &second]).await;
    assert!(table.said.contains("torque_stripe_missing") && table.said.contains("Frames"), "{}", table.said);
    assert_eq!(run(&setup, &["session", "show", "00000000-0000-0000-0000-000000000000"]).await.code, 1);
    assert_eq!(run(&setup, &["session", "show", "../../etc"]).await.code, 2);
}

#[tokio::test]
async fn doctor_sees_what_is_wrong() {
    let (dir, setup) = place();
    let fresh = run(&setup, &["doctor"]).await;
    assert_eq!(fresh.code, 1, "{}", fresh.said);
    assert!(fresh.said.contains("FAIL  database"), "{}", fresh.said);
    let hub = setup.start().await;
    let mut device = Device::connect("cam-7", hub.mqtt()).await;
    let session = inspect(&hub, &mut device, "anna").await;
    let level = |page: &Value, name: &str| {
        let checks = page["checks"].as_array().cloned().unwrap_or_default();
        let check = checks.into_iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no {name} in {page}"))["level"].as_str().map(str::to_owned).expect("a level")
    };
    let page = json(&setup, &["doctor", "--json"]).await;
    for name in ["data folder", "database", "blobs", "quarantine", "alerts", "hub"] {
        assert_eq!(level(&page, name), "ok", "{page}");
    }
    let show = json(&setup, &["session", "show", &session, "--json"]).await;
    let stored = dir.path().join("blobs").join(show["frames"][0]["frame_path"].as_str().expect("a path"));
    std::fs::remove_file(&stored).expect("the picture is where the row says");
    hub.kill().await;
    let ended = run(&setup, &["doctor", "--json"]).await;
    assert_eq!(ended.code, 1, "{}", ended.said);
    let page: Value = serde_json::from_str(&ended.said).expect("JSON all the same");
    assert_eq!((level(&page, "blobs"), level(&page, "hub")), ("fail".to_owned(), "fail".to_owned()), "{page}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_stop_is_quick_whoever_holds_a_line() {
    let (dir, setup) = place();
    let hub = setup.start().await;
    let _device = Device::connect("cam-7", hub.mqtt()).await;
    let _silent = TcpStream::connect(hub.mqtt()).await.expect("the broker's port");
    let health: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("serve.json")).expect("it runs")).expect("JSON");
    let _curious = TcpStream::connect(health["health"].as_str().expect("an address")).await.expect("the page's port");
    let (status, took) = hub.stop().await;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!dir.path().join("serve.json").exists(), "a clean stop leaves nothing that looks alive");
}

#[tokio::test]
async fn health_names_every_part() {
    let (_dir, setup) = place();
    let hub = setup.start().await;
    let (status, page) = hub.health().await;
    assert_eq!((status, &page["status"]), (200, &"ok".into()), "{page}");
    for (part, state) in
        [("store", "up"), ("disk", "up"), ("broker", "up"), ("ingest", "up"), ("alerts", "up"), ("bot", "off")]
    {
        assert_eq!(page["parts"][part]["state"], state, "{page}");
    }
    assert!(page["version"].is_string() && page["store"].is_string(), "{page}");
}

/// From the last byte that a device sends to the line on the console, with a warm program.
#[tokio::test]
async fn measured_an_alert_takes_less_than_a_second() {
    let (_dir, setup) = place();
    let hub = setup.start().await;
    let mut device = Device::connect("cam-7", hub.mqtt()).await;
    for n in 1..=5 {
        let begin = Instant::now();
        inspect(&hub, &mut device, "anna").await;
        until("an alert on the console", SOON, || async { (alerts_in(&hub.console()) == n).then_some(()) }).await;
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn measured_an_idle_hub_is_small_before_and_after_work() {
    const MOST: u64 = 40_000_000;
    let (_dir, setup) = place();
    let hub = setup.start().await;
    let idle = hub.resident_bytes();
    assert!(idle > 0 && idle < MOST, "{idle} bytes");
    let mut devices = Vec::new();
    for name in ["cam-1", "cam-2", "cam-3", "cam-4"] {
        let mut device = Device::connect(name, hub.mqtt()).await;
        devices.push(tokio::spawn(async move {
            for n in 0..10u8 {
                let mut picture = vec![n; 1_000_000];
                picture[..5].copy_from_slice(name.as_bytes());
                let (mut inspection, session) = Inspection::closed("anna", "train-3", now());
                let (frame_id, frame) = inspection.frame(&picture, now());
                let mut records = vec![session, frame];
                records.extend((0..500).map(|_| inspection.defect(frame_id, "rust", Severity::Info, now()).1));
                let ack = device.publish(records).await;
                assert!(ack.rejected.is_empty(), "{ack:?}");
                device.send_blob(&picture).await;
            }
        }));
    }
    for device in devices {
        device.await.expect("a device is done");
    }
    until("the hub is small again", SOON, || async { (hub.resident_bytes() < MOST).then_some(()) }).await;
}
