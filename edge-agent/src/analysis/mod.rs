//! From frames to findings.
//!
//! Decoded frames come in from `capture`, of a file or of a live camera, or fewer of them from `skim` ([`source`]); pauses, defects and gaps go out as [`findings::Finding`] to a sink that the
//! caller gives. Motion and pauses run on the caller's thread ([`look`]), inference on one worker thread behind a
//! bounded channel ([`bench`]); [`things`] makes one defect of one physical thing. What is found does not depend on how
//! fast the threads are: the same file gives the same findings in the same order. This room knows neither the store nor
//! the network.

mod bench;
mod files;
pub(crate) mod findings;
mod interest;
mod look;
mod shot;
mod source;
#[cfg(test)]
mod tests;
mod things;

pub(crate) use look::look;

use crate::capture::Unreadable;
use crate::capture::camera;
use crate::model::LoadedModel;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_base::stop::Stop;
use findings::{Identity, Outcome};
use std::path::PathBuf;

/// What is to be looked at, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// What is looked at.
    pub(crate) what: What,
    /// Where the ids of findings come from.
    pub(crate) identity: Identity,
    /// The model.
    pub(crate) model: LoadedModel,
    /// How often the detector looks, per second of video; the keyframe of each pause is always looked at.
    pub(crate) rate_hz: f64,
}

/// Files or a camera.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A video.
    Files {
        /// Its file; of a recording in several, all of them in their order.
        paths: Vec<PathBuf>,
        /// Decode only what a search for pauses needs.
        skim: bool,
    },
    /// A live camera, until the token is cancelled.
    Camera(camera::Settings, Stop),
}

/// Why a look ended early.
#[derive(Debug)]
pub(crate) enum LookError<E> {
    /// The video can't be read, or not further. Findings that came before stand.
    Unreadable {
        /// One sentence with the file and what to do.
        why: String,
        /// What was seen before that, unless it was nothing at all.
        seen: Option<Box<Outcome>>,
    },
    /// The model can't look at pictures.
    Model {
        /// One sentence.
        why: String,
    },
    /// The sink did not take a finding.
    Sink(E),
    /// A part of this program failed.
    Failed {
        /// One sentence.
        why: String,
    },
}

impl<E> From<Unreadable> for LookError<E> {
    fn from(Unreadable { why }: Unreadable) -> Self {
        Self::Unreadable { why, seen: None }
    }
}

impl<E: Into<anyhow::Error>> LookError<E> {
    /// As an error for the person at the console, with its exit code.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Unreadable { why, .. } => Failure::new(Exit::Unreadable, why).into(),
            Self::Model { why } => Failure::new(Exit::BadModel, why).into(),
            Self::Failed { why } => Failure::new(Exit::Failed, why).into(),
            Self::Sink(error) => error.into(),
        }
    }
}
