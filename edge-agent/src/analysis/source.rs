//! Where frames come from: files or a live camera.

use super::What;
use super::files::Files;
use crate::capture::camera::{Absence, Camera, Health, Piece, Seen};
use crate::capture::{Frame, Unreadable};
use crate::skim::{self, Since};
use fieldeye_base::stop::Stop;

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
    /// The camera is back.
    Missed(Absence),
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
    /// Those of files.
    Files(Box<Files>),
    /// Those that a camera gives now.
    Live {
        /// The camera.
        camera: Box<Camera>,
        /// It was gone just before.
        unseen: bool,
    },
}

impl Source {
    /// Opens it.
    pub(super) fn open(what: &What, stop: &Stop) -> Result<Self, Unreadable> {
        Ok(match what {
            What::Files { paths, skim } => Self::Files(Box::new(Files::open(paths, *skim, stop)?)),
            What::Camera(settings, over) => {
                Self::Live { camera: Box::new(Camera::new(settings.clone(), over.clone())), unseen: false }
            }
        })
    }

    /// Waits for what comes next.
    pub(super) fn next(&mut self, stop: &Stop) -> Result<Coming, Unreadable> {
        Ok(match self {
            Self::Files(files) => files.next(stop)?.into(),
            Self::Live { camera, unseen } => match camera.next() {
                Seen::Frame(frame) if std::mem::take(unseen) => Coming::Frame(frame, Since::Unseen),
                Seen::Frame(frame) => Coming::Frame(frame, Since::Nothing),
                Seen::Gone => {
                    *unseen = true;
                    Coming::Gone
                }
                Seen::Back(absence) => Coming::Missed(absence),
                Seen::Piece(piece) => Coming::Piece(piece),
                Seen::Nothing => Coming::Nothing,
                Seen::End => Coming::End,
            },
        })
    }

    fn files(&self) -> Option<&Files> {
        match self {
            Self::Files(files) => Some(files),
            Self::Live { .. } => None,
        }
    }

    /// How the camera is doing, if it is one.
    pub(super) fn health(&self) -> Option<&Health> {
        match self {
            Self::Live { camera, .. } => Some(camera.health()),
            Self::Files(_) => None,
        }
    }

    /// Length in seconds as the containers say, once the first frame is there.
    pub(super) fn duration_s(&self) -> Option<f64> {
        self.files()?.duration_s()
    }

    /// Frames of the video that lie behind, if it is skimmed: some of them were not given.
    pub(super) fn behind(&self) -> Option<u64> {
        self.files()?.behind()
    }

    /// Whether the camera is held in the newest frame, as far as is known.
    pub(super) fn is_held(&mut self, held: bool) {
        if let Self::Files(files) = self {
            files.is_held(held);
        }
    }

    /// Frames that were decoded, if it was skimmed, be it in part.
    pub(super) fn decoded(&self) -> Option<u64> {
        self.files()?.decoded()
    }

    /// Why it is not skimmed, if it was to be.
    pub(super) fn refused(&self) -> Option<&str> {
        self.files()?.refused()
    }
}
