//! Patches tracked from one picture to another, and what to believe of what they did.
//!
//! A picture may fall into two parts that go different ways: something large that moves in front of a camera at rest,
//! or something stuck to the picture of a camera that moves.

use super::fit::{self, Fit, Similarity, Vote};
use super::patches::{Anchor, Lost, Patch, SIDE};
use super::screen::Screen;
use super::small::Plane;

/// Movement between two frames that is too large for a camera at rest, px of the small picture.
const STEP: f32 = 0.6;
/// Part of the agreeing votes that, standing still, outweighs the rest, as long as nothing is known of it.
const STILL_SHARE: f32 = 0.8;
/// The same for a part that was seen to move with the camera.
const SCENE_SHARE: f32 = 0.3;
/// Agreement that the part that stands still needs.
const STILL_CLEAR: f32 = 0.2;
/// Displacement since the frame before that still is standing, px of the small picture at its corners.
const STANDS: f32 = 1.0;
/// Agreement under which there may be a second part of the picture that goes another way, and is larger.
const UNDIVIDED: f32 = 0.6;
/// Contrast of a patch over that of noise from which on it must be found again.
const SHOWS: f32 = 8.0;
/// Standard error over which a patch has no vote, px.
const ERROR_MAX: f32 = 0.9;

/// A kind of picture to measure on.
#[derive(Debug)]
pub(super) struct Kind {
    /// Pixels over which errors are alike.
    pub(super) grain: f32,
    /// Mean square difference between pictures that fit, contrast²; learned.
    pub(super) noise: f32,
}

impl Kind {
    /// Takes a clear fit for an example of what noise is left. A repeated frame, which has none, teaches nothing.
    pub(super) fn learn(&mut self, fit: &Fit) {
        if self.noise >= UNLEARNED {
            self.noise = fit.residual.max(1e-6);
        } else if fit.residual > 0.1 * self.noise {
            self.noise += 0.05 * (fit.residual - self.noise);
        }
    }
}

/// More contrast² than there is.
pub(super) const UNLEARNED: f32 = 1.0;

/// Displacements that a patch may start from.
#[derive(Debug)]
pub(super) struct Starts {
    of: [Similarity; 4],
    count: usize,
}

impl Starts {
    /// Starts closer than this are the same, px of the small picture.
    const SAME: f32 = 1.5;
    /// Part of the mismatch at the first start that another must stay under.
    const CLEARLY: f32 = 0.8;

    /// `first`, and if they are elsewhere, where the frame before was, where a part that goes another way may be by now
    /// (`other`) and where what is stuck to the picture is. What
    /// goes its own way is seen to do so only if it isn't lost.
    pub(super) fn new(first: Similarity, pose: Similarity, other: Option<Similarity>) -> Self {
        let mut starts = Self { of: [first; 4], count: 1 };
        for other in [Some(pose), other, Some(Similarity::default())].into_iter().flatten() {
            let apart = |s: &Similarity| (s.tx - other.tx).abs().max((s.ty - other.ty).abs()) > Self::SAME;
            if starts.of[..starts.count].iter().all(apart) {
                starts.of[starts.count] = other;
                starts.count += 1;
            }
        }
        starts
    }

    fn first(&self) -> Similarity {
        self.of[0]
    }

    /// The start at which `patch`, with its centre at (`x`, `y`), looks most alike.
    fn pick(&self, anchor: &Anchor, patch: &Patch, now: &Plane, x: f32, y: f32) -> (f32, f32) {
        let first = self.of[0].at(x, y);
        if self.count == 1 {
            return first;
        }
        let mut best = (anchor.mismatch_of(patch, now, first.0, first.1).unwrap_or(f32::MAX) * Self::CLEARLY, first);
        for other in &self.of[1..self.count] {
            let at = other.at(x, y);
            if let Some(mismatch) = anchor.mismatch_of(patch, now, at.0, at.1)
                && mismatch < best.0
            {
                best = (mismatch, at);
            }
        }
        best.1
    }
}

/// What patches did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Followed {
    /// What to believe.
    pub(super) fit: Fit,
    /// What most of them did.
    pub(super) moving: Fit,
}

