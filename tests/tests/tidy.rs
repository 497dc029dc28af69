//! Order in the files: what no compiler checks. Each message says where, and what is wanted instead.

use fieldeye_tests::workspace::{files, root, text};
use std::path::{Path, PathBuf};

/// A file is one thought. Past this, there are two in it.
const MAX_LINES: usize = 600;
/// What one file may weigh.
const MAX_FILE_BYTES: u64 = 6_000_000;
/// What pictures, videos and models may weigh together: every clone carries them for ever.
const MAX_MEDIA_BYTES: u64 = 40_000_000;
const MEDIA: [&str; 14] =
    ["mp4", "mkv", "mov", "avi", "webm", "ts", "jpg", "jpeg", "png", "gif", "onnx", "npz", "bin", "zst"];

/// Hosts that scripts and manifests may name: what a bare machine needs, and what readers are pointed to. No mirror of
/// anybody's own.
const HOSTS: [&str; 8] =
    ["github.com", "rustup.rs", "sh.rustup.rs", "docs.rs", "localhost", "127.0.0.1", "example.com", "www.apache.org"];

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn rust_files() -> impl Iterator<Item = (PathBuf, String)> {
    let rust = files().into_iter().filter(|file| extension(file) == "rs");
    rust.filter_map(|file| text(&file).map(|text| (file, text)))
}

/// Fails with all that was found, a line each.
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn files_are_short() {
    let long = |(file, text): (PathBuf, String)| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("{}: {lines} lines", file.display()))
    };
    none("past 600 lines, look for the two rooms inside", &rust_files().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn rooms_open_with_a_paragraph() {
    let opens = |(file, text): (PathBuf, String)| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let door = matches!(name, "mod.rs" | "lib.rs" | "main.rs") || file.starts_with("tests/tests");
        let says = text.lines().find(|line| !line.starts_with("#![") && !line.trim().is_empty());
        (door && !says.is_some_and(|line| line.starts_with("//! "))).then(|| file.display().to_string())
    };
    none("these do not say what they are for (`//!`)", &rust_files().filter_map(opens).collect::<Vec<_>>());
}

#[test]
fn nothing_is_put_off() {
    // Cut in two, so that this file does not find itself.
    let needles = [
        concat!("todo", "!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let mut found = Vec::new();
    for file in files() {
        let Some(text) = text(&file).filter(|_| extension(&file) != "lock") else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(needle) = needles.iter().find(|needle| line.contains(**needle)) {
                found.push(format!("{}:{number}: {needle}", file.display()));
            }
        }
    }
    none("do it now or do not write it", &found);
}

#[test]
fn printed_texts_are_ascii() {
    let printed = |file: &Path| {
        let programs = ["base/src", "protocol/src", "vision/src", "edge-agent/src", "hub/src"];
        // Telegram and the report's HTML take any character.
        let elsewhere = ["hub/src/bot", "edge-agent/src/report", "hub/src/alerts"];
        programs.iter().any(|folder| file.starts_with(folder))
            && !elsewhere.iter().any(|folder| file.starts_with(folder))
            && file.file_stem().is_none_or(|stem| stem != "tests")
    };
    let mut found = Vec::new();
    for (file, text) in rust_files().filter(|(file, _)| printed(file)) {
        // Tests come last in a file and print nothing.
        let program = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (number, line) in (1..).zip(program.lines()) {
            let comment = line.find("//").filter(|at| !line[..*at].ends_with(':')).unwrap_or(line.len());
            if !line[..comment].is_ascii() {
                found.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    none("a console may not show these; write ASCII or an escape", &found);
}

#[test]
fn the_checkout_stays_light() {
    let (mut heavy, mut media) = (Vec::new(), 0);
    for file in files() {
        let Ok(metadata) = std::fs::metadata(root().join(&file)) else { continue };
        if metadata.len() > MAX_FILE_BYTES {
            heavy.push(format!("{}: {} bytes", file.display(), metadata.len()));
        }
        if MEDIA.contains(&extension(&file)) {
            media += metadata.len();
        }
    }
    none("files over 6 MB", &heavy);
    assert!(media < MAX_MEDIA_BYTES, "media weigh {media} bytes together");
}

#[test]
fn crates_come_from_one_place() {
    let lock = text(Path::new("Cargo.lock")).expect("there is a lock file");
    let place = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let others: Vec<String> =
        lock.lines().filter(|line| line.starts_with("source") && *line != place).map(str::to_owned).collect();
    none("crates from elsewhere", &others);
}

/// What runs on other people's machines names no host of ours and no folder of ours.
#[test]
fn nothing_names_a_private_place() {
    let builds = |file: &Path| {
        matches!(extension(file), "toml" | "sh" | "py" | "yml" | "service" | "conf")
            || ["Makefile", "Dockerfile", "run", "Cargo.lock"].iter().any(|name| file.ends_with(name))
    };
    let folders = ["/wo", "/ro", "/ho", "/Us"].iter().zip(["rk/", "ot/", "me/", "ers/"]);
    let folders: Vec<String> = folders.map(|(start, end)| format!("{start}{end}")).collect();
    let mut found = Vec::new();
    for file in files() {
        let Some(text) = text(&file) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!("{}:{number}", file.display());
            for folder in &folders {
                // A path begins where no other path goes on: `./work/` and `~/home/` are something else.
                let absolute = |(at, _): (usize, &str)| {
                    line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"._~/$}-".contains(c))
                };
                if line.match_indices(folder.as_str()).any(absolute) {
                    found.push(format!("{place}: a folder of one machine, {folder}"));
                }
            }
            for (_, rest) in line.match_indices("://").map(|(at, sign)| (at, &line[at + sign.len()..])) {
                let host: String =
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
                if builds(&file) && host.contains('.') && !HOSTS.contains(&host.as_str()) {
                    found.push(format!("{place}: the host {host}"));
                }
            }
        }
    }
    none("private places", &found);
}

#[test]
fn scripts_stop_at_the_first_error() {
    let script = |file: &PathBuf| {
        let text = text(file)?;
        let shell = text.starts_with("#!") && text.lines().next().is_some_and(|line| line.contains("sh"));
        let strict = text.contains("set -euo pipefail") || text.contains("set -Eeuo pipefail");
        (shell && !strict).then(|| file.display().to_string())
    };
    none("without `set -euo pipefail`", &files().iter().filter_map(script).collect::<Vec<_>>());
}
