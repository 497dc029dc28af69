//! What is to be decoded: the rules, apart from all decoding.
//!
//! A pause is longer than the time between two key frames of most cameras, so that there is a key frame in it. At each
//! key frame two pictures tell how fast the camera moves (a [`Glance`]). From the glances at both ends of a unit follows
//! what of it is needed: nothing where the camera moves at both, the key frame alone where it rests at both on the same
//! thing, all of it where a hold begins, ends or may do so. What is not known counts as needed.

/// Displacement that tremor makes between two pictures, px at [`fieldeye_vision::motion::LONG_SIDE`].
const TREMOR_PX: f64 = 4.0;
/// Speed over tremor from which the camera moves, px/s.
const MOVING: f64 = 60.0;
/// Half of the tremor, for a camera that is clearly at rest, px.
const REST_PX: f64 = 2.5;
/// Speed over that up to which it is clearly at rest, px/s.
const REST: f64 = 20.0;
/// How far a camera that is held may drift from one key frame to the next, px and px/s.
const DRIFT_PX: f64 = 12.0;
const DRIFT: f64 = 8.0;
/// Longest unit that can't hold a whole pause between its two ends, seconds.
const NO_PAUSE_S: f64 = 1.15;
/// Shortest pause, seconds; what is left of a unit that is shorter needs no look.
const SHORTEST_PAUSE_S: f64 = 1.0;

/// What two pictures at a key frame told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glance {
    /// The camera rests.
    Rest,
    /// It may rest, come to rest, leave, or pan slowly.
    Slow,
    /// It moves.
    Moving,
    /// Nobody knows.
    Unknown,
}

impl Glance {
    /// From a displacement of `px` (at [`fieldeye_vision::motion::LONG_SIDE`]) within `seconds`.
    pub(super) fn of(px: f64, seconds: f64) -> Self {
        if !(px.is_finite() && seconds.is_finite() && seconds > 0.0) {
            Self::Unknown
        } else if px > TREMOR_PX + MOVING * seconds {
            Self::Moving
        } else if px < REST_PX + REST * seconds {
            Self::Rest
        } else {
            Self::Slow
        }
    }
}

/// Whether two key frames that are `seconds` apart and displaced by `px` show the camera held on one thing.
pub(super) fn is_same(px: f64, seconds: f64) -> bool {
    px.is_finite() && px <= DRIFT_PX + DRIFT * seconds.max(0.0)
}

/// What is known of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Facts {
    /// At its key frame.
    pub(super) glance: Glance,
    /// Its key frame shows the same as that of the unit before.
    pub(super) same: bool,
    /// Seconds from its key frame to the next one's.
    pub(super) length_s: f64,
    /// It does not begin with a key frame.
    pub(super) continues: bool,
    /// The stream itself says that the camera moves all the time.
    pub(super) restless: bool,
}

/// What is to be decoded of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nothing.
    Pass,
    /// Its key frame.
    Key,
    /// All of it; with `until_left`, what comes after the camera has left what it is held on is not needed, if it is
    /// shorter than a pause.
    Whole {
        /// See above.
        until_left: bool,
    },
}

/// Chooses for a unit, of which `before` tells whether the unit before is decoded to its end, and `next` what is known
/// of the one behind it; `None` for the last of the video.
pub(super) fn choose(this: &Facts, next: Option<&Facts>, before: bool) -> Choice {
    let whole = Choice::Whole { until_left: false };
    // What was decoded up to the cut of a unit can be gone on with, and nothing else; and it has no second end.
    if this.continues && !before {
        return Choice::Pass;
    }
    let Some(next) = next.filter(|next| !this.continues && !next.continues) else { return whole };
    match (this.glance, next.glance) {
        (Glance::Moving, Glance::Moving) if this.restless || this.length_s <= NO_PAUSE_S => Choice::Pass,
        (Glance::Rest, Glance::Rest) if next.same => Choice::Key,
        (Glance::Rest | Glance::Slow, Glance::Moving) => Choice::Whole { until_left: true },
        _ => whole,
    }
}

/// Whether the rest of a unit can be let go when the camera has left.
pub(super) fn nothing_follows(left_s: f64) -> bool {
    left_s < SHORTEST_PAUSE_S
}
