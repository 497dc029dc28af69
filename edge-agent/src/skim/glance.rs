//! Measuring what key frames show.

use super::plan::LONG_SIDE;
use crate::capture::Frame;
use fieldeye_vision::motion::{GlobalMotion, MotionMeter};

/// Displacement from one frame to a later one, px of a picture whose long side is [`LONG_SIDE`]; infinite when it can't
/// be measured.
pub(super) fn displacement(from: &Frame, to: &Frame) -> f64 {
    let (Ok(first), Ok(second)) = (from.luma(), to.luma()) else { return f64::INFINITY };
    let mut meter = MotionMeter::new();
    meter.push(first);
    length(&meter.push(second), second.width, second.height)
}

/// As a typical pixel sees it: shift, rotation and growth.
fn length(motion: &GlobalMotion, width: u32, height: u32) -> f64 {
    if motion.cut || motion.confidence < GlobalMotion::LOST {
        return f64::INFINITY;
    }
    let (w, h) = (f64::from(width), f64::from(height));
    let radius = ((w * w + h * h) / 12.0).sqrt();
    let turn = f64::from(motion.rotation) * radius;
    let growth = f64::from(motion.zoom - 1.0) * radius;
    let (dx, dy) = (f64::from(motion.dx), f64::from(motion.dy));
    (dx * dx + dy * dy + turn * turn + growth * growth).sqrt() * LONG_SIDE / w.max(h).max(1.0)
}
