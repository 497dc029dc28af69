//! What `inspect --json` prints: schema `fieldeye.inspection/1`.

use fieldeye_protocol::body::{BoundingBox, Severity};
use fieldeye_protocol::record::RecordId;
use serde::Serialize;

/// The schema's name; it changes when a field changes its meaning.
const SCHEMA: &str = "fieldeye.inspection/1";

/// An inspection. Times are presentation seconds from the first frame, boxes pixels of the displayed picture.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Inspection {
    schema: &'static str,
    /// The file's name.
    pub(crate) source: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: f64,
    pub(crate) duration_s: f64,
    pub(crate) frames: u64,
    /// Only there when it was to be skimmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skim: Option<Skim>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) idle: Vec<Span>,
    pub(crate) defects: Vec<Defect>,
    /// Only there when something could not be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gaps: Vec<Gap>,
    pub(crate) model: Model,
    pub(crate) timing: Timing,
}

/// How much of a video a skim decoded.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Skim {
    /// Frames decoded, those that were decoded twice counted twice.
    pub(crate) decoded: u64,
    /// Frames of the video.
    pub(crate) of: u64,
    /// Only there when every frame was looked at all the same: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

/// The camera was held on something.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pause {
    pub(crate) id: RecordId,
    pub(crate) start_s: f64,
    pub(crate) end_s: f64,
    pub(crate) confidence: f64,
    pub(crate) keyframe_s: f64,
    /// Path in the folder, where there is one.
    pub(crate) keyframe: Option<String>,
    #[serde(skip)]
    pub(crate) picture: Picture,
}

/// The camera was put down.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Span {
    pub(crate) start_s: f64,
    pub(crate) end_s: f64,
}

/// One physical defect.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Defect {
    pub(crate) id: RecordId,
    #[serde(rename = "type")]
    pub(crate) defect_type: String,
    pub(crate) severity: Severity,
    pub(crate) confidence: f64,
    pub(crate) first_s: f64,
    pub(crate) last_s: f64,
    pub(crate) bounding_box: BoundingBox,
    pub(crate) pause_id: Option<RecordId>,
    /// Path in the folder, where there is one.
    pub(crate) keyframe: Option<String>,
    #[serde(skip)]
    pub(crate) picture: Picture,
}

/// What was not looked at, and why.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Gap {
    pub(crate) start_s: f64,
    pub(crate) end_s: f64,
    pub(crate) reason: String,
}

/// The kept picture that something is shown on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Picture {
    pub(crate) id: RecordId,
    pub(crate) timestamp_s: f64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Which model looked.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) runtime: String,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Timing {
    pub(crate) wall_s: f64,
    pub(crate) decode_s: f64,
    pub(crate) motion_s: f64,
    pub(crate) preprocess_s: f64,
    pub(crate) infer_s: f64,
    pub(crate) postprocess_s: f64,
    pub(crate) store_s: f64,
    pub(crate) frames_per_s: f64,
    /// Greatest resident memory of this process; absent where the system doesn't say.
    pub(crate) peak_rss_mb: Option<f64>,
}

impl Inspection {
    /// One of which nothing is known yet.
    pub(crate) fn new(source: String, model: Model) -> Self {
        Self {
            schema: SCHEMA,
            source,
            width: 0,
            height: 0,
            fps: 0.0,
            duration_s: 0.0,
            frames: 0,
            skim: None,
            pauses: Vec::new(),
            idle: Vec::new(),
            defects: Vec::new(),
            gaps: Vec::new(),
            model,
            timing: Timing::default(),
        }
    }

    /// Whether a JSON text is an inspection, of this or another version.
    pub(crate) fn is_one(json: &[u8]) -> bool {
        let value: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
        value["schema"].as_str().is_some_and(|schema| schema.starts_with("fieldeye.inspection/"))
    }
}
