//! A device that speaks the protocol over MQTT 5, with nothing of the agent in it: it publishes records and pictures
//! and waits for the hub's answers.

use fieldeye_protocol::batch::{self, Ack, Batch, BatchAck};
use fieldeye_protocol::blob::{BlobAck, BlobRef, BlobState};
use fieldeye_protocol::body::{BoundingBox, DefectBody, FrameBody, ModelRef, SessionBody, SessionStatus, Severity};
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{At, Parents, Record, RecordId, RecordKind};
use fieldeye_protocol::topic::{self, UpTopic};
use jiff::Timestamp;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

/// How long the hub may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// A connected device.
#[derive(Debug)]
pub struct Device {
    id: DeviceId,
    client: AsyncClient,
    acks: mpsc::Receiver<Ack>,
    task: JoinHandle<()>,
    next_seq: u64,
}

impl Device {
    /// Connects to a broker at `host:port`. It connects again by itself when the broker comes back on that port.
    pub async fn connect(id: &str, broker: &str) -> Self {
        let id = DeviceId::parse(id).expect("a valid device id");
        let (host, port) = broker.rsplit_once(':').expect("host:port");
        let mut options = MqttOptions::new(id.as_str(), host, port.parse().expect("a port"));
        options.set_keep_alive(Duration::from_secs(5)).set_clean_start(true);
        let (client, mut events) = AsyncClient::new(options, 64);
        let (sender, acks) = mpsc::channel(1024);
        let (ready, mut connected) = mpsc::channel(8);
        client.subscribe(topic::down_filter(&id), QoS::AtLeastOnce).await.expect("the queue has room");
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = ready.try_send(());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        if let Ok(ack) = Ack::decode(&publish.payload)
                            && sender.send(ack).await.is_err()
                        {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        timeout(ANSWER, connected.recv()).await.expect("the broker answers").expect("the task runs");
        Self { id, client, acks, task, next_seq: 1 }
    }

    /// Publishes records in one batch and waits for the answer to it.
    pub async fn publish(&mut self, records: Vec<Record>) -> BatchAck {
        let numbered: Vec<(u64, Record)> = (self.next_seq..).zip(records).collect();
        self.next_seq += numbered.len() as u64;
        let batch = Batch::new(self.id.clone(), Uuid::new_v4(), &numbered);
        let properties =
            PublishProperties { content_type: Some(batch::CONTENT_TYPE_ZSTD.to_owned()), ..Default::default() };
        let topic = topic::up(&self.id, &UpTopic::Records);
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, batch::encode(&batch), properties)
            .await
            .expect("the queue has room");
        let wanted = batch.batch;
        self.answer(|ack| match ack {
            Ack::Batch(ack) if ack.batch == Some(wanted) => Some(ack),
            _ => None,
        })
        .await
    }

    /// Sends a picture that a record has named, and waits until the hub has stored it.
    pub async fn send_blob(&mut self, bytes: &[u8]) {
        let sha256 = Digest::of(bytes);
        let topic = topic::up(&self.id, &UpTopic::Blob { sha256, offset: 0 });
        self.client.publish(topic, QoS::AtLeastOnce, false, bytes.to_vec()).await.expect("the queue has room");
        self.answer(|ack| match ack {
            Ack::Blob(ack) if ack.blob == sha256 && ack.state == BlobState::Stored => Some(()),
            Ack::Blob(ack) if ack.blob == sha256 && ack.state == BlobState::Refused => panic!("refused: {ack:?}"),
            _ => None,
        })
        .await;
    }

    /// Publishes whatever it is told to, wherever.
    pub async fn send(&mut self, topic: &str, payload: Vec<u8>, content_type: Option<&str>) {
        let properties =
            PublishProperties { content_type: content_type.map(str::to_owned), ..PublishProperties::default() };
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
            .await
            .expect("the queue has room");
    }

