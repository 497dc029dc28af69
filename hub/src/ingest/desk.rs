//! One message at a time: what it says is kept, and the answers to it are given back. Knows no MQTT.

use crate::blobs::Blobs;
use crate::store::{Standing, Store, StoreError};
use bytes::Bytes;
use fieldeye_protocol::VERSION;
use fieldeye_protocol::batch::{self, Ack, Batch, BatchAck, Numbered};
use fieldeye_protocol::blob::{BlobAck, BlobState};
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::state::DeviceState;
use fieldeye_protocol::topic::UpTopic;
use uuid::Uuid;

/// Longest reason that is told to a device, in characters; the whole one is in the quarantine.
const LONGEST_REASON: usize = 500;
/// Blobs that a batch's answer speaks of unasked. Of the others the device asks.
const UNASKED: usize = 256;

/// A message of a device.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    /// Who published it, by the topic, for which the broker vouches.
    pub(super) device: DeviceId,
    /// What it is.
    pub(super) what: UpTopic,
    /// Its content.
    pub(super) payload: Bytes,
    /// What it says of its content.
    pub(super) content_type: Option<String>,
    /// False when the broker had kept it.
    pub(super) live: bool,
}

/// Takes messages in.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) blobs: Blobs,
}

impl Desk {
    pub(super) fn new(store: Store, blobs: Blobs) -> Self {
        Self { store, blobs }
    }

    /// Does what a message asks for, durably, and gives the answers to it. An error means that the store can't write
    /// at all.
    pub(super) async fn take(&self, message: Incoming) -> Result<Vec<Ack>, StoreError> {
        let Incoming { device, what, payload, content_type, live } = message;
        match what {
            UpTopic::Records => self.records(device, payload, content_type).await,
            UpTopic::Blob { sha256, offset } => {
                let answer = self.chunk(&device, &sha256, offset, payload).await?;
                Ok(answer.map(|standing| self.blob_ack(sha256, standing)).into_iter().collect())
            }
            UpTopic::State => self.state(&device, &payload, live).await.map(|()| vec![]),
            UpTopic::Reply | UpTopic::Telemetry => {
                tracing::debug!(%device, ?what, bytes = payload.len(), "a message that this version does not act on");
                Ok(vec![])
            }
        }
    }

    async fn records(
        &self,
        device: DeviceId,
        payload: Bytes,
        content_type: Option<String>,
    ) -> Result<Vec<Ack>, StoreError> {
        let read = {
            let (device, payload) = (device.clone(), payload.clone());
            // Up to 16 MiB of JSON: too much for the runtime's threads.
            tokio::task::spawn_blocking(move || read(&device, &payload, content_type.as_deref())).await
        };
        let read = read.unwrap_or_else(|error| Err(Unreadable { batch: None, why: error.to_string() }));
        let (id, records) = match read {
            Ok(read) => read,
            Err(Unreadable { batch, why }) => {
                tracing::warn!(%device, why, bytes = payload.len(), "a message that is no batch of this device");
                self.store.quarantine(device, batch, payload, why.clone()).await?;
                return Ok(vec![Ack::Batch(BatchAck { error: Some(clip(&why)), ..self.empty_ack(batch) })]);
            }
        };
        let count = records.len();
        let applied = self.store.apply_batch(device.clone(), id, records).await?;
        if let Some(first) = applied.rejected.first() {
            let rejected = applied.rejected.len();
            tracing::warn!(%device, batch = %id, rejected, first = first.reason, "records that can't be accepted");
        }
        tracing::debug!(%device, batch = %id, records = count, "a batch is stored");
        let mut rejected = applied.rejected;
        rejected.iter_mut().for_each(|rejection| rejection.reason = clip(&rejection.reason));
        let ack = BatchAck { stored: applied.stored, rejected, ..self.empty_ack(Some(id)) };
        let mut acks = vec![Ack::Batch(ack)];
        for (sha256, standing) in applied.blobs.into_iter().take(UNASKED) {
            acks.push(self.blob_ack(sha256, standing));
        }
        Ok(acks)
    }

    async fn state(&self, device: &DeviceId, payload: &[u8], live: bool) -> Result<(), StoreError> {
        if payload.is_empty() {
            // A retained message that was cleared.
            return Ok(());
        }
        let state: DeviceState = match serde_json::from_slice(payload) {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(%device, %error, "a state that can't be read");
                return Ok(());
            }
        };
        if state.device != *device {
            tracing::warn!(%device, says = %state.device, "a device that speaks for another");
            return Ok(());
        }
        let (presence, boot, connection) = (state.presence, state.boot, state.connection);
        if self.store.device_state(state, live).await? {
            tracing::info!(%device, ?presence, boot, connection, "a device came or went");
        }
        Ok(())
    }

    fn empty_ack(&self, batch: Option<Uuid>) -> BatchAck {
        let origin = self.store.origin();
        BatchAck {
            v: VERSION,
            batch,
            store: origin.store,
            generation: origin.generation,
            stored: Default::default(),
            rejected: vec![],
            deleted: Default::default(),
            error: None,
        }
    }

    fn blob_ack(&self, sha256: Digest, standing: Standing) -> Ack {
        let origin = self.store.origin();
        let (state, ranges, reason) = match standing {
            Standing::Stored => (BlobState::Stored, vec![], None),
            Standing::Wanted { ranges, .. } if ranges.is_empty() => (BlobState::Wanted, ranges, None),
            Standing::Wanted { ranges, .. } => (BlobState::Have, ranges, None),
            Standing::Refused(why) => (BlobState::Refused, vec![], Some(clip(&why))),
            Standing::Unnamed { .. } => {
                (BlobState::Refused, vec![], Some("no record of this device names this blob".to_owned()))
            }
        };
        Ack::Blob(BlobAck {
            v: VERSION,
            blob: sha256,
            state,
            ranges,
            reason,
            store: origin.store,
            generation: origin.generation,
        })
    }
}

/// A message that is no batch of its device.
#[derive(Debug)]
struct Unreadable {
    batch: Option<Uuid>,
    why: String,
}

fn read(device: &DeviceId, payload: &[u8], content_type: Option<&str>) -> Result<(Uuid, Vec<Numbered>), Unreadable> {
    let batch: Batch = batch::decode(payload, content_type)
        .map_err(|error| Unreadable { batch: batch::name(payload, content_type), why: error.to_string() })?;
    let id = batch.batch;
    if batch.device != *device {
        let why = format!("the batch says that it is from {}, and {device} sent it", batch.device);
        return Err(Unreadable { batch: Some(id), why });
    }
    let records = batch.split().map_err(|error| Unreadable { batch: Some(id), why: error.to_string() })?;
    Ok((id, records))
}

fn clip(text: &str) -> String {
    text.chars().take(LONGEST_REASON).collect()
}