/// Two pictures of one kind.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) anchor: &'a Anchor,
    pub(super) now: &'a Plane,
    pub(super) kind: &'a Kind,
}

/// What is known before the patches are tracked.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// Where the frame before was.
    pub(super) pose: Similarity,
    pub(super) screen: &'a Screen,
    /// Patches that were stuck to the picture when the anchor was taken.
    pub(super) stuck: &'a [bool],
}

/// Tracks all patches from `starts` and fits a movement.
pub(super) fn follow(pair: &Pair<'_>, known: &Known<'_>, starts: &Starts, votes: &mut Vec<Vote>) -> Followed {
    let (&Pair { anchor, now, kind }, &Known { pose, screen, stuck }) = (pair, known);
    let (half_w, half_h) = (0.5 * now.w as f32, 0.5 * now.h as f32);
    let half = 0.5 * SIDE as f32;
    let radius = ((half_w * half_w + half_h * half_h) / 3.0).sqrt().max(1.0);
    // Voices of patches that show something, and it isn't there any more.
    let mut against = 0.0;
    votes.clear();
    for (index, patch) in anchor.patches.iter().enumerate() {
        let (x, y) = (patch.x as f32 + half - half_w, patch.y as f32 + half - half_h);
        let stuck = screen.is_stuck(index) || stuck.get(index).is_some_and(|stuck| *stuck);
        let (sx, sy) = if stuck { (0.0, 0.0) } else { starts.pick(anchor, patch, now, x, y) };
        let track = match anchor.track(patch, now, sx, sy) {
            Err(Lost::Outside) => continue,
            Err(Lost::Gone) => None,
            Ok(track) => Some(track),
        };
        // Variance of the displacement along the strongest direction, from the texture that isn't noise.
        let error2 = track.map_or(f32::INFINITY, |t| {
            kind.grain * (t.residual + 2e-6) / (patch.strength * t.common.max(0.0)).max(1e-9)
        });
        match track {
            Some(track) if error2 < ERROR_MAX * ERROR_MAX => {
                let scale = 1.0 / patch.strength;
                votes.push(Vote {
                    index,
                    voice: if stuck { 0.0 } else { 1.0 },
                    x,
                    y,
                    dx: track.dx,
                    dy: track.dy,
                    ixx: patch.gxx * scale,
                    ixy: patch.gxy * scale,
                    iyy: patch.gyy * scale,
                    error2,
                    residual: track.residual,
                });
            }
            _ if patch.variance > SHOWS * kind.noise && !stuck => {
                against += fit::trust(kind.grain * kind.noise / patch.strength.max(1e-9));
            }
            _ => {}
        }
    }
    let take = |mut fit: Fit| {
        fit.total += against;
        fit
    };
    let mut moving = take(fit::fit(votes, starts.first(), radius));
    if moving.share() < UNDIVIDED
        && let Some(rest) = fit::fit_rest(votes, &moving.model, radius).map(take)
        && rest.agreeing > moving.agreeing
    {
        moving = rest;
    }
    let moved = moving.model.minus(&pose);
    if moved.tx.abs().max(moved.ty.abs()) > STEP {
        // A large part of the picture that stands still outweighs a larger one that moves: a belt, a door, a crowd can
        // move in front of a camera at rest, but nothing stands still in front of one that moves, unless it is stuck
        // to the picture. The part may be smaller when it was seen to move with the camera before.
        let mut still = take(fit::fit_near(votes, pose, radius));
        let scene = fit::agreeing(votes.iter().filter(|v| screen.is_scene(v.index)), &still.model);
        let share = if scene > 0.7 * still.agreeing { SCENE_SHARE } else { STILL_SHARE };
        let off = still.model.minus(&pose);
        let (ax, ay) = off.at(half_w, half_h);
        let (bx, by) = off.at(-half_w, -half_h);
        let near = ax.abs().max(ay.abs()).max(bx.abs()).max(by.abs()) < STANDS;
        if near && still.agreeing > share * moving.agreeing && still.share() > STILL_CLEAR {
            still.stands = true;
            return Followed { fit: still, moving };
        }
    }
    Followed { fit: moving, moving }
}
