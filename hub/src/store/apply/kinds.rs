//! The kinds of records: which table each is kept in, and which of its content has a column there.
//!
//! A device writes only what it observed. What people and the hub add to a row (labels, verdicts, notes) is not among
//! the columns that are written here.

use super::{Context, Refusal, reject};
use crate::store::{boots, times};
use fieldeye_protocol::body::{
    DefectBody, EventBody, FrameBody, GapBody, PauseBody, SessionBody, SessionStatus, Severity,
};
use fieldeye_protocol::record::{Record, RecordId, RecordKind};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The statements of a kind.
#[derive(Debug)]
pub(super) struct Kind {
    /// Revision, device and session of an id.
    pub(super) find: &'static str,
    /// Writes all columns that a device may write.
    upsert: &'static str,
}

/// Builds the statement that writes a row: twelve columns that all kinds share, then a kind's own from `?13` on.
macro_rules! upsert {
    ($table:literal, $columns:literal, $values:literal, $set:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (id, device_id, rev, void, at_wall, at_boot, at_mono_ms, at_synced, observed_at, time_quality, body,
                received_at, created_at, ",
            $columns,
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ",
            $values,
            ") ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, void = excluded.void, at_wall = excluded.at_wall,
                at_boot = excluded.at_boot, at_mono_ms = excluded.at_mono_ms, at_synced = excluded.at_synced,
                observed_at = excluded.observed_at, time_quality = excluded.time_quality, body = excluded.body,
                received_at = excluded.received_at, ",
            $set
        )
    };
}

const SESSION: Kind = Kind {
    find: "SELECT rev, device_id, NULL FROM field_eye_sessions WHERE id = ?1",
    upsert: upsert!(
        "field_eye_sessions",
        "status, technician_id, vehicle_id, equipment_type, date, duration_sec, total_frames, camera_model, mount_type,
            video_path, source_sha256, width, height, fps, metadata",
        "?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27",
        "status = excluded.status, technician_id = excluded.technician_id, vehicle_id = excluded.vehicle_id,
            equipment_type = excluded.equipment_type, date = excluded.date, duration_sec = excluded.duration_sec,
            total_frames = excluded.total_frames, camera_model = excluded.camera_model,
            mount_type = excluded.mount_type, video_path = excluded.video_path,
            source_sha256 = excluded.source_sha256, width = excluded.width, height = excluded.height,
            fps = excluded.fps, metadata = excluded.metadata"
    ),
};
const PAUSE: Kind = Kind {
    find: "SELECT rev, device_id, session_id FROM field_eye_pauses WHERE id = ?1",
    upsert: upsert!(
        "field_eye_pauses",
        "session_id, frame_id, start_s, end_s, confidence, keyframe_s",
        "?13, ?14, ?15, ?16, ?17, ?18",
        "session_id = excluded.session_id, frame_id = excluded.frame_id, start_s = excluded.start_s,
            end_s = excluded.end_s, confidence = excluded.confidence, keyframe_s = excluded.keyframe_s"
    ),
};
const FRAME: Kind = Kind {
    find: "SELECT rev, device_id, session_id FROM field_eye_frames WHERE id = ?1",
    upsert: upsert!(
        "field_eye_frames",
        "session_id, frame_number, timestamp_sec, width, height, blob_sha256, frame_path",
        "?13, ?14, ?15, ?16, ?17, ?18, (SELECT path FROM field_eye_blobs WHERE sha256 = ?18 AND state = 'stored')",
        "session_id = excluded.session_id, frame_number = excluded.frame_number,
            timestamp_sec = excluded.timestamp_sec, width = excluded.width, height = excluded.height,
            blob_sha256 = excluded.blob_sha256, frame_path = excluded.frame_path"
    ),
};
const DEFECT: Kind = Kind {
    find: "SELECT rev, device_id, session_id FROM field_eye_defects WHERE id = ?1",
    upsert: upsert!(
        "field_eye_defects",
        "session_id, frame_id, pause_id, defect_type, severity, confidence, bounding_box, first_s, last_s, model_name,
            model_version, model_sha256",
        "?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24",
        "session_id = excluded.session_id, frame_id = excluded.frame_id, pause_id = excluded.pause_id,
            defect_type = excluded.defect_type, severity = excluded.severity, confidence = excluded.confidence,
            bounding_box = excluded.bounding_box, first_s = excluded.first_s, last_s = excluded.last_s,
            model_name = excluded.model_name, model_version = excluded.model_version,
            model_sha256 = excluded.model_sha256"
    ),
};
const CLIP: Kind = Kind {
    find: "SELECT rev, device_id, session_id FROM field_eye_clips WHERE id = ?1",
    upsert: upsert!(
        "field_eye_clips",
        "session_id, start_s, end_s, blob_sha256",
        "?13, ?14, ?15, ?16",
        "session_id = excluded.session_id, start_s = excluded.start_s, end_s = excluded.end_s,
            blob_sha256 = excluded.blob_sha256"
    ),
};
const GAP: Kind = Kind {
    find: "SELECT rev, device_id, session_id FROM field_eye_gaps WHERE id = ?1",
    upsert: upsert!(
        "field_eye_gaps",
        "session_id, start_s, end_s, what, reason",
        "?13, ?14, ?15, ?16, ?17",
        "session_id = excluded.session_id, start_s = excluded.start_s, end_s = excluded.end_s, what = excluded.what,
            reason = excluded.reason"
    ),
};
const EVENT: Kind = Kind {
    find: "SELECT rev, device_id, session_id FROM field_eye_events WHERE id = ?1",
    upsert: upsert!(
        "field_eye_events",
        "session_id, name, data",
        "?13, ?14, ?15",
        "session_id = excluded.session_id, name = excluded.name, data = excluded.data"
    ),
};

