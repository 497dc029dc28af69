//! What the store gives out: rows whose fields are the columns. They serialise with the columns' names, times as
//! RFC 3339, JSON as JSON.

use fieldeye_protocol::digest::Digest;
use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::{Type, ValueRef};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::str::FromStr;
use uuid::Uuid;

/// A value that a column holds.
pub(super) trait Column: Sized {
    /// Reads it; `None` is SQL's null.
    fn read(value: ValueRef<'_>) -> Result<Option<Self>, Box<dyn std::error::Error + Send + Sync>>;
}

macro_rules! plain_columns {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(value: ValueRef<'_>) -> Result<Option<Self>, Box<dyn std::error::Error + Send + Sync>> {
                Ok(rusqlite::types::FromSql::column_result(value)?)
            }
        }
    )*};
}
plain_columns!(bool, i64, u64, f64, String);

macro_rules! parsed_columns {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(value: ValueRef<'_>) -> Result<Option<Self>, Box<dyn std::error::Error + Send + Sync>> {
                let text: Option<&str> = value.as_str_or_null()?;
                Ok(text.map(<$type>::from_str).transpose()?)
            }
        }
    )*};
}
parsed_columns!(Uuid, Timestamp, Value);

impl Column for Digest {
    fn read(value: ValueRef<'_>) -> Result<Option<Self>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(value.as_str_or_null()?.map(Digest::parse).transpose()?)
    }
}

/// How a field takes what its column holds: an optional one takes null, another does not.
pub(super) trait Field: Sized {
    fn take(row: &Row<'_>, name: &str) -> rusqlite::Result<Self>;
}

fn column<C: Column>(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<C>> {
    let at = row.as_ref().column_index(name)?;
    C::read(row.get_ref(at)?).map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, error))
}

impl<C: Column> Field for Option<C> {
    fn take(row: &Row<'_>, name: &str) -> rusqlite::Result<Self> {
        column(row, name)
    }
}

impl<C: Column> Field for C {
    fn take(row: &Row<'_>, name: &str) -> rusqlite::Result<Self> {
        let missing = || rusqlite::Error::InvalidColumnType(0, name.to_owned(), Type::Null);
        column(row, name)?.ok_or_else(missing)
    }
}

macro_rules! row {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl $name {
            pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
                Ok(Self { $($field: Field::take(row, stringify!($field))?,)* })
            }
        }
    };
}

row! {
    /// One inspection by one camera.
    SessionRow {
        id: Uuid,
        device_id: Option<String>,
        /// `open`, `closed` or `interrupted`.
        status: String,
        technician_id: String,
        vehicle_id: Option<String>,
        equipment_type: Option<String>,
        date: Option<Timestamp>,
        duration_sec: Option<i64>,
        total_frames: Option<u64>,
        pause_count: u64,
        /// The pauses as an array, as old queries expect them.
        pauses: Value,
        /// Defects that stand; not a column, counted.
        defect_count: u64,
        camera_model: Option<String>,
        mount_type: Option<String>,
        video_path: Option<String>,
        source_sha256: Option<String>,
        width: Option<u64>,
        height: Option<u64>,
        fps: Option<f64>,
        metadata: Option<Value>,
        observed_at: Option<Timestamp>,
        time_quality: Option<String>,
        rev: u64,
        received_at: Timestamp,
        created_at: Timestamp,
    }
}

row! {
    /// A moment at which the camera was held on something.
    PauseRow {
        id: Uuid,
        session_id: Option<Uuid>,
        frame_id: Option<Uuid>,
        device_id: Option<String>,
        start_s: Option<f64>,
        end_s: Option<f64>,
        confidence: Option<f64>,
        keyframe_s: Option<f64>,
        observed_at: Option<Timestamp>,
        time_quality: Option<String>,
        rev: u64,
        received_at: Timestamp,
        created_at: Timestamp,
    }
}

row! {
    /// A kept picture.
    FrameRow {
        id: Uuid,
        session_id: Option<Uuid>,
        device_id: Option<String>,
        frame_number: Option<u64>,
        timestamp_sec: Option<f64>,
        width: Option<u64>,
        height: Option<u64>,
        /// Where the picture is in the blob store, once it is there.
        frame_path: Option<String>,
        blob_sha256: Option<Digest>,
        is_defect: Option<bool>,
        defect_type: Option<String>,
        confidence: Option<f64>,
        labels: Option<Value>,
        thermal_data: Option<Value>,
        observed_at: Option<Timestamp>,
        time_quality: Option<String>,
        rev: u64,
        received_at: Timestamp,
        created_at: Timestamp,
    }
}

row! {
    /// One physical thing that looks wrong, with what is known of its inspection.
    DefectRow {
        id: Uuid,
        session_id: Option<Uuid>,
        frame_id: Option<Uuid>,
        pause_id: Option<Uuid>,
        device_id: Option<String>,
        defect_type: String,
        severity: String,
        confidence: f64,
        bounding_box: Option<Value>,
        first_s: Option<f64>,
        last_s: Option<f64>,
        model_name: Option<String>,
        model_version: Option<String>,
        model_sha256: Option<String>,
        auto_detected: bool,
        human_verified: bool,
        notes: Option<String>,
        sensor_data: Option<Value>,
        observed_at: Option<Timestamp>,
        time_quality: Option<String>,
        rev: u64,
        received_at: Timestamp,
        created_at: Timestamp,
        /// Of the inspection.
        technician_id: Option<String>,
        /// Of the inspection.
        vehicle_id: Option<String>,
        /// Of the inspection.
        equipment_type: Option<String>,
        /// Of the inspection: when it began.
        session_date: Option<Timestamp>,
        /// Of the frame: where its picture is, once it is there.
        frame_path: Option<String>,
    }
}

