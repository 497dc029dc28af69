//! The services: what `make install` puts where, what systemd thinks of the units, and what the programs say to it.
//!
//! Nothing here needs a running systemd: units are verified offline, and the manager's socket is played by the test.

#![cfg(target_os = "linux")]

use fieldeye_tests::{programs, workspace};
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::UnixDatagram;

const PROGRAMS: [&str; 2] = ["fieldeye-hub", "fieldeye-agent"];
/// The unit of a card that is plugged in; a template.
const CARD: &str = "fieldeye-card@";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `make TARGET VARIABLE…` in the checkout, with the programs of this test run.
fn make(target: &str, destination: &Path, more: &[&str]) -> Output {
    let built = tempfile::tempdir().expect("a temporary folder");
    symlink(programs::hub(), built.path().join("fieldeye-hub")).expect("a link");
    symlink(programs::agent(), built.path().join("fieldeye-agent")).expect("a link");
    let mut command = Command::new("make");
    // This may run below `make test`, whose flags are not for this make.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL"] {
        command.env_remove(name);
    }
    command.current_dir(workspace::root()).arg("-s").arg(target).arg("PREFIX=/usr");
    command.arg(format!("DESTDIR={}", destination.display())).arg(format!("BIN_DIR={}", built.path().display()));
    command.args(more).output().expect("make starts")
}

fn installed(parts: &str) -> TempDir {
    let place = tempfile::tempdir().expect("a temporary folder");
    let output = make("install", place.path(), &[&format!("PARTS={parts}")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    place
}

/// Every file below a folder with its mode, by its path from there.
fn modes(root: &Path) -> BTreeMap<String, u32> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let metadata = entry.metadata().expect("metadata");
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(root).expect("below it").display().to_string();
                found.insert(path, metadata.permissions().mode() & 0o7777);
            }
        }
    }
    found
}

fn unit_path(place: &Path, program: &str) -> PathBuf {
    place.join(format!("usr/lib/systemd/system/{program}.service"))
}

/// All values of a key of an installed unit.
fn values(place: &Path, program: &str, key: &str) -> Vec<String> {
    let unit = std::fs::read_to_string(unit_path(place, program)).expect("the unit is installed");
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn install_puts_everything_in_its_place() {
    let place = installed("hub agent");
    let wanted = [
        ("usr/bin/fieldeye-agent", 0o755),
        ("usr/bin/fieldeye-hub", 0o755),
        ("usr/lib/systemd/system/fieldeye-agent.service", 0o644),
        ("usr/lib/systemd/system/fieldeye-card@.service", 0o644),
        ("usr/lib/systemd/system/fieldeye-hub.service", 0o644),
        ("usr/lib/sysusers.d/fieldeye.conf", 0o644),
        ("usr/lib/udev/rules.d/99-fieldeye-card.rules", 0o644),
    ];
    let wanted: BTreeMap<String, u32> = wanted.map(|(path, mode)| (path.to_owned(), mode)).into();
    assert_eq!(modes(place.path()), wanted);
    assert!(place.path().join("etc/fieldeye").is_dir(), "a place for settings");
    let output = make("uninstall", place.path(), &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(modes(place.path()), BTreeMap::new(), "uninstall takes back what install gave");
}

#[test]
fn a_box_gets_the_agent_alone() {
    let place = installed("agent");
    let all: Vec<String> = modes(place.path()).into_keys().collect();
    assert!(all.iter().any(|path| path.ends_with("bin/fieldeye-agent")), "{all:?}");
    assert!(all.iter().all(|path| !path.contains("fieldeye-hub")), "{all:?}");
    let server = modes(installed("hub").path()).into_keys().collect::<Vec<_>>();
    assert!(server.iter().all(|path| !path.contains("card")), "a server imports no cards: {server:?}");
}

#[test]
fn install_without_programs_says_what_to_do() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let output = make("install", place.path(), &["BIN_DIR=/nowhere"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("make release"), "{}", text(&output.stderr));
    assert_eq!(modes(place.path()), BTreeMap::new(), "nothing is half installed");
}

#[test]
fn units_are_valid_and_close_the_door() {
    let place = installed("hub agent");
    for program in PROGRAMS.into_iter().chain([CARD]) {
        // The same unit, with the program where it really is.
        let unit = std::fs::read_to_string(unit_path(place.path(), program)).expect("installed");
        let real = format!("{}/usr/bin/", place.path().display());
        let copy = place.path().join(format!("{program}.service"));
        std::fs::write(&copy, unit.replace("=/usr/bin/", &format!("={real}"))).expect("written");
        let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy).output();
        let verify = verify.expect("systemd-analyze starts");
        let said = text(&verify.stderr);
        // It also reads the machine's own units, and what it says of those is not ours to judge.
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("fieldeye")).collect();
        assert!(verify.status.success() && ours.is_empty(), "{said}");
        // 0 is closed, 100 open; a service with nothing closed has 96.
        let review = ["security", "--offline=true", "--threshold=25", "--no-pager"];
        let review = Command::new("systemd-analyze").args(review).arg(&copy).output().expect("it starts");
        assert!(review.status.success(), "{program} is too open:\n{}", text(&review.stdout));
    }
}

