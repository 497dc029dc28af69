//! Pictures under way: ask what the hub has, send what is missing, wait until it says "stored"; after a silence, ask
//! again. Nothing here touches files or the network.

use crate::store::blobs::Ready;
use fieldeye_protocol::blob::{BlobAck, BlobState, missing_chunks};
use fieldeye_protocol::digest::Digest;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The hub was not asked yet, or must be asked again.
    ToAsk,
    /// The hub was asked; its answer is due.
    Asked { due: Instant },
    /// These bytes are missing there.
    Sending { missing: VecDeque<[u64; 2]> },
    /// All was sent; "stored" is due.
    Sent { due: Instant },
}

#[derive(Debug, Clone)]
struct UnderWay {
    blob: Ready,
    stage: Stage,
}

/// All pictures under way, in the order in which they were taken up.
#[derive(Debug)]
pub(super) struct Chunks {
    window: usize,
    timeout: Duration,
    under_way: Vec<UnderWay>,
}

/// What is to be sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The question what the hub has of a picture.
    Ask(Digest),
    /// The bytes `start..end` of a picture.
    Chunk {
        /// The picture.
        blob: Ready,
        /// First byte.
        start: u64,
        /// Behind the last byte.
        end: u64,
    },
}

impl Chunks {
    /// None under way, at most `window` at once; answers are due after `timeout`.
    pub(super) fn new(window: usize, timeout: Duration) -> Self {
        Self { window, timeout, under_way: Vec::new() }
    }

