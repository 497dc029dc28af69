//! Where frames come from: all of a video, or those that a skim chooses.

use crate::capture::{Frame, Next, Unreadable, Video};
use crate::skim::{Refused, Since, Skim, Skimmed};
use fieldeye_base::stop::Stop;
use std::path::Path;

/// What comes next.
#[derive(Debug)]
pub(super) enum Coming {
    /// A frame, and what was left out before it.
    Frame(Box<Frame>, Since),
    /// Nothing was looked at up to this time, seconds; from the other time on, it should have been.
    Passed(f64, Option<f64>),
    /// There are no more.
    End,
    /// The stop token was cancelled.
    Stopped,
}

/// A source of frames.
#[derive(Debug)]
pub(super) enum Source {
    /// All of them.
    Whole {
        /// The decoder.
        video: Box<Video>,
        /// Frames so far.
        frames: u64,
        /// Why it is not skimmed, if it was to be.
        refused: Option<String>,
    },
    /// Few of them.
    Skimmed(Box<Skim>),
}

impl Source {
    /// Opens a file, to be skimmed if that is wanted and can be done.
    pub(super) fn open(path: &Path, skim: bool, stop: &Stop) -> Result<Self, Unreadable> {
        let refused = match skim.then(|| Skim::open(path, stop)) {
            Some(Ok(skim)) => return Ok(Self::Skimmed(Box::new(skim))),
            Some(Err(Refused::Unreadable(error))) => return Err(error),
            Some(Err(Refused::Unsuited(why))) => {
                tracing::info!(path = %path.display(), why, "looking at every frame");
                Some(why)
            }
            None => None,
        };
        Ok(Self::Whole { video: Box::new(Video::open(path)?), frames: 0, refused })
    }

    /// Waits for what comes next.
    pub(super) fn next(&mut self, stop: &Stop) -> Result<Coming, Unreadable> {
        Ok(match self {
            Self::Whole { video, frames, .. } => match video.next(stop)? {
                Next::Frame(frame) => {
                    *frames = frame.number + 1;
                    Coming::Frame(frame, Since::Nothing)
                }
                Next::End => Coming::End,
                Next::Stopped => Coming::Stopped,
            },
            Self::Skimmed(skim) => match skim.next(stop)? {
                Skimmed::Frame(frame, since) => Coming::Frame(frame, since),
                Skimmed::Passed { until_s, blind_s } => Coming::Passed(until_s, blind_s),
                Skimmed::End => Coming::End,
                Skimmed::Stopped => Coming::Stopped,
            },
        })
    }

    /// Length in seconds as the container says, once the first frame is there.
    pub(super) fn duration_s(&self) -> Option<f64> {
        match self {
            Self::Whole { video, .. } => video.duration_s(),
            Self::Skimmed(skim) => skim.duration_s(),
        }
    }

    /// Frames of the video that lie behind.
    pub(super) fn frames(&self) -> u64 {
        match self {
            Self::Whole { frames, .. } => *frames,
            Self::Skimmed(skim) => skim.frames(),
        }
    }

    /// Whether the camera is held in the newest frame, as far as is known.
    pub(super) fn is_held(&mut self, held: bool) {
        if let Self::Skimmed(skim) = self {
            skim.is_held(held);
        }
    }

    /// Frames that were decoded, if it was skimmed.
    pub(super) fn decoded(&self) -> Option<u64> {
        match self {
            Self::Whole { .. } => None,
            Self::Skimmed(skim) => Some(skim.decoded()),
        }
    }

    /// Why it is not skimmed, if it was to be.
    pub(super) fn refused(&self) -> Option<&str> {
        match self {
            Self::Whole { refused, .. } => refused.as_deref(),
            Self::Skimmed(_) => None,
        }
    }
}
