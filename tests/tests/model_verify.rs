//! `fieldeye-agent model verify`: good packages, wrong answers, and what no runtime can do.
#![cfg(unix)]

use fieldeye_tests::inspect::Inspect;
use fieldeye_tests::workspace;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A small detector with answers that ONNX Runtime gave.
fn reference() -> PathBuf {
    workspace::root().join("vision/tests/data/decoders/yolov8")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A copy of that package, with changed bytes of its model, manifest and answers.
fn changed(
    model: impl Fn(Vec<u8>) -> Vec<u8>,
    manifest: impl Fn(String) -> String,
    answers: impl Fn(String) -> String,
) -> TempDir {
    let (from, dir) = (reference(), tempfile::tempdir().expect("dir"));
    let bytes = model(fs::read(from.join("model.onnx")).expect("a model"));
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = read(&from.join("model.toml"));
    let old = text.lines().find(|line| line.starts_with("sha256")).expect("a digest");
    let text = text.replace(old, &format!("sha256 = \"{digest}\"")).replace("../picture.png", "picture.png");
    fs::write(dir.path().join("model.onnx"), bytes).expect("written");
    fs::write(dir.path().join("model.toml"), manifest(text)).expect("written");
    fs::write(dir.path().join("reference.json"), answers(read(&from.join("reference.json")))).expect("written");
    fs::copy(from.join("../picture.png"), dir.path().join("picture.png")).expect("copied");
    dir
}

fn same<T>(it: T) -> T {
    it
}

#[test]
fn a_good_package_is_called_good() {
    let ended = Inspect::verifying(&reference()).json().run();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let json = ended.json();
    assert_eq!((&json["schema"], &json["verdict"]), (&"fieldeye.verification/1".into(), &"good".into()));
    assert_eq!(json["anatomy"]["opset"], 13);
    assert!(json["anatomy"]["operators"]["Conv"].as_u64() > Some(0), "{json}");
    let tract = &json["runtimes"][0];
    assert_eq!(tract["runtime"], "tract");
    assert!(tract["cost"]["inference_ms"].as_f64() > Some(0.0), "{tract}");
    assert!(tract["selftests"][0]["worst_iou"].as_f64() > Some(0.98), "{tract}");
    let told = Inspect::verifying(&reference()).run();
    assert_eq!(told.code, Some(0));
    for word in ["operators: ", "Conv", "of a processor core", "1 of 1 met", "good: every reference is met"] {
        assert!(told.out.contains(word), "{word}: {}", told.out);
    }
}

/// As a model that was quantised badly: it runs, and what it says is wrong.
#[test]
fn wrong_answers_are_not_fit_for_use() {
    let dir = changed(same, same, |answers| answers.replace("\"type\": \"class_1\"", "\"type\": \"class_2\""));
    let ended = Inspect::verifying(dir.path()).run();
    assert_eq!(ended.code, Some(4), "{}", ended.out);
    assert!(ended.out.contains("should not be") && ended.out.contains("is not found"), "{}", ended.out);
    assert!(ended.err.contains("not fit for use") && ended.err.contains("docs/MODELS.md"), "{}", ended.err);
}

#[test]
fn an_operator_that_nobody_knows_is_named() {
    let rename = |mut bytes: Vec<u8>| {
        let places: Vec<usize> = (0..bytes.len() - 4).filter(|&at| &bytes[at..at + 4] == b"Tanh").collect();
        assert!(!places.is_empty());
        places.into_iter().for_each(|at| bytes[at..at + 4].copy_from_slice(b"Tanq"));
        bytes
    };
    let dir = changed(rename, same, same);
    let ended = Inspect::verifying(dir.path()).run();
    assert_eq!(ended.code, Some(4));
    assert!(
        ended.out.contains("tract refuses it") && ended.err.contains("no operator Tanq"),
        "{}{}",
        ended.out,
        ended.err
    );
}

#[test]
fn without_references_nothing_is_proven() {
    let cut = |manifest: String| manifest.split("[[selftest]]").next().expect("a part").to_owned();
    let dir = changed(same, cut, same);
    let ended = Inspect::verifying(dir.path()).json().run();
    assert_eq!((ended.code, ended.json()["verdict"].as_str()), (Some(0), Some("unproven")));
    assert!(ended.json()["remarks"].to_string().contains("[[selftest]]"), "{}", ended.out);
}

#[test]
fn what_is_no_package_is_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let ended = Inspect::verifying(dir.path()).run();
    assert_eq!(ended.code, Some(4));
    let ended = Inspect::verifying(&reference()).arg("--runtime").arg("magic").run();
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("magic"), "{}", ended.err);
}
