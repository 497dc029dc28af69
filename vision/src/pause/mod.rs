//! Where the technician stopped to look.
//!
//! [`PauseFinder`] takes luma planes one by one with their presentation times and tells when a pause began to count,
//! when it ended, and which frame of it to keep. `path` adds up the movements that [`crate::motion`] measures and takes
//! the tremor away, `hold` decides where the camera rested, `keyframe` picks the frame, and this file turns holds into
//! events by their length: too short is a hesitation and says nothing, too long is a camera that was put down.
//!
//! It works online, in bounded memory, and gives the same answer for the same frames. Decisions lag behind the picture
//! by about a third of a second, because the time of a stop is only known once it has been seen from both sides;
//! the times in the events don't lag.

mod evidence;
mod hold;
mod keyframe;
mod path;
#[cfg(test)]
mod tests;

pub use evidence::Evidence;
pub use keyframe::sharpness;

use crate::luma::LumaView;
use crate::motion::{Change, Glance, GlobalMotion, LONG_SIDE, MotionMeter};
use hold::{Hold, Holds, Speeds};
use keyframe::{Best, Candidate};
use path::{Path, distance};
use serde::{Deserialize, Serialize};

/// What counts as a pause.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PauseConfig {
    /// Shortest pause, seconds. What is shorter is a hesitation.
    pub min_pause_s: f64,
    /// Longest pause, seconds. What is longer is a camera that was put down.
    pub max_pause_s: f64,
    /// Speed of the picture under which the camera rests, long sides of the picture per second, tremor not counted.
    pub rest_speed: f64,
    /// Speed over which it leaves, long sides per second; at least `rest_speed`.
    pub leave_speed: f64,
    /// Longest time without a frame that a pause survives, seconds.
    pub max_gap_s: f64,
}

impl Default for PauseConfig {
    fn default() -> Self {
        Self { min_pause_s: 1.0, max_pause_s: 30.0, rest_speed: 0.019, leave_speed: 0.023, max_gap_s: 2.0 }
    }
}

impl PauseConfig {
    /// The same with what makes no sense (negative, not a number, upside down) replaced.
    fn sane(self) -> Self {
        let defaults = Self::default();
        let positive = |v: f64, otherwise: f64| if v.is_finite() && v > 0.0 { v } else { otherwise };
        let min_pause_s = positive(self.min_pause_s, defaults.min_pause_s);
        let rest_speed = positive(self.rest_speed, defaults.rest_speed);
        Self {
            min_pause_s,
            max_pause_s: positive(self.max_pause_s, defaults.max_pause_s).max(min_pause_s),
            rest_speed,
            leave_speed: positive(self.leave_speed, defaults.leave_speed).max(rest_speed),
            max_gap_s: positive(self.max_gap_s, defaults.max_gap_s),
        }
    }
}

/// Whether the camera is held, as far as it is known by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MotionState {
    /// It moves, or it isn't known yet.
    #[default]
    Moving,
    /// It is held on something; not necessarily long enough for a pause yet.
    Holding,
}

/// A finished pause. Times are presentation times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// First moment at rest, seconds.
    pub start_s: f64,
    /// Last moment at rest, seconds.
    pub end_s: f64,
    /// Chance that this is a pause, 0 to 1; see [`Evidence::confidence`].
    pub confidence: f64,
    /// Time of the frame to keep, seconds; within the pause, and the last one flagged [`Step::keep`] in it.
    pub keyframe_s: f64,
}

/// Something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PauseEvent {
    /// A hold has become long enough for a pause. Provisional: it may still grow into [`PauseEvent::Idle`].
    Started {
        /// First moment at rest, seconds; the same number as in the event that ends it.
        start_s: f64,
    },
    /// A pause is over. Final.
    Ended(Pause),
    /// A hold too long for a pause is over. Final.
    Idle {
        /// First moment at rest, seconds.
        start_s: f64,
        /// Last moment at rest, seconds.
        end_s: f64,
    },
}

