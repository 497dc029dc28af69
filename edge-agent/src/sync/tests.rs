//! The line against a peer that loses messages, cuts connections, rejects, and changes its identity.

use crate::config::{HubAddress, SyncSection};
use crate::store::outbox::{self, Depth, Lane};
use crate::store::records::{self, Draft};
use crate::store::{Opening, Store, blobs};
use crate::sync::peer::{Hub, Peer};
use crate::sync::{self, Line, LineStatus, Running};
use fieldeye_base::stop::Stop;
use fieldeye_protocol::blob::CHUNK_BYTES;
use fieldeye_protocol::body::FrameBody;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::record::{Parents, RecordId, RecordKind};
use fieldeye_protocol::state::Presence;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// A device with a store of its own.
struct Device {
    store: Store,
    dir: tempfile::TempDir,
    stop: Stop,
    running: Option<Running>,
}

impl Device {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let id = DeviceId::parse("cam-7").expect("valid");
        let store = Store::open(dir.path(), Some(&id), Opening::Start).expect("opened");
        Self { store, dir, stop: Stop::new(), running: None }
    }

    fn connect(&mut self, hub: HubAddress) {
        self.stop = Stop::new();
        let settings = SyncSection { ack_timeout: 1, batch_records: 10, ..SyncSection::default() };
        let line = Line { store: self.store.clone(), hub, settings, eager: true };
        self.running = Some(sync::start(line, self.stop.clone()));
    }

    async fn disconnect(&mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            running.ended().await;
        }
    }

    async fn put(&self, id: u128, name: &str, lane: Lane) {
        let (id, kind) = (RecordId(Uuid::from_u128(id)), RecordKind::Event);
        let draft = Draft { id, kind, parents: Parents::default(), body: json!({"name": name}) };
        let at = self.store.at();
        self.store.write("put", move |tx| records::put(tx, &draft, &at, lane)).await.expect("written");
    }

    async fn put_picture(&self, id: u128, picture: &[u8]) -> String {
        let media = self.store.media().clone();
        let kept = media.keep_jpeg(picture).expect("kept");
        let path = kept.path.clone();
        let blob = Some(blobs::reference(&kept));
        let body = FrameBody { frame_number: 0, timestamp_s: 0.0, width: 1, height: 1, blob };
        let parents = Parents { session: Some(RecordId(Uuid::from_u128(9999))), frame: None };
        let draft = Draft::new(RecordId(Uuid::from_u128(id)), RecordKind::Frame, parents, &body);
        let at = self.store.at();
        let work = move |tx: &rusqlite::Transaction<'_>| {
            records::put(tx, &draft, &at, Lane::Backlog)?;
            blobs::keep(tx, &kept, draft.id, Lane::Backlog)
        };
        self.store.write("put", work).await.expect("written");
        path
    }

    async fn depth(&self) -> Depth {
        self.store.read("count", outbox::depth).await.expect("read")
    }

    /// Waits until nothing waits for the hub.
    async fn drained(&self) {
        let mut changes = self.store.changes();
        let drained = async {
            while !self.depth().await.is_empty() {
                changes.changed().await.expect("the store lives");
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), drained).await.is_err() {
            panic!("still waiting: {:?}", self.depth().await);
        }
    }
}

