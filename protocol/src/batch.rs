//! Batches: many records in one message, JSON under zstd, and the hub's answer.
//!
//! A batch is read in two steps so that one bad record never costs a good one: [`decode`] checks the envelope and the
//! limits, [`Batch::split`] then parses each record by itself and gives its sequence number with the result.

use crate::blob::BlobAck;
use crate::device::DeviceId;
use crate::record::Record;
use crate::seq::SeqRanges;
use crate::{ProtocolError, VERSION};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::Read;
use uuid::Uuid;

/// Content type of a compressed batch.
pub const CONTENT_TYPE_ZSTD: &str = "application/json+zstd";
/// Content type of a plain batch, as `mosquitto_pub` would send it.
pub const CONTENT_TYPE_JSON: &str = "application/json";
/// Largest batch after decompression, in bytes.
pub const MAX_BATCH_BYTES: u64 = 16 * 1024 * 1024;
/// Most records in one batch.
pub const MAX_BATCH_RECORDS: usize = 10_000;

/// The envelope. Records are kept as they came until [`Batch::split`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Protocol version.
    pub v: u32,
    /// The device that made the records; must be the one that publishes.
    pub device: DeviceId,
    /// Names this message in the answer.
    pub batch: Uuid,
    /// Lowest sequence number.
    pub first_seq: u64,
    /// Highest sequence number.
    pub last_seq: u64,
    /// One number for each record, in the records' order.
    pub seqs: SeqRanges,
    /// The records.
    pub records: Vec<serde_json::Value>,
}

/// One record of a batch, or what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// Its sequence number in the device's outbox.
    pub seq: u64,
    /// The record, or why it can't be read.
    pub record: Result<Record, String>,
    /// As it came, for the quarantine.
    pub raw: serde_json::Value,
}

impl Batch {
    /// Builds a batch from numbered records, which must come in rising order.
    pub fn new(device: DeviceId, batch: Uuid, records: &[(u64, Record)]) -> Self {
        let seqs: SeqRanges = records.iter().map(|(seq, _)| *seq).collect();
        Self {
            v: VERSION,
            device,
            batch,
            first_seq: records.first().map_or(0, |(seq, _)| *seq),
            last_seq: records.last().map_or(0, |(seq, _)| *seq),
            seqs,
            records: records
                .iter()
                .map(|(_, record)| serde_json::to_value(record).expect("a record is plain data"))
                .collect(),
        }
    }

    /// Gives each record its number and parses it by itself.
    pub fn split(self) -> Result<Vec<Numbered>, ProtocolError> {
        let seqs = self.seqs.expand(MAX_BATCH_RECORDS)?;
        if seqs.len() != self.records.len() {
            return Err(ProtocolError::Sequence(format!("{} numbers for {} records", seqs.len(), self.records.len())));
        }
        let numbered = seqs.into_iter().zip(self.records).map(|(seq, raw)| {
            let record = Record::deserialize(&raw).map_err(|error| format!("not a record: {error}"));
            Numbered { seq, record, raw }
        });
        Ok(numbered.collect())
    }
}

/// Encodes a batch as JSON under zstd (level 3).
pub fn encode(batch: &Batch) -> Vec<u8> {
    let json = serde_json::to_vec(batch).expect("a batch is plain data");
    zstd::bulk::compress(&json, 3).expect("zstd compresses any buffer")
}

/// Decodes a batch. Without a content type the payload's own first bytes decide (zstd's magic number or JSON).
pub fn decode(payload: &[u8], content_type: Option<&str>) -> Result<Batch, ProtocolError> {
    let json = plain(payload, content_type)?;
    let not_a_batch = |why: String| ProtocolError::Payload { expected: "a batch in JSON", why };
    let value: serde_json::Value = serde_json::from_slice(&json).map_err(|e| not_a_batch(e.to_string()))?;
    let version = value.get("v").and_then(serde_json::Value::as_u64).ok_or_else(|| not_a_batch("no \"v\"".into()))?;
    if version != u64::from(VERSION) {
        return Err(ProtocolError::Version(version));
    }
    let batch: Batch = serde_json::from_value(value).map_err(|e| not_a_batch(e.to_string()))?;
    if batch.records.len() > MAX_BATCH_RECORDS {
        return Err(ProtocolError::TooLarge { limit: MAX_BATCH_RECORDS as u64, unit: "records" });
    }
    Ok(batch)
}

