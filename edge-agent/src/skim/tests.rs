//! The choice, on made-up streams and a made-up camera.

use super::level::Level;
use super::plan::{Choice, Facts, Glance, choose, is_same, nothing_follows};
use super::unit::{Grouper, Piece, Unit};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Made {
    number: usize,
    pts_s: Option<f64>,
    is_key: bool,
    bytes: usize,
}

impl Piece for Made {
    fn pts_s(&self) -> Option<f64> {
        self.pts_s
    }

    fn is_key(&self) -> bool {
        self.is_key
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Frames at 30 a second, with a key frame every `gop`.
fn stream(frames: usize, gop: usize) -> Vec<Made> {
    let part = |n: usize| Made { number: n, pts_s: Some(n as f64 / 30.0), is_key: n.is_multiple_of(gop), bytes: 1000 };
    (0..frames).map(part).collect()
}

fn units(parts: &[Made]) -> Vec<Unit<Made>> {
    let mut grouper = Grouper::new();
    let mut out: Vec<_> = parts.iter().filter_map(|part| grouper.push(*part)).collect();
    out.extend(grouper.finish());
    out
}

fn facts(glance: Glance) -> Facts {
    Facts { glance, same: true, length_s: 1.0, continues: false, restless: false }
}

/// Goes through units as a skim does, and gives the choice for each.
fn choices(all: &[Facts]) -> Vec<Choice> {
    let mut whole_before = false;
    let choice = |(at, this): (usize, &Facts)| {
        let choice = choose(this, all.get(at + 1), whole_before);
        whole_before = matches!(choice, Choice::Whole { .. });
        choice
    };
    all.iter().enumerate().map(choice).collect()
}

#[test]
fn units_begin_with_key_frames() {
    let units = units(&stream(100, 30));
    assert_eq!(units.iter().map(|unit| unit.parts.len()).collect::<Vec<_>>(), [30, 30, 30, 10]);
    assert!(units.iter().all(|unit| unit.parts[0].is_key && !unit.continues));
    assert_eq!((units[1].start_s, units[1].end_s), (1.0, 2.0));
    assert!((units[3].end_s - 100.0 / 30.0).abs() < 1e-9, "to the end of the last frame: {}", units[3].end_s);
    assert!((units[0].every_s() - 1.0 / 30.0).abs() < 1e-9);
    assert_eq!(units[2].shown_before(2.5), 15);
}

#[test]
fn key_frames_alone_are_taken_together() {
    let units = units(&stream(60, 1));
    assert_eq!(units.iter().map(|unit| unit.parts.len()).collect::<Vec<_>>(), [15, 15, 15, 15]);
    let glance: Vec<usize> = units[1].glance(0.06).iter().map(|part| part.number).collect();
    assert_eq!(glance, [15, 17], "what is between two key frames need not be decoded");
}

#[test]
fn a_glance_is_the_key_frame_and_what_leads_to_a_later_one() {
    let numbers =
        |parts: &[Made]| -> Vec<usize> { units(parts)[0].glance(0.06).iter().map(|part| part.number).collect() };
    assert_eq!(numbers(&stream(60, 30)), [0, 1, 2]);
    // As encoders with B frames order them: a later frame first.
    let mut reordered = stream(60, 30);
    reordered.swap(1, 4);
    assert_eq!(numbers(&reordered), [0, 4]);
    // Frames that are shown before the key frame need the unit before.
    let mut leading = stream(60, 30);
    (leading[31].pts_s, leading[32].pts_s) = (Some(0.97), Some(0.98));
    let second = &units(&leading)[1];
    assert!(second.decodable().all(|part| part.pts_s >= Some(1.0)), "{second:?}");
    assert_eq!(second.decodable().count(), 28);
}

#[test]
fn tremor_is_not_movement() {
    assert_eq!(Glance::of(3.0, 0.067), Glance::Rest);
    assert_eq!(Glance::of(6.0, 0.067), Glance::Slow, "a hand that trembles much");
    assert_eq!(Glance::of(20.0, 0.067), Glance::Moving);
    assert_eq!(Glance::of(8.0, 0.133), Glance::Slow, "a slow pan");
    assert_eq!(Glance::of(f64::INFINITY, 0.1), Glance::Unknown);
    assert_eq!(Glance::of(1.0, 0.0), Glance::Unknown);
    assert!(is_same(15.0, 1.0) && !is_same(45.0, 1.0) && !is_same(f64::INFINITY, 1.0));
}

#[test]
fn holds_are_decoded_where_they_begin_and_end() {
    use Glance::{Moving, Rest};
    let until_left = Choice::Whole { until_left: true };
    let whole = Choice::Whole { until_left: false };
    let glances = [Moving, Moving, Rest, Rest, Rest, Moving, Moving];
    let expected = [Choice::Pass, whole, Choice::Key, Choice::Key, until_left, Choice::Pass, whole];
    assert_eq!(choices(&glances.map(facts)), expected);

    // Two things, one after the other, without a walk between them that a key frame shows.
    let mut other = glances.map(facts);
    other[3].same = false;
    assert_eq!(choices(&other)[2], whole);
    // What is not known is looked at.
    let unknown = [Moving, Glance::Unknown, Moving, Moving].map(facts);
    assert_eq!(choices(&unknown)[..2], [whole, whole]);
}

#[test]
fn a_long_unit_may_hide_a_pause() {
    let mut all = [Glance::Moving; 4].map(facts);
    all[1].length_s = 2.0;
    assert_eq!(choices(&all)[..3], [Choice::Pass, Choice::Whole { until_left: false }, Choice::Pass]);
    all[1].restless = true;
    assert_eq!(choices(&all)[1], Choice::Pass, "unless the stream says that it does not");
    assert!(nothing_follows(0.5) && !nothing_follows(1.2));
}

/// Two seconds of which the frames in `light` weigh `rest` bytes and all others `moving`.
fn weighed(light: std::ops::Range<usize>, rest: usize, moving: usize) -> Unit<Made> {
    let mut parts = stream(60, 60);
    for part in &mut parts {
        part.bytes = if light.contains(&part.number) { rest } else { moving };
    }
    units(&parts).remove(0)
}

#[test]
fn weight_tells_once_rest_is_known() {
    let (rest, walk) = (weighed(0..60, 1000, 1000), weighed(0..0, 1000, 3000));
    let mut level = Level::default();
    assert!(!level.is_restless(&walk), "nothing is known yet");
    for _ in 0..3 {
        level.rested(&rest);
        level.rested(&rest);
        level.moved();
    }
    assert!(level.is_restless(&walk) && !level.is_restless(&rest));
    assert!(!level.is_restless(&weighed(20..50, 1000, 3000)), "a pause of a second within it");
    assert!(level.is_restless(&weighed(20..27, 1000, 3000)), "a hesitation");
    assert!(!level.is_restless(&weighed(0..60, 1250, 1250)), "a constant rate says nothing");
}

#[test]
fn a_long_hold_teaches_no_more_than_a_short_one() {
    let mut level = Level::default();
    for _ in 0..40 {
        level.rested(&weighed(0..60, 100, 100));
    }
    assert!(!level.is_restless(&weighed(0..0, 0, 1000)), "one hold is too few");
    for weight in [900, 800] {
        level.moved();
        level.rested(&weighed(0..60, weight, weight));
    }
    assert!(!level.is_restless(&weighed(0..0, 0, 1000)), "the heaviest hold counts");
}

/// Spans of rest, each with walks of at least half a second around it.
fn camera() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.5f64..6.0, 0.2f64..6.0), 0..12).prop_map(|spans| {
        let mut at_s = 0.0;
        let rest = |(walk_s, rest_s): (f64, f64)| {
            let start_s = at_s + walk_s;
            at_s = start_s + rest_s;
            (start_s, at_s)
        };
        spans.into_iter().map(rest).collect()
    })
}

