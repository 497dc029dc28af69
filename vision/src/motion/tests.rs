//! Known movements in, measured movements out.

use super::scene::{Dice, Picture, Scene, View};
use super::{Change, Glance, GlobalMotion, MotionMeter};

const W: usize = 320;
const H: usize = 180;

/// Movement measured between the last two of `pictures`.
fn last_motion<'a>(pictures: impl IntoIterator<Item = &'a Picture>) -> GlobalMotion {
    let mut meter = MotionMeter::new();
    pictures.into_iter().map(|p| meter.push(p.view())).last().expect("there is a picture")
}

/// Sum of the movements over `pictures`, and the least confidence.
fn travel(pictures: impl IntoIterator<Item = Picture>) -> (f32, f32, f32) {
    let mut meter = MotionMeter::new();
    let mut sum = (0.0, 0.0, 1.0f32);
    for (i, picture) in pictures.into_iter().enumerate() {
        let motion = meter.push(picture.view());
        if i > 0 {
            assert!(!motion.cut, "cut at picture {i}");
            sum = (sum.0 + motion.dx, sum.1 + motion.dy, sum.2.min(motion.confidence));
        }
    }
    sum
}

#[test]
fn a_shift_is_measured_to_a_fraction_of_a_pixel() {
    let scene = Scene::new(1, 30.0);
    let first = scene.render(View::at(200.0, 200.0), W, H);
    for (dx, dy) in [(0.0, 0.0), (0.4, -0.7), (3.0, 1.0), (-6.5, 4.5), (11.0, -9.0), (-40.0, 25.0)] {
        // The camera goes one way, the picture the other.
        let second = scene.render(View::at(200.0 - dx, 200.0 - dy), W, H);
        let motion = last_motion([&first, &second]);
        let error = (motion.dx - dx).hypot(motion.dy - dy);
        assert!(error < 0.15 + 0.01 * dx.hypot(dy), "wanted {dx},{dy}, got {motion:?}");
        assert!(motion.confidence > 0.6, "{motion:?}");
    }
}

#[test]
fn rotation_and_zoom_are_measured() {
    let scene = Scene::new(2, 30.0);
    let first = scene.render(View::at(250.0, 150.0), W, H);
    let second = scene.render(View { x: 250.0, y: 150.0, zoom: 1.02, turn: 0.015 }, W, H);
    let motion = last_motion([&first, &second]);
    assert!((motion.rotation - 0.015).abs() < 0.002, "{motion:?}");
    assert!((motion.zoom - 1.02).abs() < 0.002, "{motion:?}");
    assert!(motion.dx.hypot(motion.dy) < 0.3, "{motion:?}");
}

#[test]
fn a_slow_pan_adds_up() {
    let scene = Scene::new(3, 30.0);
    let (x, y, _) = travel((0..90).map(|i| scene.render(View::at(100.0 + 0.4 * i as f32, 200.0), W, H)));
    assert!((x + 0.4 * 89.0).abs() < 1.0 && y.abs() < 0.5, "{x} {y}");
}

#[test]
fn trembling_does_not_add_up() {
    let scene = Scene::new(4, 30.0);
    let mut dice = Dice(77);
    let (x, y, _) = travel((0..200).map(|i| {
        let t = i as f32;
        let view = View::at(200.0 + 0.8 * (1.9 * t).sin(), 200.0 + 0.6 * (2.3 * t).sin());
        scene.render(view, W, H).noisy(&mut dice, 4.0)
    }));
    assert!(x.hypot(y) < 2.0, "{x} {y}");
}

#[test]
fn exposure_is_not_movement() {
    let scene = Scene::new(5, 30.0);
    let (x, y, confidence) = travel((0..30).map(|i| {
        let gain = 1.0 - 0.55 * (i as f32 / 29.0);
        scene.render(View::at(200.0, 200.0), W, H).map(|_, _, v| v * gain)
    }));
    assert!(x.hypot(y) < 0.2 && confidence > 0.6, "{x} {y} {confidence}");
}

#[test]
fn a_lamp_over_a_bare_wall_is_not_movement() {
    let scene = Scene::new(6, 2.5);
    let lit = |picture: Picture, i: i32| {
        let centre = 0.5 + 0.15 * (0.1 * i as f32).sin();
        picture.map(|x, y, v| v * (0.3 + 0.7 * (-8.0 * ((x - centre).powi(2) + (y - 0.5).powi(2))).exp()))
    };
    let (x, y, confidence) = travel((0..60).map(|i| lit(scene.render(View::at(200.0, 200.0), W, H), i)));
    assert!(x.hypot(y) < 2.0 && confidence > 0.3, "{x} {y} {confidence}");
    // The same wall under the same lamp, walked past.
    let (x, y, _) = travel((0..40).map(|i| lit(scene.render(View::at(100.0 + 5.0 * i as f32, 200.0), W, H), i)));
    assert!((x + 5.0 * 39.0).abs() < 8.0 && y.abs() < 4.0, "{x} {y}");
}

