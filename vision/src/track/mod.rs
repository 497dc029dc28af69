//! Boxes over time: one physical thing is one track, however often and from wherever it is seen.
//!
//! The camera's movements are added up to a [`Pose`], and boxes are carried by it into one common frame: the picture
//! as it was at the start, or at the last cut. There a bolt stays where it is while the camera walks by, shakes, and
//! comes back. After a cut nothing is known of where the camera points, so nothing is matched across one.

mod matching;
mod pose;
#[cfg(test)]
mod tests;

pub use pose::Pose;

use crate::detect::Detection;
use matching::Place;

/// A track as it stands after an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// Number of the track, from 1.
    pub track: u64,
    /// Its class.
    pub class_id: usize,
    /// Greatest confidence so far.
    pub confidence: f32,
    /// The detection with it.
    pub best: Detection,
    /// This observation is the best so far: keep its picture.
    pub is_best: bool,
    /// First time seen, seconds.
    pub first_s: f64,
    /// Last time seen, seconds.
    pub last_s: f64,
    /// How often it was seen.
    pub observations: u32,
    /// Seen by a steady camera, or often enough to be told.
    pub confirmed: bool,
}

/// Observations by a moving camera that make a track certain.
const OFTEN: u32 = 3;
/// Cuts after which a track is forgotten. The frame kept of a pause is looked at when the pause is over, and that may
/// be after a cut.
const RUNS: u64 = 2;
/// Tracks remembered at most; those seen longest ago go first.
const REMEMBERED: usize = 2048;

/// What is known of one thing.
#[derive(Debug)]
struct Track {
    sighting: Sighting,
    place: Place,
    run: u64,
}

/// Makes tracks of boxes.
#[derive(Debug, Default)]
pub struct Tracker {
    tracks: Vec<Track>,
    made: u64,
    newest_run: u64,
}

impl Tracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the boxes seen on the frame at `pts_s`, taken at `pose`. `steady`: the frame is a pause's keyframe.
    /// Gives the tracks that it changed, in the order of the boxes. Times may be out of order.
    pub fn observe(&mut self, pose: &Pose, pts_s: f64, steady: bool, detections: &[Detection]) -> Vec<Sighting> {
        self.forget(pose.run());
        let known: Vec<_> = self.tracks.iter().map(|t| (t.run, t.sighting.class_id, t.place)).collect();
        let seen: Vec<_> = detections.iter().map(|d| (pose.run(), d.class_id, pose.place(d))).collect();
        let partners = matching::partners(&known, &seen);
        let observed = detections.iter().zip(seen).zip(partners);
        observed.map(|((d, (run, _, place)), partner)| self.take((run, place), partner, pts_s, steady, d)).collect()
    }

    /// Drops what won't be seen again.
    fn forget(&mut self, run: u64) {
        self.newest_run = self.newest_run.max(run);
        let newest_run = self.newest_run;
        self.tracks.retain(|track| track.run + RUNS > newest_run);
        while self.tracks.len() > REMEMBERED {
            let last_s = |index: &usize| self.tracks[*index].sighting.last_s;
            let oldest = (0..self.tracks.len()).min_by(|a, b| last_s(a).total_cmp(&last_s(b)));
            let Some(oldest) = oldest else { return };
            self.tracks.remove(oldest);
        }
    }

    /// One detection of the frame at `pts_s`, and the track that it belongs to.
    fn take(
        &mut self,
        (run, place): (u64, Place),
        partner: Option<usize>,
        pts_s: f64,
        steady: bool,
        detection: &Detection,
    ) -> Sighting {
        let Some(track) = partner.map(|index| &mut self.tracks[index]) else {
            self.made += 1;
            let sighting = Sighting {
                track: self.made,
                class_id: detection.class_id,
                confidence: detection.confidence,
                best: *detection,
                is_best: true,
                first_s: pts_s,
                last_s: pts_s,
                observations: 1,
                confirmed: steady,
            };
            self.tracks.push(Track { sighting, place, run });
            return sighting;
        };
        let sighting = &mut track.sighting;
        sighting.is_best = detection.confidence > sighting.confidence;
        if sighting.is_best {
            sighting.confidence = detection.confidence;
            sighting.best = *detection;
        }
        sighting.first_s = sighting.first_s.min(pts_s);
        sighting.last_s = sighting.last_s.max(pts_s);
        sighting.observations += 1;
        sighting.confirmed |= steady || sighting.observations >= OFTEN;
        // The newest place: errors of the pose grow with the way, so a track drifts along with them.
        track.place = place;
        *sighting
    }
}
