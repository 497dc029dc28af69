//! One pass over a video.

use super::bench::{Answer, Bench, Job, Lost};
use super::findings::{Finding, Missing, Outcome, PauseFound, SkimOutcome, SourceInfo, Timing, thousandths};
use super::interest::Interest;
use super::shot::Shot;
use super::source::{Coming, Source};
use super::things::Things;
use super::{Look, LookError, What};
use crate::capture::Frame;
use crate::capture::camera::Absence;
use crate::skim::Since;
use fieldeye_base::stop::Stop;
use fieldeye_protocol::record::RecordKind;
use fieldeye_vision::pause::{MotionState, Pause, PauseConfig, PauseEvent, PauseFinder};
use fieldeye_vision::track::Pose;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shortest time between two progress findings.
const PROGRESS: Duration = Duration::from_millis(250);
/// Pictures on which a model may fail before it is called broken, when it has not looked at a single one.
const MODEL_CHANCES: u32 = 3;
/// How much more seldom the detector looks in a skim, besides the keyframes of pauses: it costs as much as decoding
/// ten frames.
const SKIM_SELDOM: f64 = 2.0;
/// Time between two frames of a live camera above which something may have been missed, seconds: the shortest hold takes
/// longer.
const SLOW_S: f64 = 0.75;
/// Part of the mean frame rate by which a container's word may differ from it.
const FPS_TRUST: f64 = 0.05;

/// Looks at a video and tells what it finds. Blocks; call on a thread of its own. Each call of `sink` returns before the
/// analysis goes on.
pub(crate) fn look<E>(
    look: &Look,
    stop: &Stop,
    sink: &mut dyn FnMut(Finding) -> Result<(), E>,
) -> Result<Outcome, LookError<E>> {
    std::thread::scope(|scope| {
        let bench = Bench::start(scope, |picture| look.model.detector.look(picture), stop)?;
        let mut pass = Pass::new(look, bench, sink);
        match pass.run(stop) {
            Ok(complete) => Ok(pass.outcome(complete)),
            // The worker stops, too, and may be the first.
            Err(LookError::Failed { .. }) if stop.is_cancelled() => Ok(pass.outcome(false)),
            Err(error) => Err(error),
        }
    })
}

impl<E> From<Lost> for LookError<E> {
    fn from(Lost(why): Lost) -> Self {
        Self::Failed { why }
    }
}

/// The state of a pass.
struct Pass<'a, 'scope, E> {
    look: &'a Look,
    bench: Bench<'scope>,
    sink: &'a mut dyn FnMut(Finding) -> Result<(), E>,
    finder: PauseFinder,
    interest: Interest,
    pose: Pose,
    things: Things,
    /// The best frame of the hold that lasts.
    candidate: Option<Arc<Shot>>,
    /// The camera was held in the newest frame, as far as was known.
    held: bool,
    info: Option<SourceInfo>,
    frames: u64,
    skim: Option<SkimOutcome>,
    /// Time of the newest frame, as it was decoded.
    newest_s: f64,
    /// End of the newest frame.
    end_s: f64,
    /// When the detector is to look next.
    due_s: f64,
    looked: u64,
    failed: u32,
    /// A span in which the model failed on every picture, and why.
    blind: Option<(f64, f64, String)>,
    timing: Timing,
    began: Instant,
    told: Option<Instant>,
    told_health: Option<Instant>,
}

impl<'a, 'scope, E> Pass<'a, 'scope, E> {
    fn new(look: &'a Look, bench: Bench<'scope>, sink: &'a mut dyn FnMut(Finding) -> Result<(), E>) -> Self {
        Self {
            look,
            bench,
            sink,
            finder: PauseFinder::new(PauseConfig::default()),
            interest: Interest::default(),
            pose: Pose::start(),
            things: Things::new(look.identity, look.model.detector.manifest()),
            candidate: None,
            held: false,
            info: None,
            frames: 0,
            skim: None,
            newest_s: f64::NEG_INFINITY,
            end_s: 0.0,
            due_s: 0.0,
            looked: 0,
            failed: 0,
            blind: None,
            timing: Timing::default(),
            began: Instant::now(),
            told: None,
            told_health: None,
        }
    }

