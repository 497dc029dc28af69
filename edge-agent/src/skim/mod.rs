//! Skimming: the frames that a search for pauses needs, and no others.
//!
//! Decoding is most of the cost of an inspection. A skim takes the file apart without decoding ([`crate::capture`]),
//! groups the parts into units that begin with a key frame (`unit`), decodes two pictures at the start of each to see
//! how fast the camera moves there (`glance`), takes the weight of frames for a hint (`level`), and chooses what else it
//! needs (`plan`): all frames where a hold begins or ends, key frames alone within one, nothing where the camera walks.
//! It owns the choice and the order of decoding, gives frames in the order of time with word of what was left out before
//! each ([`Since`]), and knows neither pauses nor models. A video that can't be skimmed is refused at the start with the reason ([`Refused`]).

mod glance;
mod level;
mod plan;
#[cfg(test)]
mod tests;
mod unit;

use crate::capture::{Decoded, Frame, NextPart, Part, PartDecoder, Parts, Unreadable};
use fieldeye_base::stop::Stop;
use level::Level;
use plan::{Choice, Facts, Glance};
use std::collections::VecDeque;
use std::path::Path;
use unit::{Grouper, Unit};

/// Units known ahead of the one that is decoded.
const AHEAD: usize = 8;
/// Bytes of units beyond which no further one is read ahead.
const AHEAD_BYTES: usize = 32 << 20;
/// Time from a key frame to the second picture of a glance, at least, seconds.
const GLANCE_S: f64 = 0.06;
/// Key frames that are farther apart make skimming slower than decoding everything, seconds.
const FAR_APART_S: f64 = 4.0;
/// Time after which a camera that moves has left what it was held on, as far as the pause finder cares, seconds.
const LEFT_S: f64 = 0.35;

/// What was left out between a frame and the one given before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Since {
    /// Nothing.
    Nothing,
    /// Frames that would have come every so many seconds; the camera was held.
    Rest {
        /// Seconds from frame to frame.
        every_s: f64,
    },
    /// Whatever happened: it was no pause.
    Unseen,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Coming {
    /// A frame, and what was left out before it.
    Frame(Box<Frame>, Since),
    /// Nothing was looked at up to this time, seconds.
    Passed {
        /// See above.
        until_s: f64,
        /// From here on it should have been looked at, and could not be, seconds.
        blind_s: Option<f64>,
    },
    /// There are no more.
    End,
    /// The stop token was cancelled.
    Stopped,
}

/// The video is not skimmed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It must be looked at as a whole; why, as half a sentence.
    Unsuited(String),
    /// It can't be read at all.
    Unreadable(Unreadable),
}

/// A unit that is known.
#[derive(Debug)]
struct Known {
    unit: Unit<Part>,
    glance: Option<Glance>,
    same: bool,
    key: Option<Box<Frame>>,
}

/// The end of what can be read.
#[derive(Debug)]
enum Input {
    Open,
    Ended,
    Failed(Unreadable),
}

/// A run of units that is being decoded: the first of the known ones.
#[derive(Debug, Clone, Copy)]
struct Run {
    units: usize,
    until_left: bool,
    /// When the camera was last seen held in it.
    held_s: Option<f64>,
    newest_s: f64,
}

/// A video that is being skimmed.
#[derive(Debug)]
pub(crate) struct Skim {
    parts: Parts,
    decoder: PartDecoder,
    level: Level,
    grouper: Grouper<Part>,
    ahead: VecDeque<Known>,
    input: Input,
    run: Option<Run>,
    since: Since,
    /// Frames of the units before the known ones.
    passed: u64,
    decoded: u64,
    duration_s: Option<f64>,
    /// Key frames are decoded in one go; not where a decoder loses some of them that way.
    together: bool,
}

