//! What frames weigh while the camera rests.
//!
//! Where quality is constant, a frame takes a few times as many bytes while the camera moves. How many it takes at rest is
//! learned from the holds that were seen; with that, a long unit between two key frames in motion can be known to hide
//! no pause. Where the rate is constant, frames weigh the same at rest and in motion: then nothing is known this way.

use super::unit::{Piece, Unit};
use std::collections::VecDeque;

/// Holds that are remembered.
const HOLDS: usize = 32;
/// Holds before anything is said.
const FEW: usize = 3;
/// How much more than at rest a frame weighs, at least, where the camera is known to move.
const CLEARLY: f64 = 1.3;
/// Shortest part of a pause that is looked for, seconds.
const WINDOW_S: f64 = 0.7;

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// Greatest mean weight of a unit in each hold, bytes per frame.
    holds: VecDeque<f64>,
    in_hold: bool,
}

impl Level {
    /// The camera was held on one thing in all of this unit.
    pub(super) fn rested<P: Piece>(&mut self, unit: &Unit<P>) {
        let weights = weights(unit);
        if weights.is_empty() {
            return;
        }
        let mean = weights.iter().map(|(_, bytes)| bytes).sum::<f64>() / weights.len() as f64;
        // A long hold, which may be a camera on a table, counts once.
        match self.holds.back_mut() {
            Some(newest) if self.in_hold => *newest = newest.max(mean),
            _ => self.holds.push_back(mean),
        }
        if self.holds.len() > HOLDS {
            self.holds.pop_front();
        }
        self.in_hold = true;
    }

    /// The camera was not held in the unit that comes next.
    pub(super) fn moved(&mut self) {
        self.in_hold = false;
    }

    /// Whether every stretch of this unit that is long enough for a pause weighs more than rest does.
    pub(super) fn is_restless<P: Piece>(&self, unit: &Unit<P>) -> bool {
        if self.holds.len() < FEW {
            return false;
        }
        let limit = CLEARLY * self.holds.iter().copied().fold(0.0, f64::max);
        let weights = weights(unit);
        let lightest = weights.iter().enumerate().filter_map(|(at, &(from_s, _))| {
            let window = || weights[at..].iter().take_while(|(pts_s, _)| *pts_s < from_s + WINDOW_S);
            let whole = weights.last().is_some_and(|(newest_s, _)| *newest_s >= from_s + 0.9 * WINDOW_S);
            whole.then(|| window().map(|(_, bytes)| bytes).sum::<f64>() / window().count().max(1) as f64)
        });
        lightest.reduce(f64::min).is_some_and(|lightest| lightest > limit)
    }
}

/// Times and weights of the frames that follow from others, in the order in which they are shown.
fn weights<P: Piece>(unit: &Unit<P>) -> Vec<(f64, f64)> {
    let dependent = unit.parts.iter().filter(|part| !part.is_key());
    let mut out: Vec<_> = dependent.filter_map(|part| Some((part.pts_s()?, part.bytes() as f64))).collect();
    out.sort_by(|one, other| one.0.total_cmp(&other.0));
    out
}
