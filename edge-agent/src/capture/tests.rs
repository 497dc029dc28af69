//! What a whole program can't be brought to from outside: storage that falls silent, and decoders that come and go.

use super::{Next, Video};
use fieldeye_base::stop::Stop;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn clip(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clips").join(name)
}

/// A pipe that somebody holds open and writes nothing into is like a disk that does not answer.
#[test]
fn silence_is_told_and_not_waited_for() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("clip.mp4");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo of coreutils").success());
    let held = OpenOptions::new().read(true).write(true).open(&path).expect("opened");
    let began = Instant::now();
    let mut video = Video::start(&path, Duration::from_millis(300)).expect("started");
    let error = video.next(&Stop::new()).expect_err("nothing comes");
    assert!(error.why.contains("gives nothing") && error.why.contains("clip.mp4"), "{error}");
    drop(video);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(held);
}

#[test]
fn a_stop_is_heard_while_waiting() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("clip.mp4");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo of coreutils").success());
    let held = OpenOptions::new().read(true).write(true).open(&path).expect("opened");
    let mut video = Video::start(&path, Duration::from_secs(60)).expect("started");
    let stop = Stop::new();
    std::thread::scope(|scope| {
        scope.spawn(|| stop.cancel());
        assert!(matches!(video.next(&stop), Ok(Next::Stopped)));
    });
    // Its read returns now.
    drop(held);
}

#[test]
fn frames_come_in_order_with_their_times() {
    let mut video = Video::open(&clip("turned.mp4")).expect("opened");
    let stop = Stop::new();
    let mut times = Vec::new();
    while let Next::Frame(frame) = video.next(&stop).expect("readable") {
        assert_eq!(frame.number, times.len() as u64);
        assert_eq!((frame.stored_size(), frame.displayed_size()), ((320, 180), (180, 320)));
        let luma = frame.luma().expect("whole");
        assert!(luma.row(90).iter().any(|&value| value > 30));
        times.push(frame.pts_s);
    }
    assert_eq!(times.len(), 125);
    // 30 frames a second, of which some were left out.
    let ticks: Vec<f64> = times.iter().map(|time| time * 30.0).collect();
    assert!(ticks.iter().all(|tick| (tick - tick.round()).abs() < 0.01), "{ticks:?}");
    assert_eq!(ticks[..6].iter().map(|tick| tick.round() as i64).collect::<Vec<_>>(), [0, 1, 2, 4, 6, 7]);
    assert_eq!(ticks[124].round() as i64, 179);
}

/// Threads and memory of a decoder are given back, whether it was read to its end or not.
#[cfg(target_os = "linux")]
#[test]
fn decoders_leave_nothing_behind() {
    let threads = || std::fs::read_dir("/proc/self/task").expect("tasks").count();
    let look = |frames: usize| {
        let mut video = Video::open(&clip("with-sound.mp4")).expect("opened");
        for _ in 0..frames {
            if !matches!(video.next(&Stop::new()), Ok(Next::Frame(_))) {
                break;
            }
        }
    };
    look(10);
    let before = threads();
    for round in 0..10 {
        look(if round % 2 == 0 { 5 } else { 1000 });
    }
    // GStreamer keeps a pool of threads; it does not grow with the number of files.
    let deadline = Instant::now() + Duration::from_secs(10);
    while threads() > before + 4 {
        assert!(Instant::now() < deadline, "{before} threads before, {} after", threads());
        std::thread::yield_now();
    }
}
