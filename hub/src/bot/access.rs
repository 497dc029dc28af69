//! Who may use the bot, and how much: admins alone, ten messages a minute each; strangers get one line in hours.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A stranger is answered once in this time.
const STRANGER_EVERY: Duration = Duration::from_secs(6 * 3600);
/// So many strangers are remembered; beyond that the one met longest ago is forgotten.
const MOST_STRANGERS: usize = 1000;
/// Messages that a person may send at once, and in each minute after that.
const MESSAGES_A_MINUTE: f64 = 10.0;

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// An admin: do it.
    Welcome,
    /// An admin who writes faster than allowed; told once.
    TooFast,
    /// Already told.
    StillTooFast,
    /// Somebody unknown, not met lately: one line and an audit row.
    Stranger,
    /// Already told.
    StillStranger,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
    told: bool,
}

/// The door.
#[derive(Debug)]
pub(crate) struct Access {
    admins: HashSet<i64>,
    strangers: Mutex<HashMap<i64, Instant>>,
    buckets: Mutex<HashMap<i64, Bucket>>,
}

impl Access {
    pub(crate) fn new(admins: impl IntoIterator<Item = i64>) -> Self {
        Self { admins: admins.into_iter().collect(), strangers: Mutex::default(), buckets: Mutex::default() }
    }

    /// Whether nobody may come in.
    pub(crate) fn is_empty(&self) -> bool {
        self.admins.is_empty()
    }

    /// Decides about a message of `user`, which came at `now`, and counts it.
    pub(crate) fn knock(&self, user: i64, now: Instant) -> Verdict {
        if self.admins.contains(&user) { self.spend(user, now) } else { self.stranger(user, now) }
    }

    fn spend(&self, user: i64, now: Instant) -> Verdict {
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.entry(user).or_insert(Bucket { tokens: MESSAGES_A_MINUTE, at: now, told: false });
        let earned = now.duration_since(bucket.at).as_secs_f64() * MESSAGES_A_MINUTE / 60.0;
        bucket.tokens = (bucket.tokens + earned).min(MESSAGES_A_MINUTE);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            bucket.told = false;
            Verdict::Welcome
        } else if std::mem::replace(&mut bucket.told, true) {
            Verdict::StillTooFast
        } else {
            Verdict::TooFast
        }
    }

    fn stranger(&self, user: i64, now: Instant) -> Verdict {
        let mut strangers = lock(&self.strangers);
        if strangers.get(&user).is_some_and(|told| now.duration_since(*told) < STRANGER_EVERY) {
            return Verdict::StillStranger;
        }
        if strangers.len() >= MOST_STRANGERS {
            let oldest = strangers.iter().min_by_key(|(_, told)| **told).map(|(user, _)| *user);
            oldest.map(|user| strangers.remove(&user));
        }
        strangers.insert(user, now);
        Verdict::Stranger
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not close the door for good; both maps are valid at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_minute_and_one_word_about_it() {
        let (access, start) = (Access::new([7]), Instant::now());
        let knock = |seconds: f64| access.knock(7, start + Duration::from_secs_f64(seconds));
        for _ in 0..10 {
            assert_eq!(knock(0.0), Verdict::Welcome);
        }
        assert_eq!(knock(0.0), Verdict::TooFast);
        assert_eq!(knock(0.0), Verdict::StillTooFast);
        assert_eq!(knock(6.1), Verdict::Welcome, "one more after six seconds");
        assert_eq!(knock(6.1), Verdict::TooFast, "told again after a good one");
        assert_eq!((0..20).filter(|_| knock(3600.0) == Verdict::Welcome).count(), 10, "nothing is saved up");
    }

    #[test]
    fn strangers_are_told_once_and_forgotten_in_order() {
        let (access, start) = (Access::new([7]), Instant::now());
        let later = start + STRANGER_EVERY;
        assert_eq!(access.knock(8, start), Verdict::Stranger);
        assert_eq!(access.knock(8, start), Verdict::StillStranger);
        assert_eq!(access.knock(8, later), Verdict::Stranger);
        for user in 1000..3000u16 {
            let now = later + Duration::from_millis(user.into());
            assert_eq!(access.knock(user.into(), now), Verdict::Stranger);
        }
        assert_eq!(lock(&access.strangers).len(), MOST_STRANGERS);
        let end = later + Duration::from_secs(4);
        assert_eq!(access.knock(2999, end), Verdict::StillStranger);
        assert_eq!(access.knock(8, end), Verdict::Stranger, "forgotten by now");
    }
}
