//! How much memory and time the programs take. The promised limits hold for released programs; those of development
//! are measured too, with more room, so that a leak shows in every run.
//!
//! `FIELDEYE_BIN_DIR=target/release cargo nextest run -p fieldeye-tests --test footprint --no-capture` shows the numbers.

#![cfg(target_os = "linux")]

use fieldeye_tests::agent::AgentSetup;
use fieldeye_tests::device::{Device, Inspection};
use fieldeye_tests::running::HubSetup;
use fieldeye_tests::{programs, workspace};
use std::time::Duration;

const MB: u64 = 1_000_000;

/// Checks a number of bytes against what is promised.
#[expect(clippy::print_stdout, reason = "the numbers are what this test is for")]
fn within(what: &str, bytes: u64, promised: u64) {
    let limit = if programs::are_released() { promised } else { promised * 3 / 2 };
    println!("{what}: {:.1} MB of {} MB", bytes as f64 / MB as f64, limit / MB);
    assert!(bytes > 0, "{what} was measured");
    assert!(bytes < limit, "{what}: {bytes} bytes, the limit is {limit}");
}

/// The most that a program holds while nothing happens for a while.
async fn at_rest(resident: impl Fn() -> u64) -> u64 {
    let mut most = 0;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        most = most.max(resident());
    }
    most
}

#[tokio::test]
async fn measured_hub_and_agent_at_rest() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (hub_dir, agent_dir) = (dir.path().join("hub"), dir.path().join("agent"));
    for folder in [&hub_dir, &agent_dir] {
        std::fs::create_dir(folder).expect("a folder");
    }
    let hub = HubSetup::new(&hub_dir).start().await;
    let agent = AgentSetup::new(&agent_dir).hub(hub.mqtt()).start(&[]).await;
    // Something has happened before they rest.
    let mut device = Device::connect("cam-8", hub.mqtt()).await;
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    let (mut inspection, session) = Inspection::closed("anna", "train-3", now);
    let (_, frame) = inspection.frame(b"a picture", now);
    device.publish(vec![session, frame]).await;
    device.send_blob(b"a picture").await;
    drop(device);
    within("the hub at rest", at_rest(|| hub.resident_bytes()).await, 40 * MB);
    within("the agent at rest", at_rest(|| agent.resident_bytes()).await, 40 * MB);
}

/// The most memory that any program took which this test has waited for.
#[expect(unsafe_code, reason = "getrusage(2) has no safe wrapper in the standard library")]
fn most_of_children() -> u64 {
    // SAFETY: the kernel fills a structure that we own.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage), 0, "it can be asked");
        usage
    };
    u64::try_from(usage.ru_maxrss).expect("not negative") * 1024
}

#[tokio::test]
async fn measured_inspection_of_720p() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let setup = AgentSetup::new(dir.path());
    let clip = workspace::root().join("deploy/demo/lift-hill.mp4");
    let clip = clip.to_str().expect("UTF-8");
    let out = dir.path().join("report");
    let ended = setup.run(&["inspect", "--json", "--out", out.to_str().expect("UTF-8"), clip]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json = ended.json();
    assert_eq!((json["width"].as_u64(), json["height"].as_u64()), (Some(1280), Some(720)), "{json}");
    within("an inspection of 720p", most_of_children(), 150 * MB);
    let (length, wall) = (json["duration_s"].as_f64(), json["timing"]["wall_s"].as_f64());
    let (length, wall) = (length.expect("a length"), wall.expect("a time"));
    let speed = length / wall;
    println!("{length:.1} s of video in {wall:.1} s: {speed:.1} times real time; {}", json["timing"]);
    let limit = if programs::are_released() { 3.0 } else { 0.3 };
    assert!(speed > limit, "{speed} times real time, the limit is {limit}");
}
