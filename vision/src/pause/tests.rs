//! Made-up inspections in, events out.

use super::path::Path;
use super::{Evidence, MotionState, Pause, PauseConfig, PauseEvent, PauseFinder, Step};
use crate::luma::LumaView;
use crate::motion::scene::{Dice, Picture, Scene, View};
use crate::motion::{Glance, GlobalMotion};
use proptest::prelude::*;

const W: usize = 320;
const H: usize = 180;

/// Smooth step from 0 to 1.
fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// Where a camera is that walks until `from_s`, is held until `to_s` with a trembling hand, and walks on; it slows
/// down and sets off within half a second. Speeds are those of a picture 320 px wide.
fn walk_hold_walk(t: f64, from_s: f64, to_s: f64) -> View {
    let (before, after) = ((t - from_s).min(0.0), (t - to_s).max(0.0));
    // Integral of the ramped speed: exact enough by halves.
    let travelled = |d: f64| {
        let steps = 64;
        (0..steps).map(|i| smooth(d * (f64::from(i) + 0.5) / f64::from(steps) / 0.5)).sum::<f64>() * d
            / f64::from(steps)
    };
    let x = 70.0 * (travelled(after) - travelled(-before));
    let tremor = 0.35 * (t * 57.0).sin() + 0.25 * (t * 66.0).sin();
    let breath = 0.7 * (t * 1.9).sin();
    View::at(250.0 + x as f32 + tremor as f32, 250.0 + (breath + 0.3 * (t * 61.0).sin()) as f32)
}

/// Pushes what `picture` shows at each of `times` and ends the stream.
fn run(times: impl IntoIterator<Item = f64>, picture: impl FnMut(f64) -> Picture) -> Vec<PauseEvent> {
    run_steps(times, picture).1
}

fn run_steps(
    times: impl IntoIterator<Item = f64>,
    mut picture: impl FnMut(f64) -> Picture,
) -> (Vec<(f64, Step)>, Vec<PauseEvent>) {
    let mut finder = PauseFinder::new(PauseConfig::default());
    let steps: Vec<_> = times.into_iter().map(|t| (t, finder.push(t, picture(t).view()))).collect();
    let mut events: Vec<_> = steps.iter().flat_map(|(_, s)| s.events.clone()).collect();
    events.extend(finder.finish());
    (steps, events)
}

fn every(fps: f64, seconds: f64) -> impl Iterator<Item = f64> {
    (0..(fps * seconds) as u32).map(move |i| f64::from(i) / fps)
}

fn pauses(events: &[PauseEvent]) -> Vec<Pause> {
    events.iter().filter_map(|e| if let PauseEvent::Ended(p) = e { Some(*p) } else { None }).collect()
}

/// The one pause in `events`, which must lie within `tolerance` of the truth.
fn the_pause(events: &[PauseEvent], start_s: f64, end_s: f64, tolerance: f64) -> Pause {
    let found = pauses(events);
    assert_eq!(found.len(), 1, "{events:?}");
    let off = (found[0].start_s - start_s).abs().max((found[0].end_s - end_s).abs());
    assert!(off < tolerance, "wanted {start_s}..{end_s}, got {:?}", found[0]);
    found[0]
}

#[test]
fn a_trembling_hold_between_two_walks_is_a_pause() {
    let scene = Scene::new(1, 30.0);
    let (steps, events) = run_steps(every(30.0, 6.0), |t| scene.render(walk_hold_walk(t, 1.5, 4.0), W, H));
    let pause = the_pause(&events, 1.5, 4.0, 0.12);
    assert!(pause.confidence > 0.8, "{pause:?}");
    let known_s = steps.iter().find(|(_, s)| s.events.iter().any(|e| matches!(e, PauseEvent::Ended(_)))).unwrap().0;
    assert!(known_s - 4.0 < 0.7, "known {known_s}");
    let started: Vec<_> = events.iter().filter(|e| matches!(e, PauseEvent::Started { .. })).collect();
    assert_eq!(started, [&PauseEvent::Started { start_s: pause.start_s }]);
    let at = |t: f64| steps.iter().find(|(s, _)| *s >= t).unwrap().1.moving;
    assert_eq!([at(0.8), at(2.5), at(5.0)], [MotionState::Moving, MotionState::Holding, MotionState::Moving]);
}

