//! Where frames come from: all of a video, or those that a skim chooses.

use crate::capture::{Next, Unreadable, Video};
use crate::skim::{Coming, Refused, Since, Skim};
use fieldeye_base::stop::Stop;
use std::path::Path;

/// A source of frames.
#[derive(Debug)]
pub(super) enum Source {
    /// All of them.
    Whole {
        /// The decoder.
        video: Box<Video>,
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
        Ok(Self::Whole { video: Box::new(Video::open(path)?), refused })
    }

    /// Waits for what comes next.
    pub(super) fn next(&mut self, stop: &Stop) -> Result<Coming, Unreadable> {
        Ok(match self {
            Self::Whole { video, .. } => match video.next(stop)? {
                Next::Frame(frame) => Coming::Frame(frame, Since::Nothing),
                Next::End => Coming::End,
                Next::Stopped => Coming::Stopped,
            },
            Self::Skimmed(skim) => skim.next(stop)?,
        })
    }

    /// Length in seconds as the container says, once the first frame is there.
    pub(super) fn duration_s(&self) -> Option<f64> {
        match self {
            Self::Whole { video, .. } => video.duration_s(),
            Self::Skimmed(skim) => skim.duration_s(),
        }
    }

    /// Frames of the video that lie behind, if it is skimmed: some of them were not given.
    pub(super) fn behind(&self) -> Option<u64> {
        match self {
            Self::Whole { .. } => None,
            Self::Skimmed(skim) => Some(skim.frames()),
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
