//! How the camera moved from one frame to the next.
//!
//! In comes a luma plane, out goes one shift, rotation and zoom with a confidence. The plane is shrunk to a small
//! picture of contrasts (`small`), patches of an anchor picture are looked for in it (`patches`), and the movement that
//! most of them agree on is taken (`fit`). The anchor stays while it can still be recognised, so that a camera held
//! still is measured against one and the same picture and errors don't add up: a slow pan leaves the anchor, a
//! trembling hand comes back to it.
//!
//! This room knows no time: how long a movement lasts is for [`crate::pause`].

mod fit;
mod patches;
#[cfg(test)]
pub(crate) mod scene;
mod small;
#[cfg(test)]
mod tests;

use crate::luma::LumaView;
use fit::{Fit, Similarity, Vote};
use patches::{Anchor, Lost, SIDE};
use small::{COARSE, Plane, Shrinker, Small, shrink_plane, soften_plane};

/// Movement of the picture since the frame before: where things went, so the camera went the other way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GlobalMotion {
    /// Shift of the picture's centre to the right, px of the full picture.
    pub dx: f32,
    /// Shift of the picture's centre downwards, px of the full picture.
    pub dy: f32,
    /// Rotation about the centre, radians, clockwise as seen.
    pub rotation: f32,
    /// Growth about the centre: 1 is none, 1.01 is one percent nearer.
    pub zoom: f32,
    /// Share of the picture that agrees, 0 to 1. Below [`GlobalMotion::LOST`] the numbers above are a guess.
    pub confidence: f32,
    /// The frame shows nothing of the frame before: a cut, the first frame, or another size.
    pub cut: bool,
}

impl GlobalMotion {
    /// Confidence under which the movement is not known.
    pub const LOST: f32 = 0.08;

    /// No movement, known with `confidence`.
    #[must_use]
    pub fn still(confidence: f32) -> Self {
        Self { dx: 0.0, dy: 0.0, rotation: 0.0, zoom: 1.0, confidence, cut: false }
    }
}

/// Displacement from the anchor at which a new one is taken, px of the small picture.
const LEASH: f32 = 9.0;
/// Frames after which a new anchor is taken anyway, so that it shows the scene under the light of today.
const ANCHOR_FRAMES: u32 = 45;
/// Part of the best agreement with an anchor under which it has had its day.
const ANCHOR_FADED: f32 = 0.6;
/// Agreement under which another start and the softened picture are tried.
const CLEAR: f32 = 0.45;
/// Votes that agree under which the softened picture is tried.
const MANY: f32 = 4.0;
/// Votes under which nothing is known.
const FEW: f32 = 0.06;
/// Movement between two frames that is too large for a camera at rest, px of the small picture.
const STEP: f32 = 0.6;
/// Part of the agreeing votes that, standing still, outweighs the rest.
const STILL_SHARE: f32 = 0.55;
/// Contrast of a patch over that of noise from which on it must be found again.
const SHOWS: f32 = 8.0;
/// Standard error over which a patch has no vote, px.
const ERROR_MAX: f32 = 0.9;

/// A picture to measure against, as it is and without noise.
#[derive(Debug, Default)]
struct Reference {
    fine: Anchor,
    /// Made when it is first needed.
    soft: Anchor,
    soft_made: bool,
    /// Movement from here to the newest frame that could be measured.
    pose: Similarity,
    /// Change of the pose at that frame.
    speed: Similarity,
    /// Frames measured against it.
    age: u32,
    /// Best agreement with it.
    best_share: f32,
}

impl Reference {
    fn set(&mut self, frame: &Plane) {
        self.fine.set(frame);
        self.soft_made = false;
        self.pose = Similarity::default();
        self.age = 0;
        self.best_share = 0.0;
    }
}

/// The newest frame, and the one before for a search.
#[derive(Debug)]
struct Frames {
    now: Small,
    before: Small,
    soft: Plane,
    soft_made: bool,
    /// `before` and `now`, small enough to try every displacement.
    coarse: [Plane; 2],
    scratch: Vec<f32>,
    fine_kind: Kind,
    soft_kind: Kind,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            now: Small::default(),
            before: Small::default(),
            soft: Plane::default(),
            soft_made: false,
            coarse: Default::default(),
            scratch: Vec::new(),
            fine_kind: Kind { grain: 4.0, noise: UNLEARNED },
            soft_kind: Kind { grain: 40.0, noise: UNLEARNED },
        }
    }
}

/// Measures [`GlobalMotion`] frame by frame.
#[derive(Debug, Default)]
pub struct MotionMeter {
    shrinker: Shrinker,
    frames: Frames,
    main: Reference,
    /// The first frame that can't be measured against `main`: what comes may continue from it, or go back to `main`.
    spare: Option<Reference>,
    size: Option<(u32, u32)>,
    votes: Vec<Vote>,
}

