//! Units: what can be decoded by itself.
//!
//! A unit begins with a key frame and lasts until a later one. Where key frames come more often than twice a second
//! (in streams of nothing else, above all), a unit takes several of them. One that finds no end is cut, and what follows
//! can only be decoded after it.

use crate::capture::Part;

/// Shortest time from the key frame of a unit to that of the next, seconds.
const SHORTEST_S: f64 = 0.5;
/// Most parts of a unit.
const MOST_PARTS: usize = 1200;
/// Most bytes of a unit.
const MOST_BYTES: usize = 24 << 20;

/// What has to be known of a part.
pub(super) trait Piece {
    /// Presentation time, seconds, where it is shown.
    fn pts_s(&self) -> Option<f64>;
    /// Whether decoding can begin with it.
    fn is_key(&self) -> bool;
    /// Its length.
    fn bytes(&self) -> usize;
}

impl Piece for Part {
    fn pts_s(&self) -> Option<f64> {
        Self::pts_s(self)
    }

    fn is_key(&self) -> bool {
        self.is_key
    }

    fn bytes(&self) -> usize {
        Self::bytes(self)
    }
}

/// A unit, with at least one part.
#[derive(Debug, Clone)]
pub(super) struct Unit<P> {
    /// Its parts in the order of decoding.
    pub(super) parts: Vec<P>,
    /// Time of its first part, seconds.
    pub(super) start_s: f64,
    /// Time of the unit after it; for the last one, of its last frame and one frame's length.
    pub(super) end_s: f64,
    /// It was cut off the unit before, and does not begin with a key frame.
    pub(super) continues: bool,
}

impl<P: Piece> Unit<P> {
    fn new(first: P, continues: bool, start_s: f64) -> Self {
        Self { parts: vec![first], start_s, end_s: start_s, continues }
    }

    /// From its start to the next one's, seconds.
    pub(super) fn length_s(&self) -> f64 {
        self.end_s - self.start_s
    }

    /// Frames that it shows.
    pub(super) fn shown(&self) -> u64 {
        self.parts.iter().filter(|part| part.pts_s().is_some()).count() as u64
    }

    /// Frames that it shows before `pts_s`.
    pub(super) fn shown_before(&self, pts_s: f64) -> u64 {
        self.parts.iter().filter(|part| part.pts_s().is_some_and(|pts| pts < pts_s - 1e-6)).count() as u64
    }

    /// Mean time from frame to frame, seconds.
    pub(super) fn every_s(&self) -> f64 {
        self.length_s() / self.shown().max(1) as f64
    }

    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(Piece::bytes).sum()
    }

    /// What a decoder can decode that begins with this unit: frames that come after the key frame and are shown before
    /// it need the unit before.
    pub(super) fn decodable(&self) -> impl Iterator<Item = &P> {
        self.parts.iter().filter(|part| part.pts_s().is_none_or(|pts| pts >= self.start_s))
    }

    /// The first parts, up to one that is shown at least `after_s` behind the key frame: enough to see how fast the
    /// camera moves. Where that one is a key frame itself, what is between is left out.
    pub(super) fn glance(&self, after_s: f64) -> Vec<&P> {
        let late = |part: &P| part.pts_s().is_some_and(|pts| pts >= self.start_s + after_s);
        let mut out = Vec::new();
        for part in self.decodable() {
            let is_late = late(part);
            if is_late && part.is_key() && !out.is_empty() {
                out.truncate(1);
            }
            out.push(part);
            if is_late {
                break;
            }
        }
        out
    }
}

/// Makes units of parts.
#[derive(Debug)]
pub(super) struct Grouper<P> {
    unit: Option<Unit<P>>,
    bytes: usize,
    newest_s: f64,
}

impl<P: Piece> Grouper<P> {
    pub(super) fn new() -> Self {
        Self { unit: None, bytes: 0, newest_s: 0.0 }
    }

    /// Takes the next part and gives the unit that it ends.
    pub(super) fn push(&mut self, part: P) -> Option<Unit<P>> {
        let bytes = part.bytes();
        let pts_s = part.pts_s();
        let starts = |unit: &Unit<P>| part.is_key() && pts_s.is_some_and(|pts| pts >= unit.start_s + SHORTEST_S);
        let (done, continues) = match &mut self.unit {
            None => (None, !part.is_key()),
            Some(unit) if starts(unit) => (self.unit.take(), false),
            Some(unit) if unit.parts.len() >= MOST_PARTS || self.bytes + bytes > MOST_BYTES => {
                (self.unit.take(), !part.is_key())
            }
            Some(unit) => {
                unit.parts.push(part);
                self.bytes += bytes;
                self.newest_s = pts_s.map_or(self.newest_s, |pts| pts.max(self.newest_s));
                return None;
            }
        };
        let start_s = pts_s.unwrap_or(self.newest_s);
        self.newest_s = self.newest_s.max(start_s);
        self.unit = Some(Unit::new(part, continues, start_s));
        self.bytes = bytes;
        done.map(|unit| Unit { end_s: start_s.max(unit.start_s), ..unit })
    }

    /// Nothing more comes: the last unit.
    pub(super) fn finish(&mut self) -> Option<Unit<P>> {
        let unit = self.unit.take()?;
        let shown = unit.shown().max(2) as f64;
        let every_s = (self.newest_s - unit.start_s).max(0.0) / (shown - 1.0);
        Some(Unit { end_s: self.newest_s + every_s, ..unit })
    }
}
