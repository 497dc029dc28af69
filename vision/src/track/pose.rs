//! Where the camera points.

use super::matching::Place;
use crate::detect::Detection;
use crate::motion::GlobalMotion;

/// Zoom beyond which the sum of the small errors is greater than what is seen.
const ZOOM_LIMIT: f64 = 64.0;

/// Where the camera points, as the sum of all movements since the start or the last cut (a run).
///
/// It is a similarity: a point of the picture now is `growth · turn · point + shift` of the picture that the run
/// started with, turned about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    run: u64,
    /// Cosine and sine of the turn times growth, from the start's picture to this one.
    a: f64,
    b: f64,
    /// Where the start's origin is in this picture, px.
    x: f64,
    y: f64,
}

impl Pose {
    /// The pose of the first frame.
    #[must_use]
    pub fn start() -> Self {
        Self { run: 0, a: 1.0, b: 0.0, x: 0.0, y: 0.0 }
    }

    /// Which run it belongs to: poses of different runs have nothing in common.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Goes on by the movement from the frame before, in a picture of `width` × `height` px. A movement that is not
    /// known is taken for none; a cut starts a new run.
    pub fn advance(&mut self, motion: &GlobalMotion, width: u32, height: u32) {
        if motion.cut {
            *self = Self { run: self.run + 1, ..Self::start() };
            return;
        }
        let numbers = [motion.dx, motion.dy, motion.rotation, motion.zoom];
        let known = motion.confidence >= GlobalMotion::LOST && motion.zoom > 0.0;
        if !known || !numbers.iter().all(|number| number.is_finite()) {
            return;
        }
        let [dx, dy, rotation, zoom] = numbers.map(f64::from);
        let (sin, cos) = rotation.sin_cos();
        let (a, b) = (cos * zoom, sin * zoom);
        // The movement is about the centre: c + d + R(p - c).
        let (cx, cy) = (f64::from(width) * 0.5, f64::from(height) * 0.5);
        let (px, py) = (self.x - cx, self.y - cy);
        self.x = cx + dx + a * px - b * py;
        self.y = cy + dy + b * px + a * py;
        (self.a, self.b) = (a * self.a - b * self.b, b * self.a + a * self.b);
        let growth = self.growth();
        if !(1.0 / ZOOM_LIMIT..=ZOOM_LIMIT).contains(&growth) {
            *self = Self { run: self.run + 1, ..Self::start() };
        }
    }

    fn growth(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// Where a box of this frame is in the run's common frame.
    pub(super) fn place(&self, detection: &Detection) -> Place {
        let growth = self.growth();
        let square = growth * growth;
        let x = f64::from(detection.x) + f64::from(detection.width) * 0.5 - self.x;
        let y = f64::from(detection.y) + f64::from(detection.height) * 0.5 - self.y;
        Place {
            x: (self.a * x + self.b * y) / square,
            y: (self.a * y - self.b * x) / square,
            width: f64::from(detection.width) / growth,
            height: f64::from(detection.height) / growth,
        }
    }
}
