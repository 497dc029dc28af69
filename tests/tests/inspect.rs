//! `fieldeye-agent inspect`: what it finds, and how it tells it to people, programs and browsers.
#![cfg(unix)]

use fieldeye_tests::inspect::{Inspect, clip, red_spot};
use fieldeye_tests::{programs, workspace};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn keys(value: &Value) -> Vec<&str> {
    let object: &Map<String, Value> = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

/// The same without what differs from run to run.
fn timeless(mut inspection: Value) -> Value {
    inspection.as_object_mut().expect("an object").remove("timing").expect("there is timing");
    inspection
}

/// The red thing is held from 1.5 to 4.5 s, 40 × 70 px at (80, 150) of the picture as it is shown.
#[test]
fn boxes_and_times_of_a_turned_clip_with_variable_frame_rate() {
    let dir = tempfile::tempdir().expect("dir");
    let seen = Inspect::at(&clip("turned.mp4")).model(&red_spot()).json().out(dir.path()).run().json();
    assert_eq!((&seen["width"], &seen["height"]), (&180.into(), &320.into()), "stored lying, shown upright");
    assert_eq!(seen["frames"], 125);
    assert!((number(&seen["duration_s"]) - 6.0).abs() < 0.05, "{seen}");
    assert!((number(&seen["fps"]) - 125.0 / 6.0).abs() < 0.2, "the mean, for the container says 30: {seen}");

    let [pause] = seen["pauses"].as_array().expect("pauses").as_slice() else { panic!("one pause: {seen}") };
    let (start, end) = (number(&pause["start_s"]), number(&pause["end_s"]));
    assert!((start - 1.5).abs() < 0.3 && (end - 4.5).abs() < 0.3, "{pause}");
    assert!((start..=end).contains(&number(&pause["keyframe_s"])));

    let [defect] = seen["defects"].as_array().expect("defects").as_slice() else { panic!("one defect: {seen}") };
    let area = &defect["bounding_box"];
    for (side, expected) in [("x", 80.0), ("y", 150.0), ("width", 40.0), ("height", 70.0)] {
        assert!((number(&area[side]) - expected).abs() <= 2.0, "{side} in {area}");
    }
    assert_eq!((&defect["type"], &defect["severity"]), (&"red_spot".into(), &"critical".into()));
    assert_eq!(defect["pause_id"], pause["id"], "it is seen best where the camera is held");
    assert!(number(&defect["first_s"]) <= start + 0.5 && number(&defect["last_s"]) >= end - 0.5, "{defect}");

    // What the box is around is red in the kept picture, too.
    let picture = dir.path().join(defect["keyframe"].as_str().expect("a picture is kept"));
    let jpeg = fs::read(picture).expect("readable");
    assert_eq!(&jpeg[..2], [0xff, 0xd8], "a JPEG");
}

#[test]
fn json_has_the_promised_fields() {
    let dir = tempfile::tempdir().expect("dir");
    let run = || Inspect::at(&clip("turned.mp4")).model(&red_spot()).json();
    let seen = run().out(&dir.path().join("new/folder")).run().json();
    let top = [
        "schema",
        "source",
        "width",
        "height",
        "fps",
        "duration_s",
        "frames",
        "pauses",
        "idle",
        "defects",
        "model",
        "timing",
    ];
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(sorted(&keys(&seen)), sorted(&top));
    assert_eq!((&seen["schema"], &seen["source"]), (&"fieldeye.inspection/1".into(), &"turned.mp4".into()));
    let pause = ["id", "start_s", "end_s", "confidence", "keyframe_s", "keyframe"];
    assert_eq!(sorted(&keys(&seen["pauses"][0])), sorted(&pause));
    let defect = ["id", "type", "severity", "confidence", "first_s", "last_s", "bounding_box", "pause_id", "keyframe"];
    assert_eq!(sorted(&keys(&seen["defects"][0])), sorted(&defect));
    assert_eq!(sorted(&keys(&seen["defects"][0]["bounding_box"])), sorted(&["x", "y", "width", "height"]));
    assert_eq!(sorted(&keys(&seen["model"])), sorted(&["name", "version", "sha256", "runtime"]));
    let timing = [
        "wall_s",
        "decode_s",
        "motion_s",
        "preprocess_s",
        "infer_s",
        "postprocess_s",
        "store_s",
        "frames_per_s",
        "peak_rss_mb",
    ];
    assert_eq!(sorted(&keys(&seen["timing"])), sorted(&timing));
    for name in timing {
        // Some take less than half a millisecond.
        let least = if ["postprocess_s", "store_s"].contains(&name) { 0.0 } else { 0.001 };
        assert!(number(&seen["timing"][name]) >= least, "{name}: {}", seen["timing"]);
    }
    assert_eq!(seen["model"]["runtime"], "tract");
    assert_eq!(seen["pauses"][0]["keyframe"], "keyframes/p001.jpg");
    let written = fs::read(dir.path().join("new/folder/inspection.json")).expect("written");
    assert_eq!(serde_json::from_slice::<Value>(&written).expect("JSON"), seen, "the folder has what was printed");

    let bare = run().run().json();
    assert_eq!((&bare["pauses"][0]["keyframe"], &bare["defects"][0]["keyframe"]), (&Value::Null, &Value::Null));
}

#[test]
fn sound_changes_nothing() {
    let look = |name: &str| Inspect::at(&clip(name)).model(&red_spot()).json().run().json();
    let (silent, loud) = (look("index-first.mp4"), look("with-sound.mp4"));
    assert_eq!(silent["frames"], loud["frames"]);
    let times = |seen: &Value| (seen["pauses"][0]["start_s"].clone(), seen["pauses"][0]["end_s"].clone());
    assert_eq!(times(&silent), times(&loud));
    assert_eq!(silent["defects"][0]["bounding_box"], loud["defects"][0]["bounding_box"]);
}

/// With the model that is inside the program, which is slow enough here to fall behind.
#[test]
fn the_same_file_gives_the_same_answer() {
    let at = clip("pauses/dev08_blankwall.mp4");
    let first = timeless(Inspect::at(&at).json().run().json());
    assert_eq!(first["pauses"].as_array().map(Vec::len), Some(4), "{first}");
    assert_eq!(timeless(Inspect::at(&at).json().run().json()), first);
    // Another name, another folder, another number of threads.
    let dir = tempfile::tempdir().expect("dir");
    let copy = dir.path().join("copy.mp4");
    fs::copy(&at, &copy).expect("copied");
    let mut slow = Command::new("taskset");
    slow.args(["--cpu-list", "0"]).arg(programs::agent()).arg("inspect").arg(&copy).arg("--json").stderr(Stdio::null());
    let output = slow.output().expect("taskset of util-linux is there");
    let mut second = timeless(serde_json::from_slice(&output.stdout).expect("JSON"));
    second["source"] = first["source"].clone();
    assert_eq!(second, first, "ids follow from the content");
}

/// The clip that `make demo` shows, with the model that is inside the program: what was drawn into it, and nothing else.
#[test]
fn the_demo_clip_shows_its_defects() {
    let folder = workspace::root().join("deploy/demo");
    let truth: Value = serde_json::from_slice(&fs::read(folder.join("lift-hill.json")).expect("truth")).expect("JSON");
    let seen = Inspect::at(&folder.join("lift-hill.mp4")).json().run().json();
    let list = |value: &Value, key: &str| value[key].as_array().expect("a list").clone();
    let (real, found) = (list(&truth, "pauses"), list(&seen, "pauses"));
    assert_eq!(found.len(), real.len(), "{found:?}");
    for (pause, real) in found.iter().zip(&real) {
        for key in ["start_s", "end_s"] {
            assert!((number(&pause[key]) - number(&real[key])).abs() < 0.3, "{pause} and {real}");
        }
    }
    let (real, found) = (list(&truth, "defects"), list(&seen, "defects"));
    assert_eq!(found.len(), real.len(), "{found:?}");
    for real in &real {
        let at = number(&real["at_s"]);
        let same =
            found.iter().find(|found| found["type"] == real["type"]).unwrap_or_else(|| panic!("{real} is missed"));
        assert!((number(&same["first_s"])..=number(&same["last_s"])).contains(&at), "{same} and {real}");
        let pause = seen["pauses"].as_array().expect("pauses").iter().find(|pause| pause["id"] == same["pause_id"]);
        let pause = pause.unwrap_or_else(|| panic!("{same} was held on"));
        assert!((number(&pause["start_s"])..=number(&pause["end_s"])).contains(&at), "{pause} and {real}");
    }
}

#[test]
fn the_report_needs_nothing_else() {
    let dir = tempfile::tempdir().expect("dir");
    let video = dir.path().join("<b>&\"'.mp4");
    fs::copy(clip("turned.mp4"), &video).expect("copied");
    let out = dir.path().join("out");
    let ended = Inspect::at(&video).model(&red_spot()).out(&out).run();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("report.html"), "{}", ended.out);
    let page = fs::read_to_string(out.join("report.html")).expect("readable");
    assert!(!page.contains("<b>") && page.contains("&#60;b&#62;&#38;&#34;&#39;.mp4"), "the file's name is text");
    for word in ["<script", "http:", "https:", "url(", "@import", "<link", "<iframe", "srcset", "javascript:"] {
        assert!(!page.contains(word), "{word} in a page that is to stand alone");
    }
    for attribute in [" href=\"", " src=\""] {
        for (at, _) in page.match_indices(attribute) {
            let value = &page[at + attribute.len()..];
            let ok = value.starts_with('#') || value.starts_with("data:image/jpeg;base64,/9j/");
            assert!(ok, "{}", &value[..value.len().min(60)]);
        }
    }
    // Pause and defect share a picture: it is in the page once.
    assert_eq!(page.matches("data:image/jpeg").count(), 1);
    assert!(page.len() < 200_000, "{} bytes", page.len());
}

