//! The way the camera went, and how fast it went when the trembling is taken away.
//!
//! The last second or two of movements are kept as points of one path. The speed at a point is the slope of a weighted
//! straight line through its neighbours in time, half of them later ones: tremor (8 to 12 Hz) cancels out over the
//! window, and the window is centred, so that a stop is seen where it was and not where it was noticed. The price is
//! that a point is judged [`Path::DELAY_S`] after it was seen.

use crate::motion::GlobalMotion;
use std::collections::VecDeque;

/// Points kept at most.
const CAPACITY: usize = 1024;
/// Seconds of points kept behind the one that is judged.
const BEHIND_S: f64 = 1.2;
/// A step as large as this between two frames is a jump: the frames between were lost, or the picture was frozen.
const JUMP: f64 = 45.0;

/// Shift right, shift down, rotation and growth, each as the displacement that a typical pixel sees.
pub(super) type Position = [f64; 4];

/// One frame on the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) pts_s: f64,
    pub(super) position: Position,
    pub(super) confidence: f32,
    /// Share of the picture that can be measured.
    pub(super) texture: f32,
    /// Speed since the point before, tremor and all, px/s; infinite after a jump.
    pub(super) own_speed: f64,
    /// Points of one run follow each other without a jump or cut.
    pub(super) run: u64,
    /// Filled when the point is judged: speed, and position without tremor.
    pub(super) speed: f64,
    pub(super) smooth: Position,
}

/// The recent path.
#[derive(Debug, Default)]
pub(super) struct Path {
    points: VecDeque<Point>,
    /// Index of the first point that is not judged.
    next: usize,
    position: Position,
    run: u64,
}

impl Path {
    /// Half of the window, and so the time after which a point is judged, seconds.
    pub(super) const DELAY_S: f64 = 0.25;

    /// Adds the frame at `pts_s`, reached by `motion` in a picture of `size` (width and height) with so much `texture`. A
    /// frame that couldn't be measured is left out, as if it had been lost on the way.
    pub(super) fn push(&mut self, pts_s: f64, motion: &GlobalMotion, texture: f32, size: (u32, u32)) {
        if motion.confidence < GlobalMotion::LOST && !motion.cut {
            return;
        }
        let step = motion.displacement(size);
        let mut own_speed = f64::INFINITY;
        if motion.cut || !step.iter().all(|v| v.is_finite()) {
            self.run += 1;
        } else {
            let seconds = self.points.back().map_or(f64::INFINITY, |p| pts_s - p.pts_s);
            if length(&step) > JUMP {
                self.run += 1;
            } else {
                own_speed = length(&step) / seconds.max(1e-3);
            }
            for (p, s) in self.position.iter_mut().zip(step) {
                *p += s;
            }
        }
        if self.points.len() >= CAPACITY {
            self.points.pop_front();
            self.next = self.next.saturating_sub(1);
        }
        self.points.push_back(Point {
            pts_s,
            position: self.position,
            confidence: motion.confidence,
            texture,
            own_speed,
            run: self.run,
            speed: 0.0,
            smooth: self.position,
        });
    }

    /// Points kept now.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// The newest point.
    pub(super) fn last(&self) -> Option<&Point> {
        self.points.back()
    }

    /// Judges the next point whose window is complete, or with `flush` the next one in any case.
    pub(super) fn judge(&mut self, flush: bool) -> Option<Point> {
        let (at, newest) = (self.points.get(self.next)?.pts_s, self.points.back()?.pts_s);
        let complete = newest - at >= Self::DELAY_S && self.next + 1 < self.points.len();
        if !complete && !flush {
            return None;
        }
        let (speed, smooth) = self.slope(self.next);
        let point = &mut self.points[self.next];
        point.speed = speed;
        point.smooth = smooth;
        let judged = *point;
        self.next += 1;
        while self.next > 1 && self.points.front().is_some_and(|p| p.pts_s < judged.pts_s - BEHIND_S) {
            self.points.pop_front();
            self.next -= 1;
        }
        Some(judged)
    }

    /// The judged points, newest first.
    pub(super) fn judged(&self) -> impl Iterator<Item = &Point> {
        self.points.range(..self.next).rev()
    }

    /// Speed and smooth position at point `index`, from the points of its run.
    fn slope(&self, index: usize) -> (f64, Position) {
        let here = self.points[index];
        let gap = |other: Option<&Point>| {
            other.filter(|o| o.run == here.run).map_or(0.0, |o| (o.pts_s - here.pts_s).abs() * 1.5)
        };
        let before = gap(index.checked_sub(1).and_then(|i| self.points.get(i)));
        let half = Self::DELAY_S.max(before).max(gap(self.points.get(index + 1)));
        let (mut sw, mut st, mut count) = (0.0, 0.0, 0usize);
        let mut sq = [0.0; 4];
        let window = || {
            let near = move |p: &&Point| p.run == here.run && (p.pts_s - here.pts_s).abs() < half;
            let weigh = move |p: &Point| {
                let t = p.pts_s - here.pts_s;
                let c = (std::f64::consts::FRAC_PI_2 * t / half).cos();
                (c * c, t)
            };
            let back = self.points.range(..index).rev().take_while(near);
            back.chain(self.points.range(index..).take_while(near)).map(move |p| (weigh(p), p.position))
        };
        for ((w, t), q) in window() {
            sw += w;
            st += w * t;
            count += 1;
            for (s, v) in sq.iter_mut().zip(q) {
                *s += w * v;
            }
        }
        if count < 2 || sw <= 0.0 {
            // Alone between two jumps: whatever it is, it is not a steady picture.
            return (f64::INFINITY, here.position);
        }
        let (mean_t, mean_q) = (st / sw, sq.map(|s| s / sw));
        let mut stt = 0.0;
        let mut stq = [0.0; 4];
        for ((w, t), q) in window() {
            let d = t - mean_t;
            stt += w * d * d;
            for ((s, v), m) in stq.iter_mut().zip(q).zip(mean_q) {
                *s += w * d * (v - m);
            }
        }
        if stt <= 1e-12 {
            return (f64::INFINITY, here.position);
        }
        let velocity = stq.map(|s| s / stt);
        let mut smooth = mean_q;
        for (m, v) in smooth.iter_mut().zip(velocity) {
            *m -= v * mean_t;
        }
        (length(&velocity), smooth)
    }
}

/// Length of a displacement, px at [`crate::motion::LONG_SIDE`].
pub(super) fn length(d: &Position) -> f64 {
    d.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Distance of two positions, px at [`crate::motion::LONG_SIDE`].
pub(super) fn distance(a: &Position, b: &Position) -> f64 {
    length(&[a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]])
}
