use super::*;
use crate::motion::GlobalMotion;

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;

fn bolt(x: f32, y: f32) -> Detection {
    Detection { class_id: 1, confidence: 0.8, x, y, width: 60.0, height: 60.0 }
}

fn moved(dx: f32, dy: f32) -> GlobalMotion {
    GlobalMotion { dx, dy, ..GlobalMotion::still(0.9) }
}

fn cut() -> GlobalMotion {
    GlobalMotion { cut: true, ..GlobalMotion::still(0.0) }
}

fn tracks(sightings: &[Sighting]) -> Vec<u64> {
    sightings.iter().map(|s| s.track).collect()
}

/// Where a thing at `(x, y)` is after a movement about the centre of the picture.
fn carried((x, y): (f32, f32), motion: &GlobalMotion) -> (f32, f32) {
    let (cx, cy) = (WIDTH as f32 / 2.0, HEIGHT as f32 / 2.0);
    let (sin, cos) = motion.rotation.sin_cos();
    let (px, py) = (x - cx, y - cy);
    (cx + motion.dx + motion.zoom * (cos * px - sin * py), cy + motion.dy + motion.zoom * (sin * px + cos * py))
}

#[test]
fn a_thing_that_the_camera_passes_is_one() {
    let (mut tracker, mut pose) = (Tracker::new(), Pose::start());
    let mut last = None;
    for step in 0..20 {
        let x = 900.0 - 40.0 * step as f32;
        let seen = tracker.observe(&pose, f64::from(step), false, &[bolt(x, 300.0)]);
        assert_eq!(tracks(&seen), [1], "step {step}");
        last = seen.first().copied();
        pose.advance(&moved(-40.0, 0.0), WIDTH, HEIGHT);
    }
    let last = last.expect("seen");
    assert_eq!((last.observations, last.first_s, last.last_s), (20, 0.0, 19.0));
}

#[test]
fn it_is_the_same_after_a_look_elsewhere() {
    let (mut tracker, mut pose) = (Tracker::new(), Pose::start());
    let first = tracker.observe(&pose, 0.0, true, &[bolt(600.0, 300.0)]);
    for _ in 0..50 {
        pose.advance(&moved(-30.0, 8.0), WIDTH, HEIGHT);
    }
    let other = tracker.observe(&pose, 2.0, true, &[bolt(600.0, 300.0)]);
    assert_ne!(tracks(&first), tracks(&other), "another thing at the same pixels");
    for _ in 0..50 {
        pose.advance(&moved(30.0, -8.0), WIDTH, HEIGHT);
    }
    assert_eq!(tracks(&tracker.observe(&pose, 4.0, true, &[bolt(604.0, 297.0)])), tracks(&first));
}

#[test]
fn two_side_by_side_stay_two() {
    let (mut tracker, mut pose) = (Tracker::new(), Pose::start());
    let pair = |x: f32| [bolt(x, 300.0), bolt(x + 62.0, 300.0)];
    assert_eq!(tracks(&tracker.observe(&pose, 0.0, false, &pair(500.0))), [1, 2]);
    // Not quite where the pose says, in the other order, and then only one of them.
    pose.advance(&moved(-25.0, 0.0), WIDTH, HEIGHT);
    let [left, right] = pair(487.0);
    assert_eq!(tracks(&tracker.observe(&pose, 0.5, false, &[right, left])), [2, 1]);
    assert_eq!(tracks(&tracker.observe(&pose, 0.6, false, &[pair(475.0)[1]])), [2]);
    assert_eq!(tracks(&tracker.observe(&pose, 0.7, false, &pair(475.0))), [1, 2]);
}

#[test]
fn classes_are_not_mixed() {
    let (mut tracker, pose) = (Tracker::new(), Pose::start());
    let other = Detection { class_id: 2, ..bolt(500.0, 300.0) };
    assert_eq!(tracks(&tracker.observe(&pose, 0.0, true, &[bolt(500.0, 300.0), other])), [1, 2]);
    assert_eq!(tracks(&tracker.observe(&pose, 0.1, true, &[other, bolt(500.0, 300.0)])), [2, 1]);
}

#[test]
fn nothing_is_matched_across_a_cut() {
    let (mut tracker, mut pose) = (Tracker::new(), Pose::start());
    assert_eq!(tracks(&tracker.observe(&pose, 0.0, true, &[bolt(500.0, 300.0)])), [1]);
    pose.advance(&cut(), WIDTH, HEIGHT);
    assert_eq!(tracks(&tracker.observe(&pose, 0.1, true, &[bolt(500.0, 300.0)])), [2]);
}