#[test]
fn what_moves_by_itself_does_not_move_the_camera() {
    let (scene, hand) = (Scene::new(7, 30.0), Scene::new(8, 45.0));
    let (x, y, confidence) = travel((0..40).map(|i| {
        let at = -0.4 + 0.045 * i as f32;
        let moving = hand.render(View::at(300.0 - 14.0 * i as f32, 200.0), W, H);
        scene.render(View::at(200.0, 200.0), W, H).cover(&moving, at, 0.2, at + 0.4, 1.0)
    }));
    assert!(x.hypot(y) < 0.6 && confidence > 0.3, "{x} {y} {confidence}");
}

#[test]
fn a_belt_over_most_of_the_picture_does_not_move_the_camera() {
    let (scene, belt) = (Scene::new(9, 30.0), Scene::new(10, 30.0));
    // The camera comes along first, and so it is known what belongs to the scene.
    let arrive = |i: i32| View::at(200.0 - 8.0 * (20 - i).max(0) as f32, 200.0);
    let (x, y, _) = travel((0..80).map(|i| {
        let picture = scene.render(arrive(i), W, H);
        let moving = belt.render(View::at(100.0 + 6.0 * i as f32, 200.0), W, H);
        if i < 25 { picture } else { picture.cover(&moving, 0.0, 0.42, 1.0, 1.0) }
    }));
    assert!((x + 160.0).abs() < 3.0 && y.abs() < 1.0, "{x} {y}");
}

#[test]
fn what_is_stuck_to_the_picture_does_not_hold_the_camera() {
    let (scene, rim) = (Scene::new(9, 30.0), Scene::new(10, 45.0).render(View::at(0.0, 0.0), W, H));
    // From the first frame on; then a rest, and on.
    let place = |i: i32| 100.0 + 5.0 * (i.min(30) + (i - 60).max(0)) as f32;
    let mut meter = MotionMeter::new();
    let (mut first, mut rest, mut second) = (0.0, 0.0f32, 0.0);
    for i in 0..90 {
        let motion = meter.push(scene.render(View::at(place(i), 200.0), W, H).cover(&rim, 0.0, 0.0, 1.0, 0.4).view());
        match i {
            15..=30 => first += motion.dx,
            31..=60 => rest = rest.max(motion.dx.abs()),
            61.. => second += motion.dx,
            _ => {}
        }
    }
    assert!((first + 80.0).abs() < 3.0 && (second + 150.0).abs() < 8.0, "{first} {second}");
    assert!(rest < 0.3, "{rest}");
}

#[test]
fn the_same_scene_is_unchanged_under_noise_trembling_and_pulsing_light() {
    let scene = Scene::new(17, 30.0);
    let mut dice = Dice(31);
    let mut meter = MotionMeter::new();
    let mut glance = Glance::default();
    assert!(meter.change_since(&glance).is_new(), "nothing was seen");
    for i in 0..90 {
        let t = i as f32;
        let view = View::at(200.0 + 0.7 * (1.9 * t).sin(), 200.0 + 0.6 * (2.3 * t).sin());
        let gain = 1.0 - 0.3 * (0.4 * t).sin().abs();
        meter.push(scene.render(view, W, H).map(|_, _, v| v * gain).noisy(&mut dice, 6.0).view());
        if i == 5 {
            meter.glance(&mut glance);
        }
        if i > 5 {
            let change = meter.change_since(&glance);
            assert!(!change.is_new(), "frame {i}: {change:?}");
        }
    }
}

#[test]
fn what_enters_the_picture_is_a_change() {
    let (scene, thing) = (Scene::new(18, 30.0), Scene::new(19, 40.0));
    let mut dice = Dice(32);
    let mut meter = MotionMeter::new();
    let mut glance = Glance::default();
    let thing = thing.render(View::at(100.0, 100.0), W, H);
    let mut still = |with: bool| {
        let picture = scene.render(View::at(200.0, 200.0), W, H);
        // A tenth of the width and as much of the height.
        let picture = if with { picture.cover(&thing, 0.52, 0.4, 0.62, 0.58) } else { picture };
        picture.noisy(&mut dice, 3.0)
    };
    for _ in 0..10 {
        meter.push(still(false).view());
    }
    meter.glance(&mut glance);
    meter.push(still(false).view());
    assert!(!meter.change_since(&glance).is_new());
    meter.push(still(true).view());
    let change = meter.change_since(&glance);
    assert!(change.is_new() && change.moved < Change::MOVED && change.differs < 0.2, "{change:?}");
    meter.glance(&mut glance);
    meter.push(still(true).view());
    assert!(!meter.change_since(&glance).is_new(), "it was looked at");
    meter.push(still(false).view());
    assert!(meter.change_since(&glance).is_new(), "it is gone");
}

