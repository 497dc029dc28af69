//! The whole way: pictures in, a package out, and what a detector sees with it.

use super::*;
use crate::detect::{Detection, Detector, RuntimeConfig};
use crate::package::{Decoder, Package, Task};
use crate::picture::Picture;

const SIZE: (usize, usize) = (320, 192);

/// A plate with studs on it, a little elsewhere and in other light each time. A defect is a brown spot at (x, y).
fn part(seed: u32, defect: Option<(usize, usize)>) -> Picture {
    let mut chance = Chance(u64::from(seed) * 7919);
    let (dx, dy) = (chance.below(7) as f32 - 3.0, chance.below(7) as f32 - 3.0);
    let light = 0.8 + chance.below(100) as f32 / 250.0;
    let mut pixels = Vec::with_capacity(SIZE.0 * SIZE.1 * 3);
    for y in 0..SIZE.1 {
        for x in 0..SIZE.0 {
            let stud = |middle: f32, at: f32| (at - middle).rem_euclid(40.0) - 20.0;
            let away = stud(dx, x as f32).hypot(stud(dy, y as f32));
            let mut colour = if away < 8.0 { [190.0, 186.0, 180.0] } else { [70.0, 90.0, 120.0] };
            if defect.is_some_and(|(at_x, at_y)| (x as f32 - at_x as f32).hypot(y as f32 - at_y as f32) < 11.0) {
                colour = [150.0, 84.0, 40.0];
            }
            let noise = chance.below(9) as f32 - 4.0;
            pixels.extend(colour.map(|value| (value * light + noise).clamp(0.0, 255.0) as u8));
        }
    }
    Picture::from_rgb(SIZE.0 as u32, SIZE.1 as u32, pixels).expect("a picture")
}

fn learnt(pictures: impl Iterator<Item = Picture>) -> Result<Learnt, LearnError> {
    let mut learner = Learner::new([160, 96])?;
    for picture in pictures {
        learner.see(&picture.view())?;
    }
    learner.finish("a \"plate\"", |_| {})
}

fn package(learnt: &Learnt) -> Package {
    Package::embedded(&learnt.manifest, &learnt.model).expect("a package")
}

fn covers(found: &Detection, (x, y): (usize, usize)) -> bool {
    let within = |at: usize, from: f32, length: f32| (from..from + length).contains(&(at as f32));
    within(x, found.x, found.width) && within(y, found.y, found.height)
}

#[test]
fn what_was_never_seen_is_found_where_it_is() {
    let learnt = learnt((0..16).map(|seed| part(seed, None))).expect("learnt");
    assert_eq!((learnt.pictures, learnt.held_out), (16, 16));
    assert!(learnt.threshold > learnt.greatest_good && learnt.false_alarms <= 1, "{}", learnt.threshold);
    let package = package(&learnt);
    let manifest = &package.manifest;
    assert_eq!((manifest.model.name.as_str(), manifest.model.task), ("a \"plate\"", Task::Anomaly));
    assert_eq!((manifest.output.decoder, manifest.classes.len()), (Decoder::AnomalyMap, 1));
    let detector = Detector::load(&package, &RuntimeConfig::default()).expect("a model");
    for seed in 100..110 {
        let found = detector.detect(&part(seed, None).view()).expect("looked");
        assert_eq!(found, [], "a good one, {seed}");
    }
    for (seed, at) in [(200, (60, 50)), (201, (250, 150)), (202, (160, 96)), (203, (8, 8))] {
        let found = detector.detect(&part(seed, Some(at)).view()).expect("looked");
        assert!(found.first().is_some_and(|best| covers(best, at)), "{at:?}: {found:?}");
        assert!(found[0].confidence > 0.6 && found[0].width < 110.0 && found[0].height < 110.0, "{found:?}");
    }
}

#[test]
fn the_same_pictures_give_the_same_file() {
    let [one, other] = [(), ()].map(|()| learnt((0..5).map(|seed| part(seed, None))).expect("learnt"));
    assert_eq!(one.model, other.model);
    assert!(one.model.len() < 600_000, "{} bytes", one.model.len());
}

#[test]
fn pictures_that_do_not_differ_are_no_reason_to_fail() {
    let flat = || Picture::from_rgb(64, 64, vec![90; 64 * 64 * 3]).expect("a picture");
    let learnt = learnt((0..6).map(|_| flat())).expect("learnt");
    let detector = Detector::load(&package(&learnt), &RuntimeConfig::default()).expect("a model");
    assert_eq!(detector.detect(&flat().view()).expect("looked"), []);
    let mut spot = vec![90; 64 * 64 * 3];
    spot[64 * 3 * 30..64 * 3 * 36].fill(160);
    let spot = Picture::from_rgb(64, 64, spot).expect("a picture");
    assert_eq!(detector.detect(&spot.view()).expect("looked").len(), 1);
}

#[test]
fn few_pictures_and_odd_sizes_are_refused() {
    let error = learnt((0..4).map(|seed| part(seed, None))).expect_err("too few");
    assert_eq!(error, LearnError::TooFew { seen: 4 });
    for size in [[0, 96], [160, 100], [2048, 96], [160, 32]] {
        assert!(matches!(Learner::new(size), Err(LearnError::Size { .. })), "{size:?}");
    }
    for (shown, size) in [((1280, 720), [416, 232]), ((3000, 4000), [272, 360]), ((1, 5000), [152, 624])] {
        assert_eq!(size_for(shown.0, shown.1), size, "{shown:?}");
        assert!(size.iter().all(|side| SIDES.contains(side) && side % SIDE_STEP == 0));
    }
}

#[test]
fn what_is_kept_does_not_grow_with_the_pictures() {
    let mut learner = Learner::new([64, 64]).expect("a learner");
    let pictures: Vec<Picture> = (0..7).map(|seed| part(seed, None)).collect();
    for index in 0..900 {
        learner.see(&pictures[index % pictures.len()].view()).expect("seen");
    }
    assert_eq!(learner.samples.len(), SAMPLES);
    assert!((WHOLE / 2..=WHOLE).contains(&learner.whole.len()), "{}", learner.whole.len());
    let last = learner.whole.iter().map(|whole| whole.picture).max();
    assert!(last > Some(800), "they are from the whole of the folder: {last:?}");
    let of = |from: usize| learner.samples.iter().filter(|sample| (from..from + 300).contains(&sample.picture)).count();
    let shares = [of(0), of(300), of(600)].map(|count| count as f64 / SAMPLES as f64);
    assert!(shares.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.02), "{shares:?}");
}