#[test]
fn units_start_at_boot_and_end_as_promised() {
    let place = installed("hub agent");
    for (program, verb) in PROGRAMS.into_iter().zip(["serve", "run"]) {
        let value = |key: &str| values(place.path(), program, key);
        assert_eq!(value("ExecStart"), [format!("/usr/bin/{program} {verb}")]);
        assert_eq!(value("WantedBy"), ["multi-user.target"]);
        assert_eq!(value("Type"), ["notify"]);
        assert_eq!(value("Restart"), ["always"]);
        assert_eq!(value("User"), ["fieldeye"]);
        let root = format!("--root={}", place.path().display());
        let enable = Command::new("systemctl").args([&root, "enable", &format!("{program}.service")]).output();
        let enable = enable.expect("systemctl starts");
        assert!(enable.status.success(), "{}", text(&enable.stderr));
        let link = place.path().join(format!("etc/systemd/system/multi-user.target.wants/{program}.service"));
        assert!(link.is_symlink(), "{} is made", link.display());
    }
}

#[test]
fn a_card_is_mounted_read_only_before_it_is_imported() {
    let place = installed("agent");
    let value = |key: &str| values(place.path(), CARD, key);
    let folder = "/run/fieldeye-card/%i";
    assert_eq!(value("ExecStart"), [format!("/usr/bin/fieldeye-agent import {folder}")]);
    let mounts = value("ExecStartPre");
    let parts = ["systemd-mount", "--options=ro,", "--fsck=no", "/dev/%i", folder];
    assert!(mounts.len() == 1 && parts.iter().all(|part| mounts[0].contains(part)), "{mounts:?}");
    assert!(value("ExecStopPost").iter().any(|line| line.contains("--umount") && line.ends_with(folder)));
    assert_eq!((value("User"), value("Type")), (vec!["fieldeye".to_owned()], vec!["oneshot".to_owned()]));
    assert_eq!(value("BindsTo"), ["dev-%i.device"], "it ends with the card");
    // It finds the work of the agent, and hands its own over to it.
    for key in ["Environment", "StateDirectory", "EnvironmentFile", "WorkingDirectory", "ProtectHome"] {
        assert_eq!(value(key), values(place.path(), "fieldeye-agent", key), "{key}");
    }
}

/// A rule of udev in its parts: name, operator, value.
fn parts(rule: &str) -> Vec<(&str, &str, &str)> {
    let part = |text| -> Option<(&str, &str, &str)> {
        let (left, value) = str::strip_suffix(text, '"')?.split_once('"')?;
        let name = left.trim_end_matches(['=', '!', '+']);
        Some((name, &left[name.len()..], value))
    };
    rule.split(", ").map(|text| part(text).unwrap_or_else(|| panic!("{text:?} in {rule:?}"))).collect()
}

