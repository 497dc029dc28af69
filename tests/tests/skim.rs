//! `inspect --skim`: the same answer from fewer frames, and no other answer where that can't be had.
#![cfg(unix)]

use fieldeye_tests::agent::Ended;
use fieldeye_tests::inspect::{Inspect, clip, red_spot};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn looked_at(path: &Path, skim: bool) -> Ended {
    let inspect = Inspect::at(path).model(&red_spot()).json();
    if skim { inspect.arg("--skim").run() } else { inspect.run() }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn spans(seen: &Value) -> Vec<(f64, f64)> {
    let pauses = seen["pauses"].as_array().expect("pauses");
    pauses.iter().map(|pause| (number(&pause["start_s"]), number(&pause["end_s"]))).collect()
}

/// Share of two spans that is in both.
fn overlap(one: (f64, f64), other: (f64, f64)) -> f64 {
    let both = one.1.min(other.1) - one.0.max(other.0);
    both.max(0.0) / (one.1.max(other.1) - one.0.min(other.0))
}

/// Held from 4 to 7 and from 10 to 12.2 s, with a key frame every second.
#[test]
fn the_same_pauses_from_fewer_frames() {
    let path = clip("key-frames.mp4");
    let (whole, skimmed) = (looked_at(&path, false).json(), looked_at(&path, true).json());
    let (pauses, found) = (spans(&whole), spans(&skimmed));
    assert_eq!((pauses.len(), found.len()), (2, 2), "{whole} {skimmed}");
    for (one, other) in pauses.iter().zip(&found) {
        assert!(overlap(*one, *other) >= 0.8, "{one:?} {other:?}");
    }
    for (key, pause) in ["frames", "width", "height"].iter().map(|key| (key, &skimmed)) {
        assert_eq!(pause[key], whole[key], "{key}");
    }
    assert_eq!(skimmed["frames"], 450);
    assert!((number(&skimmed["duration_s"]) - number(&whole["duration_s"])).abs() < 0.001, "{skimmed}");
    assert!((number(&skimmed["fps"]) - 30.0).abs() < 0.1, "{skimmed}");
    let kinds = |seen: &Value| -> Vec<Value> {
        seen["defects"].as_array().expect("defects").iter().map(|defect| defect["type"].clone()).collect()
    };
    assert!(kinds(&skimmed).contains(&"red_spot".into()), "the keyframe of a pause is looked at: {skimmed}");
    assert!(whole["skim"].is_null(), "only told when it was asked for: {whole}");
    assert_eq!(skimmed["skim"]["of"], 450);
    let decoded = number(&skimmed["skim"]["decoded"]);
    assert!(decoded > 30.0 && decoded < 0.6 * 450.0, "{skimmed}");
    assert!(skimmed["skim"]["refused"].is_null());
}

/// One key frame in six seconds.
#[test]
fn what_cant_be_skimmed_is_looked_at_as_a_whole() {
    let path = clip("index-first.mp4");
    let (whole, ended) = (looked_at(&path, false).json(), looked_at(&path, true));
    assert!(ended.err.contains("every frame") && ended.err.contains("key frames"), "{}", ended.err);
    let skimmed = ended.json();
    for key in ["frames", "duration_s", "pauses", "defects", "idle"] {
        assert_eq!(skimmed[key], whole[key], "{key}");
    }
    assert_eq!((&skimmed["skim"]["decoded"], &skimmed["skim"]["of"]), (&180.into(), &180.into()));
    assert!(skimmed["skim"]["refused"].as_str().is_some_and(|why| why.contains("apart")), "{skimmed}");
}

#[test]
fn what_is_no_video_is_told_in_the_same_words() {
    let dir = tempfile::tempdir().expect("dir");
    let text = dir.path().join("text.mp4");
    fs::write(&text, "Dear diary, today the lift hill was closed again.\n".repeat(50)).expect("written");
    let lost = dir.path().join("lost.mp4");
    let bytes = fs::read(clip("turned.mp4")).expect("readable");
    fs::write(&lost, &bytes[..bytes.len() * 6 / 10]).expect("written");
    let none = dir.path().join("none.mp4");
    let ended = looked_at(&clip("sound.mp4"), true);
    assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""), "in other words, for it is not decoded: {ended:?}");
    for path in [text, lost, none] {
        let (whole, skimmed) = (looked_at(&path, false), looked_at(&path, true));
        assert_eq!((skimmed.code, skimmed.out.as_str()), (Some(3), ""), "{skimmed:?}");
        assert_eq!(skimmed.err, whole.err);
    }
}

/// What comes before the cut counts, and the end says that it isn't all.
#[test]
fn a_video_that_was_cut_off() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("cut.mp4");
    let bytes = fs::read(clip("key-frames.mp4")).expect("readable");
    fs::write(&path, &bytes[..bytes.len() * 7 / 10]).expect("written");
    let ended = looked_at(&path, true);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("cut off") && ended.err.contains("copy it again"), "{}", ended.err);
    let (seen, whole) = (ended.json(), looked_at(&path, false).json());
    assert!(overlap(spans(&seen)[0], spans(&whole)[0]) >= 0.8, "{seen} {whole}");
    assert_eq!(seen["gaps"].as_array().map(Vec::len), Some(1), "{seen}");
    let (frames, of) = (number(&seen["frames"]), number(&whole["frames"]));
    assert!((frames - of).abs() <= 3.0, "{frames} or {of} frames");
}
