//! From speeds to holds: where the camera came to rest and where it left.
//!
//! A state machine with two speeds (one to come to rest, a higher one to leave) over the judged points of a
//! [`Path`]. A short burst that comes back to where it began is forgiven. Starts and ends are set back in time to where
//! the movement began to die away, not where it crossed a threshold.

use super::evidence::Evidence;
use super::path::{Path, Point, Position, distance};

/// Speeds, px/s at [`crate::motion::LONG_SIDE`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Speeds {
    /// Below: at rest.
    pub(super) rest: f64,
    /// Above: leaving.
    pub(super) leave: f64,
}

/// Time after which a camera that is leaving has left, seconds.
const LEFT_AFTER_S: f64 = 0.2;
/// Distance after which it has left at once, px.
const LEFT_BEYOND: f64 = 26.0;
/// Distance within which it has come back, px.
const CAME_BACK: f64 = 16.0;
/// How far past the crossing the slope of the speed is read, seconds.
const FOOT_LOOK_S: f64 = 0.12;
/// A speed this many times the level is steep enough to stop reading.
const FOOT_CLEARLY: f64 = 2.5;
/// Between 1.5 and 2, see [`foot`].
const FOOT_FACTOR: f64 = 1.6;
/// What the window of the speed has already set back, seconds.
const FOOT_SMOOTHING_S: f64 = 0.03;
/// Farthest that a start or an end is set back, seconds.
const FOOT_LIMIT_S: f64 = 0.4;

/// A span in which the camera was held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) start_s: f64,
    /// Newest point known to belong to it.
    pub(super) until_s: f64,
    /// Sums over its points.
    points: f64,
    confidence: f64,
    texture: f64,
    speed: f64,
    /// Greatest speeds before and after it, px/s; infinite where nothing was seen.
    arrival: f64,
    departure: f64,
}

impl Hold {
    fn new(start_s: f64, point: &Point, path: &Path) -> Self {
        let before = path.judged().take_while(|p| p.run == point.run).filter(|p| p.pts_s < start_s);
        let arrival = before.map(|p| p.speed).reduce(f64::max).unwrap_or(f64::INFINITY);
        let mut hold = Self {
            start_s,
            until_s: point.pts_s,
            points: 0.0,
            confidence: 0.0,
            texture: 0.0,
            speed: 0.0,
            arrival,
            departure: f64::INFINITY,
        };
        hold.add(point);
        hold
    }

    fn add(&mut self, point: &Point) {
        self.until_s = point.pts_s;
        self.points += 1.0;
        self.confidence += f64::from(point.confidence);
        self.texture += f64::from(point.texture);
        self.speed += point.speed;
    }

    /// It was left; the path is known until shortly after.
    fn left(mut self, path: &Path) -> Self {
        let after = path.judged().take_while(|p| p.pts_s > self.until_s);
        self.departure = after.map(|p| p.speed).fold(0.0, f64::max);
        self
    }

