//! Messages at the desk, without a broker.

use super::desk::{Desk, Incoming};
use crate::blobs::Blobs;
use crate::store::testing::{blob_ref, device, event, frame, session};
use crate::store::{Audience, Store};
use bytes::Bytes;
use fieldeye_protocol::batch::{self, Ack, Batch, BatchAck};
use fieldeye_protocol::blob::{BlobAck, BlobState, MAX_CHUNK_BYTES};
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::Record;
use fieldeye_protocol::topic::UpTopic;
use serde_json::json;
use std::path::Path;
use uuid::Uuid;

/// A hub's desk on a folder of its own.
struct World {
    desk: Desk,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        Self { desk: desk(dir.path()), dir }
    }

    /// The program dies and starts again.
    async fn reopen(self) -> Self {
        let Self { desk, dir } = self;
        drop(desk);
        let desk = super::tests::desk(dir.path());
        super::clean(&desk.store, &desk.blobs).await;
        Self { desk, dir }
    }

    async fn send(&self, from: &str, what: UpTopic, payload: Bytes, content_type: Option<&str>) -> Vec<Ack> {
        let content_type = content_type.map(str::to_owned);
        let incoming = Incoming { device: device(from), what, payload, content_type, live: true };
        self.desk.take(incoming).await.expect("the store works")
    }

    async fn batch(&self, from: &str, records: &[Record]) -> (BatchAck, Vec<BlobAck>) {
        let payload = batch::encode(&batch_of(&device(from), records));
        let mut acks = self.send(from, UpTopic::Records, payload.into(), Some(batch::CONTENT_TYPE_ZSTD)).await;
        let Ack::Batch(first) = acks.remove(0) else { panic!("the batch's answer comes first") };
        let blobs = acks.into_iter().map(|ack| match ack {
            Ack::Blob(ack) => ack,
            Ack::Batch(ack) => panic!("two answers: {ack:?}"),
        });
        (first, blobs.collect())
    }

    async fn chunk(&self, from: &str, sha256: Digest, offset: u64, bytes: &[u8]) -> Option<BlobAck> {
        let what = UpTopic::Blob { sha256, offset };
        let mut acks = self.send(from, what, Bytes::copy_from_slice(bytes), None).await;
        assert!(acks.len() <= 1);
        match acks.pop() {
            Some(Ack::Blob(ack)) => Some(ack),
            None => None,
            Some(Ack::Batch(ack)) => panic!("no batch was sent: {ack:?}"),
        }
    }

    async fn state_of(&self, from: &str, sha256: Digest, offset: u64, bytes: &[u8]) -> (BlobState, Vec<[u64; 2]>) {
        let ack = self.chunk(from, sha256, offset, bytes).await.expect("an answer");
        (ack.state, ack.ranges)
    }

    fn files(&self, folder: &str) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
            entries.map(|path| if path.is_dir() { count(&path) } else { usize::from(!is_id(&path)) }).sum()
        }
        fn is_id(path: &Path) -> bool {
            path.ends_with(".store-id")
        }
        count(&self.dir.path().join(folder))
    }
}

fn desk(dir: &Path) -> Desk {
    Desk::new(Store::open(dir, Audience::Console).expect("opened"), Blobs::open(dir).expect("opened"))
}

