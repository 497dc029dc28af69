//! How the camera moved from one frame to the next.
//!
//! In comes a luma plane, out goes one shift, rotation and zoom with a confidence. The plane is shrunk to a small
//! picture of contrasts (`small`), patches of an anchor picture are looked for in it (`patches`), and the movement that
//! most of them agree on is taken (`fit`). The anchor stays while it can still be recognised, so that a camera held
//! still is measured against one and the same picture and errors don't add up: a slow pan leaves the anchor, a
//! trembling hand comes back to it.
//!
//! This room knows no time: how long a movement lasts is for [`crate::pause`].

mod change;
mod fit;
mod follow;
mod patches;
#[cfg(test)]
pub(crate) mod scene;
mod screen;
mod search;
mod small;
#[cfg(test)]
mod tests;

use crate::luma::LumaView;
pub use change::{Change, Glance};
use fit::{Fit, Similarity, Vote};
use follow::{Followed, Kind, Known, Pair, Starts, UNLEARNED, follow};
use patches::Anchor;
use screen::Screen;
use search::best_shift;
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

/// Long side of the picture that displacements are told for when they shall not depend on the resolution, px.
pub const LONG_SIDE: f64 = 1280.0;

impl GlobalMotion {
    /// Shift right, shift down, rotation and growth in a picture of `size` (width and height), each as the displacement
    /// that a typical pixel sees, px at [`LONG_SIDE`].
    #[must_use]
    pub fn displacement(&self, size: (u32, u32)) -> [f64; 4] {
        let (w, h) = (f64::from(size.0), f64::from(size.1));
        let unit = LONG_SIDE / w.max(h).max(1.0);
        let radius = ((w * w + h * h) / 12.0).sqrt() * unit;
        [
            f64::from(self.dx) * unit,
            f64::from(self.dy) * unit,
            f64::from(self.rotation) * radius,
            f64::from(self.zoom - 1.0) * radius,
        ]
    }

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
/// Agreement from which on a movement tells what moves and what doesn't.
const LEARNABLE: f32 = 0.2;

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
    /// Where a larger part of the picture was at that frame that goes another way, and its change there.
    other: Option<(Similarity, Similarity)>,
    /// Patches that show nothing but what is stuck to the picture.
    stuck: Vec<bool>,
}

impl Reference {
    fn set(&mut self, frame: &Plane, screen: &Screen) {
        self.fine.set(frame);
        screen.explained(&self.fine, &mut self.stuck);
        self.soft_made = false;
        self.pose = Similarity::default();
        self.other = self.other.map(|(_, speed)| (Similarity::default(), speed));
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
    screen: Screen,
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
            screen: Screen::default(),
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
    /// Sum of the movements since the last cut, px of the small picture.
    travel: Similarity,
    /// How often there was a cut.
    cuts: u64,
    texture: f32,
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
        let motion = self.step(luma);
        if motion.cut {
            self.cuts += 1;
            self.travel = Similarity::default();
            self.frames.screen.cut();
        } else if motion.confidence >= GlobalMotion::LOST {
            let factor = self.frames.now.factor.max(1) as f32;
            self.travel = self.travel.plus(&Similarity {
                tx: motion.dx / factor,
                ty: motion.dy / factor,
                zoom: motion.zoom - 1.0,
                turn: motion.rotation,
            });
            self.frames.screen.sample(&self.frames.now.fine, self.travel);
        }
        motion
    }

    /// Share of the newest picture that shows enough to be measured, 0 to 1: near 0 for a bare wall in the dark.
    #[must_use]
    pub fn texture(&self) -> f32 {
        self.texture
    }

    /// Remembers the newest picture in `glance`, so that [`MotionMeter::change_since`] can tell later what has changed.
    pub fn glance(&self, glance: &mut Glance) {
        glance.set(&self.frames.now.fine, self.travel, self.cuts);
    }

    /// What has changed in the newest picture since the one in `glance`.
    #[must_use]
    pub fn change_since(&self, glance: &Glance) -> Change {
        if glance.cuts() != self.cuts {
            return Change::EVERYTHING;
        }
        glance.compare(&self.frames.now.fine, self.travel, &self.frames.screen)
    }

    fn step(&mut self, luma: LumaView<'_>) -> GlobalMotion {
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
            self.main.set(&self.frames.now.fine, &self.frames.screen);
            self.main.speed = Similarity::default();
            self.frames.screen.reset(self.main.fine.patches.len());
            return GlobalMotion { cut: true, ..GlobalMotion::still(0.0) };
        }
        self.measure()
    }

    fn measure(&mut self) -> GlobalMotion {
        let found = align(&mut self.main, &mut self.frames, &mut self.votes);
        self.texture = (found.total / self.main.fine.patches.len().max(1) as f32).min(1.0);
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
        spare.set(&self.frames.now.fine, &self.frames.screen);
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
    // Behind something that passes the scene comes back; an anchor with that something on it would go along.
    let faded = confidence < ANCHOR_FADED * reference.best_share && !found.stands;
    if away > LEASH || faded || reference.age > ANCHOR_FRAMES {
        reference.set(&frames.now.fine, &frames.screen);
    }
    Some(motion)
}

/// Finds the newest frame's place against `reference`: from the place of the frame before, on softened pictures if
/// there is more noise than texture, and from a coarse search if both fail.
fn align(reference: &mut Reference, frames: &mut Frames, votes: &mut Vec<Vote>) -> Fit {
    let pose = reference.pose;
    let elsewhere = reference.other.map(|(place, speed)| place.plus(&speed));
    let starts = Starts::new(best_start(reference, frames), pose, elsewhere);
    let Followed { fit: found, moving } = follow_fine(reference, frames, &starts, votes);
    reference.other = found.stands.then(|| {
        let before = reference.other.map_or(pose, |(place, _)| place);
        (moving.model, moving.model.minus(&before))
    });
    if moving.share() >= LEARNABLE {
        frames.screen.learn(votes, &moving.model, found.stands);
    }
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
    let other = follow_soft(reference, frames, &starts, votes).fit;
    if other.share() >= CLEAR {
        frames.soft_kind.learn(&other);
    }
    let found = better(found, other);
    if found.share() >= CLEAR {
        return found;
    }
    let Some(start) = search(reference, frames) else { return found };
    let starts = Starts::new(start, pose, elsewhere);
    let found = better(found, follow_fine(reference, frames, &starts, votes).fit);
    if found.share() >= CLEAR {
        return found;
    }
    better(found, follow_soft(reference, frames, &starts, votes).fit)
}

/// Follows the pictures as they are.
fn follow_fine(reference: &Reference, frames: &Frames, starts: &Starts, votes: &mut Vec<Vote>) -> Followed {
    let pair = Pair { anchor: &reference.fine, now: &frames.now.fine, kind: &frames.fine_kind };
    follow(&pair, &known(reference, frames), starts, votes)
}

/// Follows the softened pictures.
fn follow_soft(reference: &Reference, frames: &Frames, starts: &Starts, votes: &mut Vec<Vote>) -> Followed {
    let pair = Pair { anchor: &reference.soft, now: &frames.soft, kind: &frames.soft_kind };
    follow(&pair, &known(reference, frames), starts, votes)
}

fn known<'a>(reference: &'a Reference, frames: &'a Frames) -> Known<'a> {
    Known { pose: reference.pose, screen: &frames.screen, stuck: &reference.stuck }
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