    /// Goes through the video; false when it was stopped.
    fn run(&mut self, stop: &Stop) -> Result<bool, LookError<E>> {
        let mut source = Source::open(&self.look.what, stop)?;
        self.skim = source.refused().map(|why| SkimOutcome::Refused(why.to_owned()));
        loop {
            let waiting = Instant::now();
            let next = source.next(stop);
            self.timing.decode_s += waiting.elapsed().as_secs_f64();
            self.skim = source.decoded().map(SkimOutcome::Decoded).or(self.skim.take());
            match next {
                Ok(Coming::Frame(frame, since)) => {
                    self.frame(&frame, since, source.duration_s())?;
                    source.is_held(self.held);
                }
                Ok(Coming::Passed { until_s, blind_s }) => {
                    if let Some(start_s) = blind_s {
                        let reason = "its key frames are too far apart to skim it; look at it without --skim";
                        self.gap(start_s, until_s, Missing::Analysis, reason)?;
                    }
                    self.passed(until_s, source.behind())?;
                }
                Ok(Coming::Gone) => self.unseen()?,
                Ok(Coming::Missed(Absence { from_s, until_s, why })) => {
                    self.gap(from_s, until_s, Missing::Recording, &why)?;
                }
                Ok(Coming::Piece(piece)) => self.tell(Finding::Recorded(piece))?,
                Ok(Coming::Nothing) => self.quiet()?,
                Ok(Coming::End) => {
                    self.frames = self.frames.max(source.behind().unwrap_or(0));
                    // The decoder's memory is not needed any more.
                    drop(source);
                    self.end()?;
                    return Ok(true);
                }
                Ok(Coming::Stopped) => return Ok(false),
                Err(error) => {
                    drop(source);
                    self.end()?;
                    let seen = self.info.is_some().then(|| Box::new(self.outcome(false)));
                    return Err(LookError::Unreadable { why: error.why, seen });
                }
            }
            self.health(&source)?;
        }
    }

    /// Nothing was looked at up to `until_s`: whatever was held is over.
    fn passed(&mut self, until_s: f64, behind: Option<u64>) -> Result<(), LookError<E>> {
        (self.frames, self.end_s) = (behind.unwrap_or(self.frames), until_s.max(self.end_s));
        if self.told.is_none_or(|told| told.elapsed() >= PROGRESS) { self.progress() } else { Ok(()) }
    }

    /// What comes has nothing to do with what was seen: what was held is over.
    fn unseen(&mut self) -> Result<(), LookError<E>> {
        for event in self.finder.finish() {
            self.event(event)?;
        }
        self.interest.forget();
        Ok(())
    }

    /// A span is missing; a sentence says why.
    fn gap(&mut self, start_s: f64, end_s: f64, what: Missing, reason: &str) -> Result<(), LookError<E>> {
        let (start_s, end_s) = (thousandths(start_s), thousandths(end_s));
        self.tell(Finding::Gap { start_s, end_s, what, reason: reason.to_owned() })
    }

    /// Nothing came for a moment: what is under way at the detector is taken, for nothing else would push it out.
    fn quiet(&mut self) -> Result<(), LookError<E>> {
        while let Some(answer) = self.bench.take()? {
            self.answer(&answer)?;
        }
        Ok(())
    }

    /// Tells how a camera is doing, now and then.
    fn health(&mut self, source: &Source) -> Result<(), LookError<E>> {
        let due = self.told_health.is_none_or(|told| told.elapsed() >= PROGRESS);
        match source.health().filter(|_| due) {
            Some(health) => {
                self.told_health = Some(Instant::now());
                self.tell(Finding::Health(health.clone()))
            }
            None => Ok(()),
        }
    }

