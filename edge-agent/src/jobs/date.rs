//! When an inspection took place: the container's word before that of the file system, and neither when it can't be
//! true. A camera whose clock was never set says 1970; one without a clock says nothing.

use crate::capture;
use fieldeye_base::clock;
use fieldeye_protocol::record::At;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// 2000: before that no camera wrote such files, and clocks that were never set begin (1904, 1970, 1980).
const EARLIEST_S: i64 = 946_684_800;
/// Cameras write the time of their place as if it were UTC: up to so much later than it is.
const AHEAD: SignedDuration = SignedDuration::from_hours(14);
/// A device without a network goes on with the time at which it was switched off.
const AHEAD_OF_A_SLOW_CLOCK: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Who says when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    /// The container, with the camera's clock: when the recording began.
    Container,
    /// The file system: about when it ended, if nobody has touched the file since.
    FileModificationTime,
    /// This device, while it watched, with a clock that was set by others.
    Synchronised,
    /// This device, while it watched, with a clock that nobody has set.
    DeviceClock,
    /// Nobody who can be believed.
    Unknown,
}

impl Quality {
    /// As it stands in the session's record.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::FileModificationTime => "file_modification_time",
            Self::Synchronised => "synchronised",
            Self::DeviceClock => "device_clock",
            Self::Unknown => "unknown",
        }
    }
}

/// When it was, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    /// The time; there is none exactly when the quality is unknown.
    pub(crate) at: Option<Timestamp>,
    /// How it is known.
    pub(crate) quality: Quality,
}

impl Date {
    /// Nobody has said anything.
    pub(crate) const UNKNOWN: Self = Self { at: None, quality: Quality::Unknown };

    /// Of what this device has just begun to watch.
    pub(crate) fn of_device(at: &At) -> Self {
        let quality = if at.synced { Quality::Synchronised } else { Quality::DeviceClock };
        Self { at: Some(at.wall), quality }
    }

    /// Of the recording at `path`, whose file was last written at `modified`. Reads the file's head; blocks.
    pub(crate) fn of(path: &Path, modified: Option<Timestamp>) -> Self {
        Self::choose(capture::creation_time(path), modified, latest(clock::now(), clock::synchronised()))
    }

    fn choose(container: Option<Timestamp>, modified: Option<Timestamp>, latest: Timestamp) -> Self {
        let can_be = |time: &Timestamp| time.as_second() >= EARLIEST_S && *time <= latest;
        let said = [(container, Quality::Container), (modified, Quality::FileModificationTime)];
        said.into_iter()
            .find_map(|(time, quality)| time.filter(can_be).map(|time| Self { at: Some(time), quality }))
            .unwrap_or(Self::UNKNOWN)
    }
}

/// What is later than this is in the future.
fn latest(now: Timestamp, synchronised: bool) -> Timestamp {
    if now.as_second() < EARLIEST_S {
        // This device does not know the time itself.
        return Timestamp::MAX;
    }
    now.checked_add(if synchronised { AHEAD } else { AHEAD_OF_A_SLOW_CLOCK }).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_can_be_true_counts() {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (now, shot, copied) = ("2026-11-25T09:00:00Z", "2026-11-24T08:00:00Z", "2026-11-24T12:00:00Z");
        let choose = |container: Option<&str>, modified: Option<&str>| {
            let date = Date::choose(container.map(time), modified.map(time), latest(time(now), true));
            (date.at.map(|at| at.to_string()), date.quality.as_str())
        };
        let copied_then = (Some(copied.to_owned()), "file_modification_time");
        assert_eq!(choose(Some(shot), Some(copied)), (Some(shot.to_owned()), "container"));
        assert_eq!(choose(None, Some(copied)), copied_then);
        for wrong in ["1904-01-01T00:00:01Z", "1970-01-01T00:10:00Z", "1980-01-01T00:00:00Z", "2027-01-01T00:00:00Z"] {
            assert_eq!(choose(Some(wrong), Some(copied)), copied_then, "{wrong}");
            assert_eq!(choose(None, Some(wrong)), (None, "unknown"), "{wrong}");
        }
        let evening = "2026-11-25T19:00:00Z";
        assert_eq!(choose(Some(evening), None), (Some(evening.to_owned()), "container"), "Sydney's clock");
        let quality = |at: &str, now: &str| Date::choose(Some(time(at)), None, latest(time(now), false)).quality;
        assert_eq!(quality("2027-01-01T00:00:00Z", now), Quality::Container, "this device may be late");
        assert_eq!(quality("2040-01-01T00:00:00Z", now), Quality::Unknown, "but not by so much");
        assert_eq!(quality("2040-01-01T00:00:00Z", "1970-01-01T00:01:00Z"), Quality::Container, "or by any");
    }
}
