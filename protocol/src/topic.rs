//! Topic names, built and taken apart in one place.
//!
//! | topic | direction |
//! |---|---|
//! | `fieldeye/v1/<d>/state` | up, retained, last will |
//! | `fieldeye/v1/<d>/up/records` | up |
//! | `fieldeye/v1/<d>/up/blob/<sha256>/<offset>` | up |
//! | `fieldeye/v1/<d>/up/reply`, `…/up/telemetry` | up |
//! | `fieldeye/v1/<d>/down/ack`, `…/down/command`, `…/down/desired` | down |

use crate::ProtocolError;
use crate::device::DeviceId;
use crate::digest::Digest;

/// What hubs subscribe to, shared among them: everything that goes up.
pub const HUB_SHARED_FILTER: &str = "$share/hub/fieldeye/v1/+/up/#";
/// What every hub subscribes to for itself: the retained states.
pub const HUB_STATE_FILTER: &str = "fieldeye/v1/+/state";

/// A topic that a device publishes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpTopic {
    /// The retained state of the device.
    State,
    /// A batch of records.
    Records,
    /// One chunk of a blob, starting at this byte offset. No bytes at all asks what the hub has of it.
    Blob {
        /// The blob's content digest.
        sha256: Digest,
        /// Offset of the first byte of this chunk, in bytes.
        offset: u64,
    },
    /// Progress or result of a command.
    Reply,
    /// Numbers of which only the last counts.
    Telemetry,
}

/// A topic that a device listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownTopic {
    /// Answers to batches and blobs.
    Ack,
    /// One command.
    Command,
    /// The desired configuration and model, retained.
    Desired,
}

/// The topic on which `device` publishes `what`.
pub fn up(device: &DeviceId, what: &UpTopic) -> String {
    match what {
        UpTopic::State => format!("fieldeye/v1/{device}/state"),
        UpTopic::Records => format!("fieldeye/v1/{device}/up/records"),
        UpTopic::Blob { sha256, offset } => format!("fieldeye/v1/{device}/up/blob/{sha256}/{offset}"),
        UpTopic::Reply => format!("fieldeye/v1/{device}/up/reply"),
        UpTopic::Telemetry => format!("fieldeye/v1/{device}/up/telemetry"),
    }
}

/// The topic on which `device` is told `what`.
pub fn down(device: &DeviceId, what: DownTopic) -> String {
    let leaf = match what {
        DownTopic::Ack => "ack",
        DownTopic::Command => "command",
        DownTopic::Desired => "desired",
    };
    format!("fieldeye/v1/{device}/down/{leaf}")
}

/// The filter with which a device subscribes to all that is meant for it.
pub fn down_filter(device: &DeviceId) -> String {
    format!("fieldeye/v1/{device}/down/#")
}

/// Takes an upward topic apart: who published, and what.
pub fn parse_up(topic: &str) -> Result<(DeviceId, UpTopic), ProtocolError> {
    let error = || ProtocolError::Topic(topic.chars().take(200).collect());
    let rest = topic.strip_prefix("fieldeye/v1/").ok_or_else(error)?;
    let levels: Vec<&str> = rest.split('/').collect();
    let (device, path) = levels.split_first().ok_or_else(error)?;
    let device = DeviceId::parse(device)?;
    let what = match path {
        ["state"] => UpTopic::State,
        ["up", "records"] => UpTopic::Records,
        ["up", "reply"] => UpTopic::Reply,
        ["up", "telemetry"] => UpTopic::Telemetry,
        ["up", "blob", sha256, offset] => {
            UpTopic::Blob { sha256: Digest::parse(sha256)?, offset: offset.parse().map_err(|_| error())? }
        }
        _ => return Err(error()),
    };
    Ok((device, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_upward_topic_round_trips() {
        let device = DeviceId::parse("cam-7").expect("valid");
        let sha256 = Digest::of(b"x");
        for what in [
            UpTopic::State,
            UpTopic::Records,
            UpTopic::Reply,
            UpTopic::Telemetry,
            UpTopic::Blob { sha256, offset: 262_144 },
        ] {
            assert_eq!(parse_up(&up(&device, &what)), Ok((device.clone(), what)));
        }
    }

    proptest! {
        #[test]
        fn no_topic_panics(topic in ".*") {
            let _ = parse_up(&topic);
            let _ = parse_up(&format!("fieldeye/v1/cam-7/up/{topic}"));
        }
    }
}
