//! The contents of records. Times are seconds of the video's presentation clock from its first frame, boxes are
//! pixels of the displayed (rotated) picture. Fields that a device does not know are left out.

use crate::blob::BlobRef;
use crate::digest::Digest;
use crate::record::RecordId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether a session is still going on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Still recording or analysing.
    #[default]
    Open,
    /// Everything was looked at.
    Closed,
    /// Ended before everything could be looked at; a gap says why.
    Interrupted,
}

/// One inspection by one camera.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionBody {
    /// Open, closed or interrupted.
    pub status: SessionStatus,
    /// Who held the camera; `unknown` at the hub when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technician_id: Option<String>,
    /// Which vehicle or unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle_id: Option<String>,
    /// `coaster`, `motor`, `panel`, `pump` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equipment_type: Option<String>,
    /// When the inspection began, as well as the device knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// Length in seconds.
    #[serde(default)]
    pub duration_s: f64,
    /// Frames decoded.
    #[serde(default)]
    pub total_frames: u64,
    /// Pauses found.
    #[serde(default)]
    pub pause_count: u64,
    /// Camera model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera_model: Option<String>,
    /// `flat_clip`, `ring_clamp`, `lapel_clip` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_type: Option<String>,
    /// File name or URI without credentials.
    #[serde(default)]
    pub source: String,
    /// Content of the file, for imported sessions; of a recording in several files, what follows from theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<Digest>,
    /// Displayed width in pixels.
    #[serde(default)]
    pub width: u32,
    /// Displayed height in pixels.
    #[serde(default)]
    pub height: u32,
    /// Mean frames per second.
    #[serde(default)]
    pub fps: f64,
    /// Free-form facts: lighting, weather, shift …
    #[serde(default)]
    pub metadata: serde_json::Value,
}

/// The camera was held on something for `end_s - start_s` seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PauseBody {
    /// Start.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
    /// How sure the finder is, 0 to 1.
    pub confidence: f64,
    /// The steadiest, sharpest moment.
    pub keyframe_s: f64,
    /// The frame record of that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_id: Option<RecordId>,
}

/// A kept picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameBody {
    /// Number of the frame in the video, from 0.
    pub frame_number: u64,
    /// Its time.
    pub timestamp_s: f64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Where its picture is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<BlobRef>,
}

/// A rectangle in pixels; `x`, `y` is the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// How bad a defect is. Ordered: `Info < Warning < Critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Needs a look.
    Warning,
    /// Someone must be told now.
    Critical,
}

impl Severity {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Which model found a defect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Digest of the ONNX file.
    pub sha256: String,
}

/// One physical thing that looks wrong, however many frames show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DefectBody {
    /// Class name of the model, for example `torque_stripe_missing`.
    pub defect_type: String,
    /// How bad.
    pub severity: Severity,
    /// Best confidence, 0 to 1.
    pub confidence: f64,
    /// Where, on the frame named in `parents`.
    pub bounding_box: BoundingBox,
    /// First seen.
    pub first_s: f64,
    /// Last seen.
    pub last_s: f64,
    /// The pause in which it was seen best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_id: Option<RecordId>,
    /// The model.
    pub model: ModelRef,
}

/// A span that is missing, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapBody {
    /// Start.
    pub start_s: f64,
    /// End; equal to the start when the length is unknown.
    pub end_s: f64,
    /// `not_recorded`, `not_analysed`, `evicted` or `late`.
    pub what: String,
    /// One sentence for a person.
    pub reason: String,
}

/// Something else that happened on the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventBody {
    /// A short name such as `mark` or `clock_set`.
    pub name: String,
    /// Details.
    #[serde(default)]
    pub data: serde_json::Value,
}