fn picture(bytes: u64) -> Vec<u8> {
    (0..bytes).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn records_and_pictures_arrive_each_once_and_in_order() {
    let peer = Peer::start(Hub::new(1));
    let mut device = Device::new();
    for n in 1..=35 {
        device.put(n, "x", Lane::Backlog).await;
    }
    let content = picture(3 * CHUNK_BYTES + 17);
    device.put_picture(50, &content).await;
    device.put(60, "critical", Lane::Urgent).await;
    device.connect(peer.address());
    device.drained().await;
    {
        let hub = peer.hub();
        assert_eq!((hub.records.len(), hub.order.len()), (37, 38), "every record came once");
        let first = |what: &str| hub.order.iter().position(|kind| kind == what).expect("came");
        assert!(first("frame") < first("picture"));
        assert_eq!(hub.pictures.values().collect::<Vec<_>>(), [&content]);
        assert_eq!(hub.picture_bytes, content.len() as u64, "no byte twice");
        assert_eq!(hub.batches, 5, "one urgent batch, then ten records each");
    }
    device.put(61, "later", Lane::Backlog).await;
    device.drained().await;
    device.disconnect().await;
    let hub = peer.hub();
    let (first, last) = (hub.states.first().expect("said"), hub.states.last().expect("said"));
    assert_eq!((first.presence, first.queue.records, first.boot, first.connection), (Presence::Online, 37, 1, 1));
    assert_eq!(last.presence, Presence::Offline, "it said goodbye");
}

#[tokio::test]
async fn what_gets_no_answer_is_sent_again_on_the_same_connection() {
    let peer = Peer::start(Hub { deaf_for: 2, ..Hub::new(1) });
    let mut device = Device::new();
    for n in 1..=15 {
        device.put(n, "x", Lane::Backlog).await;
    }
    device.connect(peer.address());
    device.drained().await;
    let hub = peer.hub();
    assert_eq!((hub.records.len(), hub.batches), (15, 4));
    assert!(hub.states.iter().all(|state| state.connection == 1));
}

#[tokio::test]
async fn cut_connections_cost_nothing() {
    let peer = Peer::start(Hub::new(1));
    let mut device = Device::new();
    device.connect(peer.address());
    let content = picture(4 * CHUNK_BYTES);
    for n in 0..40 {
        device.put(n + 1, "x", Lane::Backlog).await;
        if n == 5 {
            device.put_picture(100, &content).await;
        }
        peer.hub().cut_after = Some((n % 7) as usize);
    }
    device.drained().await;
    let hub = peer.hub();
    assert_eq!((hub.records.len(), hub.pictures.len()), (41, 1));
    assert!(hub.states.last().expect("said").connection > 1, "it was cut at least once");
}

#[tokio::test]
async fn a_line_that_dies_between_two_chunks_resumes() {
    let peer = Peer::start(Hub::new(1));
    let mut device = Device::new();
    let content = picture(6 * CHUNK_BYTES);
    device.put_picture(100, &content).await;
    // State, batch, question, three chunks.
    peer.hub().cut_after = Some(6);
    device.connect(peer.address());
    device.drained().await;
    let hub = peer.hub();
    assert_eq!(hub.pictures.len(), 1);
    assert_eq!(hub.picture_bytes, content.len() as u64, "what had arrived was not sent again");
    assert!(hub.states.iter().any(|state| state.connection == 2));
}

#[tokio::test]
async fn rejected_records_stay_here_and_block_nothing() {
    let peer = Peer::start(Hub { rejects: Some("bad"), ..Hub::new(1) });
    let mut device = Device::new();
    for (n, name) in [(1, "good"), (2, "bad"), (3, "good")] {
        device.put(n, name, Lane::Backlog).await;
    }
    device.connect(peer.address());
    device.drained().await;
    let rejected = device.depth().await.rejected;
    assert_eq!((rejected, peer.hub().records.len()), (1, 2));
    let list = device.store.read("list", |db| outbox::rejected_list(db, 10)).await.expect("read");
    assert_eq!(list[0].reason, "I do not like it");
}

#[tokio::test]
async fn a_batch_that_the_hub_cannot_read_comes_in_pieces() {
    let peer = Peer::start(Hub { reads_at_most: Some(1), ..Hub::new(1) });
    let mut device = Device::new();
    for n in 1..=9 {
        device.put(n, "x", Lane::Backlog).await;
    }
    device.connect(peer.address());
    device.drained().await;
    let rejected = device.depth().await.rejected;
    assert_eq!((rejected, peer.hub().records.len()), (0, 9));
}

#[tokio::test]
async fn messages_fit_the_brokers_limit() {
    let peer = Peer::start(Hub { max_packet: Some(4096), ..Hub::new(1) });
    let mut device = Device::new();
    // Each record is 1,500 bytes that do not compress.
    for n in 1..=8 {
        let chance: String = (0..47).map(|_| Uuid::new_v4().simple().to_string()).collect();
        device.put(n, &chance, Lane::Backlog).await;
    }
    let far_too_large: String = (0..400).map(|_| Uuid::new_v4().simple().to_string()).collect();
    device.put(9, &far_too_large, Lane::Backlog).await;
    device.put_picture(100, &picture(20_000)).await;
    device.connect(peer.address());
    device.drained().await;
    {
        let hub = peer.hub();
        assert_eq!((hub.records.len(), hub.pictures.len()), (9, 1));
        assert!(hub.states.iter().all(|state| state.connection == 1), "the broker had no reason to cut the line");
    }
    assert_eq!(device.depth().await.rejected, 1, "what can never go is set aside");
}

#[tokio::test]
async fn another_hub_store_gets_everything_and_an_old_generation_is_not_heard() {
    let peer = Peer::start(Hub::new(1));
    let mut device = Device::new();
    device.put(1, "x", Lane::Backlog).await;
    device.put_picture(100, &picture(1000)).await;
    device.connect(peer.address());
    device.drained().await;
    device.disconnect().await;
    drop(peer);
    let peer = Peer::start(Hub::new(2));
    device.connect(peer.address());
    device.put(2, "y", Lane::Backlog).await;
    device.drained().await;
    {
        let hub = peer.hub();
        assert_eq!((hub.records.len(), hub.pictures.len()), (3, 1), "all of it, though only one was new");
    }
    peer.hub().origin = (2, 0);
    device.put(3, "z", Lane::Backlog).await;
    let mut changes = device.store.changes();
    while peer.hub().records.len() < 4 {
        let _ = tokio::time::timeout(Duration::from_millis(50), changes.changed()).await;
    }
    assert_eq!(device.depth().await.records, 1, "an answer of generation 0 does not count after one of generation 1");
    peer.hub().origin = (2, 1);
    device.drained().await;
}

#[tokio::test]
async fn a_picture_whose_file_changed_is_given_up_with_a_gap() {
    let peer = Peer::start(Hub::new(1));
    let mut device = Device::new();
    let path = device.put_picture(100, b"picture").await;
    std::fs::write(device.dir.path().join("media").join(path), b"scratch").expect("bent");
    device.connect(peer.address());
    device.drained().await;
    {
        let hub = peer.hub();
        assert_eq!((hub.pictures.len(), hub.order.as_slice()), (0, ["frame".to_owned(), "gap".to_owned()].as_slice()));
    }
    assert_eq!(device.depth().await.rejected, 1);
}

#[tokio::test]
async fn a_hub_that_comes_late_is_found() {
    let mut device = Device::new();
    device.put(1, "x", Lane::Backlog).await;
    let free_port = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = free_port.local_addr().expect("address").port();
    drop(free_port);
    device.connect(HubAddress { host: "127.0.0.1".to_owned(), port });
    let mut status = device.running.as_ref().expect("running").status();
    let down = status.wait_for(|status| matches!(status, LineStatus::Down(_)));
    tokio::time::timeout(Duration::from_secs(10), down).await.expect("noticed").expect("alive");
    assert_eq!(device.depth().await.records, 1, "nothing is lost meanwhile");
    let begun = std::time::Instant::now();
    device.disconnect().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "a stop does not wait for the next attempt");
}

