//! Where frames come from: all of a video, those that a skim chooses, or a live camera.

use crate::capture::camera::{self, Camera, Health, Piece, Seen};
use crate::capture::{Frame, Next, Unreadable, Video};
use crate::skim::{self, Refused, Since, Skim};
use fieldeye_base::stop::Stop;
use std::path::Path;

/// What comes next.
#[derive(Debug)]
pub(super) enum Coming {
    /// A frame, and what was left out before it.
    Frame(Box<Frame>, Since),
    /// Nothing was looked at up to this time, seconds.
    Passed {
        /// See above.
        until_s: f64,
        /// From here on it should have been looked at, and could not be, seconds.
        blind_s: Option<f64>,
    },
    /// The camera is gone.
    Gone,
    /// The camera is back; it was gone for this span.
    Missed {
        /// Start, seconds.
        from_s: f64,
        /// End, seconds.
        until_s: f64,
        /// Why, as half a sentence.
        why: String,
    },
    /// A piece of the recording is closed.
    Piece(Piece),
    /// A camera gave nothing for a moment.
    Nothing,
    /// There is no more.
    End,
    /// The stop token was cancelled.
    Stopped,
}

impl From<skim::Coming> for Coming {
    fn from(coming: skim::Coming) -> Self {
        match coming {
            skim::Coming::Frame(frame, since) => Self::Frame(frame, since),
            skim::Coming::Passed { until_s, blind_s } => Self::Passed { until_s, blind_s },
            skim::Coming::End => Self::End,
            skim::Coming::Stopped => Self::Stopped,
        }
    }
}

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
    /// Those that a camera gives now.
    Live {
        /// The camera.
        camera: Box<Camera>,
        /// It was gone just before.
        unseen: bool,
    },
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

    /// Watches a camera until `over` is cancelled.
    pub(super) fn watch(settings: camera::Settings, over: Stop) -> Self {
        Self::Live { camera: Box::new(Camera::new(settings, over)), unseen: false }
    }

    /// How the camera is doing, if it is one.
    pub(super) fn health(&self) -> Option<Health> {
        match self {
            Self::Live { camera, .. } => Some(camera.health()),
            _ => None,
        }
    }

    /// Waits for what comes next.
    pub(super) fn next(&mut self, stop: &Stop) -> Result<Coming, Unreadable> {
        Ok(match self {
            Self::Whole { video, .. } => match video.next(stop)? {
                Next::Frame(frame) => Coming::Frame(frame, Since::Nothing),
                Next::End => Coming::End,
                Next::Stopped => Coming::Stopped,
            },
            Self::Skimmed(skim) => skim.next(stop)?.into(),
            Self::Live { camera, unseen } => match camera.next() {
                Seen::Frame(frame) if std::mem::take(unseen) => Coming::Frame(frame, Since::Unseen),
                Seen::Frame(frame) => Coming::Frame(frame, Since::Nothing),
                Seen::Gone => {
                    *unseen = true;
                    Coming::Gone
                }
                Seen::Back { from_s, until_s, why } => Coming::Missed { from_s, until_s, why },
                Seen::Piece(piece) => Coming::Piece(piece),
                Seen::Nothing => Coming::Nothing,
                Seen::End => Coming::End,
            },
        })
    }

    /// Length in seconds as the container says, once the first frame is there.
    pub(super) fn duration_s(&self) -> Option<f64> {
        match self {
            Self::Whole { video, .. } => video.duration_s(),
            Self::Skimmed(skim) => skim.duration_s(),
            Self::Live { .. } => None,
        }
    }

    /// Frames of the video that lie behind, if it is skimmed: some of them were not given.
    pub(super) fn behind(&self) -> Option<u64> {
        match self {
            Self::Whole { .. } | Self::Live { .. } => None,
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
            Self::Whole { .. } | Self::Live { .. } => None,
            Self::Skimmed(skim) => Some(skim.decoded()),
        }
    }

    /// Why it is not skimmed, if it was to be.
    pub(super) fn refused(&self) -> Option<&str> {
        match self {
            Self::Whole { refused, .. } => refused.as_deref(),
            Self::Skimmed(_) | Self::Live { .. } => None,
        }
    }
}
