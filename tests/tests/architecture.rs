//! The arrows between crates: what each may know, read from cargo itself.
//!
//! Direct arrows come from `cargo metadata`; what a program carries in the end comes from `cargo tree`, with the
//! features that it is built with.

use fieldeye_tests::workspace;
use std::collections::{BTreeMap, BTreeSet};

/// Which crates of the workspace each crate may use. A crate that is missing here has no place in the house yet.
const ARROWS: [(&str, &[&str]); 7] = [
    ("fieldeye-protocol", &[]),
    ("fieldeye-vision", &[]),
    ("fieldeye-base", &[]),
    ("fieldeye-agent", &["fieldeye-base", "fieldeye-protocol", "fieldeye-vision"]),
    ("fieldeye-hub", &["fieldeye-base", "fieldeye-protocol"]),
    ("fieldeye-tests", &["fieldeye-protocol"]),
    ("fieldeye-bench", &["fieldeye-base", "fieldeye-vision"]),
];

/// Runtimes and networks.
const NETWORK: &[&str] =
    &["tokio", "mio", "socket2", "hyper", "reqwest", "axum", "rumqttc", "rmqtt", "rustls", "teloxide", "object_store"];
const DATABASES: &[&str] = &["rusqlite", "libsqlite3-sys", "tokio-rusqlite", "tokio-postgres", "postgres", "sqlx"];
const CAPTURE: &[&str] = &["gstreamer", "gstreamer-sys", "gstreamer-app", "glib", "ffmpeg-sys-next", "v4l"];
const INFERENCE: &[&str] = &["tract-onnx", "tract-core", "ort", "ort-sys", "candle-core"];
/// TLS providers that need a C compiler with assembler, or a library of the machine.
const FOREIGN_TLS: &[&str] =
    &["aws-lc-rs", "aws-lc-sys", "aws-lc-fips-sys", "openssl", "openssl-sys", "native-tls", "boring", "mbedtls"];
/// Everything that can stand behind a TLS library. Two in one program without a default make it panic.
const TLS_PROVIDERS: &[&str] = &["ring", "aws-lc-rs", "openssl", "boring", "mbedtls", "rustls-rustcrypto"];

/// All crates that `package` is built from, with the features that it alone asks for.
fn tree(package: &str) -> BTreeSet<String> {
    let text = workspace::cargo(&["tree", "-p", package, "-e", "normal,build", "--prefix", "none", "-f", "{p}"]);
    let names: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 5 && names.contains(package), "the tree of {package} was read: {names:?}");
    names
}

/// Fails when the tree of `package` holds one of `forbidden`, and shows the way there.
fn carries_none(package: &str, forbidden: &[&[&str]]) {
    let tree = tree(package);
    for name in forbidden.iter().copied().flatten() {
        if tree.contains(*name) {
            let way = workspace::cargo(&["tree", "-p", package, "-e", "normal,build", "-i", name, "--depth", "4"]);
            panic!("{package} must not know {name}:\n{way}");
        }
    }
}

#[test]
fn crates_use_each_other_as_drawn() {
    let metadata = workspace::metadata();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into();
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() >= ARROWS.len(), "all packages were listed");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let known = allowed.get(name).unwrap_or_else(|| panic!("{name} is new: give it its arrows in this test"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let other = dependency["name"].as_str().expect("a name");
            if allowed.contains_key(other) {
                assert!(known.contains(&other), "{name} must not use {other} (not even in its tests)");
            }
        }
    }
}

#[test]
fn the_protocol_knows_no_machine() {
    carries_none("fieldeye-protocol", &[NETWORK, DATABASES, CAPTURE, INFERENCE, FOREIGN_TLS, &["tempfile", "notify"]]);
}

#[test]
fn vision_knows_pixels_alone() {
    carries_none("fieldeye-vision", &[NETWORK, DATABASES, CAPTURE, FOREIGN_TLS]);
}

#[test]
fn the_agent_knows_nothing_of_the_hub() {
    let hub = ["fieldeye-hub", "tokio-postgres", "postgres", "teloxide", "rmqtt", "axum", "object_store", "octocrab"];
    carries_none("fieldeye-agent", &[&hub, FOREIGN_TLS]);
}

#[test]
fn the_hub_knows_neither_capture_nor_models() {
    carries_none("fieldeye-hub", &[CAPTURE, INFERENCE, &["fieldeye-agent", "fieldeye-vision"]]);
}

#[test]
fn the_tests_are_strangers_to_the_programs() {
    carries_none("fieldeye-tests", &[&["fieldeye-agent", "fieldeye-hub"]]);
}

#[test]
fn the_agent_has_at_most_one_tls_provider() {
    let tree = tree("fieldeye-agent");
    let providers: Vec<&&str> = TLS_PROVIDERS.iter().filter(|name| tree.contains(**name)).collect();
    assert!(providers.len() <= 1, "{providers:?}");
}

/// Cargo joins the features of all packages of one build. What the hub asks for must not come into an agent that is
/// built beside it, as `make release` does.
#[test]
fn built_together_the_agent_stays_clean() {
    let both = ["-p", "fieldeye-agent", "-p", "fieldeye-hub", "-e", "normal,build"];
    let all = workspace::cargo(&[&["tree"], &both[..], &["--prefix", "none", "-f", "{p}"]].concat());
    for provider in FOREIGN_TLS {
        if !all.lines().any(|line| line.split(' ').next() == Some(*provider)) {
            continue;
        }
        let users =
            workspace::cargo(&[&["tree"], &both[..], &["-i", *provider, "--prefix", "none", "-f", "{p}"]].concat());
        assert!(!users.contains("fieldeye-agent "), "{provider} comes into the agent:\n{users}");
    }
}
