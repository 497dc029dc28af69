//! `fieldeye-agent detect`: single pictures, and those that are none.
#![cfg(unix)]

use fieldeye_tests::inspect::{Inspect, clip, red_spot};
use fieldeye_tests::workspace;
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// What `inspect` has seen on a video, `detect` sees on the picture that was kept of it.
#[test]
fn a_kept_picture_shows_what_was_seen() {
    let dir = tempfile::tempdir().expect("dir");
    let seen = Inspect::at(&clip("turned.mp4")).model(&red_spot()).json().out(dir.path()).run().json();
    let picture = dir.path().join("keyframes/d001.jpg");
    let ended = Inspect::picture(&picture).model(&red_spot()).json().run();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let json = ended.json();
    assert_eq!(json["schema"], "fieldeye.detections/1");
    let image = &json["images"][0];
    assert_eq!(image["source"], picture.to_string_lossy().as_ref());
    assert_eq!((&image["width"], &image["height"]), (&180.into(), &320.into()));
    let [found] = image["detections"].as_array().expect("a list").as_slice() else { panic!("one red thing: {image}") };
    assert_eq!(
        (&found["type"], &found["class_id"], &found["severity"]),
        (&"red_spot".into(), &0.into(), &"critical".into())
    );
    assert!((number(&found["confidence"]) - 0.9).abs() < 0.01, "{found}");
    for side in ["x", "y", "width", "height"] {
        let (one, other) = (number(&found["bounding_box"][side]), number(&seen["defects"][0]["bounding_box"][side]));
        assert!((one - other).abs() <= 1.5, "{side}: {one} and {other}");
    }
}

#[test]
fn a_bad_picture_does_not_hold_up_the_others() {
    let good = workspace::root().join("tests/tests/data/grey.jpg");
    let dir = tempfile::tempdir().expect("dir");
    let bad = dir.path().join("bad.jpg");
    std::fs::write(&bad, "this is text").expect("written");
    let ended = Inspect::picture(&bad).arg(dir.path().join("none.png")).arg(&good).model(&red_spot()).json().run();
    assert_eq!((ended.code, ended.err.lines().count()), (Some(3), 1), "{}", ended.err);
    assert!(ended.err.contains("bad.jpg") && ended.err.contains("1 more"), "{}", ended.err);
    let images = ended.json()["images"].clone();
    let [image] = images.as_array().expect("a list").as_slice() else { panic!("one picture: {images}") };
    assert_eq!((&image["width"], image["detections"].as_array().map(Vec::len)), (&16.into(), Some(0)));
    let told = Inspect::picture(&good).model(&red_spot()).run();
    assert_eq!((told.code, told.out.trim()), (Some(0), "nothing found"));
}