proptest! {
    #[test]
    fn no_part_is_lost_and_none_comes_twice(
        raw in prop::collection::vec((any::<bool>(), prop::option::of(-1.0f64..50.0), 0usize..3_000_000), 0..300),
    ) {
        let part = |(number, (is_key, pts_s, bytes))| Made { number, pts_s, is_key, bytes };
        let parts: Vec<Made> = raw.into_iter().enumerate().map(part).collect();
        let units = units(&parts);
        let numbers: Vec<usize> = units.iter().flat_map(|unit| unit.parts.iter().map(|part| part.number)).collect();
        prop_assert_eq!(numbers, (0..parts.len()).collect::<Vec<_>>());
        for unit in &units {
            prop_assert!(unit.continues != unit.parts[0].is_key);
            prop_assert!(unit.length_s() >= 0.0 && unit.every_s() >= 0.0);
            let glance = unit.glance(0.06);
            prop_assert!(glance.len() <= unit.parts.len());
        }
    }

    #[test]
    fn what_is_decoded_begins_with_a_key_frame(
        raw in prop::collection::vec((0usize..4, any::<bool>(), 0.0f64..9.0, any::<bool>(), any::<bool>()), 0..60),
    ) {
        let glances = [Glance::Rest, Glance::Slow, Glance::Moving, Glance::Unknown];
        let all: Vec<Facts> = raw
            .into_iter()
            .map(|(glance, same, length_s, continues, restless)| {
                Facts { glance: glances[glance], same, length_s, continues, restless }
            })
            .collect();
        let choices = choices(&all);
        for (at, (this, choice)) in all.iter().zip(&choices).enumerate() {
            if this.continues && matches!(choice, Choice::Whole { .. }) {
                prop_assert!(at > 0 && matches!(choices[at - 1], Choice::Whole { .. }), "cut, and nothing before it");
            }
        }
    }

    #[test]
    fn every_begin_and_end_of_a_pause_is_decoded(spans in camera(), gop in 5usize..90, frames in 30usize..2000) {
        let units = units(&stream(frames, gop));
        let rests = |from: f64, to: f64| spans.iter().any(|span| span.0 <= from && to <= span.1);
        let walks = |from: f64, to: f64| spans.iter().all(|span| to < span.0 || span.1 < from);
        let on = |at: f64| spans.iter().position(|span| span.0 <= at && at <= span.1);
        let all: Vec<Facts> = units
            .iter()
            .enumerate()
            .map(|(at, unit)| {
                let (from, to) = (unit.start_s, unit.start_s + 0.06);
                let glance = match (rests(from, to), walks(from, to)) {
                    (true, _) => Glance::Rest,
                    (_, true) => Glance::Moving,
                    _ => Glance::Slow,
                };
                let same = at > 0 && on(units[at - 1].start_s).is_some() && on(units[at - 1].start_s) == on(from);
                Facts { glance, same, length_s: unit.length_s(), continues: false, restless: false }
            })
            .collect();
        let choices = choices(&all);
        let chosen = |at_s: f64| {
            let at = units.iter().position(|unit| unit.start_s <= at_s && at_s < unit.end_s);
            at.map(|at| choices[at])
        };
        for (start_s, end_s) in spans.iter().filter(|span| span.1 - span.0 >= 1.16) {
            for at_s in [*start_s, *end_s] {
                let choice = chosen(at_s);
                prop_assert!(matches!(choice, None | Some(Choice::Whole { .. })), "{at_s} of {spans:?}: {choice:?}");
            }
        }
    }
}