fn batch_of(device: &DeviceId, records: &[Record]) -> Batch {
    let records: Vec<(u64, Record)> = (101..).zip(records.iter().cloned()).collect();
    Batch::new(device.clone(), Uuid::new_v4(), &records)
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn a_batch_is_answered_after_its_commit_and_says_which_blobs_are_wanted() {
    let world = World::new();
    let picture = content(1000);
    let (ack, blobs) = world.batch("cam-7", &[session(1, 1, "anna"), frame(30, 1, 1, Some(&picture))]).await;
    assert_eq!(ack.stored.as_slice(), [[101, 102]]);
    assert_eq!((ack.rejected.len(), ack.error.as_deref()), (0, None));
    assert_eq!((ack.store, ack.generation), (world.desk.store.origin().store, 1));
    assert_eq!((blobs.len(), blobs[0].blob, blobs[0].state), (1, Digest::of(&picture), BlobState::Wanted));
    let world = world.reopen().await;
    assert_eq!(world.desk.store.counts().await.expect("counted").frames, 1, "it is durable");
    assert_eq!(world.desk.store.origin().store, ack.store, "the same store as before");
    world.chunk("cam-7", Digest::of(&picture), 0, &picture).await;
    let (_, blobs) = world.batch("cam-7", &[frame(30, 1, 1, Some(&picture))]).await;
    assert_eq!(blobs[0].state, BlobState::Stored, "a device that has nothing else to ask learns it so");
}

#[tokio::test]
async fn what_is_no_batch_is_answered_kept_and_survived() {
    let world = World::new();
    let (own, other) =
        (batch_of(&device("cam-7"), &[event(1, 1, "a")]), batch_of(&device("cam-8"), &[event(1, 1, "a")]));
    let mut short = own.clone();
    short.records.clear();
    let mut newer = serde_json::to_value(&own).expect("JSON");
    newer["v"] = json!(2);
    let json = |value: &serde_json::Value| serde_json::to_vec(value).expect("JSON");
    type Case<'a> = (Vec<u8>, Option<&'a str>, Option<Uuid>, &'a str);
    let cases: [Case<'_>; 7] = [
        (b"not zstd".to_vec(), Some(batch::CONTENT_TYPE_ZSTD), None, "zstd"),
        (b"{\"v\":1".to_vec(), Some(batch::CONTENT_TYPE_JSON), None, "JSON"),
        (vec![], None, None, "JSON"),
        (vec![0xff; 300], None, None, "JSON"),
        (batch::encode(&other), None, Some(other.batch), "cam-8"),
        (batch::encode(&short), None, Some(own.batch), "numbers"),
        (json(&newer), None, Some(own.batch), "version 2"),
    ];
    for (n, (payload, content_type, id, why)) in cases.into_iter().enumerate() {
        let acks = world.send("cam-7", UpTopic::Records, payload.into(), content_type).await;
        let [Ack::Batch(ack)] = &acks[..] else { panic!("one answer: {acks:?}") };
        assert_eq!(ack.batch, id);
        assert!(ack.error.as_deref().expect("an error").contains(why), "{ack:?}");
        assert!(ack.stored.is_empty() && ack.rejected.is_empty());
        let kept = world.desk.store.quarantined(100).await.expect("read");
        assert_eq!((kept.len(), kept[0].device_id.as_str(), kept[0].kept), (n + 1, "cam-7", true));
    }
    let (ack, _) = world.batch("cam-7", &[event(1, 1, "a")]).await;
    assert_eq!(ack.stored.count(), Some(1), "it lives on");
    let plain = serde_json::to_vec(&own).expect("JSON");
    let acks = world.send("cam-7", UpTopic::Records, plain.into(), Some("application/json")).await;
    assert!(
        matches!(&acks[..], [Ack::Batch(ack)] if ack.stored.count() == Some(1)),
        "as mosquitto_pub would: {acks:?}"
    );
}

#[tokio::test]
async fn a_blob_comes_in_any_order_again_and_across_restarts() {
    let world = World::new();
    let (whole, ask) = (content(3000), Digest::of(&content(3000)));
    world.batch("cam-7", &[frame(30, 1, 1, Some(&whole))]).await;
    assert_eq!(world.state_of("cam-7", ask, 0, b"").await, (BlobState::Wanted, vec![]));
    assert_eq!(world.state_of("cam-7", ask, 2000, &whole[2000..]).await, (BlobState::Have, vec![[2000, 3000]]));
    for _ in 0..2 {
        assert_eq!(
            world.state_of("cam-7", ask, 0, &whole[..500]).await,
            (BlobState::Have, vec![[0, 500], [2000, 3000]]),
            "the same chunk twice"
        );
    }
    let world = world.reopen().await;
    let have = world.state_of("cam-7", ask, 0, b"").await;
    assert_eq!(have, (BlobState::Have, vec![[0, 500], [2000, 3000]]), "resumes where it was");
    assert_eq!(world.state_of("cam-7", ask, 400, &whole[400..1700]).await.1, [[0, 1700], [2000, 3000]], "they overlap");
    assert_eq!(world.files("blobs"), 0);
    assert_eq!(world.state_of("cam-7", ask, 1700, &whole[1700..2000]).await, (BlobState::Stored, vec![]));
    assert_eq!(world.desk.blobs.get(&ask).await.expect("there"), whole);
    assert_eq!((world.files("blobs"), world.files("parts")), (1, 0), "nothing is left of the parts");
    for chunk in [&b""[..], &whole[..10], &whole] {
        assert_eq!(world.state_of("cam-7", ask, 0, chunk).await, (BlobState::Stored, vec![]));
    }
    let detail = world.desk.store.session(Uuid::from_u128(1)).await.expect("read").expect("there");
    assert_eq!(detail.frames[0].frame_path.as_deref(), Some(Blobs::key(&ask).as_str()));
}

#[tokio::test]
async fn a_death_between_the_last_chunk_and_the_verdict_is_made_up_for_by_a_question() {
    let world = World::new();
    let (whole, ask) = (content(2000), Digest::of(&content(2000)));
    world.batch("cam-7", &[frame(30, 1, 1, Some(&whole))]).await;
    // As far as it came: durable parts, noted in the store.
    let cam = device("cam-7");
    world.desk.blobs.parts().write("cam-7", &ask, 0, Bytes::from(whole.clone())).await.expect("written");
    world.desk.store.blob_part(cam, ask, [0, 2000]).await.expect("noted");
    let world = world.reopen().await;
    assert_eq!(world.state_of("cam-7", ask, 0, b"").await.0, BlobState::Stored);
    assert_eq!(world.desk.blobs.get(&ask).await.expect("there"), whole);
}

#[tokio::test]
async fn a_chunk_whose_note_was_lost_is_taken_again() {
    let world = World::new();
    let (whole, ask) = (content(2000), Digest::of(&content(2000)));
    world.batch("cam-7", &[frame(30, 1, 1, Some(&whole))]).await;
    world.desk.blobs.parts().write("cam-7", &ask, 0, Bytes::from(whole[..500].to_vec())).await.expect("written");
    let world = world.reopen().await;
    assert_eq!(world.files("parts"), 0, "a file that nothing speaks of");
    assert_eq!(world.state_of("cam-7", ask, 0, b"").await, (BlobState::Wanted, vec![]));
    assert_eq!(world.state_of("cam-7", ask, 0, &whole).await.0, BlobState::Stored);
}

#[tokio::test]
async fn another_content_is_discarded_and_refused_after_the_third_time() {
    let world = World::new();
    let (whole, other) = (content(2000), vec![7; 2000]);
    let ask = Digest::of(&whole);
    world.batch("cam-7", &[frame(30, 1, 1, Some(&whole))]).await;
    assert_eq!(world.state_of("cam-7", ask, 0, &other).await, (BlobState::Wanted, vec![]), "in one piece");
    world.chunk("cam-7", ask, 0, &other[..1000]).await;
    assert_eq!(world.state_of("cam-7", ask, 1000, &whole[1000..]).await, (BlobState::Wanted, vec![]), "in two");
    assert_eq!((world.files("blobs"), world.files("parts")), (0, 0));
    let ack = world.chunk("cam-7", ask, 0, &other).await.expect("an answer");
    assert_eq!(ack.state, BlobState::Refused);
    assert!(ack.reason.expect("a reason").contains("another content"));
    assert_eq!(world.state_of("cam-7", ask, 0, &whole).await.0, BlobState::Refused, "that device had its chances");
    world.batch("cam-8", &[frame(31, 1, 2, Some(&whole))]).await;
    assert_eq!(world.state_of("cam-8", ask, 0, &whole).await.0, BlobState::Stored, "another one has its own");
    assert_eq!(world.state_of("cam-7", ask, 0, b"").await.0, BlobState::Stored, "and then it is there for all");
    let gaps: Vec<String> = world
        .desk
        .store
        .session(Uuid::from_u128(1))
        .await
        .expect("read")
        .map(|detail| detail.gaps.into_iter().filter_map(|gap| gap.reason).collect())
        .unwrap_or_default();
    assert_eq!(gaps.len(), 1, "what is missing is written down: {gaps:?}");
}

#[tokio::test]
async fn a_blob_is_taken_only_from_those_who_named_it() {
    let world = World::new();
    let (whole, ask) = (content(1000), Digest::of(&content(1000)));
    assert_eq!(
        world.state_of("cam-7", ask, 0, b"").await,
        (BlobState::Wanted, vec![]),
        "the device learns who is here"
    );
    assert_eq!(world.chunk("cam-7", ask, 0, &whole).await, None, "nobody has named it: it may still be named");
    world.batch("cam-7", &[frame(30, 1, 1, Some(&whole))]).await;
    let ack = world.chunk("cam-8", ask, 0, &whole).await.expect("an answer");
    assert_eq!((ack.state, ack.ranges), (BlobState::Refused, vec![]));
    assert_eq!((world.files("blobs"), world.files("parts")), (0, 0));
    world.chunk("cam-7", ask, 0, &whole[..600]).await;
    assert_eq!(
        world.state_of("cam-8", ask, 0, b"").await,
        (BlobState::Wanted, vec![]),
        "what others have is no answer"
    );
    world.batch("cam-8", &[frame(31, 1, 2, Some(&whole))]).await;
    assert_eq!(world.state_of("cam-8", ask, 0, b"").await, (BlobState::Wanted, vec![]), "parts are each device's own");
    assert_eq!(world.state_of("cam-8", ask, 0, &whole).await.0, BlobState::Stored);
    assert_eq!(world.files("parts"), 0, "the first one's parts are of no use any more");
    assert_eq!(world.state_of("cam-7", ask, 600, &whole[600..]).await.0, BlobState::Stored);
}

#[tokio::test]
async fn only_the_exact_size_is_taken() {
    let world = World::new();
    let (whole, ask) = (content(1000), Digest::of(&content(1000)));
    let named = |n: u128, size: u64| {
        let mut record = frame(n, 1, 1, Some(&whole));
        record.body["blob"] = json!(blob_ref(&whole, size));
        record
    };
    world.batch("cam-7", &[named(30, 900)]).await;
    assert_eq!(world.state_of("cam-7", ask, 0, &whole).await, (BlobState::Wanted, vec![]), "too long");
    assert_eq!(world.state_of("cam-7", ask, u64::MAX, b"x").await, (BlobState::Wanted, vec![]));
    assert_eq!(world.state_of("cam-7", ask, 0, &whole[..800]).await.1, [[0, 800]]);
    world.batch("cam-7", &[named(31, 1000)]).await;
    assert_eq!(world.state_of("cam-7", ask, 0, b"").await, (BlobState::Wanted, vec![]), "another size starts anew");
    assert_eq!(world.state_of("cam-7", ask, 0, &whole).await.0, BlobState::Stored);
    let (ack, blobs) = world
        .batch(
            "cam-8",
            &[{
                let mut record = frame(40, 1, 2, Some(&whole));
                record.body["blob"] = json!(blob_ref(&whole, 999));
                record
            }],
        )
        .await;
    assert_eq!((ack.stored.count(), blobs[0].state), (Some(1), BlobState::Refused), "the record is good all the same");
    assert!(blobs[0].reason.as_deref().expect("a reason").contains("1000 bytes, not 999"));
    let huge = content(MAX_CHUNK_BYTES as usize + 1);
    let sha256 = Digest::of(&huge);
    world.batch("cam-7", &[frame(50, 1, 1, Some(&huge))]).await;
    assert_eq!(world.state_of("cam-7", sha256, 1, &huge[1..]).await.0, BlobState::Have, "a whole MiB is not too much");
    let too_much = world.state_of("cam-7", sha256, 0, &huge).await;
    assert_eq!(too_much.1, [[1, huge.len() as u64]], "one byte more is");
    assert_eq!(world.state_of("cam-7", sha256, 0, &huge[..1]).await.0, BlobState::Stored);
}

#[tokio::test]
async fn nothing_and_too_much() {
    let world = World::new();
    let mut giant = frame(30, 1, 1, Some(b"x"));
    giant.body["blob"] = json!(blob_ref(b"x", u64::MAX));
    let (ack, blobs) = world.batch("cam-7", &[frame(31, 1, 1, Some(b"")), giant]).await;
    assert_eq!(ack.stored.count(), Some(2));
    let states: Vec<BlobState> = blobs.iter().map(|ack| ack.state).collect();
    assert!(states.contains(&BlobState::Refused) && states.contains(&BlobState::Wanted), "{blobs:?}");
    assert_eq!(
        world.state_of("cam-7", Digest::of(b""), 0, b"").await.0,
        BlobState::Stored,
        "an empty blob is soon told"
    );
}

#[tokio::test]
async fn a_stored_blob_that_is_gone_is_asked_for_again() {
    let world = World::new();
    let (whole, ask) = (content(1000), Digest::of(&content(1000)));
    world.batch("cam-7", &[frame(30, 1, 1, Some(&whole))]).await;
    world.chunk("cam-7", ask, 0, &whole).await;
    std::fs::remove_file(world.desk.blobs.path(&ask)).expect("removed");
    assert_eq!(world.state_of("cam-7", ask, 0, b"").await, (BlobState::Wanted, vec![]));
    assert_eq!(world.state_of("cam-7", ask, 0, &whole).await.0, BlobState::Stored);
    assert_eq!(world.desk.blobs.get(&ask).await.expect("there again"), whole);
}

#[tokio::test]
async fn states_and_other_messages_are_heard_or_let_pass() {
    let world = World::new();
    let said = |device: &str, presence: &str| {
        let state = json!({"v": 1, "device": device, "presence": presence, "boot": 1, "connection": 2, "agent": "0.1.0",
            "clock": {"wall": "2026-01-01T00:00:00Z", "boot": 1, "mono_ms": 5, "synced": true}});
        Bytes::from(serde_json::to_vec(&state).expect("JSON"))
    };
    assert_eq!(world.send("cam-7", UpTopic::State, said("cam-7", "online"), None).await, []);
    for (what, payload) in [
        (UpTopic::State, said("cam-8", "online")),
        (UpTopic::State, Bytes::from_static(b"nonsense")),
        (UpTopic::State, Bytes::new()),
        (UpTopic::Telemetry, Bytes::from_static(b"{}")),
        (UpTopic::Reply, Bytes::from_static(b"{}")),
    ] {
        assert_eq!(world.send("cam-7", what, payload, None).await, []);
    }
    let devices = world.desk.store.devices().await.expect("read");
    assert_eq!(devices.len(), 1);
    assert_eq!((devices[0].presence.as_str(), devices[0].agent_version.as_deref()), ("online", Some("0.1.0")));
    world.send("cam-7", UpTopic::State, said("cam-7", "offline"), None).await;
    assert_eq!(world.desk.store.devices().await.expect("read")[0].presence, "offline");
}
