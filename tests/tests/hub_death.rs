//! The hub dies as in a power cut, in the middle of its work: what it has answered for is there, and nothing twice.

#![cfg(unix)]

use fieldeye_protocol::blob::{BlobAck, BlobState};
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{At, Parents, Record, RecordId, RecordKind};
use fieldeye_tests::device::{Device, Inspection};
use fieldeye_tests::running::{HubSetup, until};
use jiff::Timestamp;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

const DEVICES: u128 = 6;
const ROUNDS: usize = 5;
const RECORDS: u128 = 40;
const SOON: Duration = Duration::from_secs(30);

fn event(id: u128) -> Record {
    let at = At { wall: Timestamp::UNIX_EPOCH, boot: 1, mono_ms: 1, synced: false };
    let (id, kind, parents) = (RecordId(Uuid::from_u128(id)), RecordKind::Event, Parents::default());
    Record { id, rev: 1, kind, at, parents, body: serde_json::json!({"name": "mark"}), void: false }
}

fn stored(data_dir: &Path) -> Vec<Uuid> {
    let database = rusqlite::Connection::open(data_dir.join("hub.db")).expect("the hub's database");
    let mut query = database.prepare("SELECT id FROM field_eye_events").expect("a table");
    let ids = query.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    ids.map(|id| id.expect("text").parse().expect("a uuid")).collect()
}

#[tokio::test]
async fn what_was_answered_survives_any_death_and_nothing_comes_twice() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let setup = HubSetup::new(dir.path());
    let answered: Arc<Mutex<HashSet<u128>>> = Arc::default();
    for round in 0..ROUNDS {
        let hub = setup.start().await;
        let before = answered.lock().expect("not poisoned").len();
        let mut devices = JoinSet::new();
        for n in 0..DEVICES {
            let mut device = Device::connect(&format!("cam-{n}"), hub.mqtt()).await;
            let answered = Arc::clone(&answered);
            devices.spawn(async move {
                // Always the first that has no answer: what was under way at the last death comes again.
                for batch in 0.. {
                    let ids: Vec<u128> = (0..RECORDS).map(|k| 1_000_000 * (n + 1) + batch * RECORDS + k).collect();
                    if answered.lock().expect("not poisoned").contains(&ids[0]) {
                        continue;
                    }
                    let ack = device.publish(ids.iter().copied().map(event).collect()).await;
                    assert_eq!(ack.stored.count(), Some(ids.len() as u64), "{ack:?}");
                    answered.lock().expect("not poisoned").extend(ids);
                }
            });
        }
        let enough = before + 1000 + 137 * round;
        until("the hub answers", SOON, || async {
            (answered.lock().expect("not poisoned").len() > enough).then_some(())
        })
        .await;
        hub.kill().await;
        devices.shutdown().await;
        let there = stored(dir.path());
        let distinct: HashSet<&Uuid> = there.iter().collect();
        assert_eq!(distinct.len(), there.len(), "twice");
        let lost: Vec<u128> = answered
            .lock()
            .expect("not poisoned")
            .iter()
            .copied()
            .filter(|id| !distinct.contains(&Uuid::from_u128(*id)))
            .collect();
        assert_eq!(lost, Vec::<u128>::new(), "answered and lost");
    }
}

#[tokio::test]
async fn a_picture_goes_on_where_it_was() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let setup = HubSetup::new(dir.path());
    let hub = setup.start().await;
    let mut device = Device::connect("cam-7", hub.mqtt()).await;
    let picture: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
    let (mut inspection, session) = Inspection::closed("anna", "train-3", Timestamp::UNIX_EPOCH);
    let (_, frame) = inspection.frame(&picture, Timestamp::UNIX_EPOCH);
    device.publish(vec![session, frame]).await;
    // The answer to the batch asks for the picture; what follows are the answers to what is sent of it.
    assert_eq!(device.blob_answer(Digest::of(&picture)).await.state, BlobState::Wanted);
    assert_eq!(send(&mut device, &picture, 0, 40_000).await.ranges, [[0, 40_000]]);
    hub.kill().await;
    let hub = setup.start().await;
    let mut device = Device::connect("cam-7", hub.mqtt()).await;
    let ack = send(&mut device, &picture, 70_000, 100_000).await;
    assert_eq!(ack.ranges, [[0, 40_000], [70_000, 100_000]], "what came before the death is still there");
    assert_eq!(send(&mut device, &picture, 40_000, 70_000).await.state, BlobState::Stored);
    let folder = dir.path().join("blobs");
    let sha256 = Digest::of(&picture).to_string();
    assert_eq!(std::fs::read(folder.join(&sha256[..2]).join(&sha256)).expect("a file"), picture);
}

async fn send(device: &mut Device, picture: &[u8], start: usize, end: usize) -> BlobAck {
    let sha256 = Digest::of(picture);
    let topic = format!("fieldeye/v1/cam-7/up/blob/{sha256}/{start}");
    device.send(&topic, picture[start..end].to_vec(), None).await;
    device.blob_answer(sha256).await
}
