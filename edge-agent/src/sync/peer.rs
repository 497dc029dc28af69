//! For tests: a hub at the other end of a real MQTT 5 connection, which can be told to misbehave.

use crate::config::HubAddress;
use bytes::{Bytes, BytesMut};
use fieldeye_protocol::batch::{self, Ack, BatchAck, Rejection};
use fieldeye_protocol::blob::{BlobAck, BlobState, merge_ranges};
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{Record, RecordId};
use fieldeye_protocol::state::DeviceState;
use fieldeye_protocol::topic::{self, DownTopic, UpTopic};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Packet, PingResp, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use uuid::Uuid;

/// What the peer knows and how it behaves.
#[derive(Debug, Default)]
pub(super) struct Hub {
    /// Records by id, as last stored.
    pub(super) records: HashMap<RecordId, Record>,
    /// Kinds of records in the order of their arrival, and `picture` for each that was completed.
    pub(super) order: Vec<String>,
    /// Bytes of pictures that came, again or for the first time.
    pub(super) picture_bytes: u64,
    /// Complete pictures.
    pub(super) pictures: HashMap<Digest, Vec<u8>>,
    /// Parts of pictures: which bytes came, and the bytes.
    pub(super) parts: HashMap<Digest, (Vec<[u64; 2]>, Vec<u8>)>,
    /// The retained states in the order of their arrival.
    pub(super) states: Vec<DeviceState>,
    /// Batches that came, answered or not.
    pub(super) batches: usize,
    /// So many batches get no answer, and are forgotten.
    pub(super) deaf_for: usize,
    /// The connection is cut behind so many further messages, before they are acted on.
    pub(super) cut_after: Option<usize>,
    /// Records with this name in their body are rejected.
    pub(super) rejects: Option<&'static str>,
    /// Batches with more records than this can't be read.
    pub(super) reads_at_most: Option<usize>,
    /// Which store this is, and its generation.
    pub(super) origin: (u128, u64),
    /// Largest packet that is taken.
    pub(super) max_packet: Option<u32>,
    /// Nothing that comes is acknowledged or answered any more.
    pub(super) frozen: bool,
    /// It freezes with this picture.
    pub(super) freezes_at_picture: Option<usize>,
    /// To cut them.
    pub(super) connections: Vec<TcpStream>,
}

/// The peer, listening until it is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    hub: Arc<Mutex<Hub>>,
    address: HubAddress,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Listens on a free port.
    pub(super) fn start(hub: Hub) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("address").port();
        let hub = Arc::new(Mutex::new(hub));
        let shared = Arc::clone(&hub);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let mut hub = shared.lock().expect("not poisoned");
                if hub.origin == (0, 0) {
                    return;
                }
                hub.connections.push(stream.try_clone().expect("cloned"));
                drop(hub);
                let hub = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &hub));
            }
        });
        Self { hub, address: HubAddress { host: "127.0.0.1".to_owned(), port }, thread: Some(thread) }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> HubAddress {
        self.address.clone()
    }

    /// What it knows.
    pub(super) fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().expect("not poisoned")
    }

    /// Cuts all connections.
    pub(super) fn cut(&self) {
        for connection in self.hub().connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.hub().origin = (0, 0);
        self.cut();
        let _ = TcpStream::connect(self.address.to_string());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, hub: &Mutex<Hub>) {
    let mut received = BytesMut::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let packet = match Packet::read(&mut received, None) {
            Ok(packet) => packet,
            Err(rumqttc::v5::mqttbytes::Error::InsufficientBytes(_)) => match stream.read(&mut piece) {
                Ok(read) if read > 0 => {
                    received.extend_from_slice(&piece[..read]);
                    continue;
                }
                _ => return,
            },
            Err(_) => return,
        };
        let mut hub = hub.lock().expect("not poisoned");
        let answers = match packet {
            Packet::Connect(..) => vec![Packet::ConnAck(hub.greeting())],
            Packet::Subscribe(subscribe) => vec![Packet::SubAck(SubAck {
                pkid: subscribe.pkid,
                return_codes: vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)],
                properties: None,
            })],
            Packet::Publish(publish) => {
                if let Some(left) = &mut hub.cut_after {
                    if *left == 0 {
                        hub.cut_after = None;
                        let _ = stream.shutdown(Shutdown::Both);
                        return;
                    }
                    *left -= 1;
                }
                if hub.frozen {
                    continue;
                }
                let number = publish.pkid;
                let mut answers = hub.take(&publish);
                answers.insert(0, Packet::PubAck(PubAck::new(number, None)));
                answers
            }
            Packet::PingReq(_) => vec![Packet::PingResp(PingResp)],
            _ => vec![],
        };
        drop(hub);
        let mut out = BytesMut::new();
        for answer in answers {
            answer.write(&mut out, None).expect("encodes");
        }
        if stream.write_all(&out).is_err() {
            return;
        }
    }
}

