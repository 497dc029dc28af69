//! A record: one thing that a device observed, and when.

use crate::digest::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use uuid::{Builder, Uuid};

/// The key of a record. Live records carry a UUIDv7; records derived from a file a UUIDv8 (see [`RecordId::derived`]).
/// Nothing may sort by the time inside an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub Uuid);

impl RecordId {
    /// The id of something found in a file: the same content, kind, start and distinction give the same id, so a
    /// second analysis updates instead of adding (UUIDv8, RFC 9562, from SHA-256 over the four).
    ///
    /// `distinction` tells apart things that start together, such as two defects in one picture.
    pub fn derived(content: &Digest, kind: &RecordKind, start_ms: i64, distinction: &str) -> Self {
        let hash = fingerprint(content.as_bytes(), kind, start_ms, distinction);
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The id of something that began `start_ms` into a live session: a UUIDv7 whose time is that moment by the device's
    /// clock, and whose other bits follow from the rest, so that one thing keeps its id while it is told again.
    ///
    /// `began_ms` is the Unix time of the session's first frame.
    pub fn live(session: Self, began_ms: i64, kind: &RecordKind, start_ms: i64, distinction: &str) -> Self {
        let hash = fingerprint(session.0.as_bytes(), kind, start_ms, distinction);
        let mut chance = [0u8; 10];
        chance.copy_from_slice(&hash[..10]);
        let millis = u64::try_from(began_ms.saturating_add(start_ms)).unwrap_or(0);
        Self(Builder::from_unix_timestamp_millis(millis, &chance).into_uuid())
    }
}

/// What tells things apart that were found in one place: SHA-256 over all four.
fn fingerprint(place: &[u8], kind: &RecordKind, start_ms: i64, distinction: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(place);
    hasher.update(kind.as_str().as_bytes());
    hasher.update([0]);
    hasher.update(start_ms.to_be_bytes());
    hasher.update(distinction.as_bytes());
    hasher.finalize().into()
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RecordKind {
    /// One inspection by one camera: [`crate::body::SessionBody`].
    Session,
    /// The camera was held on something: [`crate::body::PauseBody`].
    Pause,
    /// A kept picture: [`crate::body::FrameBody`].
    Frame,
    /// Something wrong was seen: [`crate::body::DefectBody`].
    Defect,
    /// A kept piece of video.
    Clip,
    /// A span that was not recorded, not analysed, evicted or late: [`crate::body::GapBody`].
    Gap,
    /// Anything else that happened on the device: [`crate::body::EventBody`].
    Event,
    /// A kind that this program does not know: quarantined by the hub, never an error of the whole batch.
    Unknown(String),
}

impl RecordKind {
    /// The kind as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Session => "session",
            Self::Pause => "pause",
            Self::Frame => "frame",
            Self::Defect => "defect",
            Self::Clip => "clip",
            Self::Gap => "gap",
            Self::Event => "event",
            Self::Unknown(other) => other,
        }
    }
}

impl From<String> for RecordKind {
    fn from(text: String) -> Self {
        match text.as_str() {
            "session" => Self::Session,
            "pause" => Self::Pause,
            "frame" => Self::Frame,
            "defect" => Self::Defect,
            "clip" => Self::Clip,
            "gap" => Self::Gap,
            "event" => Self::Event,
            _ => Self::Unknown(text),
        }
    }
}

impl From<RecordKind> for String {
    fn from(kind: RecordKind) -> Self {
        kind.as_str().to_owned()
    }
}

/// When a record was made, by a device that may not know the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// The device's wall clock.
    pub wall: Timestamp,
    /// How often this device has started: a counter kept on its disk.
    pub boot: u64,
    /// Milliseconds of the device's monotonic clock since that start.
    pub mono_ms: u64,
    /// Whether the wall clock was synchronised (NTP or the like) at that moment.
    pub synced: bool,
}

/// What a record belongs to. The parent may arrive later than the child.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parents {
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<RecordId>,
    /// The frame on which it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<RecordId>,
}

/// One observation. A write applies only with a greater `rev` than the one already stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The key.
    pub id: RecordId,
    /// Revision, from 1.
    pub rev: u64,
    /// What it is about.
    pub kind: RecordKind,
    /// When it was made.
    pub at: At,
    /// What it belongs to.
    #[serde(default)]
    pub parents: Parents,
    /// The content, one of [`crate::body`]; fields unknown to this program are kept.
    #[serde(default)]
    pub body: serde_json::Value,
    /// A later look did not find it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_ids_stay_carry_their_time_and_are_distinct() {
        let session = RecordId(Uuid::from_u128(7));
        let id =
            |start_ms: i64, what: &str| RecordId::live(session, 1_795_000_000_000, &RecordKind::Defect, start_ms, what);
        assert_eq!(id(1500, "a"), id(1500, "a"));
        assert!(id(1500, "a") != id(1500, "b") && id(1500, "a") != id(1501, "a"));
        let one = id(1500, "a").0;
        assert_eq!(one.get_version_num(), 7);
        assert_eq!(one.get_timestamp().map(|time| time.to_unix()), Some((1_795_000_001, 500_000_000)));
        assert_ne!(id(-9_000_000_000_000, "a").0.get_version_num(), 8, "before 1970 it is an id all the same");
    }

    #[test]
    fn derived_ids_are_stable_and_distinct() {
        let content = Digest::of(b"file");
        let id = |kind: &RecordKind, ms, tag| RecordId::derived(&content, kind, ms, tag);
        let one = id(&RecordKind::Defect, 3100, "a");
        assert_eq!(one, id(&RecordKind::Defect, 3100, "a"));
        assert_eq!(one.to_string(), "060670b8-996f-8556-b308-e0a8bc9ee9a1", "ids of stored files must never change");
        assert_ne!(one, id(&RecordKind::Defect, 3100, "b"));
        assert_ne!(one, id(&RecordKind::Defect, 3101, "a"));
        assert_ne!(one, id(&RecordKind::Pause, 3100, "a"));
        assert_eq!(one.0.get_version_num(), 8);
    }

    #[test]
    fn an_unknown_kind_and_unknown_fields_survive() {
        let text = r#"{"id":"00000000-0000-0000-0000-000000000001","rev":1,"kind":"smell","new":1,
            "at":{"wall":"2026-01-01T00:00:00Z","boot":1,"mono_ms":5,"synced":true,"extra":2},"body":{"x":1}}"#;
        let record: Record = serde_json::from_str(text).expect("parses");
        assert_eq!(record.kind, RecordKind::Unknown("smell".to_owned()));
        assert_eq!(record.body["x"], 1);
    }
}