#[test]
fn a_person_reads_tables_in_ascii() {
    let dir = tempfile::tempdir().expect("dir");
    let video = dir.path().join("Pr\u{fc}fung \u{1f3a2}.mp4");
    fs::copy(clip("turned.mp4"), &video).expect("copied");
    for locale in ["C", "en_GB.UTF-8"] {
        let ended = Inspect::at(&video).model(&red_spot()).variable("LANG", locale).run();
        assert_eq!(ended.code, Some(0));
        assert!(ended.out.is_ascii(), "{}", ended.out);
        assert_eq!(ended.err, "", "no bar and no noise in a pipe");
        for word in ["180x320", "red_spot", "critical", "80,150 40x70", "keyframe"] {
            assert!(ended.out.contains(word), "{word}: {}", ended.out);
        }
    }
    let ended = Inspect::at(&video).model(&red_spot()).json().run();
    assert!(ended.out.is_ascii());
    assert_eq!(ended.json()["source"], "Pr\u{fc}fung \u{1f3a2}.mp4");
}

#[test]
fn a_bar_is_drawn_on_a_terminal() {
    // `script` gives the program a terminal; its own output is what the terminal shows.
    let command =
        format!("{} inspect {} --json", programs::agent().display(), clip("pauses/dev08_blankwall.mp4").display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env("LANG", "C").env("TERM", "xterm");
    let output = script.stdin(Stdio::null()).output().expect("script of util-linux is there");
    assert!(output.status.success());
    let shown = String::from_utf8(output.stdout).expect("text");
    assert!(shown.contains(" % ") && shown.contains("frames"), "{shown}");
    assert!(shown.is_ascii(), "{shown}");
}

#[test]
fn an_earlier_inspection_is_replaced_and_other_files_are_not() {
    let dir = tempfile::tempdir().expect("dir");
    let out = dir.path();
    let run = |name: &str| Inspect::at(&clip(name)).model(&red_spot()).json().out(out).run();
    assert_eq!(run("turned.mp4").code, Some(0));
    let kept = out.join("keyframes/p001.jpg");
    assert!(kept.exists());
    fs::write(out.join("notes.txt"), "mine").expect("written");
    assert_eq!(run("restless.mp4").code, Some(0));
    assert!(!kept.exists(), "pictures of the inspection before");
    assert_eq!(fs::read_to_string(out.join("notes.txt")).expect("still there"), "mine");

    let other = tempfile::tempdir().expect("dir");
    fs::write(other.path().join("thesis.txt"), "mine").expect("written");
    let ended = Inspect::at(&clip("restless.mp4")).model(&red_spot()).out(other.path()).run();
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{}", ended.err);
    assert!(ended.err.contains("--out"), "{}", ended.err);
    let left: Vec<_> = fs::read_dir(other.path()).expect("dir").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["thesis.txt"]);
}

#[test]
fn wrong_usage_is_exit_2() {
    let none = Path::new("-");
    let ended = Inspect::at(none).run();
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{}", ended.err);
    assert!(ended.err.contains("standard input"), "{}", ended.err);
    assert_eq!(Inspect::at(&clip("turned.mp4")).arg("--nonsense").run().code, Some(2));
    let file = tempfile::NamedTempFile::new().expect("file");
    assert_eq!(Inspect::at(&clip("turned.mp4")).out(file.path()).run().code, Some(2));
}

/// 150 MB at 720p are promised with the model that is inside the program.
#[test]
fn measured_memory_of_a_look() {
    let seen = Inspect::at(&clip("pauses/dev01_plain_day.mp4")).json().run().json();
    assert_eq!(seen["height"], 720);
    let peak = number(&seen["timing"]["peak_rss_mb"]);
    assert!(peak > 20.0 && peak < 150.0, "{peak} MB");
}