impl MotionMeter {
    /// A meter that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Movement of `luma` against the newest frame before it that could be measured. A plane that is not whole counts
    /// as one without texture.
    pub fn push(&mut self, luma: LumaView<'_>) -> GlobalMotion {
        if !luma.is_whole() {
            return GlobalMotion::still(0.0);
        }
        std::mem::swap(&mut self.frames.now, &mut self.frames.before);
        self.shrinker.shrink(luma, &mut self.frames.now);
        self.frames.soft_made = false;
        let size = (luma.width, luma.height);
        if self.size != Some(size) {
            self.size = Some(size);
            self.spare = None;
            self.main.set(&self.frames.now.fine);
            self.main.speed = Similarity::default();
            return GlobalMotion { cut: true, ..GlobalMotion::still(0.0) };
        }
        self.measure()
    }

    fn measure(&mut self) -> GlobalMotion {
        let found = align(&mut self.main, &mut self.frames, &mut self.votes);
        if let Some(motion) = accept(&mut self.main, &self.frames, &found) {
            self.spare = None;
            return motion;
        }
        if let Some(spare) = &mut self.spare {
            let other = align(spare, &mut self.frames, &mut self.votes);
            if let Some(motion) = accept(spare, &self.frames, &other) {
                if let Some(spare) = self.spare.take() {
                    self.main = spare;
                }
                return GlobalMotion { cut: true, ..GlobalMotion::still(motion.confidence) };
            }
        }
        let spare = self.spare.get_or_insert_default();
        spare.set(&self.frames.now.fine);
        spare.speed = Similarity::default();
        let confidence = found.share().clamp(0.0, 0.99 * GlobalMotion::LOST);
        GlobalMotion::still(if confidence.is_finite() { confidence } else { 0.0 })
    }
}

/// Takes over what was found, if it can be trusted.
fn accept(reference: &mut Reference, frames: &Frames, found: &Fit) -> Option<GlobalMotion> {
    let confidence = found.share();
    if !(confidence >= GlobalMotion::LOST && found.total >= FEW) {
        return None;
    }
    let (pose, old) = (found.model, reference.pose);
    let factor = frames.now.factor as f32;
    let motion = GlobalMotion {
        dx: (pose.tx - old.tx) * factor,
        dy: (pose.ty - old.ty) * factor,
        rotation: pose.turn - old.turn,
        zoom: 1.0 + (pose.zoom - old.zoom),
        confidence: confidence.min(1.0),
        cut: false,
    };
    reference.speed = pose.minus(&old);
    reference.pose = pose;
    reference.age += 1;
    reference.best_share = reference.best_share.max(confidence);
    let (x, y) = (0.5 * frames.now.fine.w as f32, 0.5 * frames.now.fine.h as f32);
    let away = [pose.at(x, y), pose.at(-x, y)].iter().fold(0.0f32, |m, d| m.max(d.0.abs()).max(d.1.abs()));
    if away > LEASH || confidence < ANCHOR_FADED * reference.best_share || reference.age > ANCHOR_FRAMES {
        reference.set(&frames.now.fine);
    }
    Some(motion)
}

/// Finds the newest frame's place against `reference`: from the place of the frame before, on softened pictures if
/// there is more noise than texture, and from a coarse search if both fail.
fn align(reference: &mut Reference, frames: &mut Frames, votes: &mut Vec<Vote>) -> Fit {
    let pose = reference.pose;
    let start = best_start(reference, frames);
    let found = follow(&reference.fine, &frames.now.fine, pose, start, &frames.fine_kind, votes);
    if found.share() >= CLEAR && found.agreeing >= MANY {
        frames.fine_kind.learn(&found);
        return found;
    }
    if !reference.soft_made {
        let mut soft = Plane::default();
        soften_plane(&reference.fine.fine, &mut frames.scratch, &mut soft);
        reference.soft.set(&soft);
        reference.soft_made = true;
    }
    if !frames.soft_made {
        soften_plane(&frames.now.fine, &mut frames.scratch, &mut frames.soft);
        frames.soft_made = true;
    }
    let better = |one: Fit, other: Fit| if other.agreeing > one.agreeing * 1.1 { other } else { one };
    let other = follow(&reference.soft, &frames.soft, pose, start, &frames.soft_kind, votes);
    if other.share() >= CLEAR {
        frames.soft_kind.learn(&other);
    }
    let found = better(found, other);
    if found.share() >= CLEAR {
        return found;
    }
    let Some(start) = search(reference, frames) else { return found };
    let found = better(found, follow(&reference.fine, &frames.now.fine, pose, start, &frames.fine_kind, votes));
    if found.share() >= CLEAR {
        return found;
    }
    better(found, follow(&reference.soft, &frames.soft, pose, start, &frames.soft_kind, votes))
}

/// A kind of picture to measure on.
#[derive(Debug)]
struct Kind {
    /// Pixels over which errors are alike.
    grain: f32,
    /// Mean square difference between pictures that fit, contrast²; learned.
    noise: f32,
}

