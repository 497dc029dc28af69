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
mod small;

use crate::luma::LumaView;
use fit::{Fit, Similarity, Vote};
use patches::{Anchor, SIDE};
use small::{COARSE, Plane, Shrinker, Small, factor_for};

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
    pub const LOST: f32 = 0.12;

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
/// Texture below which a picture has nothing to measure, in votes.
const TEXTURE_MIN: f32 = 1.0;

/// Measures [`GlobalMotion`] frame by frame.
#[derive(Debug, Default)]
pub struct MotionMeter {
    shrinker: Shrinker,
    now: Small,
    before: Small,
    anchor: Anchor,
    /// Movement from the anchor to the frame before.
    pose: Similarity,
    /// Change of the pose at the frame before.
    speed: Similarity,
    anchor_age: u32,
    size: Option<(u32, u32)>,
    votes: Vec<Vote>,
}

impl MotionMeter {
    /// A meter that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Movement of `luma` against the frame pushed before. A plane that is not whole counts as one without texture.
    pub fn push(&mut self, luma: LumaView<'_>) -> GlobalMotion {
        let size = (luma.width, luma.height);
        if !luma.is_whole() {
            return GlobalMotion::still(0.0);
        }
        std::mem::swap(&mut self.now, &mut self.before);
        self.shrinker.shrink(luma, &mut self.now);
        if self.size != Some(size) {
            self.size = Some(size);
            self.start_over();
            return GlobalMotion { cut: true, ..GlobalMotion::still(0.0) };
        }
        self.measure()
    }

    /// Longest side of a picture of this size that one pixel of the measurement covers, px; for those who reason about
    /// precision.
    #[must_use]
    pub fn grain_px(width: u32, height: u32) -> usize {
        factor_for(width, height)
    }

    fn start_over(&mut self) {
        self.anchor.set(&self.now.fine);
        self.anchor_age = 0;
        self.pose = Similarity::default();
        self.speed = Similarity::default();
    }

    fn measure(&mut self) -> GlobalMotion {
        let start = self.best_start();
        let mut found = self.align(start);
        if share(&found) < 0.45 {
            if let Some(start) = self.search() {
                let other = self.align(start);
                if other.agreeing > found.agreeing * 1.1 {
                    found = other;
                }
            }
        }
        let confidence = share(&found);
        let factor = self.now.factor as f32;
        let step = |pose: Similarity, old: Similarity| GlobalMotion {
            dx: (pose.tx - old.tx) * factor,
            dy: (pose.ty - old.ty) * factor,
            rotation: pose.turn - old.turn,
            zoom: 1.0 + (pose.zoom - old.zoom),
            confidence,
            cut: false,
        };
        if found.total < TEXTURE_MIN {
            // Nothing to see: darkness, a covered lens. Nothing is known, and nothing is a reference for later.
            self.start_over();
            return GlobalMotion::still(0.0);
        }
        if confidence < GlobalMotion::LOST {
            self.start_over();
            return GlobalMotion { cut: true, ..GlobalMotion::still(confidence) };
        }
        let motion = step(found.model, self.pose);
        self.speed = Similarity {
            tx: found.model.tx - self.pose.tx,
            ty: found.model.ty - self.pose.ty,
            zoom: found.model.zoom - self.pose.zoom,
            turn: found.model.turn - self.pose.turn,
        };
        self.pose = found.model;
        self.anchor_age += 1;
        let (w, h) = (self.now.fine.w as f32, self.now.fine.h as f32);
        let (cx, cy) = self.pose.at(0.5 * w, 0.5 * h);
        let (ox, oy) = self.pose.at(-0.5 * w, 0.5 * h);
        let away = cx.abs().max(cy.abs()).max(ox.abs()).max(oy.abs());
        if away > LEASH || confidence < 0.4 || self.anchor_age > ANCHOR_FRAMES {
            self.anchor.set(&self.now.fine);
            self.pose = Similarity::default();
            self.anchor_age = 0;
        }
        motion
    }

    /// The better of "as the frame before" and "on as it went".
    fn best_start(&self) -> Similarity {
        let stay = self.pose;
        let on = Similarity {
            tx: self.pose.tx + self.speed.tx,
            ty: self.pose.ty + self.speed.ty,
            zoom: self.pose.zoom + self.speed.zoom,
            turn: self.pose.turn + self.speed.turn,
        };
        if self.speed.tx.abs() + self.speed.ty.abs() < 0.3 {
            return stay;
        }
        let score = |s: &Similarity| self.anchor.mismatch(&self.now.fine, s.tx, s.ty, 0.15).unwrap_or(f32::MAX);
        if score(&on) < score(&stay) { on } else { stay }
    }

    fn align(&mut self, start: Similarity) -> Fit {
        let fine = &self.now.fine;
        let (half_w, half_h) = (0.5 * fine.w as f32, 0.5 * fine.h as f32);
        let half = 0.5 * SIDE as f32;
        let radius = (0.33 * (half_w * half_w + half_h * half_h)).sqrt().max(1.0);
        self.votes.clear();
        for patch in &self.anchor.patches {
            if patch.strength < 1e-3 {
                continue;
            }
            let (x, y) = (patch.x as f32 + half - half_w, patch.y as f32 + half - half_h);
            let (sx, sy) = start.at(x, y);
            let Some(track) = self.anchor.track(patch, fine, sx, sy) else { continue };
            // Standard error of the displacement along the strongest direction, px, if neighbouring errors are alike
            // over about two pixels.
            let error2 = 4.0 * (track.residual + 2e-6) / patch.strength;
            let trust = 1.0 / (1.0 + error2 / (0.12 * 0.12));
            let scale = 1.0 / patch.strength;
            self.votes.push(Vote {
                x,
                y,
                dx: track.dx,
                dy: track.dy,
                ixx: patch.gxx * scale,
                ixy: patch.gxy * scale,
                iyy: patch.gyy * scale,
                trust,
            });
        }
        fit::fit(&self.votes, start, radius)
    }

    /// The displacement since the frame before that makes the coarse pictures most alike, on top of the pose.
    fn search(&self) -> Option<Similarity> {
        let (dx, dy) = best_shift(&self.before.coarse, &self.now.coarse, 8)?;
        Some(Similarity { tx: self.pose.tx + dx * COARSE as f32, ty: self.pose.ty + dy * COARSE as f32, ..self.pose })
    }
}

/// Agreement, 0 to 1: among those who can see anything, and less when only few can.
fn share(fit: &Fit) -> f32 {
    fit.agreeing / (fit.total + 1.0)
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