/// The statements of a kind; `None` for one that nobody here knows.
pub(super) fn of(kind: &RecordKind) -> Option<&'static Kind> {
    Some(match kind {
        RecordKind::Session => &SESSION,
        RecordKind::Pause => &PAUSE,
        RecordKind::Frame => &FRAME,
        RecordKind::Defect => &DEFECT,
        RecordKind::Clip => &CLIP,
        RecordKind::Gap => &GAP,
        RecordKind::Event => &EVENT,
        RecordKind::Unknown(_) => return None,
    })
}

/// A piece of video. Its record may say when it begins and ends.
#[derive(Debug, Clone, Deserialize)]
struct ClipBody {
    start_s: Option<f64>,
    end_s: Option<f64>,
}

/// What a record says.
#[derive(Debug)]
pub(super) enum Content {
    Session(Box<SessionBody>),
    Pause(PauseBody),
    Frame(FrameBody),
    Defect(Box<DefectBody>),
    Clip(ClipContent),
    Gap(GapBody),
    Event(EventBody),
    /// A later look did not find it: the row remains, without content.
    Withdrawn,
}

/// A clip and the blob that it names.
#[derive(Debug)]
pub(super) struct ClipContent {
    body: ClipBody,
    sha256: Option<String>,
}

impl Content {
    /// Reads a record's body, or says what is wrong with it.
    pub(super) fn read(record: &Record) -> Result<Self, String> {
        fn body<T: DeserializeOwned>(record: &Record) -> Result<T, String> {
            let kind = record.kind.as_str();
            T::deserialize(&record.body).map_err(|error| format!("not the body of a {kind}: {error}"))
        }
        let in_a_session = || {
            let kind = record.kind.as_str();
            record.parents.session.map(drop).ok_or_else(|| format!("a {kind} must name its session in parents"))
        };
        if record.void {
            return Ok(Self::Withdrawn);
        }
        Ok(match record.kind {
            RecordKind::Session => Self::Session(Box::new(body(record)?)),
            RecordKind::Pause => in_a_session().and(body(record)).map(Self::Pause)?,
            RecordKind::Frame => in_a_session().and(body(record)).map(Self::Frame)?,
            RecordKind::Defect => in_a_session().and(body(record)).map(Box::new).map(Self::Defect)?,
            RecordKind::Clip => {
                in_a_session()?;
                let sha256 = record.body.pointer("/blob/sha256").and_then(|sha256| sha256.as_str());
                Self::Clip(ClipContent { body: body(record)?, sha256: sha256.map(str::to_owned) })
            }
            RecordKind::Gap => Self::Gap(body(record)?),
            RecordKind::Event => Self::Event(body(record)?),
            RecordKind::Unknown(_) => return Err("an unknown kind".to_owned()),
        })
    }

    /// The frame that it belongs to.
    pub(super) fn frame(&self, record: &Record) -> Option<RecordId> {
        match self {
            Self::Pause(pause) => record.parents.frame.or(pause.frame_id),
            _ => record.parents.frame,
        }
    }

    /// How bad it is, for a defect that stands.
    pub(super) fn severity(&self) -> Option<Severity> {
        match self {
            Self::Defect(defect) => Some(defect.severity),
            _ => None,
        }
    }

