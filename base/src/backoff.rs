//! When to try again: exponential, with full jitter, so that a fleet does not come back all at once.

use std::time::Duration;
use uuid::Uuid;

/// The first wait is at most this long.
const BASE: Duration = Duration::from_millis(200);

/// Counts attempts in vain.
#[derive(Debug, Clone)]
pub struct Backoff {
    cap: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits of at most `cap`.
    pub fn new(cap: Duration) -> Self {
        Self { cap, attempts: 0 }
    }

    /// It went well: the next wait is short again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// How long to wait now: anything between nothing and a limit that doubles with each attempt.
    pub fn next_delay(&mut self) -> Duration {
        let limit = BASE.saturating_mul(2u32.saturating_pow(self.attempts)).min(self.cap);
        self.attempts = self.attempts.saturating_add(1);
        // 32 bits of a random UUID are chance enough to spread devices.
        let (chance, ..) = Uuid::new_v4().as_fields();
        limit.mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_differ() {
        let cap = Duration::from_secs(30);
        let most = |attempts: u32| {
            (0..200)
                .map(|_| {
                    let mut backoff = Backoff { cap, attempts };
                    backoff.next_delay()
                })
                .max()
                .expect("some")
        };
        assert!(most(0) <= BASE && most(0) > BASE / 2);
        assert!(most(3) <= BASE * 8 && most(3) > BASE * 4);
        assert!(most(1000) <= cap && most(1000) > cap / 2);
        let mut backoff = Backoff::new(cap);
        let first: Vec<Duration> = (0..5).map(|_| backoff.next_delay()).collect();
        backoff.reset();
        assert!(backoff.next_delay() <= BASE, "after {first:?}");
    }
}