impl Skim {
    /// Begins to skim a file. What is wrong with a file that can't be read is told in the same words as by a whole look.
    pub(crate) fn open(path: &Path, stop: &Stop) -> Result<Self, Refused> {
        let unreadable = Refused::Unreadable;
        let mut parts = Parts::open(path).map_err(unreadable)?;
        let mut grouper = Grouper::new();
        let mut ahead = VecDeque::new();
        let input = read_ahead(&mut parts, &mut grouper, &mut ahead, stop).map_err(unreadable)?;
        if let (Input::Failed(error), true) = (&input, ahead.is_empty()) {
            return Err(Refused::Unreadable(error.clone()));
        }
        check(&ahead)?;
        tracing::debug!(kind = parts.kind(), "skimming");
        let decoder = parts.decoder().map_err(unreadable)?;
        let duration_s = parts.duration_s();
        let since = Since::Unseen;
        let (passed, decoded) = (0, 0);
        let level = Level::default();
        Ok(Self {
            parts,
            decoder,
            level,
            grouper,
            ahead,
            input,
            run: None,
            since,
            passed,
            decoded,
            duration_s,
            together: true,
        })
    }

    /// Length in seconds as the container says.
    pub(crate) fn duration_s(&self) -> Option<f64> {
        self.duration_s
    }

    /// Frames that were decoded.
    pub(crate) fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Frames of the video up to where it is.
    pub(crate) fn frames(&self) -> u64 {
        self.passed
    }

    /// What was left out since the last frame that was given.
    pub(crate) fn since(&self) -> Since {
        self.since
    }

    /// Whether the camera is held in the newest frame, as far as its reader knows.
    pub(crate) fn is_held(&mut self, held: bool) {
        if let Some(run) = &mut self.run
            && (held || run.held_s.is_none())
        {
            run.held_s = Some(run.newest_s);
        }
    }

    /// Waits for the next frame. After an error or the end nothing more comes.
    pub(crate) fn next(&mut self, stop: &Stop) -> Result<Coming, Unreadable> {
        loop {
            if let Some(run) = self.run {
                match self.go_on(run, stop)? {
                    Some(coming) => return Ok(coming),
                    None => continue,
                }
            }
            if self.ahead.len() < 2 && matches!(self.input, Input::Open) {
                self.input = read_ahead(&mut self.parts, &mut self.grouper, &mut self.ahead, stop)?;
            }
            if !self.glance_ahead(stop)? {
                return Ok(Coming::Stopped);
            }
            let Some(choice) = self.choice(0, false) else {
                return match std::mem::replace(&mut self.input, Input::Ended) {
                    Input::Failed(error) => Err(error),
                    _ if stop.is_cancelled() => Ok(Coming::Stopped),
                    _ => Ok(Coming::End),
                };
            };
            match choice {
                // The first frame of a video is always seen.
                Choice::Pass if self.passed > 0 => return Ok(self.pass()),
                Choice::Pass | Choice::Key => {
                    if let Some(coming) = self.key() {
                        return Ok(coming);
                    }
                    self.begin_run()?;
                }
                Choice::Whole { .. } => self.begin_run()?,
            }
        }
    }

    /// What to do with the known unit `at`; `None` when there is none.
    fn choice(&self, at: usize, before: bool) -> Option<Choice> {
        let facts = |known: &Known, restless: bool| Facts {
            glance: known.glance.unwrap_or(Glance::Unknown),
            same: known.same,
            length_s: known.unit.length_s(),
            continues: known.unit.continues,
            restless,
        };
        let this = self.ahead.get(at)?;
        let next = self.ahead.get(at + 1).map(|next| facts(next, false));
        Some(plan::choose(&facts(this, self.level.is_restless(&this.unit)), next.as_ref(), before))
    }

    /// Lets the first known unit go.
    fn drop_first(&mut self) -> Option<Known> {
        let known = self.ahead.pop_front()?;
        self.passed += known.unit.shown();
        Some(known)
    }

    fn pass(&mut self) -> Coming {
        self.since = Since::Unseen;
        self.level.moved();
        let Some(Known { unit, .. }) = self.drop_first() else { return Coming::End };
        Coming::Passed { until_s: unit.end_s, blind_s: unit.continues.then_some(unit.start_s) }
    }

    /// The key frame of the first known unit, which is all that is needed of it.
    fn key(&mut self) -> Option<Coming> {
        let mut frame = self.ahead.front_mut()?.key.take()?;
        frame.number = self.passed;
        let known = self.drop_first()?;
        if known.glance == Some(Glance::Rest) {
            self.level.rested(&known.unit);
        }
        let since = std::mem::replace(&mut self.since, Since::Rest { every_s: known.unit.every_s() });
        Some(Coming::Frame(frame, since))
    }

