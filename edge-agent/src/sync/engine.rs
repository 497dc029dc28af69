//! One conversation with the hub, from the first connection attempt to its end.
//!
//! It never waits for the network: it queues what `pace` and the windows allow, and everything that comes back is an
//! event. It waits for the store, whose thread depends on nothing here.

use crate::store::blobs::Ready;
use crate::store::media::Look;
use crate::store::origin::{self, Origin, Verdict};
use crate::store::outbox::{self, Lane};
use crate::store::{StoreError, blobs, meta};
use crate::sync::batches::{Answer, Batches};
use crate::sync::chunks::{Chunks, Step};
use crate::sync::link::{Introduction, Link, LinkEvent};
use crate::sync::pace::Pace;
use crate::sync::{Line, LineError, LineStatus};
use bytes::Bytes;
use fieldeye_base::clock;
use fieldeye_base::stop::Stop;
use fieldeye_protocol::batch::{self, Ack, Batch, BatchAck};
use fieldeye_protocol::blob::{BlobAck, BlobState};
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::record::Record;
use fieldeye_protocol::state::{DeviceState, Presence, QueueDepth};
use fieldeye_protocol::topic::{self, DownTopic, UpTopic};
use fieldeye_protocol::{VERSION, digest::Digest};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

/// Pictures wait while this many messages are outstanding, so that batches always find room in the queue.
const MANY_OUTSTANDING: usize = 48;
/// How long the broker has to take us and our subscription.
const GREETING: Duration = Duration::from_secs(20);
/// How long the broker has to take our farewell.
const FAREWELL: Duration = Duration::from_millis(1500);
/// The retained state follows the queue at most this often.
const STATE_PERIOD: Duration = Duration::from_secs(5);
/// What a packet takes beside its content, in bytes, at most.
const PACKET_OVERHEAD: u64 = 1024;

/// Talks to the hub until `stop` (then `Ok`) or until the line is lost.
pub(super) async fn converse(
    line: &Line,
    connection: u64,
    status: &watch::Sender<LineStatus>,
    stop: &Stop,
) -> Result<(), LineError> {
    let identity = line.store.identity();
    let will = DeviceState {
        v: VERSION,
        device: identity.device.clone(),
        presence: Presence::Offline,
        boot: identity.boot,
        connection,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        model: None,
        clock: None,
        queue: QueueDepth::default(),
    };
    let state_topic = topic::up(&identity.device, &UpTopic::State);
    let introduction = Introduction {
        client_id: identity.device.to_string(),
        will: Some((state_topic, serde_json::to_vec(&will).expect("a state is plain data"))),
    };
    let settings = &line.settings;
    let now = Instant::now();
    let mut engine = Engine {
        line,
        link: Link::open(&line.hub, introduction),
        device: identity.device.clone(),
        offline: will,
        changes: line.store.changes(),
        batches: Batches::new(settings.ack_timeout()),
        chunks: Chunks::new(settings.chunk_window, settings.ack_timeout()),
        pace: Pace::new(settings.chunk_budget()),
        origin: None,
        max_content: u64::MAX,
        cursors: [0, 0],
        may_have_more: [true, true],
        backlog_from: now,
        may_have_pictures: true,
        smaller: VecDeque::new(),
        published_queue: None,
        state_due: None,
    };
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        greeted = tokio::time::timeout(GREETING, engine.greet()) => {
            greeted.map_err(|_| LineError::Lost("the broker does not answer the subscription".to_owned()))??;
        }
    }
    line.store.write("note the line", |tx| meta::set_line(tx, true)).await?;
    status.send_replace(LineStatus::Connected);
    tracing::info!(hub = %line.hub, connection, "connected to the hub");
    engine.run(stop).await
}

