//! `fieldeye-agent model learn`: good pictures in, and what the package that comes out is worth.
#![cfg(unix)]

use fieldeye_tests::agent::Ended;
use fieldeye_tests::inspect::Inspect;
use fieldeye_tests::workspace;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The pictures in a folder, by name.
fn pictures(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Pictures of one kind of part, drawn by `models/learn/parts.py`.
fn parts(kind: &str, of: &str) -> PathBuf {
    workspace::root().join("tests/pictures").join(kind).join(of)
}

fn learn(good: &Path, out: &Path) -> Inspect {
    Inspect::learning(good, out)
}

/// A package learnt from one kind of part, and what was said of it.
fn learnt(kind: &str) -> (TempDir, Value) {
    let dir = tempfile::tempdir().expect("dir");
    let ended = learn(&parts(kind, "learn"), dir.path()).json().run();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let json = ended.json();
    (dir, json)
}

/// For each picture, the confidences of what is found on it.
fn look(model: &Path, pictures: &[PathBuf]) -> Vec<Vec<f64>> {
    let first = pictures.first().expect("a picture");
    let others = pictures[1..].iter().fold(Inspect::picture(first).model(model).json(), |look, path| look.arg(path));
    let ended = others.run();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let confidences = |image: &Value| {
        let found = image["detections"].as_array().expect("a list").iter();
        found.map(|found| found["confidence"].as_f64().expect("a number")).collect()
    };
    ended.json()["images"].as_array().expect("a list").iter().map(confidences).collect()
}

/// The greatest value of the map on each picture: with the threshold at 0 all of it is one box.
fn scores(model: &Path, pictures: &[PathBuf]) -> Vec<f64> {
    let copy = tempfile::tempdir().expect("dir");
    fs::copy(model.join("model.onnx"), copy.path().join("model.onnx")).expect("copied");
    let text = fs::read_to_string(model.join("model.toml")).expect("text");
    let lowered = text.replace("confidence = 0.5", "confidence = 0.0");
    assert_ne!(lowered, text);
    fs::write(copy.path().join("model.toml"), lowered).expect("written");
    look(copy.path(), pictures).iter().map(|found| found.iter().copied().fold(0.0, f64::max)).collect()
}

/// The chance that a bad one scores higher than a good one.
fn auroc(good: &[f64], bad: &[f64]) -> f64 {
    let pairs = bad.iter().flat_map(|bad| good.iter().map(move |good| (bad, good)));
    let higher = pairs.map(|(bad, good)| {
        if bad > good {
            1.0
        } else if bad < good {
            0.0
        } else {
            0.5
        }
    });
    higher.sum::<f64>() / (good.len() * bad.len()) as f64
}

/// Learns one kind and tells its bad pictures from good ones that it has never seen.
fn tells_bad_from_good(kind: &str) {
    let (model, said) = learnt(kind);
    assert_eq!((&said["schema"], &said["pictures"]), (&"fieldeye.learnt/1".into(), &12.into()), "{said}");
    let (good, bad) = (pictures(&parts(kind, "good")), pictures(&parts(kind, "bad")));
    assert!(good.len() >= 6 && bad.len() >= 8, "{} and {} pictures", good.len(), bad.len());
    let (good_scores, bad_scores) = (scores(model.path(), &good), scores(model.path(), &bad));
    let auroc = auroc(&good_scores, &bad_scores);
    assert!(auroc >= 0.95, "{kind}: {auroc}; good {good_scores:?}, bad {bad_scores:?}");
    for (path, found) in good.iter().zip(look(model.path(), &good)) {
        assert!(found.is_empty(), "{} is a good one: {found:?}", path.display());
    }
    let found = look(model.path(), &bad).iter().filter(|found| !found.is_empty()).count();
    assert!(found * 2 > bad.len(), "{kind}: {found} of {} defects are over the threshold", bad.len());
}

#[test]
fn a_bad_flange_is_told_from_good_ones() {
    tells_bad_from_good("flange");
}

#[test]
fn a_bad_weld_is_told_from_good_ones() {
    tells_bad_from_good("weld");
}

/// Ends with this code and one line with all these words.
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let last = ended.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("fieldeye-agent: "), "{}", ended.err);
    words.iter().for_each(|word| assert!(last.contains(word), "{word:?} in {last}"));
    assert_eq!(ended.out, "");
}

#[test]
fn folders_that_nothing_can_be_learnt_from() {
    let dir = tempfile::tempdir().expect("dir");
    let (good, out) = (dir.path().join("good"), dir.path().join("out"));
    refused(&learn(&good, &out).run(), 3, &["good", "can't read the folder", "--good"]);
    fs::create_dir(&good).expect("made");
    fs::write(good.join("notes.txt"), "none yet").expect("written");
    refused(&learn(&good, &out).run(), 3, &["no pictures", "JPEG or PNG"]);
    let some = pictures(&parts("flange", "learn"));
    for (index, path) in some.iter().take(4).enumerate() {
        fs::copy(path, good.join(format!("{index}.jpg"))).expect("copied");
    }
    refused(&learn(&good, &out).run(), 2, &["4 pictures", "at least 5", "take more"]);
    // The fifth and sixth are a copy and a damaged one: four remain.
    fs::copy(&some[0], good.join("copy.jpg")).expect("copied");
    fs::write(good.join("cut.JPG"), &fs::read(&some[5]).expect("bytes")[..300]).expect("written");
    let ended = learn(&good, &out).run();
    refused(&ended, 3, &["4 good pictures", "1 can't be read", "1 are copies"]);
    assert!(ended.err.contains("left out") && ended.err.contains("cut.JPG"), "{}", ended.err);
    assert!(!out.exists(), "nothing was written");
}

#[test]
fn a_package_is_not_replaced_by_accident() {
    let dir = tempfile::tempdir().expect("dir");
    let (good, out) = (parts("flange", "learn"), dir.path().join("my flange"));
    let ended = learn(&good, &out).arg("--size").arg("160x88").run();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    for words in [
        "my flange: learnt from 12 good pictures at 160x88",
        "threshold",
        "false alarms: ",
        "next: fieldeye-agent detect",
    ] {
        assert!(ended.out.contains(words), "{words:?} in {}", ended.out);
    }
    let first = fs::read(out.join("model.toml")).expect("a manifest");
    refused(&learn(&good, &out).run(), 2, &["model.toml", "--force"]);
    assert_eq!(fs::read(out.join("model.toml")).expect("a manifest"), first);
    let again = learn(&good, &out).arg("--force").arg("--size").arg("96x64").arg("--name").arg("other \"name\"").run();
    assert_eq!(again.code, Some(0), "{}", again.err);
    let text = fs::read_to_string(out.join("model.toml")).expect("a manifest");
    assert!(text.contains("[96, 64]") && text.contains("other \"name\""), "{text}");
    let left: Vec<_> = pictures(&out).iter().filter_map(|path| path.file_name().map(|name| name.to_owned())).collect();
    assert_eq!(left, ["model.onnx", "model.toml"], "nothing half done is left");
    assert_eq!(look(&out, &pictures(&parts("flange", "good"))).len(), 6);
}

#[test]
fn sizes_that_no_model_can_have() {
    let out = tempfile::tempdir().expect("dir");
    let good = parts("flange", "learn");
    refused(&learn(&good, out.path()).arg("--size").arg("100x100").run(), 2, &["100x100", "multiples of 8"]);
    let ended = learn(&good, out.path()).arg("--size").arg("large").run();
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("like 416x232"), "{}", ended.err);
}
