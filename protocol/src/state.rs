//! The retained state of a device: the first thing it publishes, and its last will.

use crate::body::ModelRef;
use crate::device::DeviceId;
use crate::record::At;
use serde::{Deserialize, Serialize};

/// Whether the device is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Connected.
    Online,
    /// Gone: said by the device itself on a clean stop, by the broker from the last will otherwise.
    Offline,
}

/// What still waits on the device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepth {
    /// Records without an answer.
    pub records: u64,
    /// Blobs not stored yet.
    pub blobs: u64,
    /// Bytes of those blobs.
    pub bytes: u64,
}

/// The retained state message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceState {
    /// Protocol version.
    pub v: u32,
    /// Which device.
    pub device: DeviceId,
    /// Online or offline.
    pub presence: Presence,
    /// Start counter of the device.
    pub boot: u64,
    /// Connection counter within that start. An "offline" of an older (boot, connection) is ignored.
    pub connection: u64,
    /// Version of the agent.
    pub agent: String,
    /// The model it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// Its clocks at this moment; absent in the last will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<At>,
    /// What waits.
    #[serde(default)]
    pub queue: QueueDepth,
}
