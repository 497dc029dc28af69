//! Batches under way, by their ids: which numbers each holds and until when its answer may come.

use crate::store::outbox::Lane;
use fieldeye_protocol::batch::BatchAck;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// One batch under way.
#[derive(Debug, Clone)]
struct UnderWay {
    lane: Lane,
    seqs: Vec<u64>,
    due: Instant,
}

/// All batches under way.
#[derive(Debug)]
pub(super) struct Batches {
    timeout: Duration,
    under_way: HashMap<Uuid, UnderWay>,
}

/// What an answer says about the records of one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Durable at the hub, or deleted there on purpose.
    pub(super) stored: Vec<u64>,
    /// Not taken, and why.
    pub(super) rejected: Vec<(u64, String)>,
    /// To be sent again in smaller batches, because the hub could not read this one.
    pub(super) smaller: Vec<Vec<u64>>,
}

impl Batches {
    /// None under way; answers are due after `timeout`.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, under_way: HashMap::new() }
    }

    /// How many of a lane are under way.
    pub(super) fn count(&self, lane: Lane) -> usize {
        self.under_way.values().filter(|batch| batch.lane == lane).count()
    }

    /// Notes that a batch was sent (again).
    pub(super) fn sent(&mut self, id: Uuid, lane: Lane, seqs: Vec<u64>, now: Instant) {
        self.under_way.insert(id, UnderWay { lane, seqs, due: now + self.timeout });
    }

    /// Sorts an answer. Only numbers of that batch count: nothing else that it says was asked.
    pub(super) fn answer(&self, ack: &BatchAck) -> Option<Answer> {
        let batch = self.under_way.get(&ack.batch?)?;
        let mut answer = Answer::default();
        let reasons: HashMap<u64, &str> =
            ack.rejected.iter().map(|rejection| (rejection.seq, rejection.reason.as_str())).collect();
        let mut open = Vec::new();
        for seq in &batch.seqs {
            if ack.stored.contains(*seq) || ack.deleted.contains(*seq) {
                answer.stored.push(*seq);
            } else if let Some(reason) = reasons.get(seq) {
                answer.rejected.push((*seq, (*reason).to_owned()));
            } else {
                open.push(*seq);
            }
        }
        if let Some(error) = &ack.error {
            // One bad record must not block the good ones beside it: halve until it stands alone.
            match open.len() {
                0 => {}
                1 => answer.rejected.push((open[0], error.clone())),
                length => answer.smaller.extend(open.chunks(length.div_ceil(2)).map(<[u64]>::to_vec)),
            }
        }
        Some(answer)
    }

    /// Takes what was answered off a batch, once that is written down.
    pub(super) fn answered(&mut self, id: Uuid, answer: &Answer) {
        let Some(batch) = self.under_way.get_mut(&id) else { return };
        let smaller = answer.smaller.iter().flatten();
        let rejected = answer.rejected.iter().map(|(seq, _)| seq);
        let gone: std::collections::HashSet<u64> =
            answer.stored.iter().chain(rejected).chain(smaller).copied().collect();
        batch.seqs.retain(|seq| !gone.contains(seq));
        if batch.seqs.is_empty() {
            self.under_way.remove(&id);
        }
    }

    /// Takes out one batch whose answer is overdue.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<(Uuid, Lane, Vec<u64>)> {
        let id = self.under_way.iter().find(|(_, batch)| batch.due <= now).map(|(id, _)| *id)?;
        self.under_way.remove(&id).map(|batch| (id, batch.lane, batch.seqs))
    }

    /// When the next answer is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.values().map(|batch| batch.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldeye_protocol::batch::Rejection;

    fn ack(batch: Uuid, stored: &[u64], rejected: &[u64], error: Option<&str>) -> BatchAck {
        BatchAck {
            v: 1,
            batch: Some(batch),
            store: Uuid::nil(),
            generation: 1,
            stored: stored.iter().copied().collect(),
            rejected: rejected.iter().map(|seq| Rejection { seq: *seq, reason: "bad".into() }).collect(),
            deleted: Default::default(),
            error: error.map(str::to_owned),
        }
    }

    fn one_batch(seqs: &[u64]) -> (Batches, Uuid) {
        let mut batches = Batches::new(Duration::from_secs(20));
        let id = Uuid::new_v4();
        batches.sent(id, Lane::Backlog, seqs.to_vec(), Instant::now());
        (batches, id)
    }

    #[test]
    fn only_what_was_sent_is_answered() {
        let (mut batches, id) = one_batch(&[5, 6, 7, 9]);
        let mut hostile = ack(id, &[], &[7, 100], None);
        hostile.stored = serde_json::from_str("[[0,6],[8,8],[10,18446744073709551615]]").expect("ranges");
        let answer = batches.answer(&hostile).expect("known batch");
        assert_eq!(answer.stored, [5, 6]);
        assert_eq!(answer.rejected, [(7, "bad".to_owned())]);
        batches.answered(id, &answer);
        let (again, _, seqs) = batches.take_overdue(Instant::now() + Duration::from_secs(20)).expect("9 has no answer");
        assert_eq!((again, seqs), (id, vec![9]));
        assert!(batches.answer(&ack(id, &[9], &[], None)).is_none(), "not under way any more");
    }

    #[test]
    fn a_batch_that_the_hub_cannot_read_is_halved_down_to_the_bad_record() {
        let (mut batches, id) = one_batch(&[1, 2, 3]);
        let answer = batches.answer(&ack(id, &[], &[], Some("not a batch"))).expect("known");
        assert_eq!(answer.smaller, [vec![1, 2], vec![3]]);
        batches.answered(id, &answer);
        assert_eq!(batches.deadline(), None);
        let (batches, id) = one_batch(&[3]);
        let answer = batches.answer(&ack(id, &[], &[], Some("not a batch"))).expect("known");
        assert_eq!(answer.rejected, [(3, "not a batch".to_owned())]);
    }

    #[test]
    fn answers_fall_due() {
        let (mut batches, _) = one_batch(&[1]);
        let now = Instant::now();
        assert_eq!(batches.take_overdue(now), None);
        assert!(batches.deadline().expect("under way") > now);
        assert_eq!(batches.count(Lane::Backlog), 1);
        assert!(batches.take_overdue(now + Duration::from_secs(21)).is_some());
        assert_eq!(batches.count(Lane::Backlog), 0);
    }
}
