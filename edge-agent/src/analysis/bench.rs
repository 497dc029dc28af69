//! The worker thread that runs the detector.
//!
//! A shot goes in, its detections come out, in the same order. At most [`DEPTH`] shots are under way: a video file
//! waits for the detector. Answers are taken only when the bench is full or at the end, so that what happens when does
//! not depend on how fast the detector is.

use super::shot::Shot;
use fieldeye_base::stop::Stop;
use fieldeye_protocol::record::RecordId;
use fieldeye_vision::detect::{DetectError, Detection, Spent};
use fieldeye_vision::picture::PictureView;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Shots under way: one being looked at, one waiting.
const DEPTH: usize = 2;

/// A shot to look at.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) shot: Arc<Shot>,
    /// The pause whose keyframe it is.
    pub(super) pause: Option<RecordId>,
    /// It shows what the shot before it showed: what was seen there is seen here, without a look.
    pub(super) unchanged: bool,
}

/// What the detector said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) job: Job,
    pub(super) seen: Result<Vec<Detection>, DetectError>,
    /// Where the time went; nothing when it failed.
    pub(super) spent: Spent,
}

/// The worker is gone; one sentence.
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

/// The worker and its channels.
#[derive(Debug)]
pub(super) struct Bench<'scope> {
    jobs: SyncSender<Job>,
    answers: Receiver<Answer>,
    under_way: usize,
    worker: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Bench<'scope> {
    /// Starts the worker, which looks by calling `detect`. It ends when the bench is dropped, and does not begin
    /// another shot after `stop`.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        detect: impl Fn(&PictureView<'_>) -> Result<(Vec<Detection>, Spent), DetectError> + Send + 'env,
        stop: &'env Stop,
    ) -> Result<Self, Lost> {
        let (jobs, inbox) = sync_channel::<Job>(DEPTH);
        let (outbox, answers) = sync_channel::<Answer>(DEPTH);
        let work = move || {
            // What was seen last, and not on a keyframe, which comes late.
            let mut last: Option<Vec<Detection>> = None;
            for job in inbox {
                if stop.is_cancelled() {
                    break;
                }
                let again = last.clone().filter(|_| job.unchanged);
                let looked =
                    again.map_or_else(|| detect(&job.shot.picture.view()), |seen| Ok((seen, Spent::default())));
                let (seen, spent) = match looked {
                    Ok((found, spent)) => (Ok(found), spent),
                    Err(error) => (Err(error), Spent::default()),
                };
                if job.pause.is_none() {
                    last = seen.as_ref().ok().cloned();
                }
                if outbox.send(Answer { job, seen, spent }).is_err() {
                    break;
                }
            }
        };
        let worker = std::thread::Builder::new()
            .name("detector".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|error| Lost(format!("can't start the detector's thread: {error}")))?;
        Ok(Self { jobs, answers, under_way: 0, worker: Some(worker) })
    }

    /// Hands a shot in. When the bench is full, waits for the oldest answer first and gives it.
    pub(super) fn submit(&mut self, job: Job) -> Result<Option<Answer>, Lost> {
        let answer = if self.under_way < DEPTH { None } else { self.take()? };
        match self.jobs.send(job) {
            Ok(()) => {
                self.under_way += 1;
                Ok(answer)
            }
            Err(_) => Err(self.lost()),
        }
    }

    /// Waits for the oldest answer; `None` when nothing is under way.
    pub(super) fn take(&mut self) -> Result<Option<Answer>, Lost> {
        if self.under_way == 0 {
            return Ok(None);
        }
        match self.answers.recv() {
            Ok(answer) => {
                self.under_way -= 1;
                Ok(Some(answer))
            }
            Err(_) => Err(self.lost()),
        }
    }

    fn lost(&mut self) -> Lost {
        let panic = self.worker.take().and_then(|worker| worker.join().err());
        let text = panic.as_ref().map(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
        });
        Lost(match text {
            Some(text) => format!("the detector's thread died: {text}; please report this"),
            None => "the detector was stopped".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldeye_protocol::digest::Digest;
    use fieldeye_protocol::record::RecordKind;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn job(pts_s: f64) -> Job {
        Job { shot: Arc::new(Shot::blank(pts_s)), pause: None, unchanged: false }
    }

    #[test]
    fn answers_come_in_order_and_none_before_it_is_full() {
        let stop = Stop::new();
        std::thread::scope(|scope| {
            let mut bench = Bench::start(scope, |_| Ok((Vec::new(), Spent::default())), &stop).expect("started");
            let mut order = Vec::new();
            for number in 0..5 {
                let answer = bench.submit(job(f64::from(number))).expect("it lives");
                assert_eq!(answer.is_some(), number >= 2);
                order.extend(answer.map(|answer| answer.job.shot.pts_s));
            }
            while let Some(answer) = bench.take().expect("it lives") {
                order.push(answer.job.shot.pts_s);
            }
            assert_eq!(order, [0.0, 1.0, 2.0, 3.0, 4.0]);
        });
    }

    #[test]
    fn what_is_unchanged_is_not_looked_at() {
        let (stop, looks) = (Stop::new(), AtomicU32::new(0));
        let detect = |_: &PictureView<'_>| {
            let confidence = looks.fetch_add(1, Ordering::Relaxed) as f32;
            let found = Detection { class_id: 0, confidence, x: 0.0, y: 0.0, width: 1.0, height: 1.0 };
            Ok((vec![found], Spent::default()))
        };
        std::thread::scope(|scope| {
            let mut bench = Bench::start(scope, detect, &stop).expect("started");
            let keyframe =
                Job { pause: Some(RecordId::derived(&Digest::of(b"a clip"), &RecordKind::Pause, 0, "")), ..job(1.0) };
            let again = |pts_s| Job { unchanged: true, ..job(pts_s) };
            let mut seen = Vec::new();
            for job in [again(0.0), keyframe, again(2.0), job(3.0), again(4.0)] {
                seen.extend(bench.submit(job).expect("it lives"));
            }
            while let Some(answer) = bench.take().expect("it lives") {
                seen.push(answer);
            }
            let told: Vec<f32> = seen.iter().map(|answer| answer.seen.as_ref().expect("seen")[0].confidence).collect();
            assert_eq!(
                told,
                [0.0, 1.0, 0.0, 2.0, 2.0],
                "the first has nothing before it, the keyframe is none of them"
            );
        });
    }

    #[test]
    fn a_panic_is_told_and_hangs_nobody() {
        let stop = Stop::new();
        std::thread::scope(|scope| {
            let mut bench = Bench::start(scope, |_| panic!("out of luck"), &stop).expect("started");
            let told = (0..4).find_map(|number| bench.submit(job(f64::from(number))).err());
            let Lost(why) = told.expect("the worker is gone");
            assert!(why.contains("out of luck"), "{why}");
        });
    }
}