    fn frame(&mut self, frame: &Frame, since: Since, duration_s: Option<f64>) -> Result<(), LookError<E>> {
        let failed = |why: String| LookError::Failed { why: format!("frame {}: {why}", frame.number) };
        if self.info.is_none() {
            let (width, height) = frame.displayed_size();
            let info = SourceInfo { width, height, fps: frame.fps(), duration_s };
            self.info = Some(info.clone());
            self.tell(Finding::Opened(info))?;
        }
        self.frames = frame.number + 1;
        // A frame that comes late or twice shows nothing new.
        if frame.pts_s <= self.newest_s {
            return Ok(());
        }
        let step_s = if self.newest_s.is_finite() { frame.pts_s - self.newest_s } else { 0.0 };
        let slow_s = SLOW_S.max(3.0 * frame.length_s.unwrap_or(0.0));
        if since == Since::Nothing && step_s > slow_s && matches!(self.look.what, What::Camera(..)) {
            let reason = "the analysis was too slow for the camera; the recording has it";
            self.gap(self.newest_s, frame.pts_s, Missing::Analysis, reason)?;
        }
        self.newest_s = frame.pts_s;
        self.end_s = frame.pts_s + frame.length_s.unwrap_or(step_s);

        let measuring = Instant::now();
        let luma = frame.luma().map_err(|error| failed(error.to_string()))?;
        if since == Since::Unseen {
            self.unseen()?;
        }
        let step = match since {
            Since::Rest { every_s } => self.finder.push_after_rest(frame.pts_s, luma, every_s),
            Since::Nothing | Since::Unseen => self.finder.push(frame.pts_s, luma),
        };
        self.timing.motion_s += measuring.elapsed().as_secs_f64();
        self.pose.advance(&step.motion, luma.width, luma.height);

        for event in step.events {
            self.event(event)?;
        }
        let held = step.moving == MotionState::Holding;
        self.held = held;
        let skims = matches!(self.skim, Some(SkimOutcome::Decoded(_)));
        // A skim has few frames in which nothing is held, and only by chance those that show something.
        let due = frame.pts_s >= self.due_s && (held || !skims);
        if step.keep || due {
            let shot = Shot::of(frame, thousandths(frame.pts_s), self.pose, held)
                .map_err(|error| failed(error.to_string()))?;
            if step.keep {
                self.candidate = Some(shot.clone());
            }
            if due {
                let every_s = if skims { SKIM_SELDOM } else { 1.0 } / self.look.rate_hz;
                self.due_s = if frame.pts_s - self.due_s < every_s { self.due_s } else { frame.pts_s } + every_s;
                let unchanged = !self.interest.is_roused(&self.finder);
                self.submit(Job { shot, pause: None, unchanged })?;
                let settled = self.things.settled(frame.pts_s);
                self.defects(settled)?;
            }
        }
        if self.told.is_none_or(|told| told.elapsed() >= PROGRESS) {
            self.progress()?;
        }
        Ok(())
    }

    fn event(&mut self, event: PauseEvent) -> Result<(), LookError<E>> {
        match event {
            PauseEvent::Started { .. } => Ok(()),
            PauseEvent::Idle { start_s, end_s } => {
                self.candidate = None;
                self.tell(Finding::Idle { start_s: thousandths(start_s), end_s: thousandths(end_s) })
            }
            PauseEvent::Ended(pause) => self.pause(&pause),
        }
    }

    fn pause(&mut self, pause: &Pause) -> Result<(), LookError<E>> {
        let shot = self.candidate.take().filter(|shot| (shot.pts_s - pause.keyframe_s).abs() < 0.001);
        let Some(shot) = shot else {
            let why = format!("the pause at {:.1} s has no picture; please report this", pause.start_s);
            return Err(LookError::Failed { why });
        };
        let (start_s, end_s) = (thousandths(pause.start_s), thousandths(pause.end_s));
        let identity = &self.look.identity;
        let id = identity.id(&RecordKind::Pause, start_s, "");
        let keyframe = shot.keyframe(identity).map_err(|why| LookError::Failed { why })?;
        let confidence = thousandths(pause.confidence);
        self.tell(Finding::Pause(PauseFound { id, start_s, end_s, confidence, keyframe }))?;
        self.things.pause(id, start_s, end_s);
        self.submit(Job { shot, pause: Some(id), unchanged: false })
    }

