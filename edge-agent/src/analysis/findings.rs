//! What an analysis tells while it goes through a video: the only thing that passes from pixels to the store, the
//! report and the console. Times are presentation seconds from the first frame, boxes pixels of the displayed picture.

use crate::capture::camera::{Health, Piece};
use fieldeye_protocol::body::{BoundingBox, Severity};
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{RecordId, RecordKind};
use std::sync::Arc;

/// Rounds to thousandths: times to milliseconds.
pub(crate) fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Whole milliseconds.
pub(super) fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Where the ids of findings come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A file: ids follow from its content, so analysing it again gives the same ids.
    File(Digest),
    /// A live session: ids carry the time at which the thing began.
    Live {
        /// The session's own id.
        session: RecordId,
        /// When its first frame came, by the device's clock, Unix ms.
        began_ms: i64,
    },
}

impl Identity {
    /// The id of a finding of this kind that starts at `start_s`; `distinction` tells apart what starts together.
    pub(crate) fn id(&self, kind: &RecordKind, start_s: f64, distinction: &str) -> RecordId {
        match self {
            Self::File(content) => RecordId::derived(content, kind, milliseconds(start_s), distinction),
            Self::Live { session, .. } if *kind == RecordKind::Session => *session,
            Self::Live { session, began_ms } => {
                RecordId::live(*session, *began_ms, kind, milliseconds(start_s), distinction)
            }
        }
    }
}

/// What is missing of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing was looked at.
    Analysis,
    /// There was no picture to record or to look at.
    Recording,
}

impl Missing {
    /// As a gap says it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Analysis => "not_analysed",
            Self::Recording => "not_recorded",
        }
    }
}

/// What is known of a video once its first frame is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceInfo {
    /// Displayed width in pixels (after rotation).
    pub(crate) width: u32,
    /// Displayed height in pixels.
    pub(crate) height: u32,
    /// Nominal frames per second; 0 when the container does not say.
    pub(crate) fps: f64,
    /// Length in seconds, where the container says.
    pub(crate) duration_s: Option<f64>,
}

/// A picture that is kept: a JPEG in memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Keyframe {
    /// Its id as a `frame` record.
    pub(crate) id: RecordId,
    /// Number of the frame in the video, from 0.
    pub(crate) frame_number: u64,
    /// Its time.
    pub(crate) timestamp_s: f64,
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// The encoded picture, without drawings on it.
    pub(crate) jpeg: Arc<[u8]>,
}

/// A pause that has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PauseFound {
    /// Its id as a `pause` record.
    pub(crate) id: RecordId,
    /// Start.
    pub(crate) start_s: f64,
    /// End.
    pub(crate) end_s: f64,
    /// 0 to 1.
    pub(crate) confidence: f64,
    /// The steadiest, sharpest frame.
    pub(crate) keyframe: Keyframe,
}

/// One physical defect. The same id may come again with more: each time it replaces what was said before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DefectFound {
    /// Its id as a `defect` record.
    pub(crate) id: RecordId,
    /// Class name of the model.
    pub(crate) defect_type: String,
    /// How bad.
    pub(crate) severity: Severity,
    /// Best confidence, 0 to 1.
    pub(crate) confidence: f64,
    /// Where, on `keyframe`.
    pub(crate) bounding_box: BoundingBox,
    /// First seen.
    pub(crate) first_s: f64,
    /// Last seen.
    pub(crate) last_s: f64,
    /// The pause in which it was seen best.
    pub(crate) pause_id: Option<RecordId>,
    /// The picture that shows it best; often the keyframe of that pause (same id).
    pub(crate) keyframe: Keyframe,
}

/// One thing that an analysis tells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Finding {
    /// The first frame is there. Comes once, before all others.
    Opened(SourceInfo),
    /// A pause has ended.
    Pause(PauseFound),
    /// A defect was seen, or seen better.
    Defect(DefectFound),
    /// The camera was put down from `start_s` to `end_s`.
    Idle {
        /// Start.
        start_s: f64,
        /// End.
        end_s: f64,
    },
    /// A span is missing.
    Gap {
        /// Start.
        start_s: f64,
        /// End; equal to the start when unknown.
        end_s: f64,
        /// What is missing of it.
        what: Missing,
        /// One sentence for a person.
        reason: String,
    },
    /// A piece of the recording is closed.
    Recorded(Piece),
    /// How the camera is doing; a few times a second at most.
    Health(Health),
    /// How far it is; a few times a second at most.
    Progress {
        /// Time of the newest frame.
        position_s: f64,
        /// Frames of the video so far.
        frames: u64,
    },
}

/// What an analysis says at its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// The video.
    pub(crate) source: SourceInfo,
    /// Frames of the video, as far as it was read.
    pub(crate) frames: u64,
    /// How it was skimmed, if it was to be.
    pub(crate) skim: Option<SkimOutcome>,
    /// Time from the first frame to the end of the last.
    pub(crate) duration_s: f64,
    /// Where the time went.
    pub(crate) timing: Timing,
    /// False when it was stopped from outside before the end of the video.
    pub(crate) complete: bool,
}

/// How a video was skimmed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SkimOutcome {
    /// So many of its frames were decoded; some more than once.
    Decoded(u64),
    /// Every frame was looked at all the same; why, as half a sentence.
    Refused(String),
}

/// Where the time of an analysis went, in seconds. Stages overlap on several threads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Timing {
    /// From start to end.
    pub(crate) wall_s: f64,
    /// Waiting for decoded frames.
    pub(crate) decode_s: f64,
    /// Finding motion and pauses.
    pub(crate) motion_s: f64,
    /// From frames to tensors.
    pub(crate) preprocess_s: f64,
    /// In the runtime.
    pub(crate) infer_s: f64,
    /// From outputs to boxes.
    pub(crate) postprocess_s: f64,
    /// In the hands of whoever takes the findings.
    pub(crate) store_s: f64,
}
