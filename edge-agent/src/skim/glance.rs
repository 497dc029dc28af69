//! Measuring what key frames show.

use crate::capture::Frame;
use fieldeye_vision::motion::{GlobalMotion, MotionMeter};

/// Displacement from one frame to a later one as a typical pixel sees it, px at [`fieldeye_vision::motion::LONG_SIDE`];
/// infinite when it can't be measured.
pub(super) fn displacement(from: &Frame, to: &Frame) -> f64 {
    let (Ok(first), Ok(second)) = (from.luma(), to.luma()) else { return f64::INFINITY };
    let mut meter = MotionMeter::new();
    meter.push(first);
    let motion = meter.push(second);
    if motion.cut || motion.confidence < GlobalMotion::LOST {
        return f64::INFINITY;
    }
    motion.displacement((second.width, second.height)).iter().map(|part| part * part).sum::<f64>().sqrt()
}
