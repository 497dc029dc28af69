//! Looks at a real clip, with a real model: what ends them early, and in which order findings come.

use super::findings::{Finding, Identity, PauseFound};
use super::{Look, LookError, What, look};
use crate::model;
use fieldeye_base::stop::Stop;
use fieldeye_protocol::digest::Digest;
use fieldeye_vision::detect::RuntimeConfig;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

fn of_the_tests(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name)
}

/// A red thing that is held from 1.5 to 4.5 s.
fn a_look(rate_hz: f64) -> Look {
    let model = model::load(Some(&of_the_tests("models/red-spot")), &RuntimeConfig::default()).expect("a good model");
    let identity = Identity::File(Digest::of(b"a clip"));
    let what = What::Files { paths: vec![of_the_tests("clips/index-first.mp4")], skim: false };
    Look { what, identity, model, rate_hz }
}

fn told(look_at: &Look) -> Vec<Finding> {
    let mut findings = Vec::new();
    let outcome = look(look_at, &Stop::new(), &mut |finding| {
        findings.push(finding);
        Ok::<_, Infallible>(())
    });
    assert!(outcome.expect("readable").complete);
    findings
}

#[test]
fn findings_come_in_order() {
    let findings = told(&a_look(4.0));
    assert!(matches!(&findings[0], Finding::Opened(info) if info.width == 320 && info.fps == 30.0));
    assert!(matches!(findings.last(), Some(Finding::Progress { frames: 180, .. })));
    let defects: Vec<_> = findings
        .iter()
        .filter_map(|finding| match finding {
            Finding::Defect(defect) => Some(defect),
            _ => None,
        })
        .collect();
    let [first, .., last] = defects.as_slice() else { panic!("told when it is certain and when it is over") };
    assert!(defects.iter().all(|defect| defect.id == first.id), "one thing, one id");
    assert!(first.pause_id.is_none() && first.last_s < 3.0, "certain while it is looked at: {first:?}");
    let pause = findings.iter().find_map(|finding| match finding {
        Finding::Pause(pause) => Some(pause),
        _ => None,
    });
    let pause = pause.expect("it was held");
    assert_eq!(last.pause_id, Some(pause.id));
    assert_eq!(last.keyframe.id, pause.keyframe.id, "seen best on the pause's picture");
    assert!(last.last_s > pause.end_s, "seen until it was out of the picture: {last:?}");
}

/// Once a second is too seldom to be certain of what is seen on the way; the keyframe of the pause is.
#[test]
fn a_pause_is_always_looked_at() {
    let findings = told(&a_look(0.01));
    let defects = findings.iter().filter(|finding| matches!(finding, Finding::Defect(_))).count();
    assert_eq!(defects, 1, "{findings:?}");
}

#[test]
fn it_can_be_stopped() {
    let stop = Stop::new();
    let mut frames = 0;
    let outcome = look(&a_look(30.0), &stop, &mut |finding| {
        if let Finding::Progress { frames: done, .. } = finding {
            frames = done;
            stop.cancel();
        }
        Ok::<_, Infallible>(())
    });
    let outcome = outcome.expect("a stop is no failure");
    assert!(!outcome.complete);
    assert_eq!(outcome.frames, frames, "nothing after the stop");
}

#[test]
fn a_sink_that_fails_ends_it() {
    let mut after = 0;
    let ended = look(&a_look(2.0), &Stop::new(), &mut |finding| {
        if matches!(finding, Finding::Pause(_)) {
            return Err("the disk is full");
        }
        after = if let Finding::Progress { frames, .. } = finding { frames } else { after };
        Ok(())
    });
    assert!(matches!(ended, Err(LookError::Sink("the disk is full"))), "{ended:?}");
    assert!(after < 180, "it does not go on to the end");
}

