//! The whole way: devices, the real broker, the ingest, the store.

use super::{IngestStatus, Running, start};
use crate::blobs::Blobs;
use crate::broker::{self, Broker};
use crate::store::testing::{device, event, frame};
use crate::store::{Audience, Store, database_path};
use fieldeye_base::stop::Stop;
use fieldeye_protocol::batch::{self, Ack, Batch, BatchAck};
use fieldeye_protocol::blob::{BlobAck, BlobState};
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::Record;
use fieldeye_protocol::topic::{self, UpTopic};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);

struct World {
    broker: Broker,
    store: Store,
    running: Running,
    stop: Stop,
    dir: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let broker = broker::start("127.0.0.1:0".parse().expect("an address")).await.expect("it listens");
        let store = Store::open(dir.path(), Audience::Console).expect("opened");
        let blobs = Blobs::open(dir.path()).expect("opened");
        let stop = Stop::new();
        let running = start(broker.address(), broker.login(), store.clone(), blobs, stop.clone());
        let mut world = Self { broker, store, running, stop, dir };
        world.is(|status| *status == IngestStatus::Up).await;
        world
    }

    async fn is(&mut self, wanted: impl FnMut(&IngestStatus) -> bool) {
        let status = timeout(SOON, self.running.status.wait_for(wanted)).await;
        status.expect("in time").expect("the ingest lives");
    }

    async fn device(&self, id: &str) -> Device {
        Device::connect(id, self.broker.address().port()).await
    }

    /// A second connection to the database, as an admin command has it.
    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(database_path(self.dir.path())).expect("opened")
    }
}

struct Device {
    id: DeviceId,
    client: AsyncClient,
    acks: mpsc::Receiver<Ack>,
    next_seq: u64,
    _task: AbortOnDropHandle<()>,
}

impl Device {
    async fn connect(id: &str, port: u16) -> Self {
        let id = device(id);
        let mut options = MqttOptions::new(id.as_str(), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5)).set_clean_start(true);
        let (client, mut events) = AsyncClient::new(options, 64);
        let (sender, acks) = mpsc::channel(1024);
        let (ready, mut subscribed) = mpsc::channel(1);
        client.subscribe(topic::down_filter(&id), QoS::AtLeastOnce).await.expect("queued");
        let task = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => {
                        let _ = ready.try_send(());
                    }
                    Event::Incoming(Packet::Publish(publish)) => {
                        let _ = sender.send(Ack::decode(&publish.payload).expect("an answer")).await;
                    }
                    _ => {}
                }
            }
        });
        timeout(SOON, subscribed.recv()).await.expect("in time").expect("connected");
        Self { id, client, acks, next_seq: 1, _task: AbortOnDropHandle::new(task) }
    }

    async fn publish(&mut self, records: &[Record]) -> Uuid {
        let numbered: Vec<(u64, Record)> = (self.next_seq..).zip(records.iter().cloned()).collect();
        self.next_seq += numbered.len() as u64;
        let batch = Batch::new(self.id.clone(), Uuid::new_v4(), &numbered);
        let topic = topic::up(&self.id, &UpTopic::Records);
        self.client.publish(topic, QoS::AtLeastOnce, false, batch::encode(&batch)).await.expect("queued");
        batch.batch
    }

    async fn chunk(&self, sha256: Digest, offset: u64, bytes: &[u8]) {
        let topic = topic::up(&self.id, &UpTopic::Blob { sha256, offset });
        self.client.publish(topic, QoS::AtLeastOnce, false, bytes.to_vec()).await.expect("queued");
    }

    async fn ack(&mut self) -> Ack {
        timeout(SOON, self.acks.recv()).await.expect("in time").expect("connected")
    }

    async fn batch_ack(&mut self) -> BatchAck {
        loop {
            if let Ack::Batch(ack) = self.ack().await {
                return ack;
            }
        }
    }

    async fn blob_ack(&mut self) -> BlobAck {
        loop {
            if let Ack::Blob(ack) = self.ack().await {
                return ack;
            }
        }
    }
}

#[tokio::test]
async fn many_devices_at_once_are_all_answered() {
    const DEVICES: u128 = 40;
    const BATCHES: u128 = 5;
    const RECORDS: u128 = 20;
    let world = World::start().await;
    let mut devices = JoinSet::new();
    for n in 0..DEVICES {
        let mut device = world.device(&format!("cam-{n}")).await;
        devices.spawn(async move {
            let picture = format!("the picture of {n}").into_bytes();
            let first = n * 1000;
            for batch in 0..BATCHES {
                let ids = (0..RECORDS).map(|record| first + batch * RECORDS + record + 1);
                let records: Vec<Record> = ids.map(|id| event(id, 1, "x")).collect();
                device.publish(&records).await;
            }
            device.publish(&[frame(first + 900, 1, first + 901, Some(&picture))]).await;
            // Not waiting for the answer: what one device sends is read in its order.
            device.chunk(Digest::of(&picture), 0, &picture).await;
            let (mut stored, mut blob) = (0, false);
            while stored < BATCHES * RECORDS + 1 || !blob {
                match device.ack().await {
                    Ack::Batch(ack) => {
                        assert!(ack.rejected.is_empty() && ack.error.is_none(), "{ack:?}");
                        stored += u128::from(ack.stored.count().expect("few"));
                    }
                    Ack::Blob(ack) => blob |= ack.state == BlobState::Stored,
                }
            }
        });
    }
    while let Some(done) = devices.join_next().await {
        done.expect("answered");
    }
    let counts = world.store.counts().await.expect("counted");
    assert_eq!((counts.devices, counts.frames, counts.blobs_stored), (40, 40, 40));
    let events: u64 =
        world.database().query_row("SELECT count(*) FROM field_eye_events", [], |row| row.get(0)).expect("counted");
    assert_eq!(u128::from(events), DEVICES * BATCHES * RECORDS);
}

