//! Times as they stand in the database: RFC 3339 in UTC with milliseconds, so that texts sort as times do.

use jiff::Timestamp;
use std::time::Duration;

/// As text.
pub(super) fn text(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// `wait` later, or as late as a time can be.
pub(super) fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_as_times_do() {
        let time = |text: &str| text.parse::<Timestamp>().expect("time");
        assert_eq!(text(time("2026-01-01T02:00:00.1239+02:00")), "2026-01-01T00:00:00.123Z");
        assert!(text(time("2026-01-01T00:00:00Z")) < text(time("2026-01-01T00:00:00.001Z")));
        assert!(text(Timestamp::UNIX_EPOCH) < text(time("2026-01-01T00:00:00Z")));
        assert_eq!(after(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(text(after(Timestamp::UNIX_EPOCH, Duration::from_secs(10))), "1970-01-01T00:00:10.000Z");
    }
}
