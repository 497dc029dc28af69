//! How much may be under way at once.
//!
//! A queue of bytes in front of a slow uplink would keep urgent records and keep-alives waiting behind pictures, until
//! the broker takes the device for dead. So the bytes that MQTT has not acknowledged are limited, and the limit
//! follows the time that acknowledgements take.

use fieldeye_protocol::blob::CHUNK_BYTES;
use std::time::Duration;

/// The limit begins here: five seconds of a line of 100 kbit/s.
const START: u64 = 64 * 1024;
/// The limit never falls below this.
const LEAST: u64 = 32 * 1024;
/// An acknowledgement within this time says that there is room for more.
const QUICK: Duration = Duration::from_secs(1);
/// One that takes longer than this says that there is too much.
const SLOW: Duration = Duration::from_secs(3);

/// Counts bytes under way.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    limit: u64,
    ceiling: u64,
    under_way: u64,
}

impl Pace {
    /// Nothing is under way, and never more than about `ceiling` bytes will be.
    pub(super) fn new(ceiling: u64) -> Self {
        let ceiling = ceiling.max(LEAST);
        Self { limit: START.min(ceiling), ceiling, under_way: 0 }
    }

    /// Whether something may be sent now. One message always may, however large.
    pub(super) fn has_room(&self) -> bool {
        self.under_way < self.limit
    }

    /// A good size for the next chunk of a picture, in bytes.
    pub(super) fn chunk(&self) -> u64 {
        (self.limit / 2).clamp(LEAST / 2, CHUNK_BYTES)
    }

    /// `bytes` were handed over.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.under_way += bytes;
    }

    /// They were acknowledged, `took` after they had gone out.
    pub(super) fn acknowledged(&mut self, bytes: u64, took: Duration) {
        self.under_way = self.under_way.saturating_sub(bytes);
        if took <= QUICK {
            self.limit = (self.limit + bytes).min(self.ceiling);
        } else if took > SLOW {
            self.limit = (self.limit / 2).max(LEAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends over a line of `rate` bytes per second for a while; gives the longest time that a byte waited and the
    /// share of the line that was used.
    fn simulate(rate: f64) -> (f64, f64) {
        let mut pace = Pace::new(8 * CHUNK_BYTES);
        let (mut queue, mut now, mut idle, mut line_free_at) = (std::collections::VecDeque::new(), 0.0, 0.0, 0.0f64);
        let mut worst: f64 = 0.0;
        while now < 300.0 {
            while pace.has_room() {
                let bytes = pace.chunk();
                pace.sent(bytes);
                if line_free_at < now {
                    idle += now - line_free_at;
                    line_free_at = now;
                }
                line_free_at += bytes as f64 / rate;
                queue.push_back((bytes, now, line_free_at + 0.05));
            }
            let (bytes, sent, acknowledged): (u64, f64, f64) = queue.pop_front().expect("something is under way");
            now = acknowledged;
            if now > 60.0 {
                worst = worst.max(now - sent);
            }
            pace.acknowledged(bytes, Duration::from_secs_f64(now - sent));
        }
        (worst, 1.0 - idle / now)
    }

    #[test]
    fn a_slow_line_is_not_stuffed_and_a_fast_one_is_used() {
        for rate in [12_500.0, 125_000.0, 12_500_000.0] {
            let (worst, used) = simulate(rate);
            assert!(worst < 6.0, "{rate} bytes/s: {worst} s in the queue");
            assert!(used > 0.6, "{rate} bytes/s: {used} of the line used");
        }
    }
}