    fn submit(&mut self, job: Job) -> Result<(), LookError<E>> {
        match self.bench.submit(job)? {
            Some(answer) => self.answer(&answer),
            None => Ok(()),
        }
    }

    fn answer(&mut self, answer: &Answer) -> Result<(), LookError<E>> {
        self.timing.preprocess_s += answer.spent.preprocess.as_secs_f64();
        self.timing.infer_s += answer.spent.inference.as_secs_f64();
        self.timing.postprocess_s += answer.spent.postprocess.as_secs_f64();
        let pts_s = answer.job.shot.pts_s;
        match &answer.seen {
            Ok(detections) => {
                self.looked += 1;
                self.tell_blind()?;
                let certain = self.things.observe(answer, detections);
                self.defects(certain)
            }
            Err(error) => {
                self.failed += 1;
                if self.looked == 0 && self.failed >= MODEL_CHANCES {
                    return Err(LookError::Model { why: error.to_string() });
                }
                let blind = self.blind.get_or_insert_with(|| (pts_s, pts_s, error.to_string()));
                (blind.0, blind.1) = (blind.0.min(pts_s), blind.1.max(pts_s));
                Ok(())
            }
        }
    }

    /// Nothing more comes: what is open is closed and told.
    fn end(&mut self) -> Result<(), LookError<E>> {
        for event in self.finder.finish() {
            self.event(event)?;
        }
        while let Some(answer) = self.bench.take()? {
            self.answer(&answer)?;
        }
        self.tell_blind()?;
        let rest = self.things.finish();
        self.defects(rest)?;
        if self.info.is_some() { self.progress() } else { Ok(()) }
    }

    fn tell_blind(&mut self) -> Result<(), LookError<E>> {
        match self.blind.take() {
            Some((start_s, end_s, reason)) => self.gap(start_s, end_s, Missing::Analysis, &reason),
            None => Ok(()),
        }
    }

    fn defects(&mut self, found: Result<Vec<super::findings::DefectFound>, String>) -> Result<(), LookError<E>> {
        for defect in found.map_err(|why| LookError::Failed { why })? {
            self.tell(Finding::Defect(defect))?;
        }
        Ok(())
    }

    fn progress(&mut self) -> Result<(), LookError<E>> {
        self.told = Some(Instant::now());
        self.tell(Finding::Progress { position_s: thousandths(self.end_s), frames: self.frames })
    }

    fn tell(&mut self, finding: Finding) -> Result<(), LookError<E>> {
        let telling = Instant::now();
        let told = (self.sink)(finding).map_err(LookError::Sink);
        self.timing.store_s += telling.elapsed().as_secs_f64();
        told
    }

    fn outcome(&self, complete: bool) -> Outcome {
        let unseen = SourceInfo { width: 0, height: 0, fps: 0.0, duration_s: None };
        let mut source = self.info.clone().unwrap_or(unseen);
        if self.newest_s > 0.0 {
            // Containers of variable frame rate say anything or nothing.
            let mean = (self.frames - 1) as f64 / self.newest_s;
            if (source.fps - mean).abs() > FPS_TRUST * mean {
                source.fps = thousandths(mean);
            }
        }
        let timing = Timing { wall_s: self.began.elapsed().as_secs_f64(), ..self.timing };
        let (frames, skim, duration_s) = (self.frames, self.skim.clone(), thousandths(self.end_s));
        Outcome { source, frames, skim, duration_s, timing, complete }
    }
}