    /// Writes the row.
    pub(super) fn write(
        &self,
        db: &Connection,
        context: &Context<'_>,
        record: &Record,
        kind: &Kind,
        session: Option<&str>,
        frame: Option<&str>,
    ) -> Result<(), Refusal> {
        let at = &record.at;
        let (observed_at, quality) = boots::observed(db, context.device, at)?;
        let mut values: Vec<Value> = vec![
            record.id.to_string().into(),
            context.device.as_str().to_owned().into(),
            number(record.rev)?,
            record.void.into(),
            times::text(at.wall).into(),
            number(at.boot)?,
            number(at.mono_ms)?,
            at.synced.into(),
            times::text(observed_at).into(),
            quality.to_owned().into(),
            record.body.to_string().into(),
            times::text(context.now).into(),
        ];
        values.extend(self.columns(record, session, frame, &times::text(observed_at))?);
        db.prepare_cached(kind.upsert)?.execute(params_from_iter(values))?;
        Ok(())
    }

    /// The values of a kind's own columns, in their order.
    fn columns(
        &self,
        record: &Record,
        session: Option<&str>,
        frame: Option<&str>,
        observed_at: &str,
    ) -> Result<Vec<Value>, Refusal> {
        let session = text(session);
        let frame = text(frame);
        Ok(match self {
            Self::Session(body) => session_columns(body, observed_at)?,
            Self::Pause(body) => vec![
                session,
                frame,
                body.start_s.into(),
                body.end_s.into(),
                body.confidence.into(),
                body.keyframe_s.into(),
            ],
            Self::Frame(body) => vec![
                session,
                number(body.frame_number)?,
                body.timestamp_s.into(),
                body.width.into(),
                body.height.into(),
                text(body.blob.as_ref().map(|blob| blob.sha256.to_string())),
            ],
            Self::Defect(body) => vec![
                session,
                frame,
                text(body.pause_id.map(|id| id.to_string())),
                body.defect_type.clone().into(),
                body.severity.as_str().to_owned().into(),
                body.confidence.into(),
                serde_json::to_string(&body.bounding_box).map_or(Value::Null, Value::from),
                body.first_s.into(),
                body.last_s.into(),
                body.model.name.clone().into(),
                body.model.version.clone().into(),
                body.model.sha256.clone().into(),
            ],
            Self::Clip(clip) => {
                vec![session, clip.body.start_s.into(), clip.body.end_s.into(), text(clip.sha256.as_deref())]
            }
            Self::Gap(body) => {
                vec![session, body.start_s.into(), body.end_s.into(), text(Some(&body.what)), text(Some(&body.reason))]
            }
            Self::Event(body) => vec![session, body.name.clone().into(), body.data.to_string().into()],
            Self::Withdrawn => withdrawn_columns(&record.kind, session, frame),
        })
    }
}

fn session_columns(body: &SessionBody, observed_at: &str) -> Result<Vec<Value>, Refusal> {
    let status = match body.status {
        SessionStatus::Open => "open",
        SessionStatus::Closed => "closed",
        SessionStatus::Interrupted => "interrupted",
    };
    number(body.pause_count)?;
    let technician = body.technician_id.as_deref().map(str::trim).filter(|name| !name.is_empty());
    Ok(vec![
        status.to_owned().into(),
        technician.unwrap_or("unknown").to_owned().into(),
        text(body.vehicle_id.as_deref()),
        text(body.equipment_type.as_deref()),
        body.date.map_or_else(|| observed_at.to_owned(), times::text).into(),
        (body.duration_s.round() as i64).into(),
        number(body.total_frames)?,
        text(body.camera_model.as_deref()),
        text(body.mount_type.as_deref()),
        text(Some(body.source.as_str()).filter(|source| !source.is_empty())),
        text(body.source_sha256.map(|sha256| sha256.to_string())),
        body.width.into(),
        body.height.into(),
        body.fps.into(),
        if body.metadata.is_null() { Value::Null } else { body.metadata.to_string().into() },
    ])
}

/// A withdrawn row keeps its place and nothing else.
fn withdrawn_columns(kind: &RecordKind, session: Value, frame: Value) -> Vec<Value> {
    let (first, count) = match kind {
        RecordKind::Session => (vec!["open".to_owned().into(), "unknown".to_owned().into()], 15),
        RecordKind::Pause => (vec![session, frame], 6),
        RecordKind::Frame => (vec![session], 6),
        RecordKind::Defect => (vec![session, frame], 12),
        RecordKind::Clip => (vec![session], 4),
        RecordKind::Gap => (vec![session], 5),
        RecordKind::Event | RecordKind::Unknown(_) => (vec![session], 3),
    };
    let nulls = std::iter::repeat_n(Value::Null, count - first.len());
    first.into_iter().chain(nulls).collect()
}

fn text<T: Into<String>>(text: Option<T>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.into()))
}

fn number(number: u64) -> Result<Value, Refusal> {
    i64::try_from(number).map(Value::from).or_else(|_| reject(format!("the number {number} is out of range")))
}