impl Hub {
    /// A store with this number, never restored.
    pub(super) fn new(store: u128) -> Self {
        Self { origin: (store, 1), ..Self::default() }
    }

    fn greeting(&self) -> ConnAck {
        let properties = ConnAckProperties {
            session_expiry_interval: None,
            receive_max: Some(16),
            max_qos: None,
            retain_available: None,
            max_packet_size: self.max_packet,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: vec![],
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        };
        ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: Some(properties) }
    }

    fn take(&mut self, publish: &Publish) -> Vec<Packet> {
        let (device, what) = topic::parse_up(std::str::from_utf8(&publish.topic).expect("text")).expect("a topic");
        let acks = match what {
            UpTopic::Records => self.take_batch(publish),
            UpTopic::Blob { sha256, offset } => vec![self.take_chunk(sha256, offset, &publish.payload)],
            UpTopic::State => {
                self.states.push(serde_json::from_slice(&publish.payload).expect("a state"));
                vec![]
            }
            UpTopic::Reply | UpTopic::Telemetry => vec![],
        };
        let to = topic::down(&device, DownTopic::Ack);
        acks.iter()
            .map(|ack| Packet::Publish(Publish::new(to.as_str(), QoS::AtMostOnce, Bytes::from(ack.encode()), None)))
            .collect()
    }

    fn take_batch(&mut self, publish: &Publish) -> Vec<Ack> {
        let content_type = publish.properties.as_ref().and_then(|properties| properties.content_type.as_deref());
        assert_eq!(content_type, Some(batch::CONTENT_TYPE_ZSTD));
        self.batches += 1;
        if self.deaf_for > 0 {
            self.deaf_for -= 1;
            return vec![];
        }
        let batch = batch::decode(&publish.payload, content_type).expect("a batch");
        let mut ack = BatchAck {
            v: 1,
            batch: Some(batch.batch),
            store: Uuid::from_u128(self.origin.0),
            generation: self.origin.1,
            stored: Default::default(),
            rejected: vec![],
            deleted: Default::default(),
            error: None,
        };
        if self.reads_at_most.is_some_and(|most| batch.records.len() > most) {
            ack.error = Some("too much for me".to_owned());
            return vec![Ack::Batch(ack)];
        }
        let mut stored = vec![];
        let mut wanted = vec![];
        for numbered in batch.split().expect("fits") {
            let record = numbered.record.expect("readable");
            if self.rejects.is_some_and(|name| record.body["name"] == name) {
                ack.rejected.push(Rejection { seq: numbered.seq, reason: "I do not like it".to_owned() });
                continue;
            }
            stored.push(numbered.seq);
            self.order.push(record.kind.as_str().to_owned());
            if let Some(sha256) = record.body["blob"]["sha256"].as_str() {
                let sha256 = Digest::parse(sha256).expect("digest");
                let size = record.body["blob"]["size"].as_u64().expect("size") as usize;
                self.parts.entry(sha256).or_insert_with(|| (vec![], vec![0; size]));
                wanted.push(self.blob_ack(sha256));
            }
            let known = self.records.entry(record.id).or_insert_with(|| record.clone());
            if known.rev < record.rev {
                *known = record;
            }
        }
        ack.stored = stored.into_iter().collect();
        let mut acks = vec![Ack::Batch(ack)];
        acks.extend(wanted);
        acks
    }

    fn take_chunk(&mut self, sha256: Digest, offset: u64, bytes: &[u8]) -> Ack {
        let Some((ranges, content)) = self.parts.get_mut(&sha256) else {
            let mut refused = self.blob_ack(sha256);
            if let Ack::Blob(ack) = &mut refused {
                ack.state = BlobState::Refused;
                ack.reason = Some("no record names it".to_owned());
            }
            return refused;
        };
        self.picture_bytes += bytes.len() as u64;
        let end = offset + bytes.len() as u64;
        content[offset as usize..end as usize].copy_from_slice(bytes);
        ranges.push([offset, end]);
        *ranges = merge_ranges(std::mem::take(ranges));
        if *ranges == [[0, content.len() as u64]] && !self.pictures.contains_key(&sha256) {
            assert_eq!(Digest::of(content), sha256);
            self.pictures.insert(sha256, content.clone());
            self.frozen = self.freezes_at_picture == Some(self.pictures.len());
            self.order.push("picture".to_owned());
        }
        self.blob_ack(sha256)
    }

    fn blob_ack(&self, sha256: Digest) -> Ack {
        let ranges = self.parts.get(&sha256).map(|(ranges, _)| ranges.clone()).unwrap_or_default();
        let state = match (self.pictures.contains_key(&sha256), ranges.is_empty()) {
            (true, _) => BlobState::Stored,
            (false, true) => BlobState::Wanted,
            (false, false) => BlobState::Have,
        };
        Ack::Blob(BlobAck {
            v: 1,
            blob: sha256,
            state,
            ranges,
            reason: None,
            store: Uuid::from_u128(self.origin.0),
            generation: self.origin.1,
        })
    }
}
