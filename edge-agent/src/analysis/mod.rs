//! From frames to findings.
//!
//! Decoded frames come in from `capture`, or fewer of them from `skim` ([`source`]); pauses, defects and gaps go out as [`findings::Finding`] to a sink that the
//! caller gives. Motion and pauses run on the caller's thread ([`look`]), inference on one worker thread behind a
//! bounded channel ([`bench`]); [`things`] makes one defect of one physical thing. What is found does not depend on how
//! fast the threads are: the same file gives the same findings in the same order. This room knows neither the store nor
//! the network.

mod bench;
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
use crate::model::LoadedModel;
use fieldeye_base::exit::{Exit, Failure};
use findings::{Identity, Outcome};
use std::path::PathBuf;

/// What is to be looked at, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// The video file; of a recording in several, all of them in their order.
    pub(crate) source: Vec<PathBuf>,
    /// Where the ids of findings come from.
    pub(crate) identity: Identity,
    /// The model.
    pub(crate) model: LoadedModel,
    /// How often the detector looks, per second of video; the keyframe of each pause is always looked at.
    pub(crate) rate_hz: f64,
    /// Decode only what a search for pauses needs.
    pub(crate) skim: bool,
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