    /// Waits for an answer to a batch that is as wanted.
    pub async fn batch_answer(&mut self, wanted: impl Fn(&BatchAck) -> bool) -> BatchAck {
        self.answer(|ack| match ack {
            Ack::Batch(ack) if wanted(&ack) => Some(ack),
            _ => None,
        })
        .await
    }

    /// Waits for an answer about a picture.
    pub async fn blob_answer(&mut self, sha256: Digest) -> BlobAck {
        self.answer(|ack| match ack {
            Ack::Blob(ack) if ack.blob == sha256 => Some(ack),
            _ => None,
        })
        .await
    }

    async fn answer<T>(&mut self, wanted: impl Fn(Ack) -> Option<T>) -> T {
        let acks = &mut self.acks;
        let found = async move {
            loop {
                let ack = acks.recv().await.expect("the task runs");
                if let Some(found) = wanted(ack) {
                    return found;
                }
            }
        };
        timeout(ANSWER, found).await.expect("the hub answers in time")
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An inspection made up for a test: one session, and frames and defects on demand.
#[derive(Debug, Clone)]
pub struct Inspection {
    session: RecordId,
    device_boot: u64,
    frames: u64,
}

impl Inspection {
    /// A session record that is closed, and what further records belong to it.
    pub fn closed(technician: &str, vehicle: &str, date: Timestamp) -> (Self, Record) {
        let this = Self { session: RecordId(Uuid::now_v7()), device_boot: 1, frames: 0 };
        let body = SessionBody {
            status: SessionStatus::Closed,
            technician_id: Some(technician.to_owned()),
            vehicle_id: Some(vehicle.to_owned()),
            equipment_type: Some("coaster".to_owned()),
            date: Some(date),
            duration_s: 95.4,
            total_frames: 2862,
            pause_count: 3,
            source: "lift-hill.mp4".to_owned(),
            width: 1280,
            height: 720,
            fps: 30.0,
            metadata: serde_json::json!({}),
            ..Default::default()
        };
        let record = this.record(this.session, RecordKind::Session, Parents::default(), date, &body);
        (this, record)
    }

    /// The session's id.
    pub fn session_id(&self) -> Uuid {
        self.session.0
    }

    /// A frame, with its picture.
    pub fn frame(&mut self, picture: &[u8], at: Timestamp) -> (RecordId, Record) {
        self.frames += 1;
        let id = RecordId(Uuid::now_v7());
        let blob =
            BlobRef { sha256: Digest::of(picture), size: picture.len() as u64, content_type: "image/jpeg".to_owned() };
        let body = FrameBody {
            frame_number: self.frames * 30,
            timestamp_s: self.frames as f64,
            width: 1280,
            height: 720,
            blob: Some(blob),
        };
        let parents = Parents { session: Some(self.session), frame: None };
        (id, self.record(id, RecordKind::Frame, parents, at, &body))
    }

    /// A defect on a frame.
    pub fn defect(&self, frame: RecordId, kind: &str, severity: Severity, at: Timestamp) -> (Uuid, Record) {
        let id = RecordId(Uuid::now_v7());
        let body = DefectBody {
            defect_type: kind.to_owned(),
            severity,
            confidence: 0.91,
            bounding_box: BoundingBox { x: 100.0, y: 200.0, width: 50.0, height: 30.0 },
            first_s: 3.2,
            last_s: 6.3,
            pause_id: None,
            model: ModelRef { name: "torque-stripe".into(), version: "1.0.0".into(), sha256: "ab".repeat(32) },
        };
        let parents = Parents { session: Some(self.session), frame: Some(frame) };
        (id.0, self.record(id, RecordKind::Defect, parents, at, &body))
    }

    fn record(
        &self,
        id: RecordId,
        kind: RecordKind,
        parents: Parents,
        wall: Timestamp,
        body: &impl serde::Serialize,
    ) -> Record {
        let at = At { wall, boot: self.device_boot, mono_ms: 1000, synced: true };
        let body: Value = serde_json::to_value(body).expect("a body is plain data");
        Record { id, rev: 1, kind, at, parents, body, void: false }
    }
}
