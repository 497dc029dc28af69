//! Whether a picture still shows what an earlier one showed.
//!
//! A detector that has looked at a picture has nothing to say about the next one if it is the same. It is not when the
//! camera went on, or when something came into it. Both are asked of the small picture of contrasts, which exposure
//! doesn't change, after it is put where the camera has moved to since; so noise, a trembling hand and a lamp that
//! pulses leave it the same.

use super::fit::Similarity;
use super::patches::{Anchor, SIDE};
use super::screen::Screen;
use super::small::Plane;

/// A picture that was looked at, in small. Made and filled by [`super::MotionMeter::glance`]; a new one has seen nothing.
#[derive(Debug, Clone, Default)]
pub struct Glance {
    picture: Anchor,
    travel: Similarity,
    cuts: u64,
}

/// What has changed since a [`Glance`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// How far the picture moved, at the corner that moved farthest, long sides of the picture.
    pub moved: f32,
    /// Share of the picture that shows something else, 0 to 1, as far as both show the same place.
    pub differs: f32,
}

impl Change {
    /// Another scene, or nothing to compare with.
    pub const EVERYTHING: Self = Self { moved: 1.0, differs: 1.0 };
    /// Movement over which a picture is new, long sides: a hand at rest stays under half of it.
    pub const MOVED: f32 = 0.015;
    /// Share that differs over which a picture is new: two squares of a twentieth of its long side.
    pub const DIFFERS: f32 = 0.01;

    /// Whether it is worth another look.
    #[must_use]
    pub fn is_new(&self) -> bool {
        // Written so that a NaN is new.
        !(self.moved <= Self::MOVED && self.differs <= Self::DIFFERS)
    }
}

/// Difference of contrast under which a quarter of a patch is the same in any case.
const SAME: f32 = 0.02;
/// What noise makes of the middle quarter may be this much in another.
const NOISE: f32 = 2.5;
/// Displacement that may be wrong, px of the small picture.
const ASKEW: f32 = 0.4;
/// Middle difference of contrast over that within the middle patch from which on the whole is something else; what has
/// nothing in common differs by more than 1, noise that hides half of the texture by as much as this.
const ELSE: f32 = 0.6;

impl Glance {
    pub(super) fn set(&mut self, fine: &Plane, travel: Similarity, cuts: u64) {
        self.picture.set(fine);
        self.travel = travel;
        self.cuts = cuts;
    }

    pub(super) fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Compares with `now`, where the camera has gone on to `travel`. What is stuck to the picture doesn't count.
    pub(super) fn compare(&self, now: &Plane, travel: Similarity, screen: &Screen) -> Change {
        let (w, h) = (self.picture.fine.w, self.picture.fine.h);
        if self.picture.patches.is_empty() || (w, h) != (now.w, now.h) {
            return Change::EVERYTHING;
        }
        let (half_w, half_h) = (0.5 * w as f32, 0.5 * h as f32);
        let since = travel.minus(&self.travel);
        let corners = [(half_w, half_h), (-half_w, half_h), (half_w, -half_h), (-half_w, -half_h)];
        let far = corners.iter().map(|c| since.at(c.0, c.1)).fold(0.0f32, |far, d| far.max(d.0.hypot(d.1)));
        let moved = far / w.max(h) as f32;
        if moved.is_nan() || moved > Change::MOVED {
            return Change { moved, differs: 1.0 };
        }
        let half = 0.5 * SIDE as f32;
        let mut contrasts = Vec::with_capacity(self.picture.patches.len());
        let mut seen = Vec::with_capacity(4 * self.picture.patches.len());
        for (index, patch) in self.picture.patches.iter().enumerate() {
            if screen.is_stuck(index) {
                continue;
            }
            let (dx, dy) = since.at(patch.x as f32 + half - half_w, patch.y as f32 + half - half_h);
            let Some(quarters) = self.picture.mismatch_of_quarters(patch, now, dx, dy) else { continue };
            // What a small error of the displacement makes of the steepest slope.
            let slope = ASKEW * (patch.strength / (SIDE * SIDE) as f32).sqrt();
            seen.extend(quarters.map(|mismatch| (mismatch, slope)));
            contrasts.push(patch.variance.sqrt());
        }
        if seen.is_empty() {
            return Change { moved, differs: 1.0 };
        }
        let middle = seen.len() / 2;
        let usual = seen.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0)).1.0;
        let middle = contrasts.len() / 2;
        let contrast = *contrasts.select_nth_unstable_by(middle, f32::total_cmp).1;
        if usual.is_nan() || usual > (ELSE * contrast).max(SAME) {
            return Change { moved, differs: 1.0 };
        }
        let other = seen.iter().filter(|(mismatch, slope)| *mismatch > SAME + NOISE * usual + slope).count();
        Change { moved, differs: other as f32 / seen.len() as f32 }
    }
}