    /// How many more may be taken up.
    pub(super) fn free(&self) -> usize {
        self.window.saturating_sub(self.under_way.len())
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Whether this picture is under way.
    pub(super) fn has(&self, sha256: &Digest) -> bool {
        self.under_way.iter().any(|picture| picture.blob.sha256 == *sha256)
    }

    /// Takes up a picture.
    pub(super) fn take_up(&mut self, blob: Ready) {
        if !self.has(&blob.sha256) {
            self.under_way.push(UnderWay { blob, stage: Stage::ToAsk });
        }
    }

    /// Gives a picture up: it is stored, refused or damaged.
    pub(super) fn drop(&mut self, sha256: &Digest) {
        self.under_way.retain(|picture| picture.blob.sha256 != *sha256);
    }

    /// What is to be sent next, in chunks of at most `chunk` bytes.
    pub(super) fn next(&mut self, now: Instant, chunk: u64) -> Option<Step> {
        let timeout = self.timeout;
        for picture in &mut self.under_way {
            match &mut picture.stage {
                Stage::Asked { due } | Stage::Sent { due } if *due > now => {}
                Stage::ToAsk | Stage::Asked { .. } | Stage::Sent { .. } => {
                    picture.stage = Stage::Asked { due: now + timeout };
                    return Some(Step::Ask(picture.blob.sha256));
                }
                Stage::Sending { missing } => {
                    let blob = picture.blob.clone();
                    let Some(range) = missing.front_mut() else {
                        picture.stage = Stage::Sent { due: now + timeout };
                        continue;
                    };
                    let [start, stop] = *range;
                    let end = stop.min(start + chunk.max(1));
                    if end == stop {
                        missing.pop_front();
                    } else {
                        range[0] = end;
                    }
                    if missing.is_empty() {
                        picture.stage = Stage::Sent { due: now + timeout };
                    }
                    return Some(Step::Chunk { blob, start, end });
                }
            }
        }
        None
    }

    /// Takes an answer of the hub that says what it has. Only the answer to a question starts sending: whatever else
    /// the hub says meanwhile is about bytes that are on their way.
    pub(super) fn answer(&mut self, ack: &BlobAck, now: Instant) {
        let Some(picture) = self.under_way.iter_mut().find(|picture| picture.blob.sha256 == ack.blob) else { return };
        if !matches!(ack.state, BlobState::Wanted | BlobState::Have) {
            return;
        }
        match picture.stage {
            Stage::ToAsk | Stage::Asked { .. } => {
                let size = picture.blob.size;
                let missing: VecDeque<[u64; 2]> = missing_chunks(&ack.ranges, size, size).into();
                // Everything is there and not called stored yet: the hub is still at it.
                picture.stage = if missing.is_empty() {
                    Stage::Sent { due: now + self.timeout }
                } else {
                    Stage::Sending { missing }
                };
            }
            // It comes along, so it deserves more time.
            Stage::Sent { .. } => picture.stage = Stage::Sent { due: now + self.timeout },
            Stage::Sending { .. } => {}
        }
    }

    /// When the next answer is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |picture: &UnderWay| match picture.stage {
            Stage::Asked { due } | Stage::Sent { due } => Some(due),
            Stage::ToAsk | Stage::Sending { .. } => None,
        };
        self.under_way.iter().filter_map(due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn blob(name: &str, size: u64) -> Ready {
        Ready { sha256: Digest::of(name.as_bytes()), size, path: name.to_owned() }
    }

    fn ack(name: &str, state: BlobState, ranges: &[[u64; 2]]) -> BlobAck {
        let (store, generation) = (Uuid::nil(), 1);
        BlobAck {
            v: 1,
            blob: Digest::of(name.as_bytes()),
            state,
            ranges: ranges.to_vec(),
            reason: None,
            store,
            generation,
        }
    }

    fn sent(chunks: &mut Chunks, now: Instant) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| match chunks.next(now, 4)? {
            Step::Chunk { start, end, .. } => Some((start, end)),
            Step::Ask(_) => Some((0, 0)),
        })
        .collect()
    }

    #[test]
    fn asks_then_sends_what_is_missing_then_waits() {
        let mut chunks = Chunks::new(2, TIMEOUT);
        let now = Instant::now();
        chunks.take_up(blob("a", 10));
        chunks.take_up(blob("a", 10));
        assert_eq!((chunks.len(), chunks.free()), (1, 1));
        assert_eq!(sent(&mut chunks, now), [(0, 0)], "the question, once");
        chunks.answer(&ack("a", BlobState::Have, &[[2, 5]]), now);
        chunks.answer(&ack("a", BlobState::Wanted, &[]), now);
        assert_eq!(sent(&mut chunks, now), [(0, 2), (5, 9), (9, 10)]);
        chunks.answer(&ack("a", BlobState::Wanted, &[]), now);
        assert_eq!(sent(&mut chunks, now), [], "a late word about earlier bytes sends nothing");
        assert_eq!(chunks.deadline(), Some(now + TIMEOUT));
        assert_eq!(sent(&mut chunks, now + TIMEOUT), [(0, 0)], "after a silence it asks again");
        chunks.answer(&ack("a", BlobState::Have, &[[0, 9]]), now);
        assert_eq!(sent(&mut chunks, now), [(9, 10)], "and resumes");
        chunks.drop(&Digest::of(b"a"));
        assert_eq!((chunks.deadline(), chunks.free()), (None, 2));
    }

    #[test]
    fn a_complete_picture_that_is_not_stored_yet_is_not_sent_again() {
        let mut chunks = Chunks::new(1, TIMEOUT);
        let now = Instant::now();
        chunks.take_up(blob("a", 10));
        assert_eq!(sent(&mut chunks, now).len(), 1);
        chunks.answer(&ack("a", BlobState::Have, &[[0, 10]]), now);
        assert_eq!(sent(&mut chunks, now), []);
        assert_eq!(sent(&mut chunks, now + TIMEOUT), [(0, 0)]);
    }

    #[test]
    fn several_are_under_way_at_once() {
        let mut chunks = Chunks::new(2, TIMEOUT);
        let now = Instant::now();
        chunks.take_up(blob("a", 3));
        chunks.take_up(blob("b", 3));
        assert_eq!(sent(&mut chunks, now).len(), 2);
        chunks.answer(&ack("b", BlobState::Wanted, &[]), now);
        assert!(matches!(chunks.next(now, 4), Some(Step::Chunk { blob, .. }) if blob.path == "b"));
    }
}