/// The name of a batch that [`decode`] does not take, if it can be read that far: so the answer can say which it was.
pub fn name(payload: &[u8], content_type: Option<&str>) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct Named {
        batch: Uuid,
    }
    let json = plain(payload, content_type).ok()?;
    serde_json::from_slice::<Named>(&json).ok().map(|named| named.batch)
}

/// The JSON of a payload.
fn plain<'a>(payload: &'a [u8], content_type: Option<&str>) -> Result<Cow<'a, [u8]>, ProtocolError> {
    const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let compressed = match content_type {
        Some(CONTENT_TYPE_ZSTD) => true,
        Some(CONTENT_TYPE_JSON) => false,
        _ => payload.starts_with(&ZSTD_MAGIC),
    };
    let json = if compressed { Cow::Owned(decompress(payload)?) } else { Cow::Borrowed(payload) };
    if json.len() as u64 > MAX_BATCH_BYTES {
        return Err(ProtocolError::TooLarge { limit: MAX_BATCH_BYTES, unit: "bytes" });
    }
    Ok(json)
}

fn decompress(payload: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let not_zstd = |error: std::io::Error| ProtocolError::Payload { expected: "zstd", why: error.to_string() };
    let decoder = zstd::stream::read::Decoder::new(payload).map_err(not_zstd)?;
    let mut plain = Vec::new();
    decoder.take(MAX_BATCH_BYTES + 1).read_to_end(&mut plain).map_err(not_zstd)?;
    Ok(plain)
}

/// A record that the hub will never take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Its sequence number.
    pub seq: u64,
    /// Why.
    pub reason: String,
}

/// The hub's answer to a batch, on `down/ack`: the only answer that lets a record leave the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAck {
    /// Protocol version.
    pub v: u32,
    /// Which batch; `None` when the message could not be read that far.
    pub batch: Option<Uuid>,
    /// Which hub store answers.
    pub store: Uuid,
    /// How often that store was restored from a backup. Answers of an older generation are ignored.
    pub generation: u64,
    /// Numbers that are durable at the hub.
    #[serde(default)]
    pub stored: SeqRanges,
    /// Numbers that are quarantined there.
    #[serde(default)]
    pub rejected: Vec<Rejection>,
    /// Numbers whose records were deleted at the hub on purpose.
    #[serde(default)]
    pub deleted: SeqRanges,
    /// What was wrong with the message as a whole, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Anything on `down/ack`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ack {
    /// About a blob.
    Blob(BlobAck),
    /// About a batch.
    Batch(BatchAck),
}

