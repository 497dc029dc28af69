//! Who waits for which reader: one line for each, served in order, one alert at a time.

use crate::store::{AlertTarget, DueAlert};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// A claim lasts two minutes; what has waited here this long is left to be claimed again.
const STALE: Duration = Duration::from_secs(80);

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<AlertTarget, Line>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(DueAlert, Instant)>,
    busy: bool,
    paused_until: Option<Instant>,
}

impl Lines {
    /// An alert that was claimed just now joins its reader's line.
    pub(super) fn join(&mut self, alert: DueAlert, now: Instant) {
        let line = self.lines.entry(alert.target).or_default();
        // Claimed again: the older claim has run out.
        line.waiting.retain(|(waiting, _)| waiting.id != alert.id);
        line.waiting.push_back((alert, now));
    }

    /// An alert whose turn it is. Its line waits until [`Lines::done`].
    pub(super) fn next(&mut self, now: Instant) -> Option<DueAlert> {
        for line in self.lines.values_mut() {
            line.waiting.retain(|(_, since)| now.duration_since(*since) < STALE);
            line.paused_until = line.paused_until.filter(|until| now < *until);
            if !line.busy
                && line.paused_until.is_none()
                && let Some((alert, _)) = line.waiting.pop_front()
            {
                line.busy = true;
                return Some(alert);
            }
        }
        None
    }

    /// The alert under way to this reader is settled; the next one not before `pause`.
    pub(super) fn done(&mut self, target: AlertTarget, pause: Option<Instant>) {
        if let Some(line) = self.lines.get_mut(&target) {
            line.busy = false;
            line.paused_until = pause;
        }
    }

    /// When a line that waits out a pause goes on.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.lines.values().filter(|line| !line.waiting.is_empty()).filter_map(|line| line.paused_until).min()
    }

    /// Alerts in all lines.
    pub(super) fn waiting(&self) -> usize {
        self.lines.values().map(|line| line.waiting.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::text::tests::due;

    const CHAT: AlertTarget = AlertTarget::Chat(7);

    fn alert(id: i64, target: AlertTarget) -> DueAlert {
        DueAlert { id, target, ..due() }
    }

    #[test]
    fn one_at_a_time_in_order_and_readers_side_by_side() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        for (id, target) in [(1, CHAT), (2, CHAT), (3, AlertTarget::Console)] {
            lines.join(alert(id, target), now);
        }
        let mut begun: Vec<i64> = std::iter::from_fn(|| lines.next(now)).map(|alert| alert.id).collect();
        begun.sort_unstable();
        assert_eq!(begun, [1, 3], "the second of the chat waits");
        lines.done(CHAT, None);
        assert_eq!(lines.next(now).map(|alert| alert.id), Some(2));
        assert_eq!((lines.next(now), lines.waiting()), (None, 0));
    }

    #[test]
    fn a_pause_holds_up_its_own_line_only() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        lines.join(alert(1, CHAT), now);
        assert!(lines.next(now).is_some());
        let until = now + Duration::from_secs(3);
        lines.done(CHAT, Some(until));
        assert_eq!(lines.wake(), None, "nobody waits");
        lines.join(alert(2, CHAT), now);
        assert_eq!((lines.next(now), lines.wake()), (None, Some(until)));
        lines.join(alert(3, AlertTarget::Chat(8)), now);
        assert_eq!(lines.next(now).map(|alert| alert.id), Some(3));
        assert_eq!(lines.next(until).map(|alert| alert.id), Some(2));
    }

    #[test]
    fn a_claim_that_ran_out_is_not_used() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        lines.join(alert(1, CHAT), now);
        lines.join(alert(1, CHAT), now + Duration::from_secs(1));
        assert_eq!(lines.waiting(), 1, "the same alert, claimed anew");
        assert_eq!(lines.next(now + Duration::from_secs(1) + STALE), None);
    }
}