row! {
    /// A span that is missing, and why.
    GapRow {
        id: Uuid,
        session_id: Option<Uuid>,
        device_id: Option<String>,
        start_s: Option<f64>,
        end_s: Option<f64>,
        what: Option<String>,
        reason: Option<String>,
        observed_at: Option<Timestamp>,
        time_quality: Option<String>,
        rev: u64,
        received_at: Timestamp,
        created_at: Timestamp,
    }
}

row! {
    /// A device, as it said that it stands.
    DeviceRow {
        id: String,
        kit_id: Option<String>,
        /// `online`, `offline` or `unknown`.
        presence: String,
        boot: u64,
        connection: u64,
        agent_version: Option<String>,
        model_name: Option<String>,
        model_version: Option<String>,
        model_sha256: Option<String>,
        clock_synced: Option<bool>,
        clock_offset_ms: Option<i64>,
        queue_records: u64,
        queue_blobs: u64,
        queue_bytes: u64,
        rejected_total: u64,
        /// Sessions that came from it; not a column, counted.
        session_count: u64,
        state_at: Option<Timestamp>,
        last_seen_at: Timestamp,
        created_at: Timestamp,
    }
}

row! {
    /// One alert to one reader.
    AlertRow {
        id: i64,
        defect_id: Uuid,
        /// `console` or `chat:<id>`.
        target: String,
        wanted_rev: u64,
        sent_rev: u64,
        message_id: Option<i64>,
        due_at: Timestamp,
        retry_at: Option<Timestamp>,
        tries: u64,
        trouble: Option<String>,
        dropped_at: Option<Timestamp>,
        sent_at: Option<Timestamp>,
        created_at: Timestamp,
        /// Of the defect.
        defect_type: Option<String>,
        /// Of the defect.
        severity: Option<String>,
    }
}

row! {
    /// Something that could not be accepted.
    QuarantineRow {
        id: i64,
        device_id: String,
        kind: Option<String>,
        record_id: Option<String>,
        seq: Option<u64>,
        batch: Option<String>,
        reason: String,
        sha256: String,
        size: u64,
        /// Whether the content itself was kept.
        kept: bool,
        times: u64,
        last_at: Timestamp,
        created_at: Timestamp,
    }
}

row! {
    /// Everything in numbers, as `get_field_eye_stats()` gives it.
    Stats {
        total_sessions: u64,
        total_frames: u64,
        total_defects: u64,
        labeled_frames: u64,
        active_kits: u64,
        latest_session: Option<Timestamp>,
        avg_pauses_per_session: f64,
    }
}

row! {
    /// How much there is, for `doctor` and `/health`.
    Counts {
        sessions: u64,
        pauses: u64,
        frames: u64,
        defects: u64,
        gaps: u64,
        devices: u64,
        devices_online: u64,
        blobs_stored: u64,
        blobs_wanted: u64,
        blob_bytes: u64,
        alerts_open: u64,
        quarantined: u64,
    }
}

/// One inspection with everything that belongs to it. Serialises as the session's row in which `pauses`, `defects`,
/// `frames` and `gaps` are arrays of rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionDetail {
    pub(crate) session: SessionRow,
    pub(crate) pauses: Vec<PauseRow>,
    pub(crate) defects: Vec<DefectRow>,
    pub(crate) frames: Vec<FrameRow>,
    pub(crate) gaps: Vec<GapRow>,
}

impl Serialize for SessionDetail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        let mut object = serde_json::to_value(&self.session).map_err(S::Error::custom)?;
        object["pauses"] = serde_json::to_value(&self.pauses).map_err(S::Error::custom)?;
        object["defects"] = serde_json::to_value(&self.defects).map_err(S::Error::custom)?;
        object["frames"] = serde_json::to_value(&self.frames).map_err(S::Error::custom)?;
        object["gaps"] = serde_json::to_value(&self.gaps).map_err(S::Error::custom)?;
        object.serialize(serializer)
    }
}

/// Who is to read an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AlertTarget {
    /// The hub's own console.
    Console,
    /// A Telegram chat.
    Chat(i64),
}

impl AlertTarget {
    pub(super) fn as_text(self) -> String {
        match self {
            Self::Console => "console".to_owned(),
            Self::Chat(id) => format!("chat:{id}"),
        }
    }
}

impl FromStr for AlertTarget {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "console" {
            return Ok(Self::Console);
        }
        let chat = text.strip_prefix("chat:").and_then(|id| id.parse().ok());
        chat.map(Self::Chat).ok_or_else(|| format!("{text:?} is no reader of alerts"))
    }
}

impl Column for AlertTarget {
    fn read(value: ValueRef<'_>) -> Result<Option<Self>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(value.as_str_or_null()?.map(Self::from_str).transpose()?)
    }
}

/// An alert that is to be sent now, by the one who claimed it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DueAlert {
    /// Names it in what follows.
    pub(crate) id: i64,
    /// Who is to read it.
    pub(crate) target: AlertTarget,
    /// Tries in vain so far.
    pub(crate) tries: u64,
    /// What it is about.
    pub(crate) defect: DefectRow,
    /// Its picture, if that is stored.
    pub(crate) picture: Option<Digest>,
}