struct Engine<'a> {
    line: &'a Line,
    link: Link,
    device: DeviceId,
    offline: DeviceState,
    changes: watch::Receiver<u64>,
    batches: Batches,
    chunks: Chunks,
    pace: Pace,
    /// The hub whose answers were last found to count.
    origin: Option<Origin>,
    /// Largest content of a message that the broker takes.
    max_content: u64,
    /// The last number of each lane that was sent on this connection.
    cursors: [u64; 2],
    /// Whether a look at each lane may find more.
    may_have_more: [bool; 2],
    /// The backlog waits until then for company.
    backlog_from: Instant,
    may_have_pictures: bool,
    /// Numbers to be sent again in smaller batches.
    smaller: VecDeque<Vec<u64>>,
    published_queue: Option<QueueDepth>,
    state_due: Option<Instant>,
}

impl Engine<'_> {
    /// Connects, subscribes, says that we are here. Answers can be heard from then on.
    async fn greet(&mut self) -> Result<(), LineError> {
        loop {
            match self.link.event().await {
                LinkEvent::Connected { max_packet } => {
                    if let Some(limit) = max_packet {
                        self.max_content = u64::from(limit).saturating_sub(PACKET_OVERHEAD).max(1);
                    }
                    self.link.subscribe(&self.device)?;
                }
                LinkEvent::Subscribed { granted: true } => break,
                LinkEvent::Subscribed { granted: false } => {
                    let filter = topic::down_filter(&self.device);
                    return Err(LineError::Lost(format!("the broker does not let {} listen on {filter}", self.device)));
                }
                LinkEvent::Lost(why) => return Err(LineError::Lost(why)),
                // The broker kept messages for us: their batches are forgotten, they will be sent anew.
                _ => {}
            }
        }
        self.publish_state().await
    }

    async fn run(&mut self, stop: &Stop) -> Result<(), LineError> {
        loop {
            self.send_what_may_go().await?;
            let deadline = self.deadline();
            tokio::select! {
                () = stop.cancelled() => return self.say_goodbye().await,
                event = self.link.event() => self.take(event).await?,
                _ = self.changes.changed() => self.look_again(),
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// Something was committed.
    fn look_again(&mut self) {
        self.changes.mark_unchanged();
        if !self.may_have_more[Lane::Backlog as usize] {
            self.backlog_from = Instant::now() + Duration::from_millis(self.line.settings.batch_delay_ms);
        }
        self.may_have_more = [true, true];
        self.may_have_pictures = true;
        self.state_due.get_or_insert(Instant::now() + STATE_PERIOD);
    }

    fn deadline(&self) -> Option<Instant> {
        let backlog = self.may_have_more[Lane::Backlog as usize].then_some(self.backlog_from);
        let backlog = backlog.filter(|from| *from > Instant::now());
        // Without room nothing can be done about an overdue picture: the next acknowledgement wakes us.
        let pictures = self.chunks.deadline().filter(|_| self.has_room_for_pictures());
        [self.batches.deadline(), pictures, backlog, self.state_due].into_iter().flatten().min()
    }

    fn has_room_for_pictures(&self) -> bool {
        self.pace.has_room() && self.link.outstanding() < MANY_OUTSTANDING
    }

    async fn send_what_may_go(&mut self) -> Result<(), LineError> {
        self.send_overdue().await?;
        // A window of its own, and no pace: urgent records wait for nothing.
        while self.batches.count(Lane::Urgent) < self.line.settings.window && self.send_next(Lane::Urgent).await? {}
        while self.batches.count(Lane::Backlog) < self.line.settings.window
            && self.pace.has_room()
            && Instant::now() >= self.backlog_from
            && self.send_next(Lane::Backlog).await?
        {}
        self.send_pictures().await?;
        if self.state_due.is_some_and(|due| due <= Instant::now()) {
            self.state_due = None;
            self.publish_state().await?;
        }
        Ok(())
    }

    async fn send_overdue(&mut self) -> Result<(), LineError> {
        while let Some((id, lane, seqs)) = self.batches.take_overdue(Instant::now()) {
            let records = self.line.store.read("read the outbox", move |db| outbox::again(db, &seqs)).await?;
            if !records.is_empty() {
                tracing::warn!(batch = %id, records = records.len(), "no answer in time, sending the batch again");
                self.send_batch(id, lane, records).await?;
            }
        }
        while self.batches.count(Lane::Backlog) < self.line.settings.window {
            let Some(seqs) = self.smaller.pop_front() else { break };
            let records = self.line.store.read("read the outbox", move |db| outbox::again(db, &seqs)).await?;
            self.send_batch(Uuid::new_v4(), Lane::Backlog, records).await?;
        }
        Ok(())
    }

    /// Sends the next batch of a lane; false when there is none.
    async fn send_next(&mut self, lane: Lane) -> Result<bool, LineError> {
        let index = lane as usize;
        if !self.may_have_more[index] {
            return Ok(false);
        }
        let after = self.cursors[index];
        let (count, bytes) = (self.line.settings.batch_records, self.line.settings.batch_bytes);
        let records =
            self.line.store.read("read the outbox", move |db| outbox::next(db, lane, after, count, bytes)).await?;
        let Some((last, _)) = records.last() else {
            self.may_have_more[index] = false;
            return Ok(false);
        };
        self.cursors[index] = *last;
        self.send_batch(Uuid::new_v4(), lane, records).await?;
        Ok(true)
    }

    async fn send_batch(
        &mut self,
        id: Uuid,
        lane: Lane,
        records: Vec<(u64, Result<Record, String>)>,
    ) -> Result<(), LineError> {
        let mut good = Vec::with_capacity(records.len());
        let mut bad = Vec::new();
        for (seq, record) in records {
            match record {
                Ok(record) => good.push((seq, record)),
                Err(why) => bad.push((seq, why)),
            }
        }
        if !good.is_empty() {
            let payload = batch::encode(&Batch::new(self.device.clone(), id, &good));
            let seqs: Vec<u64> = good.iter().map(|(seq, _)| *seq).collect();
            if payload.len() as u64 <= self.max_content {
                let to = topic::up(&self.device, &UpTopic::Records);
                tracing::debug!(batch = %id, records = good.len(), bytes = payload.len(), "sending a batch");
                self.pace.sent(payload.len() as u64);
                self.link.publish(&to, payload, Some(batch::CONTENT_TYPE_ZSTD), false)?;
                self.batches.sent(id, lane, seqs, Instant::now());
            } else if let [only] = seqs[..] {
                bad.push((
                    only,
                    format!("the broker takes {} bytes at most, this has {}", self.max_content, payload.len()),
                ));
            } else {
                self.smaller.extend(seqs.chunks(seqs.len().div_ceil(2)).map(<[u64]>::to_vec));
            }
        }
        if !bad.is_empty() {
            tracing::warn!(records = bad.len(), first = %bad[0].1, "records that can't be sent");
            let work = move |tx: &rusqlite::Transaction<'_>| {
                bad.iter().try_for_each(|(seq, why)| outbox::rejected(tx, *seq, why).map(drop))
            };
            self.line.store.write("set aside what can't be sent", work).await?;
        }
        Ok(())
    }

    async fn send_pictures(&mut self) -> Result<(), LineError> {
        if self.may_have_pictures && self.chunks.free() > 0 {
            let limit = self.chunks.len() + self.chunks.free();
            let ready = self.line.store.read("read the pictures", move |db| blobs::ready(db, limit)).await?;
            self.may_have_pictures = ready.len() == limit;
            for blob in ready {
                if self.chunks.free() > 0 && !self.chunks.has(&blob.sha256) && self.is_good(&blob).await? {
                    self.chunks.take_up(blob);
                }
            }
        }
        while self.has_room_for_pictures() {
            let chunk = self.pace.chunk().min(self.max_content);
            match self.chunks.next(Instant::now(), chunk) {
                None => break,
                Some(Step::Ask(sha256)) => self.publish_chunk(sha256, 0, Vec::new())?,
                Some(Step::Chunk { blob, start, end }) => {
                    let (media, path) = (self.line.store.media().clone(), blob.path.clone());
                    match blocking(move || media.read(&path, start, end)).await? {
                        Ok(bytes) => self.publish_chunk(blob.sha256, start, bytes)?,
                        Err(error) => self.give_up(&blob, error.to_string()).await?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a picture's file is what it was; if not, it is given up.
    async fn is_good(&mut self, blob: &Ready) -> Result<bool, LineError> {
        let (media, wanted) = (self.line.store.media().clone(), blob.clone());
        match blocking(move || media.look(&wanted.path, wanted.size, &wanted.sha256)).await? {
            Look::Good => Ok(true),
            Look::Bad(why) => {
                self.give_up(blob, why).await?;
                Ok(false)
            }
        }
    }

    async fn give_up(&mut self, blob: &Ready, why: String) -> Result<(), LineError> {
        tracing::error!(sha256 = %blob.sha256, why, "a picture is lost on this device");
        self.chunks.drop(&blob.sha256);
        let (sha256, at) = (blob.sha256, self.line.store.at());
        let work = move |tx: &rusqlite::Transaction<'_>| blobs::corrupt(tx, &sha256, &why, &at);
        Ok(self.line.store.write("note a lost picture", work).await?)
    }

    fn publish_chunk(&mut self, sha256: Digest, offset: u64, bytes: Vec<u8>) -> Result<(), LineError> {
        self.pace.sent(bytes.len() as u64);
        self.link.publish(&topic::up(&self.device, &UpTopic::Blob { sha256, offset }), bytes, None, false)
    }

    async fn publish_state(&mut self) -> Result<(), LineError> {
        let queue = self.line.store.read("count the outbox", blobs::queue_depth).await?;
        if self.published_queue == Some(queue) {
            return Ok(());
        }
        let state = DeviceState {
            presence: Presence::Online,
            clock: Some(self.line.store.at()),
            queue,
            ..self.offline.clone()
        };
        self.publish_device_state(&state)?;
        self.published_queue = Some(queue);
        Ok(())
    }

    fn publish_device_state(&mut self, state: &DeviceState) -> Result<(), LineError> {
        let payload = serde_json::to_vec(state).expect("a state is plain data");
        self.pace.sent(payload.len() as u64);
        self.link.publish(&topic::up(&self.device, &UpTopic::State), payload, None, true)
    }

    async fn take(&mut self, event: LinkEvent) -> Result<(), LineError> {
        match event {
            LinkEvent::Sent(number) => self.link.went_out(number),
            LinkEvent::Acknowledged(number, refused) => {
                if let Some(sent) = self.link.arrived(number) {
                    self.pace.acknowledged(sent.bytes, sent.at.elapsed());
                }
                if let Some(reason) = refused {
                    tracing::warn!(?reason, "the broker does not pass a message on");
                }
            }
            LinkEvent::Message { topic, payload } => self.hear(&topic, &payload).await?,
            LinkEvent::Lost(why) => return Err(LineError::Lost(why)),
            LinkEvent::Closing => return Err(LineError::Lost("closed from this side".to_owned())),
            LinkEvent::Connected { .. } | LinkEvent::Subscribed { .. } => {}
        }
        Ok(())
    }

    async fn hear(&mut self, topic: &str, payload: &Bytes) -> Result<(), LineError> {
        if topic != topic::down(&self.device, DownTopic::Ack) {
            tracing::debug!(topic, bytes = payload.len(), "a message that this version does not act on");
            return Ok(());
        }
        match Ack::decode(payload) {
            Ok(Ack::Batch(ack)) => self.hear_about_batch(ack).await,
            Ok(Ack::Blob(ack)) => self.hear_about_blob(ack).await,
            Err(error) => {
                tracing::warn!(topic, %error, "an answer that can't be read");
                Ok(())
            }
        }
    }

    async fn hear_about_batch(&mut self, ack: BatchAck) -> Result<(), LineError> {
        let Some((id, answer)) = ack.batch.zip(self.batches.answer(&ack)) else {
            tracing::debug!(batch = ?ack.batch, error = ack.error, "an answer to a batch that is not under way");
            return Ok(());
        };
        if let Some(error) = &ack.error {
            tracing::warn!(batch = %id, error, "the hub can't read a batch");
        }
        let origin = Origin { store: ack.store, generation: ack.generation, version: ack.v };
        let Answer { stored, rejected, .. } = answer.clone();
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let verdict = origin::judge(tx, origin)?;
            if verdict != Verdict::TooOld {
                stored.iter().try_for_each(|seq| outbox::stored(tx, *seq).map(drop))?;
                rejected.iter().try_for_each(|(seq, reason)| outbox::rejected(tx, *seq, reason).map(drop))?;
                meta::set(tx, "last_ack_ms", &clock::now_ms().to_string())?;
            }
            Ok(verdict)
        };
        let verdict = self.line.store.write("take the hub's answer", work).await?;
        if verdict == Verdict::TooOld {
            tracing::info!(batch = %id, generation = ack.generation, "an answer from before the hub was restored");
            return Ok(());
        }
        for (seq, reason) in &answer.rejected {
            tracing::warn!(seq, reason, "the hub rejects a record");
        }
        tracing::debug!(batch = %id, stored = answer.stored.len(), "the hub has a batch");
        self.origin = Some(origin);
        self.batches.answered(id, &answer);
        self.smaller.extend(answer.smaller);
        Ok(())
    }

    async fn hear_about_blob(&mut self, ack: BlobAck) -> Result<(), LineError> {
        let origin = Origin { store: ack.store, generation: ack.generation, version: ack.v };
        let final_word = matches!(ack.state, BlobState::Stored | BlobState::Refused);
        // What the hub has so far is not worth a transaction, unless another hub says it.
        if final_word || self.origin != Some(origin) || !self.chunks.has(&ack.blob) {
            let (sha256, state, reason) = (ack.blob, ack.state, ack.reason.clone().unwrap_or_default());
            let work = move |tx: &rusqlite::Transaction<'_>| {
                let verdict = origin::judge(tx, origin)?;
                if verdict != Verdict::TooOld {
                    match state {
                        BlobState::Stored => blobs::stored(tx, &sha256)?,
                        BlobState::Refused => blobs::refused(tx, &sha256, &reason)?,
                        BlobState::Wanted | BlobState::Have => blobs::wanted(tx, &sha256)?,
                    };
                }
                Ok(verdict)
            };
            if self.line.store.write("take the hub's answer", work).await? == Verdict::TooOld {
                return Ok(());
            }
            self.origin = Some(origin);
        }
        match ack.state {
            BlobState::Stored | BlobState::Refused => {
                if ack.state == BlobState::Refused {
                    tracing::warn!(sha256 = %ack.blob, reason = ack.reason, "the hub refuses a picture");
                }
                self.chunks.drop(&ack.blob);
            }
            BlobState::Wanted | BlobState::Have => self.chunks.answer(&ack, Instant::now()),
        }
        Ok(())
    }

    /// Says that we go, and goes; the broker has a moment to take it.
    async fn say_goodbye(&mut self) -> Result<(), LineError> {
        self.publish_device_state(&self.offline.clone())?;
        let farewell = async {
            while self.link.outstanding() > 0 {
                match self.link.event().await {
                    LinkEvent::Sent(number) => self.link.went_out(number),
                    LinkEvent::Acknowledged(number, _) => drop(self.link.arrived(number)),
                    // Answers that still come are not lost: the hub gives them again.
                    LinkEvent::Lost(_) => return,
                    _ => {}
                }
            }
            self.link.close();
            while !matches!(self.link.event().await, LinkEvent::Closing | LinkEvent::Lost(_)) {}
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        Ok(())
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, LineError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed.into())
}

/// Waits until then, or for ever.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