#[test]
fn a_slow_pan_is_no_pause() {
    let scene = Scene::new(2, 30.0);
    // 50 px/s at a width of 1280.
    let events = run(every(30.0, 6.0), |t| {
        let tremor = 0.4 * (t * 57.0).sin();
        scene.render(View::at((100.0 + 12.5 * t + tremor) as f32, 250.0), W, H)
    });
    assert_eq!(events, []);
}

#[test]
fn a_hand_in_front_of_a_hold_does_not_end_it() {
    let (scene, hand) = (Scene::new(3, 30.0), Scene::new(4, 50.0));
    let events = run(every(30.0, 6.5), |t| {
        let at = (t - 2.2) as f32 * 0.9 - 0.35;
        let over = hand.render(View::at(300.0 - 288.0 * t as f32, 250.0), W, H);
        scene.render(walk_hold_walk(t, 1.5, 4.7), W, H).cover(&over, at, 0.3, at + 0.35, 1.0)
    });
    the_pause(&events, 1.5, 4.7, 0.2);
}

#[test]
fn exposure_and_noise_do_not_end_a_hold() {
    let scene = Scene::new(5, 25.0);
    let mut dice = Dice(9);
    let events = run(every(30.0, 6.5), |t| {
        let gain = 1.0 - 0.45 * smooth((t - 2.6) / 0.3) + 0.6 * smooth((t - 3.8) / 0.4);
        let picture = scene.render(walk_hold_walk(t, 1.5, 4.7), W, H);
        picture.map(|_, _, v| v * gain as f32).noisy(&mut dice, 5.0)
    });
    the_pause(&events, 1.5, 4.7, 0.15);
}

#[test]
fn one_white_frame_does_not_end_a_hold() {
    let scene = Scene::new(6, 25.0);
    let events = run(every(25.0, 6.0), |t| {
        let picture = scene.render(walk_hold_walk(t, 1.5, 4.2), W, H);
        if (2.98..3.03).contains(&t) { picture.map(|_, _, _| 250.0) } else { picture }
    });
    the_pause(&events, 1.5, 4.2, 0.15);
}

#[test]
fn a_hesitation_says_nothing() {
    let scene = Scene::new(7, 30.0);
    let events = run(every(30.0, 4.0), |t| scene.render(walk_hold_walk(t, 1.6, 2.1), W, H));
    assert_eq!(events, []);
}

#[test]
fn a_camera_put_down_is_idle() {
    let scene = Scene::new(8, 30.0);
    let events = run(every(10.0, 36.0), |t| scene.render(walk_hold_walk(t, 1.5, 34.0), W, H));
    let [PauseEvent::Started { start_s: started_s }, PauseEvent::Idle { start_s, end_s }] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(started_s, start_s);
    assert!((start_s - 1.5).abs() < 0.2 && (end_s - 34.0).abs() < 0.2, "{start_s} {end_s}");
}

#[test]
fn the_times_come_from_the_frames() {
    let scene = Scene::new(9, 30.0);
    let mut dice = Dice(3);
    // 12 to 30 frames a second, some of them repeated from before, some lost.
    let mut t = 0.0;
    let mut times = Vec::new();
    while t < 6.0 {
        t += if t % 2.0 < 1.0 { 1.0 / 30.0 } else { 1.0 / 12.0 };
        if dice.roll() > 0.1 {
            times.push(t);
        }
    }
    let mut shown: Option<Picture> = None;
    let events = run(times, |t| {
        if dice.roll() > 0.12 || shown.is_none() {
            shown = Some(scene.render(walk_hold_walk(t, 1.5, 4.3), W, H));
        }
        shown.clone().unwrap()
    });
    the_pause(&events, 1.5, 4.3, 0.25);
}

