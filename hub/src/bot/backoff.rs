//! How long to wait before the next try: doubling, with a share of chance so that many programs do not try together.

use std::time::Duration;
use uuid::Uuid;

/// Waiting times that grow from try to try.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    /// From `first`, doubling, up to `most`.
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, tries: 0 }
    }

    /// It worked: the next failure starts over.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }

    /// The next waiting time: between three quarters and the whole of the doubled one.
    pub(crate) fn next(&mut self) -> Duration {
        let whole = self.first.saturating_mul(2u32.saturating_pow(self.tries)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        // A random id is the only source of chance that this program needs.
        let chance = f64::from(Uuid::new_v4().as_bytes()[0]) / 255.0;
        whole.mul_f64(0.75 + 0.25 * chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_limit_and_starts_over() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 60 * second);
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next()).collect();
        for (wait, whole) in waits.iter().zip([1, 2, 4, 8, 16, 32, 60, 60]) {
            assert!(*wait >= (second * whole).mul_f64(0.75) && *wait <= second * whole, "{wait:?} of {whole} s");
        }
        assert!(waits.iter().all(|wait| *wait <= 60 * second));
        backoff.reset();
        assert!(backoff.next() <= second);
    }
}