#[tokio::test]
async fn no_answer_comes_before_the_commit() {
    let world = World::start().await;
    let (mut waiting, mut asking) = (world.device("cam-7").await, world.device("cam-8").await);
    let picture = b"picture";
    asking.publish(&[frame(30, 1, 1, Some(picture))]).await;
    asking.chunk(Digest::of(picture), 0, picture).await;
    while asking.blob_ack().await.state != BlobState::Stored {}
    let database = world.database();
    database.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let batch = waiting.publish(&[event(1, 1, "a")]).await;
    // The ingest goes on answering what it can answer without writing, and by then it has the batch in its hands.
    for _ in 0..20 {
        asking.chunk(Digest::of(picture), 0, b"").await;
        assert_eq!(asking.blob_ack().await.state, BlobState::Stored);
    }
    assert!(waiting.acks.try_recv().is_err(), "an answer before the commit");
    database.execute_batch("COMMIT").expect("unlocked");
    let ack = waiting.batch_ack().await;
    assert_eq!((ack.batch, ack.stored.count()), (Some(batch), Some(1)));
    let there: u64 =
        database.query_row("SELECT count(*) FROM field_eye_events", [], |row| row.get(0)).expect("counted");
    assert_eq!(there, 1);
}

#[tokio::test]
async fn a_store_that_cannot_write_takes_the_line_down_until_it_can() {
    let mut world = World::start().await;
    let mut device = world.device("cam-7").await;
    let database = world.database();
    database.execute_batch("ALTER TABLE field_eye_events RENAME TO elsewhere").expect("renamed");
    device.publish(&[event(1, 1, "a")]).await;
    world.is(|status| matches!(status, IngestStatus::Down { why } if why.contains("apply a batch"))).await;
    assert!(device.acks.try_recv().is_err(), "what is not stored has no answer");
    database.execute_batch("ALTER TABLE elsewhere RENAME TO field_eye_events").expect("renamed");
    world.is(|status| *status == IngestStatus::Up).await;
    device.publish(&[event(1, 1, "a")]).await;
    assert_eq!(device.batch_ack().await.stored.count(), Some(1));
}

#[tokio::test]
async fn retained_states_are_heard_at_the_start() {
    let world = World::start().await;
    let device = world.device("cam-7").await;
    let state = r#"{"v":1,"device":"cam-7","presence":"online","boot":3,"connection":1,"agent":"0.1.0",
        "clock":{"wall":"2026-01-01T00:00:00Z","boot":3,"mono_ms":5,"synced":true}}"#;
    let topic = topic::up(&device.id, &UpTopic::State);
    let mut changes = world.store.changes();
    device.client.publish(topic, QoS::AtLeastOnce, true, state).await.expect("queued");
    let heard = |store: Store| async move {
        let devices = store.devices().await.expect("read");
        devices.first().is_some_and(|device| device.boot == 3)
    };
    let wait = async {
        while !heard(world.store.clone()).await {
            changes.changed().await.expect("the store lives");
        }
    };
    timeout(SOON, wait).await.expect("in time");
    let offset = world.store.devices().await.expect("read")[0].clock_offset_ms;
    assert!(offset.is_some(), "it was just said");
    // Another hub, which was not there when it was said.
    let dir = tempfile::tempdir().expect("dir");
    let store = Store::open(dir.path(), Audience::Console).expect("opened");
    let blobs = Blobs::open(dir.path()).expect("opened");
    let mut changes = store.changes();
    let _second = start(world.broker.address(), world.broker.login(), store.clone(), blobs, world.stop.clone());
    let wait = async {
        while !heard(store.clone()).await {
            changes.changed().await.expect("the store lives");
        }
    };
    timeout(SOON, wait).await.expect("in time");
    assert_eq!(store.devices().await.expect("read")[0].clock_offset_ms, None, "nobody knows how old it is");
}

#[tokio::test]
async fn a_stop_ends_it_and_a_broker_that_is_not_there_is_named() {
    let mut world = World::start().await;
    world.stop.cancel();
    timeout(Duration::from_secs(5), &mut world.running.task).await.expect("in time").expect("ended well");
    let free_port = std::net::TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("address");
    let stop = Stop::new();
    let blobs = Blobs::open(world.dir.path()).expect("opened");
    let mut running = start(free_port, world.broker.login(), world.store.clone(), blobs, stop.clone());
    let down = running.status.wait_for(|s| matches!(s, IngestStatus::Down { why } if why.contains("can't be reached")));
    timeout(SOON, down).await.expect("in time").expect("alive");
    stop.cancel();
    timeout(Duration::from_secs(2), running.task).await.expect("in time").expect("ended well");
}