/// A recording in several files is one video: times and numbers run on, whether it is skimmed or not.
#[test]
fn chapters_are_one_video() {
    let clip = of_the_tests("clips/key-frames.mp4");
    for skim in [false, true] {
        let go_through = |files: usize| {
            let (mut pauses, mut opened) = (Vec::new(), Vec::new());
            let chapters = Look { what: What::Files { paths: vec![clip.clone(); files], skim }, ..a_look(1.0) };
            let outcome = look(&chapters, &Stop::new(), &mut |finding| {
                match finding {
                    Finding::Opened(info) => opened.push(info.duration_s.expect("known")),
                    Finding::Pause(pause) => pauses.push((pause.start_s, pause.end_s, pause.keyframe)),
                    _ => {}
                }
                Ok::<_, Infallible>(())
            });
            (outcome.expect("readable"), opened, pauses)
        };
        let ((one, one_opened, of_one), (three, opened, of_three)) = (go_through(1), go_through(3));
        assert!(three.complete && of_one.len() > 1, "{of_one:?}");
        assert!((opened[0] - 3.0 * one_opened[0]).abs() < 0.01 && opened.len() == 1, "{opened:?} {one_opened:?}");
        assert_eq!(three.frames, 3 * one.frames);
        assert!((three.duration_s - 3.0 * one.duration_s).abs() < 0.003, "{} {}", three.duration_s, one.duration_s);
        let ids: std::collections::HashSet<_> = of_three.iter().map(|(_, _, keyframe)| keyframe.id).collect();
        assert_eq!(ids.len(), of_three.len(), "each of them is a pause of its own");
        // The first pause of each file lies within it, with nothing of the file before it.
        for number in 0..3 {
            let (start_s, end_s, keyframe) = &of_one[0];
            let later_s = f64::from(number) * one.duration_s;
            let there = of_three.iter().find(|(start, ..)| (start - start_s - later_s).abs() < 0.05);
            let (_, end, key) = there.unwrap_or_else(|| panic!("{start_s} s in file {number}: {of_three:?}"));
            assert!((end - end_s - later_s).abs() < 0.05, "{end} {end_s}");
            if number == 0 {
                assert_eq!(key.frame_number, keyframe.frame_number);
            } else {
                assert!(key.frame_number > u64::try_from(number).expect("few") * one.frames);
            }
        }
    }
}

/// What a camera split, also in the middle of a hold, is found as if it had not. A skim may choose another picture.
#[test]
fn a_cut_between_chapters_is_not_seen() {
    let whole = vec![of_the_tests("clips/key-frames.mp4")];
    let chapters = (1..4).map(|number| of_the_tests(&format!("clips/chapters/GX0{number}0042.MP4"))).collect();
    for skim in [false, true] {
        let [of_whole, of_chapters] = [&whole, &chapters].map(|source: &Vec<PathBuf>| {
            let (mut pauses, mut pictures) = (Vec::new(), Vec::new());
            let outcome = look(
                &Look { what: What::Files { paths: source.clone(), skim }, ..a_look(4.0) },
                &Stop::new(),
                &mut |finding| {
                    match finding {
                        Finding::Pause(PauseFound { id, start_s, end_s, keyframe, .. }) => {
                            pauses.push((id, start_s, end_s));
                            pictures.push((keyframe.id, keyframe.timestamp_s, keyframe.frame_number));
                        }
                        Finding::Defect(defect) => {
                            pictures.push((defect.id, defect.last_s, defect.keyframe.frame_number));
                        }
                        _ => {}
                    }
                    Ok::<_, Infallible>(())
                },
            );
            let outcome = outcome.expect("readable");
            pictures.truncate(if skim { 0 } else { pictures.len() });
            (pauses, pictures, outcome.frames, outcome.duration_s, outcome.source.fps)
        });
        assert_eq!(of_whole.0.len(), 2, "{of_whole:?}");
        assert_eq!(of_chapters, of_whole, "skimmed: {skim}");
    }
}

#[test]
fn a_chapter_of_another_size_does_not_belong_to_it() {
    let source = vec![of_the_tests("clips/key-frames.mp4"), of_the_tests("clips/turned.mp4")];
    let ended =
        look(&Look { what: What::Files { paths: source, skim: false }, ..a_look(1.0) }, &Stop::new(), &mut |_| {
            Ok::<_, Infallible>(())
        });
    let Err(LookError::Unreadable { why, seen: Some(seen) }) = ended else { panic!("{ended:?}") };
    assert!(why.contains("turned.mp4 does not go on with the recording"), "{why}");
    assert!(seen.duration_s > 5.0, "what came before it counts: {seen:?}");
}

/// A stop ends a skim in the middle of whatever it does.
#[test]
fn a_stop_ends_a_skim() {
    let source = vec![of_the_tests("clips/key-frames.mp4")];
    for moment in 0..4 {
        let stop = Stop::new();
        let mut told = 0;
        let outcome =
            look(&Look { what: What::Files { paths: source.clone(), skim: true }, ..a_look(4.0) }, &stop, &mut |_| {
                told += 1;
                if told > moment {
                    stop.cancel();
                }
                Ok::<_, Infallible>(())
            });
        assert!(!outcome.expect("no error").complete, "stopped after {moment} findings");
    }
}