impl Ack {
    /// Parses a payload of `down/ack`.
    pub fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        serde_json::from_slice(payload)
            .map_err(|error| ProtocolError::Payload { expected: "an acknowledgement", why: error.to_string() })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an acknowledgement is plain data")
    }

    /// Store and generation that answered.
    pub fn origin(&self) -> (Uuid, u64) {
        match self {
            Self::Blob(ack) => (ack.store, ack.generation),
            Self::Batch(ack) => (ack.store, ack.generation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{At, Parents, RecordId, RecordKind};
    use proptest::prelude::*;

    fn record(n: u128) -> Record {
        Record {
            id: RecordId(Uuid::from_u128(n)),
            rev: 1,
            kind: RecordKind::Event,
            at: At { wall: "2026-01-01T00:00:00Z".parse().expect("time"), boot: 1, mono_ms: 2, synced: false },
            parents: Parents::default(),
            body: serde_json::json!({"name": "mark"}),
            void: false,
        }
    }

    fn batch() -> Batch {
        let device = DeviceId::parse("cam-7").expect("valid");
        Batch::new(device, Uuid::nil(), &[(101, record(1)), (102, record(2)), (180, record(3))])
    }

    #[test]
    fn round_trips_in_both_content_types() {
        let batch = batch();
        assert_eq!(decode(&encode(&batch), Some(CONTENT_TYPE_ZSTD)), Ok(batch.clone()));
        assert_eq!(decode(&encode(&batch), None), Ok(batch.clone()));
        let plain = serde_json::to_vec(&batch).expect("json");
        assert_eq!(decode(&plain, Some(CONTENT_TYPE_JSON)), Ok(batch.clone()));
        let split = batch.split().expect("numbers fit");
        assert_eq!(split.iter().map(|n| n.seq).collect::<Vec<_>>(), [101, 102, 180]);
    }

    #[test]
    fn one_bad_record_does_not_cost_the_others() {
        let mut batch = batch();
        batch.records[1] = serde_json::json!({"id": 7});
        let split = batch.split().expect("numbers fit");
        assert!(split[0].record.is_ok() && split[1].record.is_err() && split[2].record.is_ok());
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = zstd::bulk::compress(&vec![b' '; MAX_BATCH_BYTES as usize + 10], 3).expect("compresses");
        assert!(bomb.len() < 10_000);
        assert_eq!(decode(&bomb, None), Err(ProtocolError::TooLarge { limit: MAX_BATCH_BYTES, unit: "bytes" }));
    }

    #[test]
    fn another_version_is_named() {
        assert_eq!(decode(br#"{"v":2}"#, None), Err(ProtocolError::Version(2)));
    }

    #[test]
    fn a_batch_that_is_not_taken_may_still_have_a_name() {
        let text = format!(r#"{{"v":2,"batch":"{}","records":7}}"#, Uuid::nil());
        let packed = zstd::bulk::compress(text.as_bytes(), 3).expect("compresses");
        assert!(decode(&packed, None).is_err());
        assert_eq!(name(&packed, None), Some(Uuid::nil()));
        assert_eq!(name(text.as_bytes(), Some(CONTENT_TYPE_JSON)), Some(Uuid::nil()));
        assert_eq!(name(b"{}", None), None);
        assert_eq!(name(b"nothing", Some(CONTENT_TYPE_ZSTD)), None);
    }

    #[test]
    fn acks_are_told_apart() {
        let text = r#"{"v":1,"batch":"00000000-0000-0000-0000-000000000000","store":"00000000-0000-0000-0000-000000000009",
            "generation":3,"stored":[[101,179]],"rejected":[{"seq":180,"reason":"no"}],"deleted":[]}"#;
        let Ok(Ack::Batch(ack)) = Ack::decode(text.as_bytes()) else { panic!("a batch answer") };
        assert!(ack.stored.contains(150) && ack.rejected[0].seq == 180);
        let text = format!(
            r#"{{"v":1,"blob":"{}","state":"have","ranges":[[0,262144]],"store":"{}","generation":1}}"#,
            crate::digest::Digest::of(b"x"),
            Uuid::nil()
        );
        assert!(matches!(Ack::decode(text.as_bytes()), Ok(Ack::Blob(_))));
    }

    proptest! {
        #[test]
        fn no_payload_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes, None);
            let _ = decode(&bytes, Some(CONTENT_TYPE_ZSTD));
            let _ = Ack::decode(&bytes);
        }

        #[test]
        fn a_cut_or_bent_batch_never_panics(cut in 0usize..400, at in 0usize..400, flip in any::<u8>()) {
            let mut bytes = encode(&batch());
            if let Some(byte) = bytes.get_mut(at) { *byte ^= flip; }
            bytes.truncate(cut);
            if let Ok(batch) = decode(&bytes, None) { let _ = batch.split(); }
        }
    }
}