#[test]
fn a_card_that_is_plugged_in_starts_its_unit() {
    let place = installed("agent");
    let path = place.path().join("usr/lib/udev/rules.d/99-fieldeye-card.rules");
    let rules = std::fs::read_to_string(&path).expect("the rule is installed");
    let rules: Vec<_> = rules.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(parts).collect();
    let known = |(name, operator, _): &(&str, &str, &str)| match *name {
        "ACTION" | "SUBSYSTEM" | "KERNEL" | "ENV{ID_FS_USAGE}" | "ENV{ID_FS_TYPE}" | "ATTRS{removable}" => {
            matches!(*operator, "==" | "!=")
        }
        "TAG" | "ENV{SYSTEMD_WANTS}" => *operator == "+=",
        "GOTO" | "LABEL" => *operator == "=",
        _ => false,
    };
    assert!(rules.iter().flatten().all(known), "{rules:?}");
    let label = rules.last().expect("rules").first().expect("a part").2;
    assert!(rules.iter().flatten().all(|(name, _, value)| *name != "GOTO" || *value == label), "{rules:?}");
    // Neither a disk that the machine lives on nor what has no file system.
    let starting = rules.iter().filter(|rule| rule.contains(&("ENV{SYSTEMD_WANTS}", "+=", "fieldeye-card@%k.service")));
    let conditions: Vec<_> = starting.map(|rule| &rule[..2]).collect();
    assert_eq!(
        conditions,
        [
            [("KERNEL", "==", "sd*"), ("ATTRS{removable}", "==", "1")],
            [("KERNEL", "==", "mmcblk*"), ("ENV{ID_FS_TYPE}", "==", "exfat")],
        ]
    );
    assert!(unit_path(place.path(), CARD).is_file(), "the unit that is started is installed");
    // Newer versions of udev check rules themselves.
    if let Ok(verify) = Command::new("udevadm").arg("verify").arg(&path).output() {
        let said = text(&verify.stderr);
        assert!(verify.status.success() || said.contains("Unknown command verb"), "{said}");
    }
}

#[test]
fn the_programs_know_what_their_units_tell_them() {
    let place = installed("hub agent");
    for program in PROGRAMS {
        let mut command = Command::new(place.path().join("usr/bin").join(program));
        command.arg("--print-config").current_dir(place.path()).env_clear().env("PATH", "/usr/bin:/bin");
        for setting in values(place.path(), program, "Environment") {
            let (name, value) = setting.split_once('=').expect("NAME=value");
            command.env(name, value);
        }
        let output = command.output().expect("it starts");
        let said = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let from_the_unit = said.lines().any(|line| {
            line.contains("data_dir") && line.contains("environment") && line.contains(&format!("/var/lib/{program}"))
        });
        assert!(from_the_unit, "{said}");
        assert_eq!(values(place.path(), program, "StateDirectory"), [program], "systemd makes that folder");
    }
}

#[test]
fn the_user_is_made_by_systemd() {
    let place = installed("hub agent");
    let conf = place.path().join("usr/lib/sysusers.d/fieldeye.conf");
    let output = Command::new("systemd-sysusers").arg("--dry-run").arg(conf).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// `Type=notify` and `WatchdogSec`: a program that never says that it is ready is killed at start, one that does not
/// say that it lives is killed later.
async fn speaks_to_the_manager(program: &Path, verb: &str, prefix: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let socket = dir.path().join("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    let mut child = tokio::process::Command::new(program)
        .arg(verb)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "1000000")
        .env(format!("{prefix}DATA_DIR"), dir.path().join("data"))
        .envs((prefix == "FIELDEYE_HUB_").then_some(("FIELDEYE_HUB_MQTT__LISTEN", "127.0.0.1:0")))
        .envs((prefix == "FIELDEYE_HUB_").then_some(("FIELDEYE_HUB_HEALTH__LISTEN", "127.0.0.1:0")))
        .envs((prefix == "FIELDEYE_AGENT_").then_some(("FIELDEYE_AGENT_DEVICE__ID", "cam-7")))
        .current_dir(dir.path())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let hears = async |word: &str, limit: Duration| {
        let mut message = [0; 512];
        let listen = async {
            loop {
                let length = manager.recv(&mut message).await.expect("the socket works");
                if text(&message[..length]).lines().any(|line| line == word) {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, listen).await.unwrap_or_else(|_| panic!("{verb} did not say {word}"));
    };
    hears("READY=1", Duration::from_secs(30)).await;
    for _ in 0..3 {
        hears("WATCHDOG=1", Duration::from_secs(5)).await;
    }
    let pid = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill starts").success());
    hears("STOPPING=1", Duration::from_secs(5)).await;
    let status = tokio::time::timeout(Duration::from_secs(5), child.wait()).await.expect("it ends in time");
    assert!(status.expect("a child can be waited for").success());
}

#[tokio::test]
async fn the_hub_speaks_to_the_manager() {
    speaks_to_the_manager(&programs::hub(), "serve", "FIELDEYE_HUB_").await;
}

#[tokio::test]
async fn the_agent_speaks_to_the_manager() {
    speaks_to_the_manager(&programs::agent(), "run", "FIELDEYE_AGENT_").await;
}
