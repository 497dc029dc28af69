//! Which frame of a hold to keep.
//!
//! The best frame is sharp, was exposed while the camera stood still, and shows the scene and not a hand in front of
//! it. Frames are compared as they come; a new best is announced only when it is clearly better, so that a copy is made
//! a handful of times per hold.

use crate::luma::LumaView;

/// Rows looked at.
const ROWS: usize = 48;
/// Pixels whose sums fit into 31 bits.
const PART: usize = 16_384;
/// Speed at which a frame counts half, px/s at [`crate::motion::LONG_SIDE`].
const HALF_SPEED: f64 = 60.0;
/// Distance from where the hold is at which a frame counts half, px; what is far out may be leaving.
const HALF_AWAY: f64 = 5.0;
/// Gain needed to replace the best.
const GAIN: f64 = 1.1;

/// Detail of a picture: mean square of the brightness steps over two pixels, over the mean square brightness; 0 for a
/// flat one, seldom over 0.1. Comparable between frames of one scene only. A gain of the exposure leaves it alone.
#[must_use]
pub fn sharpness(luma: LumaView<'_>) -> f32 {
    let (height, width) = (luma.height as usize, luma.width as usize);
    if width < 8 {
        return 0.0;
    }
    let step = (height / ROWS).max(1);
    let (mut detail, mut energy) = (0i64, 0i64);
    for y in (step / 2..height).step_by(step) {
        let row = luma.row(y);
        let (mut d, mut e) = (0i64, 0i64);
        let Some(ahead) = row.get(2..) else { continue };
        for (part, ahead) in row.chunks(PART).zip(ahead.chunks(PART)) {
            // Products of 16 bit numbers in sums of 32: what every processor multiplies and adds in one go.
            let (mut dd, mut ee) = (0i32, 0i32);
            for (&a, &b) in part.iter().zip(ahead) {
                let (a, b) = (i16::from(a), i16::from(b));
                dd += i32::from(b - a) * i32::from(b - a);
                ee += i32::from(a) * i32::from(a);
            }
            d += i64::from(dd);
            e += i64::from(ee);
        }
        detail += d;
        energy += e;
    }
    if energy == 0 { 0.0 } else { (detail as f64 / (energy as f64 + 1.0)) as f32 }
}

/// A frame that may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) pts_s: f64,
    /// See [`sharpness`].
    pub(super) sharpness: f64,
    /// Speed in this very frame, px/s.
    pub(super) speed: f64,
    /// Distance from where the camera rests, px.
    pub(super) away: f64,
    /// Share of the picture that shows the scene and not something in front of it, 0 to 1.
    pub(super) agreement: f64,
}

/// The best frame of a hold so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Best {
    score: f64,
    pts_s: Option<f64>,
}

impl Best {
    /// Forgets the hold before.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Time of the best frame.
    pub(super) fn pts_s(&self) -> Option<f64> {
        self.pts_s
    }

    /// Offers a frame; true when it is the new best.
    pub(super) fn offer(&mut self, frame: &Candidate) -> bool {
        let (still, centred) = (frame.speed / HALF_SPEED, frame.away / HALF_AWAY);
        // A hand is often sharper than what it hides: the scene counts for more.
        let seen = frame.agreement * frame.agreement * frame.agreement;
        let score = frame.sharpness.sqrt() * seen / ((1.0 + still * still) * (1.0 + centred * centred));
        let better = self.pts_s.is_none() || score > self.score * GAIN;
        if better {
            self.score = score;
            self.pts_s = Some(frame.pts_s);
        }
        better
    }
}