    /// Hands the first known unit, and those behind it that are needed as a whole, to the decoder.
    fn begin_run(&mut self) -> Result<(), Unreadable> {
        let mut run = Run { units: 0, until_left: false, held_s: None, newest_s: f64::NEG_INFINITY };
        let open = matches!(self.input, Input::Open);
        while let Some(known) = self.ahead.get(run.units) {
            // What is behind the last known unit decides about that, too.
            let decidable = !open || run.units + 1 < self.ahead.len() || run.units == 0 || known.unit.continues;
            let Some(Choice::Whole { until_left }) = self.choice(run.units, true).filter(|_| decidable) else { break };
            let parts: Vec<&Part> =
                if run.units == 0 { known.unit.decodable().collect() } else { known.unit.parts.iter().collect() };
            for part in parts {
                self.decoder.push(part)?;
            }
            run.units += 1;
            run.until_left = until_left;
            if until_left {
                break;
            }
        }
        if run.units == 0 {
            // A key frame that could not be decoded by itself.
            for part in self.ahead.front().iter().flat_map(|known| known.unit.decodable()) {
                self.decoder.push(part)?;
            }
            run.units = 1;
        }
        for known in self.ahead.iter_mut().take(run.units) {
            known.key = None;
        }
        self.decoder.end();
        self.level.moved();
        self.run = Some(run);
        Ok(())
    }

    /// The next frame of a run; `None` when it is over.
    fn go_on(&mut self, mut run: Run, stop: &Stop) -> Result<Option<Coming>, Unreadable> {
        let end_s = self.ahead.front().map_or(0.0, |known| known.unit.end_s);
        let held_s = run.held_s.unwrap_or(f64::INFINITY);
        if run.until_left
            && run.units == 1
            && run.newest_s - held_s > LEFT_S
            && plan::nothing_follows(end_s - run.newest_s)
        {
            self.end_run(run, Since::Unseen);
            return Ok(Some(Coming::Passed { until_s: end_s, blind_s: None }));
        }
        match self.decoder.next(stop)? {
            Decoded::Frame(mut frame) => {
                self.decoded += 1;
                while run.units > 1 && self.ahead.front().is_some_and(|known| frame.pts_s >= known.unit.end_s - 1e-6) {
                    self.drop_first();
                    run.units -= 1;
                }
                let before = self.ahead.front().map_or(0, |known| known.unit.shown_before(frame.pts_s));
                frame.number = self.passed + before;
                run.newest_s = frame.pts_s;
                self.run = Some(run);
                let since = std::mem::replace(&mut self.since, Since::Nothing);
                Ok(Some(Coming::Frame(frame, since)))
            }
            Decoded::End => {
                self.end_run(run, Since::Nothing);
                Ok(None)
            }
            Decoded::Stopped => Ok(Some(Coming::Stopped)),
        }
    }

    fn end_run(&mut self, run: Run, since: Since) {
        self.decoder.clear();
        for _ in 0..run.units {
            self.drop_first();
        }
        self.since = since;
        self.run = None;
    }

    /// Glances at all known units; false when it was stopped.
    fn glance_ahead(&mut self, stop: &Stop) -> Result<bool, Unreadable> {
        let new: Vec<usize> = (0..self.ahead.len()).filter(|&at| self.ahead[at].glance.is_none()).collect();
        if new.is_empty() {
            return Ok(true);
        }
        let mut seen: Vec<Vec<Frame>> = Vec::new();
        seen.resize_with(self.ahead.len(), Vec::new);
        if self.together && !self.decode_glances(&new, &mut seen, stop)? {
            return Ok(false);
        }
        for &at in &new {
            if !self.shows_key(at, &seen[at]) {
                if self.together && new.len() > 1 {
                    tracing::debug!(start_s = self.ahead[at].unit.start_s, "key frames are decoded one by one");
                    self.together = false;
                }
                seen[at].clear();
                if !self.decode_glances(&[at], &mut seen, stop)? {
                    return Ok(false);
                }
            }
        }
        for at in new {
            self.judge(at, std::mem::take(&mut seen[at]));
        }
        Ok(true)
    }

    fn shows_key(&self, at: usize, frames: &[Frame]) -> bool {
        frames.iter().any(|frame| (frame.pts_s - self.ahead[at].unit.start_s).abs() < 1e-6)
    }

