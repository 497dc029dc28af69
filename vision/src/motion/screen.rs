//! What is stuck to the picture: a burned-in clock, a helmet's rim, dirt on the glass, the black border of a tube.
//!
//! It stands still on every frame, and a picture half full of it looks like a camera at rest. It gives itself away when
//! the rest of the picture moves. What moves in front of a camera at rest (a belt, a train) looks the same for a moment;
//! but there the still part has moved before, with the camera, and will again. So each place of the picture keeps
//! count of how often it stood still while most of it moved, and how often it went along; and a part that was never
//! seen to move is believed to be stuck at once only when it stands more still than a living hand can.
//!
//! A place may show both: dirt over a machine goes along with the machine, dirt over a bare wall stands. For that there
//! is a mean picture of frames on which the camera was somewhere else each time. The scene is washed out of it, and what
//! is stuck stays; a patch that looks like the mean shows nothing else.

use super::fit::{Similarity, Vote};
use super::patches::{Anchor, Patch, SIDE};
use super::small::Plane;

/// Frames on which a place stood still, more than it went along, after which it is stuck.
const STUCK: f32 = 8.0;
/// Most that is counted beyond that.
const BEYOND: f32 = 24.0;
/// What one frame of going along takes away.
const UNSTUCK: f32 = 2.0;
/// Frames of going along that are remembered; each is as many more to stand still.
const MEMORY: f32 = 120.0;
/// Frames of going along after which a place is known to be scene.
const SCENE: f32 = 6.0;
/// Displacement that tells standing from going along, px of the small picture.
const APART: f32 = 1.0;
/// Displacement that a hand that trembles, breathes and drifts exceeds within [`STUCK`] frames, px of the small picture.
const DEAD: f32 = 0.04;

/// Distance between two frames that go into the mean, px of the small picture at its corners.
const ELSEWHERE: f32 = 3.0;
/// Frames in the mean from which on it counts.
const ENOUGH: f32 = 8.0;
/// Frames in the mean at most, about.
const RECENT: f32 = 48.0;
/// Part of the variance of a patch that the mean explains when there is nothing but what is stuck.
const EXPLAINED: f32 = 0.6;

/// What is known of one place.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    stood: f32,
    went: f32,
    stuck: bool,
}

/// The places of the picture, in the order of an anchor's patches.
#[derive(Debug, Clone, Default)]
pub(super) struct Screen {
    places: Vec<Place>,
    /// Frames in a row on which the still part stood dead still.
    dead: f32,
    /// Mean of frames apart from each other, how many they are, and where the newest was taken.
    mean: Plane,
    frames: f32,
    taken: Option<Similarity>,
}

impl Screen {
    /// Forgets everything; another picture has `places` places.
    pub(super) fn reset(&mut self, places: usize) {
        self.places.clear();
        self.places.resize(places, Place::default());
        self.dead = 0.0;
        self.frames = 0.0;
        self.taken = None;
    }

    /// Takes `fine`, seen from `travel`, into the mean if the camera has moved on since the frame before in it.
    pub(super) fn sample(&mut self, fine: &Plane, travel: Similarity) {
        let (x, y) = (0.5 * fine.w as f32, 0.5 * fine.h as f32);
        if let Some(taken) = self.taken {
            let since = travel.minus(&taken);
            let near = |(dx, dy): (f32, f32)| dx.abs().max(dy.abs()) < ELSEWHERE;
            if near(since.at(x, y)) && near(since.at(-x, -y)) {
                return;
            }
        }
        self.taken = Some(travel);
        self.frames = (self.frames + 1.0).min(RECENT);
        if self.mean.px.len() != fine.px.len() || self.frames <= 1.0 {
            self.mean.clone_from(fine);
            return;
        }
        let part = 1.0 / self.frames;
        for (mean, v) in self.mean.px.iter_mut().zip(&fine.px) {
            *mean += part * (v - *mean);
        }
    }

    /// The way begins anew.
    pub(super) fn cut(&mut self) {
        self.taken = Some(Similarity::default());
    }

    /// Which patches of `anchor` show nothing but what is stuck.
    pub(super) fn explained(&self, anchor: &Anchor, stuck: &mut Vec<bool>) {
        let known = self.frames >= ENOUGH && self.mean.px.len() == anchor.fine.px.len();
        stuck.clear();
        stuck.extend(anchor.patches.iter().map(|patch| known && self.explains(anchor, patch)));
    }

    fn explains(&self, anchor: &Anchor, patch: &Patch) -> bool {
        let (mut sum, mut squares) = (0.0, 0.0);
        for row in patch.y..patch.y + SIDE {
            let at = row * anchor.fine.w + patch.x;
            let (now, mean) = (&anchor.fine.px[at..at + SIDE], &self.mean.px[at..at + SIDE]);
            for (a, b) in now.iter().zip(mean) {
                sum += a - b;
                squares += (a - b) * (a - b);
            }
        }
        let area = (SIDE * SIDE) as f32;
        let left = squares / area - (sum / area) * (sum / area);
        left < (1.0 - EXPLAINED) * patch.variance
    }

    /// Whether place `index` is stuck to the picture.
    pub(super) fn is_stuck(&self, index: usize) -> bool {
        self.places.get(index).is_some_and(|p| p.stuck)
    }

    /// Whether place `index` was seen to move with the camera.
    pub(super) fn is_scene(&self, index: usize) -> bool {
        self.places.get(index).is_some_and(|p| p.went >= SCENE && !p.stuck)
    }

    /// Learns from the displacements since the anchor: `moving` is what most of the picture did; `stands` when a part
    /// that stands still was believed instead.
    pub(super) fn learn(&mut self, votes: &[Vote], moving: &Similarity, stands: bool) {
        if stands {
            let standing = votes.iter().filter(|v| v.fits(v.dx, v.dy));
            let (all, dead) = standing
                .fold((0, 0), |(all, dead), v| (all + 1, dead + usize::from(v.across(v.dx, v.dy) < DEAD * DEAD)));
            self.dead = if 5 * dead > 2 * all { self.dead + 1.0 } else { 0.0 };
        }
        for vote in votes {
            let Some(place) = self.places.get_mut(vote.index) else { continue };
            let (mx, my) = moving.at(vote.x, vote.y);
            if vote.across(mx, my) < APART * APART {
                continue;
            }
            let along = vote.fits(vote.dx - mx, vote.dy - my);
            let standing = vote.fits(vote.dx, vote.dy);
            if standing {
                if !stands {
                    place.stood = (place.stood + 1.0).min(STUCK + MEMORY + BEYOND);
                } else if self.dead >= STUCK && place.went < SCENE {
                    place.stood = STUCK + SCENE + BEYOND;
                }
            } else if along && !stands {
                place.stood = (place.stood.min(STUCK + place.went + BEYOND) - UNSTUCK).max(0.0);
                place.went = (place.went + 1.0).min(MEMORY);
            }
            let limit = STUCK + place.went;
            if place.stood >= limit {
                place.stuck = true;
                place.went = 0.0;
                place.stood = place.stood.min(STUCK + BEYOND);
            } else if place.stood < 0.5 * STUCK {
                place.stuck = false;
            }
        }
    }
}
