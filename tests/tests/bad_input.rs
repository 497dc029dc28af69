//! Files and models that are not what they should be: each ends with its own exit code and one line that says what is
//! wrong, with what, and what to do.
#![cfg(unix)]

use fieldeye_tests::agent::Ended;
use fieldeye_tests::inspect::{Inspect, clip, red_spot};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file of this content, named like a video.
fn video(content: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("clip.mp4");
    fs::write(&path, content).expect("written");
    (dir, path)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(clip(name)).expect("readable")
}

/// Ends with this code and one line with all these words.
fn ends(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.err.starts_with("fieldeye-agent: ") && ended.err.lines().count() == 1, "{}", ended.err);
    for word in words {
        assert!(ended.err.contains(word), "{word:?} in {}", ended.err);
    }
}

/// Can't be read, and nothing is printed as if it could.
fn unreadable(path: &Path, words: &[&str]) {
    let ended = Inspect::at(path).model(&red_spot()).json().run();
    ends(&ended, 3, words);
    assert_eq!(ended.out, "");
    let name = path.display().to_string();
    assert!(ended.err.contains(&name), "it names the file: {}", ended.err);
}

#[test]
fn an_mp4_that_lost_its_index() {
    let whole = bytes("turned.mp4");
    let (_dir, path) = video(&whole[..whole.len() * 6 / 10]);
    unreadable(&path, &["moov", "cut off", "copy it again"]);
}

/// The index comes first: half of the pictures can be read, and what is seen on them counts.
#[test]
fn an_mp4_that_was_cut_off_behind_its_index() {
    let whole = bytes("index-first.mp4");
    let (dir, path) = video(&whole[..whole.len() * 8 / 10]);
    let ended = Inspect::at(&path).model(&red_spot()).json().out(&dir.path().join("out")).run();
    ends(&ended, 3, &["cut off", "copy it again"]);
    let seen = ended.json();
    let frames = seen["frames"].as_u64().expect("a number");
    assert!((30..180).contains(&frames), "{frames} of 180 frames");
    assert_eq!(seen["defects"].as_array().map(Vec::len), Some(1), "{seen}");
    let gap = &seen["gaps"][0];
    assert!(gap["start_s"].as_f64() > Some(1.0) && gap["end_s"].as_f64() > gap["start_s"].as_f64(), "{gap}");
    let page = fs::read_to_string(dir.path().join("out/report.html")).expect("there is a report of it");
    assert!(page.contains("Not looked at"));
}

#[test]
fn what_is_no_video() {
    let (_dir, text) = video(b"Dear diary, today the lift hill was closed again.\n".repeat(50).as_slice());
    unreadable(&text, &["not a video"]);
    let (_dir, noise) = video(&(0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>());
    unreadable(&noise, &["not a video"]);
    let (_dir, document) = video(&[b"%PDF-1.4\n".as_slice(), &b"1 0 obj <<>> endobj\n".repeat(100)].concat());
    unreadable(&document, &["not a video"]);
    let (_dir, empty) = video(b"");
    unreadable(&empty, &["0 bytes"]);
    let (dir, path) = video(b"");
    unreadable(dir.path(), &["folder"]);
    unreadable(&path.with_file_name("none.mp4"), &["does not exist"]);
    unreadable(Path::new("/dev/zero"), &["device"]);
    unreadable(&clip("sound.mp4"), &["no video", "sound"]);
}

#[test]
fn a_video_without_pauses_is_no_error() {
    let ended = Inspect::at(&clip("restless.mp4")).model(&red_spot()).json().run();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let seen = ended.json();
    assert_eq!(
        (&seen["pauses"], &seen["defects"], &seen["frames"]),
        (&Value::Array(vec![]), &Value::Array(vec![]), &120.into())
    );
    let told = Inspect::at(&clip("restless.mp4")).model(&red_spot()).run().out;
    assert!(told.contains("no pauses") && told.contains("no defects"), "{told}");
}

/// A playlist is text that makes players open addresses; a file that somebody sends must not make us do so.
#[test]
fn a_playlist_opens_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.set_nonblocking(true).expect("set");
    let address = listener.local_addr().expect("an address");
    let list = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\nhttp://{address}/a.ts\n#EXT-X-ENDLIST\n"
    );
    let (_dir, path) = video(list.as_bytes());
    unreadable(&path, &[]);
    assert!(listener.accept().is_err(), "somebody came");
}

