//! Whether a frame is worth a look of the detector: a picture that has not changed was looked at often enough.

use fieldeye_vision::motion::Glance;
use fieldeye_vision::pause::PauseFinder;

/// Looks at one and the same picture. As many as make a track certain: what a look saw by mistake is not made certain by
/// saying it again.
const ENOUGH: u32 = 3;

/// What was looked at last.
#[derive(Debug, Default)]
pub(super) struct Interest {
    seen: Glance,
    looks: u32,
}

impl Interest {
    /// Whether the newest frame of `finder` is worth a look; if so, it counts as looked at.
    pub(super) fn is_roused(&mut self, finder: &PauseFinder) -> bool {
        if self.looks == 0 || finder.change_since(&self.seen).is_new() {
            finder.glance(&mut self.seen);
            self.looks = 1;
            true
        } else {
            self.looks += 1;
            self.looks <= ENOUGH
        }
    }

    /// What comes has nothing to do with what was seen.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldeye_vision::luma::LumaView;
    use fieldeye_vision::pause::PauseConfig;

    /// A checkered picture that is shifted to the right.
    fn checks(shift: usize) -> Vec<u8> {
        let square = |x: usize, y: usize| ((x + 640 - shift) / 23 * 7 + y / 19 * 5) % 4 * 60;
        (0..360).flat_map(|y| (0..640).map(move |x| square(x, y) as u8)).collect()
    }

    #[test]
    fn what_stays_the_same_is_looked_at_thrice() {
        let (mut finder, mut interest) = (PauseFinder::new(PauseConfig::default()), Interest::default());
        let mut looks = |shifts: &[usize], from_s: f64| {
            let look = |(number, &shift): (usize, &usize)| {
                let picture = checks(shift);
                let luma = LumaView::packed(&picture, 640, 360).expect("whole");
                finder.push(from_s + number as f64 / 30.0, luma);
                interest.is_roused(&finder)
            };
            shifts.iter().enumerate().map(look).collect::<Vec<_>>()
        };
        assert_eq!(looks(&[0; 6], 0.0), [true, true, true, false, false, false]);
        let moved = looks(&[6, 12, 18, 24, 30, 30, 30, 30, 30], 0.2);
        assert!(moved[4], "the picture has moved on: {moved:?}");
        assert!(!moved[8], "and stays again: {moved:?}");
    }
}
