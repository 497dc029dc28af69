//! Chance that can be repeated: numbers from a seed, which a failed test tells.

use std::time::Duration;

/// The environment variable with another seed.
pub const VARIABLE: &str = "FIELDEYE_SEED";

/// A source of numbers (SplitMix64, by Steele, Lea and Flood).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// From `FIELDEYE_SEED`, or the same every time.
    ///
    /// # Panics
    /// When the seed is not a number.
    pub fn new() -> Self {
        let seed = std::env::var(VARIABLE).ok().map_or(1, |text| text.parse().expect("FIELDEYE_SEED is a number"));
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// A time of less than `limit_ms` milliseconds.
    pub fn moment(&mut self, limit_ms: u64) -> Duration {
        Duration::from_micros(self.below(limit_ms * 1000))
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}