#[test]
fn a_decoder_that_is_not_installed() {
    let decoders = [
        "avdec_h264",
        "openh264dec",
        "vah264dec",
        "vah264lpdec",
        "vaapih264dec",
        "vaapidecodebin",
        "nvh264dec",
        "nvh264sldec",
        "v4l2h264dec",
        "v4l2slh264dec",
        "msdkh264dec",
        "qsvh264dec",
        "d3d11h264dec",
    ];
    let off: Vec<String> = decoders.iter().map(|name| format!("{name}:NONE")).collect();
    // Its absence is told, too, when there is sound that could be decoded.
    for name in ["turned.mp4", "with-sound.mp4"] {
        let run = Inspect::at(&clip(name)).model(&red_spot()).json();
        let ended = run.variable("GST_PLUGIN_FEATURE_RANK", off.join(",")).run();
        ends(&ended, 3, &[name, "H.264", "apt-get install gstreamer1.0-libav"]);
    }
}

/// Whatever is damaged: it ends, by itself, with a code that says so, and with a line if it isn't the whole video.
#[test]
fn damage_of_any_kind_ends_with_a_sentence() {
    for (name, salt) in [("turned.mp4", 1u64), ("index-first.mp4", 2)] {
        let whole = bytes(name);
        let mut random = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |limit: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % limit as u64).expect("below a limit")
        };
        for round in 0..8 {
            let mut damaged = whole.clone();
            for _ in 0..1 + below(60) {
                let at = below(damaged.len());
                damaged[at] = u8::try_from(below(256)).expect("a byte");
            }
            if round % 4 == 3 {
                damaged.truncate(1 + below(whole.len()));
            }
            let (_dir, path) = video(&damaged);
            let ended = Inspect::at(&path).model(&red_spot()).json().run();
            match ended.code {
                Some(0) => assert_eq!(ended.err, "", "{name}, round {round}"),
                Some(3) => assert_eq!(ended.err.lines().count(), 1, "{name}, round {round}: {}", ended.err),
                other => panic!("{name}, round {round}: {other:?} {}", ended.err),
            }
        }
    }
}

/// A copy of the small model, changed.
fn model(change: impl FnOnce(&Path)) -> TempDir {
    let dir = tempfile::tempdir().expect("dir");
    for name in ["model.toml", "model.onnx"] {
        fs::copy(red_spot().join(name), dir.path().join(name)).expect("copied");
    }
    change(dir.path());
    dir
}

fn refused(folder: &Path, words: &[&str]) {
    let ended = Inspect::at(&clip("turned.mp4")).model(folder).json().run();
    ends(&ended, 4, words);
    assert_eq!(ended.out, "");
}

#[test]
fn models_that_can_not_be_used() {
    refused(Path::new("/nonexistent/model"), &["/nonexistent/model/model.toml", "folder with model.toml"]);
    let edit = |from: &'static str, to: &'static str| {
        model(move |folder| {
            let path = folder.join("model.toml");
            let text = fs::read_to_string(&path).expect("readable");
            assert!(text.contains(from), "{from}");
            fs::write(path, text.replacen(from, to, 1)).expect("written");
        })
    };
    refused(edit("[model]", "[model").path(), &["model.toml"]);
    refused(edit("yolov8", "yolov99").path(), &["model.toml", "yolov99"]);
    refused(edit("file = \"model.onnx\"", "file = \"../model.onnx\"").path(), &["plain file name"]);
    refused(model(|folder| fs::remove_file(folder.join("model.onnx")).expect("removed")).path(), &["model.onnx"]);
    let other = model(|folder| fs::write(folder.join("model.onnx"), b"another model").expect("written"));
    refused(other.path(), &["SHA-256", "model.onnx"]);
}

/// Digest and manifest are right, the model is none.
#[test]
fn an_onnx_file_that_is_none() {
    let good = fs::read(red_spot().join("model.onnx")).expect("readable");
    let broken = [b"no protobuf at all".to_vec(), good[..good.len() / 2].to_vec(), Vec::new()];
    for content in broken {
        let folder = model(|folder| {
            let path = folder.join("model.toml");
            let digest =
                |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let text = fs::read_to_string(&path).expect("readable").replace(&digest(&good), &digest(&content));
            fs::write(path, text).expect("written");
            fs::write(folder.join("model.onnx"), &content).expect("written");
        });
        refused(folder.path(), &["model.onnx"]);
    }
}