#[test]
fn frames_out_of_order_are_ignored() {
    let scene = Scene::new(10, 30.0);
    let other = Scene::new(11, 30.0).render(View::at(0.0, 0.0), W, H);
    let mut clean = PauseFinder::new(PauseConfig::default());
    let mut dirty = PauseFinder::new(PauseConfig::default());
    for t in every(30.0, 5.0) {
        let picture = scene.render(walk_hold_walk(t, 1.0, 3.5), W, H);
        let wanted = clean.push(t, picture.view());
        assert_eq!(dirty.push(t, picture.view()), wanted);
        for late in [t, t - 1.0, f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
            let ignored = dirty.push(late, other.view());
            assert!(!ignored.keep && ignored.events.is_empty());
        }
    }
    assert_eq!(clean.finish(), dirty.finish());
}

#[test]
fn rows_may_be_padded() {
    let scene = Scene::new(12, 30.0);
    let mut packed = PauseFinder::new(PauseConfig::default());
    let mut padded = PauseFinder::new(PauseConfig::default());
    for t in every(15.0, 4.0) {
        let picture = scene.render(walk_hold_walk(t, 1.0, 3.0), W, H);
        let stride = W + 13;
        let mut data = vec![(t * 100.0) as u8; stride * H];
        for y in 0..H {
            data[y * stride..][..W].copy_from_slice(&picture.px[y * W..][..W]);
        }
        let view = LumaView::new(&data, W as u32, H as u32, stride).unwrap();
        assert_eq!(padded.push(t, view), packed.push(t, picture.view()));
    }
    assert_eq!(packed.finish(), padded.finish());
}

#[test]
fn another_size_ends_a_hold() {
    let scene = Scene::new(13, 30.0);
    let events = run(every(30.0, 5.0), |t| {
        let (w, h) = if t < 2.5 { (W, H) } else { (H, W) };
        scene.render(walk_hold_walk(t, 0.0, 9.0), w, h)
    });
    let found = pauses(&events);
    assert_eq!(found.len(), 2, "{events:?}");
    assert!((found[0].end_s - 2.5).abs() < 0.1 && (found[1].start_s - 2.5).abs() < 0.1, "{found:?}");
}

#[test]
fn a_cut_between_two_scenes_ends_a_hold() {
    let (one, two) = (Scene::new(14, 30.0), Scene::new(15, 30.0));
    let events = run(every(30.0, 6.0), |t| {
        let scene = if t < 3.0 { &one } else { &two };
        scene.render(walk_hold_walk(t, 0.0, 9.0), W, H)
    });
    assert_eq!(pauses(&events).len(), 2, "{events:?}");
}

#[test]
fn a_long_gap_ends_a_hold_and_a_short_one_does_not() {
    let scene = Scene::new(16, 30.0);
    let with_gap = |gap: f64| {
        let times = every(30.0, 2.0).chain(every(30.0, 2.0).map(move |t| t + 2.0 + gap));
        pauses(&run(times, |t| scene.render(walk_hold_walk(t, 0.0, 90.0), W, H))).len()
    };
    assert_eq!((with_gap(0.8), with_gap(6.0)), (1, 2));
}

#[test]
fn the_end_of_the_stream_ends_a_pause_and_starts_afresh() {
    let scene = Scene::new(17, 30.0);
    let mut finder = PauseFinder::new(PauseConfig::default());
    for _ in 0..2 {
        for t in every(30.0, 3.5) {
            finder.push(t, scene.render(walk_hold_walk(t, 1.0, 9.0), W, H).view());
        }
        the_pause(&finder.finish(), 1.0, 3.5, 0.15);
        assert_eq!(finder.finish(), []);
    }
}

#[test]
fn darkness_is_no_pause() {
    let mut dice = Dice(21);
    let dark = Picture { px: vec![3; W * H], width: W, height: H };
    assert_eq!(run(every(30.0, 4.0), |_| dark.clone()), []);
    assert_eq!(run(every(30.0, 4.0), |_| dark.clone().noisy(&mut dice, 3.0)), []);
}