#[test]
fn a_pan_and_a_cut_are_changes() {
    let (scene, other) = (Scene::new(20, 30.0), Scene::new(21, 30.0));
    let mut meter = MotionMeter::new();
    let mut glance = Glance::default();
    meter.push(scene.render(View::at(200.0, 200.0), W, H).view());
    meter.glance(&mut glance);
    // Half a pixel a frame: never much from one to the next.
    let new_at = (1..40).find(|i| {
        meter.push(scene.render(View::at(200.0 + 0.5 * *i as f32, 200.0), W, H).view());
        meter.change_since(&glance).is_new()
    });
    assert!(new_at.is_some_and(|i| (6..=12).contains(&i)), "{new_at:?}");
    meter.glance(&mut glance);
    for _ in 0..2 {
        meter.push(other.render(View::at(200.0, 200.0), W, H).view());
        assert!(meter.change_since(&glance).is_new());
    }
    meter.glance(&mut glance);
    meter.push(other.render(View::at(200.0, 200.0), H, W).view());
    assert_eq!(meter.change_since(&glance), Change::EVERYTHING);
}

#[test]
fn noise_hides_nothing_that_the_whole_picture_shows() {
    let scene = Scene::new(11, 4.0);
    let mut dice = Dice(5);
    let (x, _, confidence) =
        travel((0..40).map(|i| scene.render(View::at(100.0 + 2.0 * i as f32, 200.0), W, H).noisy(&mut dice, 9.0)));
    assert!((x + 78.0).abs() < 8.0, "{x} {confidence}");
}

#[test]
fn another_scene_is_a_cut_and_one_white_frame_is_not() {
    let (one, two) = (Scene::new(12, 30.0), Scene::new(13, 30.0));
    let view = View::at(200.0, 200.0);
    let white = one.render(view, W, H).map(|_, _, _| 255.0);
    let mut meter = MotionMeter::new();
    assert!(meter.push(one.render(view, W, H).view()).cut, "the first frame follows nothing");
    assert!(!meter.push(one.render(view, W, H).view()).cut);
    let flash = meter.push(white.view());
    assert!(flash.confidence < GlobalMotion::LOST && !flash.cut, "{flash:?}");
    let after = meter.push(one.render(view, W, H).view());
    assert!(after.confidence > 0.6 && !after.cut && after.dx.abs() < 0.2, "{after:?}");
    let unknown = meter.push(two.render(view, W, H).view());
    assert!(unknown.confidence < GlobalMotion::LOST, "{unknown:?}");
    assert!(meter.push(two.render(view, W, H).view()).cut);
    let settled = meter.push(two.render(view, W, H).view());
    assert!(!settled.cut && settled.confidence > 0.6, "{settled:?}");
}

#[test]
fn another_size_is_a_cut() {
    let scene = Scene::new(14, 30.0);
    let mut meter = MotionMeter::new();
    meter.push(scene.render(View::at(200.0, 200.0), W, H).view());
    assert!(meter.push(scene.render(View::at(200.0, 200.0), H, W).view()).cut);
}

#[test]
fn a_picture_without_texture_tells_nothing() {
    let scene = Scene::new(15, 0.0);
    let flat = scene.render(View::at(0.0, 0.0), W, H);
    let motion = last_motion([&flat, &flat, &flat, &flat]);
    assert!(motion.confidence < GlobalMotion::LOST, "{motion:?}");
}

#[test]
fn tiny_pictures_are_measured_or_admitted() {
    let scene = Scene::new(16, 30.0);
    for (w, h) in [(1, 1), (2, 9), (7, 400), (15, 15), (16, 16), (17, 17), (18, 40), (33, 20), (64, 48), (239, 3)] {
        let first = scene.render(View::at(200.0, 200.0), w, h);
        let second = scene.render(View::at(199.0, 200.0), w, h);
        let motion = last_motion([&first, &first, &second]);
        assert!(motion.dx.is_finite() && motion.zoom.is_finite(), "{w}x{h} {motion:?}");
        if w.min(h) >= 48 {
            assert!((motion.dx - 1.0).abs() < 0.3 && motion.confidence > 0.4, "{w}x{h} {motion:?}");
        }
    }
}