/// What one frame brought. Look at `events` first, then at `keep`.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Movement since the frame before.
    pub motion: GlobalMotion,
    /// Whether the camera is held, decided about 0.3 s behind the picture.
    pub moving: MotionState,
    /// Copy this frame now: it is the best of the hold so far, and the copy before is no longer needed.
    pub keep: bool,
    /// Mostly empty.
    pub events: Vec<PauseEvent>,
    /// Detail of the picture, see [`sharpness`].
    pub sharpness: f32,
}

impl Step {
    fn ignored(moving: MotionState) -> Self {
        Self { motion: GlobalMotion::still(0.0), moving, keep: false, events: Vec::new(), sharpness: 0.0 }
    }
}

/// Most steps that a movement is spread over.
const SPREAD_STEPS: f64 = 512.0;

/// A movement from `from_s` to `to_s` in equal steps of about `every_s`.
fn spread(from_s: f64, to_s: f64, every_s: f64, whole: GlobalMotion) -> impl Iterator<Item = (f64, GlobalMotion)> {
    let steps = ((to_s - from_s) / every_s.max(1e-3)).round().clamp(1.0, SPREAD_STEPS);
    let steps = if whole.cut || whole.confidence < GlobalMotion::LOST || !steps.is_finite() { 1.0 } else { steps };
    let share = 1.0 / steps as f32;
    let part = GlobalMotion {
        dx: whole.dx * share,
        dy: whole.dy * share,
        rotation: whole.rotation * share,
        zoom: 1.0 + (whole.zoom - 1.0) * share,
        ..whole
    };
    // The last step ends exactly where the frame is.
    (1..=steps as u32).map(move |step| {
        let left = f64::from(step) / steps;
        (if f64::from(step) >= steps { to_s } else { from_s + left * (to_s - from_s) }, part)
    })
}

/// Distance from the hold at which a frame is not kept, because the camera may be leaving, px at [`LONG_SIDE`].
const KEEP_WITHIN: f64 = 12.0;

/// Finds pauses, frame by frame.
#[derive(Debug)]
pub struct PauseFinder {
    config: PauseConfig,
    meter: MotionMeter,
    path: Path,
    holds: Holds,
    best: Best,
    started: bool,
    last_s: Option<f64>,
    evidence: Option<Evidence>,
}

impl PauseFinder {
    /// A finder at the start of a stream. Settings that make no sense are replaced by the defaults.
    #[must_use]
    pub fn new(config: PauseConfig) -> Self {
        let config = config.sane();
        let speeds = Speeds { rest: config.rest_speed * LONG_SIDE, leave: config.leave_speed * LONG_SIDE };
        Self {
            config,
            meter: MotionMeter::new(),
            path: Path::default(),
            holds: Holds::new(speeds, config.max_gap_s),
            best: Best::default(),
            started: false,
            last_s: None,
            evidence: None,
        }
    }

    /// Takes the frame shown at `pts_s` seconds. A frame whose time isn't later than that of the frame before, or
    /// isn't a number, is ignored; so is a plane that isn't whole.
    pub fn push(&mut self, pts_s: f64, luma: LumaView<'_>) -> Step {
        self.take(pts_s, luma, None)
    }

    /// Takes the frame shown at `pts_s` seconds after a stretch of which nothing was seen, but in which the camera is
    /// known to have stayed where it was: the movement since the frame before is spread over steps of `every_s` seconds.
    /// A movement that can't be measured, or is a cut, is a jump all the same.
    pub fn push_after_rest(&mut self, pts_s: f64, luma: LumaView<'_>, every_s: f64) -> Step {
        self.take(pts_s, luma, Some(every_s))
    }

    fn take(&mut self, pts_s: f64, luma: LumaView<'_>, spread_s: Option<f64>) -> Step {
        let last_s = self.last_s;
        if !pts_s.is_finite() || last_s.is_some_and(|last| pts_s <= last) || !luma.is_whole() {
            return Step::ignored(self.moving());
        }
        self.last_s = Some(pts_s);
        let motion = self.meter.push(luma);
        let sharpness = sharpness(luma);
        let (texture, size) = (self.meter.texture(), (luma.width, luma.height));
        match (spread_s, last_s) {
            (Some(every_s), Some(last_s)) => {
                for (at_s, part) in spread(last_s, pts_s, every_s, motion) {
                    self.path.push(at_s, &part, texture, size);
                }
            }
            _ => self.path.push(pts_s, &motion, texture, size),
        }
        let mut events = Vec::new();
        self.judge(false, &mut events);
        // A copy taken in the step that ends a pause would replace the one that belongs to it.
        let over = events.iter().any(|e| !matches!(e, PauseEvent::Started { .. }));
        let keep = !over && self.keep(pts_s, sharpness);
        Step { motion, moving: self.moving(), keep, events, sharpness }
    }