    /// What was measured of it, if it lasts `length_s`.
    pub(super) fn evidence(&self, length_s: f64, min_pause_s: f64, speeds: &Speeds) -> Evidence {
        let edge = |speed: f64| (speed / speeds.leave).min(Evidence::EDGE_MAX);
        Evidence {
            agreement: self.confidence / self.points,
            texture: self.texture / self.points,
            speed: self.speed / self.points / speeds.rest,
            spare_s: length_s - min_pause_s,
            arrival: edge(self.arrival),
            departure: edge(self.departure),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Moving,
    Resting(Hold),
    Leaving {
        hold: Hold,
        since_s: f64,
        from: Position,
    },
}

/// What a point changed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    /// A hold that ended, with its end.
    pub(super) ended: Option<(Hold, f64)>,
    /// A hold that began with this point.
    pub(super) began: bool,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Holds {
    pub(super) speeds: Speeds,
    max_gap_s: f64,
    state: State,
    previous: Option<Point>,
}

impl Holds {
    pub(super) fn new(speeds: Speeds, max_gap_s: f64) -> Self {
        Self { speeds, max_gap_s, state: State::Moving, previous: None }
    }

    /// The hold that lasts, if there is one that the camera isn't leaving.
    pub(super) fn resting(&self) -> Option<&Hold> {
        match &self.state {
            State::Resting(hold) => Some(hold),
            _ => None,
        }
    }

    /// Takes the next judged point of `path`.
    pub(super) fn step(&mut self, point: &Point, path: &Path) -> Change {
        let mut change = Change::default();
        let broken = self.previous.filter(|p| p.run != point.run || point.pts_s - p.pts_s > self.max_gap_s);
        if let Some(last) = broken {
            change.ended = self.close(last.pts_s);
        }
        let resting = point.speed < self.speeds.rest;
        self.state = match self.state {
            State::Moving if resting => {
                change.began = true;
                State::Resting(Hold::new(self.start(point, path), point, path))
            }
            State::Moving => State::Moving,
            State::Resting(hold) if point.speed > self.speeds.leave => {
                let since_s = self.crossing(point);
                State::Leaving { hold, since_s, from: self.previous.map_or(point.smooth, |p| p.smooth) }
            }
            State::Resting(mut hold) => {
                hold.add(point);
                State::Resting(hold)
            }
            State::Leaving { mut hold, since_s, from } => {
                let away = distance(&point.smooth, &from);
                if resting && away < CAME_BACK {
                    hold.add(point);
                    State::Resting(hold)
                } else if resting || away > LEFT_BEYOND || point.pts_s - since_s > LEFT_AFTER_S {
                    change.ended = Some((hold.left(path), self.end(since_s, path)));
                    change.began = resting;
                    if resting {
                        State::Resting(Hold::new(self.start(point, path), point, path))
                    } else {
                        State::Moving
                    }
                } else {
                    State::Leaving { hold, since_s, from }
                }
            }
        };
        self.previous = Some(*point);
        change
    }

    /// Ends what lasts, at `at_s` at the latest.
    pub(super) fn close(&mut self, at_s: f64) -> Option<(Hold, f64)> {
        match std::mem::take(&mut self.state) {
            State::Moving => None,
            State::Resting(hold) => Some((hold, at_s)),
            State::Leaving { hold, since_s, .. } => Some((hold, since_s)),
        }
    }

    /// When the speed crossed the leaving speed between the previous point and `point`.
    fn crossing(&self, point: &Point) -> f64 {
        match self.previous {
            Some(p) if p.speed < self.speeds.leave && point.speed.is_finite() => {
                let part = (self.speeds.leave - p.speed) / (point.speed - p.speed).max(1e-9);
                p.pts_s + part.clamp(0.0, 1.0) * (point.pts_s - p.pts_s)
            }
            _ => point.pts_s,
        }
    }

    /// Start of a hold that was noticed at `point`.
    fn start(&self, point: &Point, path: &Path) -> f64 {
        let run: Vec<(f64, f64)> =
            path.judged().take_while(|p| p.run == point.run).map(|p| (p.pts_s, p.speed)).collect();
        foot(run.into_iter(), self.speeds.leave, -1.0).unwrap_or(point.pts_s)
    }

    /// End of a hold that was left at `since_s`.
    fn end(&self, since_s: f64, path: &Path) -> f64 {
        let mut after: Vec<(f64, f64)> =
            path.judged().take_while(|p| p.pts_s >= since_s - 0.1).map(|p| (p.pts_s, p.speed)).collect();
        after.reverse();
        foot(after.into_iter(), self.speeds.leave, 1.0).map_or(since_s, |t| t.min(since_s))
    }
}

/// Where a movement begins, looking from the hold outwards (`sign` is the direction of time).
///
/// A hand gathers speed smoothly: shortly after the start the speed grows with the square of time, in the middle of the
/// ramp in proportion to it. Twice, or one and a half times, the level over the slope at the crossing leads back to the
/// start in either case. Slow pans are set back by a third of a second this way, quick moves hardly at all.
fn foot(points: impl Iterator<Item = (f64, f64)>, level: f64, sign: f64) -> Option<f64> {
    let mut before: Option<(f64, f64)> = None;
    let mut crossed: Option<f64> = None;
    let mut steepest: Option<(f64, f64)> = None;
    let mut innermost = None;
    for (t, v) in points {
        innermost.get_or_insert(t);
        if !v.is_finite() {
            break;
        }
        match crossed {
            None if v > level => {
                let part = before.map_or(1.0, |(_, v0)| ((level - v0) / (v - v0)).clamp(0.0, 1.0));
                let at = before.map_or(t, |(t0, _)| t0 + part * (t - t0));
                crossed = Some(at);
                steepest = Some((t, v));
            }
            None => {}
            Some(at) if (t - at) * sign > FOOT_LOOK_S => break,
            Some(_) => steepest = Some((t, v)),
        }
        if v > FOOT_CLEARLY * level {
            break;
        }
        before = Some((t, v));
    }
    let (Some(at), Some((t, v))) = (crossed, steepest) else {
        // Never faster within reach: a run that starts at rest starts with its first point.
        return before.map(|(t, _)| t).or(innermost);
    };
    let slope = (v - level) / ((t - at) * sign).max(1e-3);
    let back = FOOT_FACTOR * level / slope.max(1e-6) - FOOT_SMOOTHING_S;
    Some(at - sign * back.clamp(0.0, FOOT_LIMIT_S))
}