#[test]
fn a_keyframe_is_matched_by_the_pose_it_was_taken_at() {
    // Keyframes are looked at when the pause is over, later than what was seen while the camera went on.
    let (mut tracker, mut pose) = (Tracker::new(), Pose::start());
    let at_keyframe = pose;
    pose.advance(&moved(-300.0, 0.0), WIDTH, HEIGHT);
    assert_eq!(tracks(&tracker.observe(&pose, 3.0, false, &[bolt(200.0, 300.0)])), [1]);
    let seen = tracker.observe(&at_keyframe, 1.0, true, &[bolt(500.0, 300.0)]);
    assert_eq!((seen[0].track, seen[0].first_s, seen[0].last_s), (1, 1.0, 3.0));
    assert!(seen[0].confirmed);
    pose.advance(&cut(), WIDTH, HEIGHT);
    tracker.observe(&pose, 4.0, false, &[]);
    let late = tracker.observe(&at_keyframe, 1.5, true, &[bolt(500.0, 300.0)]);
    assert_eq!(tracks(&late), [1], "what comes late from before a cut is still known");
}

#[test]
fn turning_and_zooming_are_undone() {
    let (mut tracker, mut pose) = (Tracker::new(), Pose::start());
    let motion = GlobalMotion { dx: 6.0, dy: -4.0, rotation: 0.03, zoom: 1.02, confidence: 0.9, cut: false };
    let (mut near, mut size) = ((300.0, 200.0), 60.0);
    for step in 0..20 {
        let detection =
            Detection { x: near.0 - size / 2.0, y: near.1 - size / 2.0, width: size, height: size, ..bolt(0.0, 0.0) };
        assert_eq!(tracks(&tracker.observe(&pose, f64::from(step), false, &[detection])), [1], "step {step}");
        let place = pose.place(&detection);
        assert!((place.x - 300.0).abs() < 0.5 && (place.y - 200.0).abs() < 0.5, "{place:?}");
        assert!((place.width - 60.0).abs() < 0.5, "{place:?}");
        pose.advance(&motion, WIDTH, HEIGHT);
        near = carried(near, &motion);
        size *= motion.zoom;
    }
}

#[test]
fn the_best_is_kept_and_certainty_grows() {
    let (mut tracker, pose) = (Tracker::new(), Pose::start());
    let mut look = |pts_s: f64, steady: bool, confidence: f32| {
        tracker.observe(&pose, pts_s, steady, &[Detection { confidence, ..bolt(500.0, 300.0) }])[0]
    };
    let first = look(1.0, false, 0.6);
    assert!(first.is_best && !first.confirmed);
    let second = look(0.5, false, 0.5);
    assert!(!second.is_best && !second.confirmed);
    assert_eq!((second.confidence, second.best.confidence), (0.6, 0.6));
    assert_eq!((second.first_s, second.last_s), (0.5, 1.0));
    let third = look(2.0, false, 0.9);
    assert!(third.is_best && third.confirmed);
    assert_eq!((third.best.confidence, third.last_s, third.observations), (0.9, 2.0, 3));
    let mut fresh = Tracker::new();
    assert!(fresh.observe(&pose, 0.0, true, &[bolt(1.0, 1.0)])[0].confirmed, "a steady look is enough");
}

#[test]
fn movements_that_are_not_known_change_nothing() {
    let mut pose = Pose::start();
    for motion in [
        GlobalMotion { confidence: 0.01, ..moved(500.0, 0.0) },
        moved(f32::NAN, 0.0),
        GlobalMotion { zoom: 0.0, ..moved(1.0, 1.0) },
        GlobalMotion { zoom: f32::INFINITY, ..moved(1.0, 1.0) },
    ] {
        pose.advance(&motion, WIDTH, HEIGHT);
        assert_eq!(pose, Pose::start(), "{motion:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_numbers_panic(steps in proptest::collection::vec(proptest::array::uniform6(proptest::num::f32::ANY), 0..30)) {
        let (mut tracker, mut pose) = (Tracker::new(), Pose::start());
        for [dx, dy, rotation, zoom, x, width] in steps {
            pose.advance(&GlobalMotion { dx, dy, rotation, zoom, confidence: 1.0, cut: false }, WIDTH, HEIGHT);
            let detection = Detection { class_id: 0, confidence: 0.5, x, y: dx, width, height: rotation };
            let seen = tracker.observe(&pose, f64::from(dx), false, &[detection, detection]);
            proptest::prop_assert_eq!(seen.len(), 2);
            proptest::prop_assert_ne!(seen[0].track, seen[1].track);
        }
    }
}