    /// End of the stream: closes what is open. The finder is as new afterwards.
    pub fn finish(&mut self) -> Vec<PauseEvent> {
        let mut events = Vec::new();
        self.judge(true, &mut events);
        if let Some(last_s) = self.path.last().map(|p| p.pts_s)
            && let Some((hold, end_s)) = self.holds.close(last_s)
        {
            self.end(&hold, end_s, &mut events);
        }
        *self = Self { evidence: self.evidence, ..Self::new(self.config) };
        events
    }

    /// What the confidence of the newest [`Pause`] was made of.
    #[must_use]
    pub fn evidence(&self) -> Option<Evidence> {
        self.evidence
    }

    /// Remembers the newest picture in `glance`, for [`PauseFinder::change_since`].
    pub fn glance(&self, glance: &mut Glance) {
        self.meter.glance(glance);
    }

    /// What has changed in the newest picture since the one in `glance`: whoever has looked at that one can spare this
    /// one unless [`Change::is_new`]. Takes about a tenth of the time of [`PauseFinder::push`], and only when asked.
    #[must_use]
    pub fn change_since(&self, glance: &Glance) -> Change {
        self.meter.change_since(glance)
    }

    fn moving(&self) -> MotionState {
        if self.holds.resting().is_some() { MotionState::Holding } else { MotionState::Moving }
    }

    fn judge(&mut self, flush: bool, events: &mut Vec<PauseEvent>) {
        while let Some(point) = self.path.judge(flush) {
            let change = self.holds.step(&point, &self.path);
            if let Some((hold, end_s)) = change.ended {
                self.end(&hold, end_s, events);
            }
            if change.began {
                self.best.clear();
            }
            if let Some(hold) = self.holds.resting()
                && !self.started
                && self.best.pts_s().is_some()
                && hold.until_s - hold.start_s >= self.config.min_pause_s
            {
                self.started = true;
                events.push(PauseEvent::Started { start_s: hold.start_s });
            }
        }
    }

    fn end(&mut self, hold: &Hold, end_s: f64, events: &mut Vec<PauseEvent>) {
        let keyframe = self.best.pts_s();
        self.best.clear();
        self.started = false;
        // Without a frame to show for it there was no pause.
        let Some(keyframe_s) = keyframe else { return };
        let end_s = end_s.max(keyframe_s);
        let length_s = end_s - hold.start_s;
        if length_s > self.config.max_pause_s {
            events.push(PauseEvent::Idle { start_s: hold.start_s, end_s });
        } else if length_s >= self.config.min_pause_s {
            let evidence = hold.evidence(length_s, self.config.min_pause_s, &self.holds.speeds);
            let confidence = evidence.confidence();
            self.evidence = Some(evidence);
            events.push(PauseEvent::Ended(Pause { start_s: hold.start_s, end_s, confidence, keyframe_s }));
        }
    }

    /// Whether the frame at `pts_s` is the best of the hold so far.
    fn keep(&mut self, pts_s: f64, sharpness: f32) -> bool {
        let Some(hold) = self.holds.resting() else { return false };
        let (Some(newest), Some(judged)) = (self.path.last(), self.path.judged().next()) else { return false };
        let away = distance(&newest.position, &judged.smooth);
        // A frame that couldn't be measured isn't on the path.
        let measured = newest.pts_s == pts_s && newest.run == judged.run;
        if !measured || pts_s < hold.start_s || away > KEEP_WITHIN {
            return false;
        }
        self.best.offer(&Candidate {
            pts_s,
            sharpness: f64::from(sharpness),
            speed: newest.own_speed,
            away,
            agreement: f64::from(newest.confidence),
        })
    }
}