#[test]
fn the_keyframe_is_the_last_frame_kept_and_a_good_one() {
    let (scene, hand) = (Scene::new(18, 30.0), Scene::new(19, 50.0));
    // Three holds: one with a hand over its middle, one that sets off slowly, one right after a hesitation.
    let place = |t: f64| match t {
        t if t < 5.0 => walk_hold_walk(t, 1.0, 4.0),
        t if t < 10.0 => {
            let creep = (t - 8.0).max(0.0);
            View { x: 100.0 + (8.0 * creep * creep) as f32, ..walk_hold_walk(6.5, 6.0, 8.0) }
        }
        t => walk_hold_walk(t - 10.0, 2.0, 4.0),
    };
    let (steps, mut events) = run_steps(every(30.0, 16.0), |t| {
        let picture = scene.render(place(t), W, H);
        let covered = (1.9..3.0).contains(&t);
        if covered {
            picture.cover(&hand.render(View::at(9.0 * t as f32, 0.0), W, H), 0.1, 0.3, 0.5, 1.0)
        } else {
            picture
        }
    });
    let mut copy = None;
    for (t, step) in &steps {
        for event in &step.events {
            if let PauseEvent::Ended(pause) = event {
                assert_eq!(copy, Some(pause.keyframe_s), "{pause:?}");
                assert!((pause.start_s..=pause.end_s).contains(&pause.keyframe_s), "{pause:?}");
                events.retain(|e| e != event);
            }
        }
        if step.keep {
            copy = Some(*t);
        }
    }
    let found: Vec<_> = steps.iter().flat_map(|(_, s)| pauses(&s.events)).collect();
    assert!(found.len() >= 3, "{found:?}");
    assert_eq!(pauses(&events), [], "all ended before the stream did");
    assert!(!(1.9..3.0).contains(&found[0].keyframe_s), "a frame with a hand on it: {:?}", found[0]);
}

#[test]
fn memory_is_bounded() {
    let picture = Scene::new(20, 30.0).render(View::at(0.0, 0.0), 48, 48);
    let mut finder = PauseFinder::new(PauseConfig::default());
    for i in 0..20_000 {
        // Frames a thousandth of a second apart, and then an hour.
        finder.push(f64::from(i) * if i < 10_000 { 0.001 } else { 3600.0 }, picture.view());
        assert!(finder.path.len() <= 1024);
    }
}

#[test]
fn memory_is_bounded_over_a_million_frames_at_odd_times() {
    let mut path = Path::default();
    let mut dice = Dice(77);
    let (mut t, mut longest, mut judged) = (0.0, 0, 0u32);
    for i in 0..1_000_000u32 {
        t += match i % 7 {
            0 => 1e-9,
            1 => 10.0,
            _ => f64::from(dice.roll()) * 0.01,
        };
        let odd = [f32::NAN, f32::INFINITY, 0.3, -0.2, 1e30][i as usize % 5];
        let motion = GlobalMotion { dx: odd, cut: i % 1000 == 0, ..GlobalMotion::still(dice.roll()) };
        path.push(t, &motion, 0.5, (640, 360));
        while path.judge(false).is_some() {
            judged += 1;
        }
        longest = longest.max(path.len());
    }
    assert!(longest <= 1024, "{longest}");
    assert!(judged > 500_000, "{judged}");
}

#[test]
fn times_that_are_no_numbers_leave_a_pause_alone() {
    let scene = Scene::new(22, 30.0);
    let mut finder = PauseFinder::new(PauseConfig::default());
    let mut events = Vec::new();
    for t in every(30.0, 6.0) {
        let picture = scene.render(walk_hold_walk(t, 1.5, 4.0), W, H);
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(finder.push(odd, picture.view()).events.is_empty());
        }
        events.extend(finder.push(t, picture.view()).events);
    }
    events.extend(finder.finish());
    the_pause(&events, 1.5, 4.0, 0.12);
}

#[test]
fn a_clear_pause_is_surer_than_a_doubtful_one() {
    let confidence = |contrast: f32, noise: f32, creep: f64| {
        let scene = Scene::new(23, contrast);
        let mut dice = Dice(41);
        let events = run(every(30.0, 6.0), |t| {
            let view = walk_hold_walk(t, 1.5, 4.0);
            // As slow as a pan that is just not told from a rest.
            let view = View { x: view.x + (creep * t) as f32, ..view };
            scene.render(view, W, H).noisy(&mut dice, noise)
        });
        pauses(&events).first().map_or(0.0, |p| p.confidence)
    };
    let clear = confidence(30.0, 1.0, 0.0);
    let (creeping, faint) = (confidence(30.0, 1.0, 4.2), confidence(2.5, 9.0, 0.0));
    assert!(clear > 0.9, "{clear}");
    assert!(creeping > 0.0 && clear > creeping, "{clear} {creeping}");
    assert!(clear > faint + 0.02, "{clear} {faint}");
}

