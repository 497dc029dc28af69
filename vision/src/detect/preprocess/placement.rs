//! Where a picture lies in a model's input, and the way back.

use super::super::Detection;
use super::super::boxes::Candidate;
use crate::package::{InputSpec, Resize};

/// Where a picture lies in the model's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placement {
    /// First column and row of the picture, px of the input.
    pub(super) left: u32,
    pub(super) top: u32,
    /// Its size there.
    pub(super) width: u32,
    pub(super) height: u32,
    /// Its size as displayed.
    shown: (u32, u32),
}

impl Placement {
    pub(super) fn new(spec: &InputSpec, shown: (u32, u32)) -> Self {
        let [input_width, input_height] = spec.size;
        let (width, height) = if spec.resize == Resize::Stretch {
            (input_width, input_height)
        } else {
            let ratio = (f64::from(input_width) / f64::from(shown.0)).min(f64::from(input_height) / f64::from(shown.1));
            let side = |shown: u32, limit: u32| ((f64::from(shown) * ratio).round() as u32).clamp(1, limit);
            (side(shown.0, input_width), side(shown.1, input_height))
        };
        let (spare_x, spare_y) = (input_width - width, input_height - height);
        // An odd pixel goes to the right and to the bottom.
        let (left, top) = if spec.resize == Resize::Letterbox { (spare_x / 2, spare_y / 2) } else { (0, 0) };
        Self { left, top, width, height, shown }
    }

    /// The candidate in pixels of the picture, clipped to it; nothing when it lies outside.
    pub(in super::super) fn detection(&self, candidate: &Candidate) -> Option<Detection> {
        let (shown_x, shown_y) = (self.shown.0 as f32, self.shown.1 as f32);
        let (scale_x, scale_y) = (shown_x / self.width as f32, shown_y / self.height as f32);
        let x = |edge: f32| ((edge - self.left as f32) * scale_x).clamp(0.0, shown_x);
        let y = |edge: f32| ((edge - self.top as f32) * scale_y).clamp(0.0, shown_y);
        let (left, right) = (x(candidate.left), x(candidate.right));
        let (top, bottom) = (y(candidate.top), y(candidate.bottom));
        (right > left && bottom > top).then_some(Detection {
            class_id: candidate.class_id,
            confidence: candidate.score.clamp(0.0, 1.0),
            x: left,
            y: top,
            width: right - left,
            height: bottom - top,
        })
    }
}