impl Kind {
    /// Takes a clear fit for an example of what noise is left. A repeated frame, which has none, teaches nothing.
    fn learn(&mut self, fit: &Fit) {
        if self.noise >= UNLEARNED {
            self.noise = fit.residual.max(1e-6);
        } else if fit.residual > 0.1 * self.noise {
            self.noise += 0.05 * (fit.residual - self.noise);
        }
    }
}

/// More contrast² than there is.
const UNLEARNED: f32 = 1.0;

/// Tracks all patches from `start` and fits a movement. `pose` is where the frame before was.
fn follow(
    anchor: &Anchor,
    now: &Plane,
    pose: Similarity,
    start: Similarity,
    kind: &Kind,
    votes: &mut Vec<Vote>,
) -> Fit {
    let (half_w, half_h) = (0.5 * now.w as f32, 0.5 * now.h as f32);
    let half = 0.5 * SIDE as f32;
    let radius = ((half_w * half_w + half_h * half_h) / 3.0).sqrt().max(1.0);
    // Voices of patches that show something, and it isn't there any more.
    let mut against = 0.0;
    votes.clear();
    for patch in &anchor.patches {
        let (x, y) = (patch.x as f32 + half - half_w, patch.y as f32 + half - half_h);
        let (sx, sy) = start.at(x, y);
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
            _ if patch.variance > SHOWS * kind.noise => {
                against += fit::trust(kind.grain * kind.noise / patch.strength.max(1e-9));
            }
            _ => {}
        }
    }
    let take = |mut fit: Fit| {
        fit.total += against;
        fit
    };
    let found = take(fit::fit(votes, start, radius));
    let moved = found.model.minus(&pose);
    if moved.tx.abs().max(moved.ty.abs()) > STEP {
        // A large part of the picture that stands still outweighs a larger one that moves: a belt, a door, a crowd can
        // move in front of a camera at rest, but nothing stands still in front of one that moves.
        let still = take(fit::fit_near(votes, pose, radius));
        if still.agreeing > STILL_SHARE * found.agreeing && still.share() > STILL_SHARE * CLEAR {
            return still;
        }
    }
    found
}

/// The better of "as the frame before" and "on as it went".
fn best_start(reference: &Reference, frames: &Frames) -> Similarity {
    let (stay, speed) = (reference.pose, reference.speed);
    if speed.tx.abs() + speed.ty.abs() < 0.3 {
        return stay;
    }
    let on = stay.plus(&speed);
    let score = |s: &Similarity| reference.fine.mismatch(&frames.now.fine, s.tx, s.ty, 0.15).unwrap_or(f32::MAX);
    if score(&on) < score(&stay) { on } else { stay }
}

/// The displacement since the frame before that makes the coarse pictures most alike, on top of the pose.
fn search(reference: &Reference, frames: &mut Frames) -> Option<Similarity> {
    let [before, now] = &mut frames.coarse;
    shrink_plane(&frames.before.fine, before);
    shrink_plane(&frames.now.fine, now);
    let (dx, dy) = best_shift(before, now, 8)?;
    let pose = reference.pose;
    Some(Similarity { tx: pose.tx + dx * COARSE as f32, ty: pose.ty + dy * COARSE as f32, ..pose })
}

/// Whole shift of `now` against `before` with the least mean absolute difference, px of the coarse picture.
fn best_shift(before: &Plane, now: &Plane, reach: i32) -> Option<(f32, f32)> {
    let (w, h) = (now.w as i32, now.h as i32);
    if before.w != now.w || before.h != now.h || w < 8 || h < 8 {
        return None;
    }
    let (rx, ry) = (reach.min(w / 2), reach.min(h / 2));
    let mut best: Option<(f32, i32, i32)> = None;
    for dy in -ry..=ry {
        for dx in -rx..=rx {
            let (x0, x1) = (0.max(-dx), w.min(w - dx));
            let (y0, y1) = (0.max(-dy), h.min(h - dy));
            let length = (x1 - x0) as usize;
            let mut acc = [0.0f32; 8];
            let mut rest = 0.0;
            for y in y0..y1 {
                let a = &before.px[(y * w + x0) as usize..][..length];
                let b = &now.px[((y + dy) * w + x0 + dx) as usize..][..length];
                let (ac, bc) = (a.chunks_exact(8), b.chunks_exact(8));
                for (p, q) in ac.remainder().iter().zip(bc.remainder()) {
                    rest += (p - q).abs();
                }
                for (p, q) in ac.zip(bc) {
                    for i in 0..8 {
                        acc[i] += (p[i] - q[i]).abs();
                    }
                }
            }
            let mean = (acc.iter().sum::<f32>() + rest) / (length * (y1 - y0) as usize).max(1) as f32;
            if best.is_none_or(|(b, _, _)| mean < b) {
                best = Some((mean, dx, dy));
            }
        }
    }
    best.map(|(_, dx, dy)| (dx as f32, dy as f32))
}