#[test]
fn what_is_measured_of_a_hold_makes_its_confidence() {
    let sure = Evidence { agreement: 0.85, texture: 0.7, speed: 0.3, spare_s: 1.5, arrival: 9.0, departure: 9.0 };
    let all = sure.confidence();
    assert!(all > 0.95, "{all}");
    let doubts = [
        Evidence { agreement: 0.2, ..sure },
        Evidence { texture: 0.02, ..sure },
        Evidence { speed: 1.1, ..sure },
        Evidence { arrival: 1.1, departure: 1.1, ..sure },
    ];
    let mut together = Evidence { spare_s: 0.05, ..doubts[3] };
    for doubt in doubts {
        assert!(doubt.confidence() < all, "{doubt:?}");
        together.agreement = together.agreement.min(doubt.agreement);
        together.texture = together.texture.min(doubt.texture);
        together.speed = together.speed.max(doubt.speed);
    }
    assert!(together.confidence() < 0.3, "{}", together.confidence());
    let broken = Evidence { agreement: f64::NAN, ..sure };
    assert!((0.0..=1.0).contains(&broken.confidence()));
}

#[test]
fn what_was_looked_at_is_told_from_what_is_new() {
    let scene = Scene::new(24, 30.0);
    let mut finder = PauseFinder::new(PauseConfig::default());
    let mut glance = Glance::default();
    let mut looks = Vec::new();
    for t in every(30.0, 6.0) {
        finder.push(t, scene.render(walk_hold_walk(t, 1.5, 4.0), W, H).view());
        if finder.change_since(&glance).is_new() {
            finder.glance(&mut glance);
            looks.push(t);
        }
    }
    let during = |from: f64, to: f64| looks.iter().filter(|t| (from..to).contains(*t)).count();
    assert!(during(0.0, 1.0) >= 10, "{looks:?}");
    assert!(during(1.6, 4.0) <= 1, "{looks:?}");
    assert!(during(4.6, 6.0) >= 10, "{looks:?}");
}

#[test]
fn settings_without_sense_are_replaced() {
    let config: PauseConfig = serde_json::from_str("{}").unwrap();
    assert_eq!(config, PauseConfig::default());
    assert!(serde_json::from_str::<PauseConfig>(r#"{"min_pause": 2}"#).is_err());
    let odd = PauseConfig { min_pause_s: -1.0, max_pause_s: f64::NAN, leave_speed: 0.001, ..config }.sane();
    assert_eq!((odd.min_pause_s, odd.max_pause_s, odd.leave_speed), (1.0, 30.0, config.rest_speed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_break_it(
        frames in prop::collection::vec((0u32..70, 0u32..70, -0.2f64..0.6, any::<u64>(), 0u8..4), 1..60)
    ) {
        let mut finder = PauseFinder::new(PauseConfig { min_pause_s: 0.2, ..PauseConfig::default() });
        let mut t = 0.0;
        let mut events = Vec::new();
        for (w, h, dt, seed, kind) in frames {
            // Mostly one size, so that something can be held.
            let (w, h) = if kind > 0 { (40, 36) } else { (w, h) };
            t += dt;
            let mut dice = Dice(seed as u32 | 1);
            let data: Vec<u8> = (0..w * h).map(|i| if kind == 3 { (i * 37) as u8 } else { (dice.roll() * 256.0) as u8 }).collect();
            let luma = LumaView { data: &data, width: w, height: h, stride: w as usize };
            let step = finder.push(t, luma);
            prop_assert!(step.motion.dx.is_finite() && step.motion.confidence.is_finite() && step.sharpness.is_finite());
            events.extend(step.events);
        }
        events.extend(finder.finish());
        let mut last = f64::NEG_INFINITY;
        for pause in pauses(&events) {
            prop_assert!(pause.start_s >= last && pause.start_s <= pause.keyframe_s && pause.keyframe_s <= pause.end_s);
            prop_assert!((0.0..=1.0).contains(&pause.confidence));
            last = pause.end_s;
        }
    }
}
