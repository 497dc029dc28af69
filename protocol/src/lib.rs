//! What agent and hub say to each other.
//!
//! This crate owns the words of the line: device ids, topics, records, batches, acknowledgements, blob offers and
//! device states, with their encoding and limits. Everything that crosses MQTT is built and parsed here, so both
//! programs (and whoever writes a third one) agree by construction.
//!
//! It refuses to know I/O of any kind, clocks and databases: every time that appears in a message is handed in.
//!
//! - [`device`]: who speaks, [`topic`]: where, [`record`] and [`body`]: what was observed
//! - [`batch`]: many records in one message, and the answer to them
//! - [`blob`]: pictures and videos in chunks, and the answers to those
//! - [`state`]: the retained "I am here" of a device
//! - [`seq`]: sets of outbox sequence numbers
//!
//! Unknown fields are kept where the message is kept (record bodies) and ignored elsewhere; they are never an error.

pub mod batch;
pub mod blob;
pub mod body;
pub mod device;
pub mod digest;
pub mod record;
pub mod seq;
pub mod state;
pub mod topic;

/// The version that every message carries as `"v"` and every topic as `v1`. A breaking change is a new number.
pub const VERSION: u32 = 1;

/// What is wrong with a message or a name that came from outside. Each variant says what was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A device id outside `[a-z0-9][a-z0-9-]{2,63}`.
    #[error("device id {0:?} is not valid: 3 to 64 characters of a-z, 0-9 and '-', not starting with '-'")]
    DeviceId(String),
    /// A SHA-256 that is not 64 lower-case hexadecimal digits.
    #[error("{0:?} is not a SHA-256 in lower-case hexadecimal")]
    Digest(String),
    /// A topic that is none of ours.
    #[error("topic {0:?} is not one of fieldeye/v1/<device>/...")]
    Topic(String),
    /// A payload that is not what its content type says.
    #[error("payload is not {expected}: {why}")]
    Payload {
        /// What was expected, for example "zstd" or "a batch in JSON".
        expected: &'static str,
        /// What the decoder said.
        why: String,
    },
    /// A payload beyond a limit of the protocol.
    #[error("payload is over the limit of {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// What is counted: "bytes" or "records".
        unit: &'static str,
    },
    /// A message of another major version.
    #[error("message version {0} is not understood here (this program speaks {VERSION})")]
    Version(u64),
    /// Sequence ranges that do not fit the records they number.
    #[error("sequence numbers do not fit the records: {0}")]
    Sequence(String),
}