    /// Decodes the first pictures of the units `which`; false when it was stopped.
    fn decode_glances(&mut self, which: &[usize], seen: &mut [Vec<Frame>], stop: &Stop) -> Result<bool, Unreadable> {
        for &at in which.iter().filter(|&&at| !self.ahead[at].unit.continues) {
            for part in self.ahead[at].unit.glance(GLANCE_S) {
                self.decoder.push(part)?;
            }
        }
        self.decoder.end();
        loop {
            match self.decoder.next(stop)? {
                Decoded::Frame(frame) => {
                    self.decoded += 1;
                    let within = |at: &&usize| {
                        let unit = &self.ahead[**at].unit;
                        frame.pts_s >= unit.start_s - 1e-6 && frame.pts_s < unit.end_s
                    };
                    if let Some(&at) = which.iter().find(within) {
                        // The first and the newest are enough.
                        if seen[at].len() > 1 {
                            seen[at].pop();
                        }
                        seen[at].push(*frame);
                    }
                }
                Decoded::End => break,
                Decoded::Stopped => return Ok(false),
            }
        }
        self.decoder.clear();
        Ok(true)
    }

    /// What the first pictures of a unit say.
    fn judge(&mut self, at: usize, frames: Vec<Frame>) {
        let whole = self.shows_key(at, &frames);
        let mut frames = frames.into_iter();
        let (key, later) = (frames.next().filter(|_| whole), frames.next());
        let glance = match (&key, &later) {
            (Some(key), Some(later)) => Glance::of(glance::displacement(key, later), later.pts_s - key.pts_s),
            _ => Glance::Unknown,
        };
        let before = at.checked_sub(1).and_then(|before| self.ahead.get(before));
        let same = match (before.and_then(|before| before.key.as_ref()), &key) {
            (Some(before), Some(key)) if glance == Glance::Rest => {
                plan::is_same(glance::displacement(before, key), key.pts_s - before.pts_s)
            }
            _ => false,
        };
        tracing::trace!(start_s = self.ahead[at].unit.start_s, ?glance, same, "glanced");
        let known = &mut self.ahead[at];
        (known.glance, known.same) = (Some(glance), same);
        // Only what rests may be needed again.
        known.key = key.filter(|_| glance == Glance::Rest || known.unit.start_s <= 0.0).map(Box::new);
    }
}

/// Reads units until enough are known.
fn read_ahead(
    parts: &mut Parts,
    grouper: &mut Grouper<Part>,
    ahead: &mut VecDeque<Known>,
    stop: &Stop,
) -> Result<Input, Unreadable> {
    let mut bytes: usize = ahead.iter().map(|known| known.unit.bytes()).sum();
    while ahead.len() < AHEAD && (ahead.len() < 2 || bytes < AHEAD_BYTES) {
        let (unit, input) = match parts.next(stop) {
            Ok(NextPart::Part(part)) => (grouper.push(part), Input::Open),
            Ok(NextPart::End) => (grouper.finish(), Input::Ended),
            Ok(NextPart::Stopped) => return Ok(Input::Open),
            Err(error) => (grouper.finish(), Input::Failed(error)),
        };
        if let Some(unit) = unit {
            bytes += unit.bytes();
            ahead.push_back(Known { unit, glance: None, same: false, key: None });
        }
        if !matches!(input, Input::Open) {
            return Ok(input);
        }
    }
    Ok(Input::Open)
}

/// Whether a video that begins with these units can be skimmed.
fn check(ahead: &VecDeque<Known>) -> Result<(), Refused> {
    let refuse = |why: String| Err(Refused::Unsuited(why));
    let Some(first) = ahead.front() else { return refuse("there is nothing to decode".to_owned()) };
    if first.unit.continues {
        return refuse("it does not begin with a key frame".to_owned());
    }
    if ahead.iter().any(|known| known.unit.parts.iter().any(|part| part.pts_s().is_none())) {
        return refuse("its frames don't say when they are shown".to_owned());
    }
    let length_s = ahead.iter().map(|known| known.unit.length_s()).sum::<f64>() / ahead.len() as f64;
    if length_s > FAR_APART_S {
        return refuse(format!("its key frames are {length_s:.1} s apart"));
    }
    Ok(())
}