/// Processor time that this thread has used, in ticks of 10 ms.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("the kernel tells");
    let behind_name = stat.rsplit_once(')').expect("a name in brackets").1;
    behind_name.split_ascii_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

#[tokio::test]
async fn a_hub_that_says_nothing_any_more_is_waited_for_without_work() {
    // It freezes with the first picture: two more are overdue soon, and a large one leaves no room to ask for them.
    let peer = Peer::start(Hub { freezes_at_picture: Some(1), ..Hub::new(1) });
    let mut device = Device::new();
    for (n, size) in [10_000, 10_001, 10_002, 1_000_000, 1_000_001].into_iter().enumerate() {
        device.put_picture(100 + n as u128, &picture(size)).await;
    }
    device.connect(peer.address());
    let mut changes = device.store.changes();
    while !peer.hub().frozen {
        let _ = tokio::time::timeout(Duration::from_millis(50), changes.changed()).await;
    }
    // Longer than answers take to be overdue.
    let begun = (std::time::Instant::now(), ticks());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (elapsed, used) = (begun.0.elapsed(), ticks() - begun.1);
    assert!(used * 10 < elapsed.as_millis() as u64 / 5, "{used} ticks in {elapsed:?}");
    assert!(device.depth().await.blobs >= 4, "it is stuck");
    peer.hub().frozen = false;
    peer.cut();
    device.drained().await;
    assert_eq!(peer.hub().pictures.len(), 5);
}

#[tokio::test]
async fn a_restored_hub_hears_of_pictures_before_it_gets_them() {
    let peer = Peer::start(Hub::new(1));
    let mut device = Device::new();
    device.connect(peer.address());
    for n in 0..10 {
        device.put_picture(100 + n, &picture(200_000 + n as u64)).await;
    }
    let mut changes = device.store.changes();
    while device.depth().await.blobs > 8 {
        changes.changed().await.expect("the store lives");
    }
    {
        let mut hub = peer.hub();
        *hub = Hub { origin: (1, 2), states: std::mem::take(&mut hub.states), ..Hub::new(1) };
    }
    device.put(1, "new", Lane::Backlog).await;
    device.drained().await;
    let depth = device.depth().await;
    assert_eq!((peer.hub().pictures.len(), depth.rejected), (10, 0), "{depth:?}");
}
