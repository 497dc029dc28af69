//! From detections to defects: one physical thing is told once when it is certain, and once more when it is out of
//! sight and there is more to say.

use super::bench::Answer;
use super::findings::{DefectFound, Identity, Keyframe, milliseconds, thousandths};
use super::shot::Shot;
use fieldeye_protocol::body::{BoundingBox, Severity};
use fieldeye_protocol::record::{RecordId, RecordKind};
use fieldeye_vision::detect::Detection;
use fieldeye_vision::package::Manifest;
use fieldeye_vision::picture::Orientation;
use fieldeye_vision::track::{Sighting, Tracker};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Seconds out of sight after which a thing is told with all that was learnt.
const SETTLED_S: f64 = 2.0;
/// Seconds after which the picture of something uncertain is let go.
const FORGOTTEN_S: f64 = 3.0;

/// How much the keyframe of a pause, which is sharp, counts for more as a view of a thing.
const STEADY: f64 = 0.25;
/// How much any view by a camera that is held counts for more.
const HELD: f64 = 0.15;
/// How much less a view counts that shows a thing in part, at the edge of the picture.
const PARTLY: f64 = 0.1;

/// A class of the model.
#[derive(Debug, Clone)]
struct Class {
    name: String,
    severity: Severity,
    defect: bool,
}

/// The picture that shows a thing best.
#[derive(Debug, Clone)]
enum Image {
    /// Not needed yet.
    Raw(Arc<Shot>),
    /// Encoded.
    Kept(Keyframe),
}

/// The best view of a thing.
#[derive(Debug, Clone)]
struct Best {
    score: f64,
    image: Image,
    bounding_box: BoundingBox,
    pts_s: f64,
    /// The pause whose keyframe it is.
    pause: Option<RecordId>,
}

/// One physical thing.
#[derive(Debug)]
struct Thing {
    class_id: usize,
    confidence: f64,
    first_s: f64,
    last_s: f64,
    confirmed: bool,
    best: Option<Best>,
    /// Its id, once it was told.
    id: Option<RecordId>,
    /// There is more to say than was told.
    changed: bool,
}

/// All things of a video.
#[derive(Debug)]
pub(super) struct Things {
    identity: Identity,
    classes: Vec<Class>,
    tracker: Tracker,
    things: BTreeMap<u64, Thing>,
    /// How many of a class were first seen in one millisecond.
    named: HashMap<(usize, i64), u32>,
    /// Pauses so far: id, start, end.
    pauses: Vec<(RecordId, f64, f64)>,
}

impl Things {
    pub(super) fn new(identity: Identity, manifest: &Manifest) -> Self {
        let class = |class: &fieldeye_vision::package::Class| Class {
            name: class.name.clone(),
            severity: match class.severity.as_str() {
                "critical" => Severity::Critical,
                "info" => Severity::Info,
                _ => Severity::Warning,
            },
            defect: class.defect,
        };
        Self {
            identity,
            classes: manifest.classes.iter().map(class).collect(),
            tracker: Tracker::new(),
            things: BTreeMap::new(),
            named: HashMap::new(),
            pauses: Vec::new(),
        }
    }

    /// A pause has ended: what was seen best in it belongs to it.
    pub(super) fn pause(&mut self, id: RecordId, start_s: f64, end_s: f64) {
        self.pauses.push((id, start_s, end_s));
        for thing in self.things.values_mut() {
            let within = |best: &Best| best.pause.is_none() && best.pts_s >= start_s && best.pts_s <= end_s;
            thing.changed |= thing.best.as_ref().is_some_and(within);
        }
    }

    /// Takes what the detector saw and gives what is now certain.
    pub(super) fn observe(&mut self, answer: &Answer, detections: &[Detection]) -> Result<Vec<DefectFound>, String> {
        let Answer { job, .. } = answer;
        let shot = &job.shot;
        let (width, height) = shot.stored_size;
        // Poses are of the picture as stored.
        let turn = |detection: &Detection| stored(detection, shot.orientation, width, height);
        let boxes: Vec<Detection> = detections.iter().map(turn).collect();
        let sightings = self.tracker.observe(&shot.pose, shot.pts_s, job.pause.is_some(), &boxes);
        let mut certain = Vec::new();
        for (sighting, detection) in sightings.iter().zip(detections) {
            if self.classes.get(sighting.class_id).is_none_or(|class| !class.defect) {
                continue;
            }
            let thing = self.things.entry(sighting.track).or_insert_with(|| Thing::new(sighting));
            thing.see(sighting);
            let steady = match job.pause {
                Some(_) => STEADY,
                None if shot.held => HELD,
                None => 0.0,
            };
            let partly = if is_at_edge(detection, shot.picture.view().displayed_size()) { PARTLY } else { 0.0 };
            let score = f64::from(detection.confidence) + steady - partly;
            // A box that was not looked for again may lie a little beside on this picture.
            if thing.best.as_ref().is_none_or(|best| score > best.score && !job.unchanged) {
                thing.best = Some(Best {
                    score,
                    image: Image::Raw(shot.clone()),
                    bounding_box: pixels(detection),
                    pts_s: shot.pts_s,
                    pause: job.pause,
                });
            }
            if thing.confirmed && thing.id.is_none() {
                certain.push(sighting.track);
            }
        }
        certain.into_iter().filter_map(|track| self.tell(track).transpose()).collect()
    }

    /// What is out of sight at `now_s` and has more to say.
    pub(super) fn settled(&mut self, now_s: f64) -> Result<Vec<DefectFound>, String> {
        for thing in self.things.values_mut() {
            if !thing.confirmed && now_s - thing.last_s > FORGOTTEN_S {
                thing.best = None;
            }
        }
        self.tell_all(|thing| now_s - thing.last_s > SETTLED_S)
    }

    /// What has more to say at the end.
    pub(super) fn finish(&mut self) -> Result<Vec<DefectFound>, String> {
        self.tell_all(|_| true)
    }

    fn tell_all(&mut self, now: impl Fn(&Thing) -> bool) -> Result<Vec<DefectFound>, String> {
        let due =
            |(track, thing): (&u64, &Thing)| (thing.id.is_some() && thing.changed && now(thing)).then_some(*track);
        let due: Vec<u64> = self.things.iter().filter_map(due).collect();
        due.into_iter().filter_map(|track| self.tell(track).transpose()).collect()
    }

    fn tell(&mut self, track: u64) -> Result<Option<DefectFound>, String> {
        let Self { identity, classes, things, named, pauses, .. } = self;
        let Some(thing) = things.get_mut(&track) else { return Ok(None) };
        let (Some(class), Some(best)) = (classes.get(thing.class_id), &mut thing.best) else { return Ok(None) };
        let keyframe = best.keep(identity)?;
        let id = *thing.id.get_or_insert_with(|| {
            // The id stays what it was when an earlier view turns up.
            let number = named.entry((thing.class_id, milliseconds(thing.first_s))).or_default();
            *number += 1;
            identity.id(&RecordKind::Defect, thing.first_s, &format!("{} {number}", class.name))
        });
        let around = || pauses.iter().rev().find(|(_, start, end)| best.pts_s >= *start && best.pts_s <= *end);
        let found = DefectFound {
            id,
            defect_type: class.name.clone(),
            severity: class.severity,
            confidence: thing.confidence,
            bounding_box: best.bounding_box,
            first_s: thing.first_s,
            last_s: thing.last_s,
            pause_id: best.pause.or_else(|| around().map(|(id, ..)| *id)),
            keyframe,
        };
        thing.changed = false;
        Ok(Some(found))
    }
}

impl Thing {
    fn new(sighting: &Sighting) -> Self {
        Self {
            class_id: sighting.class_id,
            confidence: 0.0,
            first_s: sighting.first_s,
            last_s: sighting.last_s,
            confirmed: false,
            best: None,
            id: None,
            changed: false,
        }
    }

    fn see(&mut self, sighting: &Sighting) {
        self.confidence = thousandths(f64::from(sighting.confidence));
        (self.first_s, self.last_s) = (sighting.first_s, sighting.last_s);
        self.confirmed = sighting.confirmed;
        self.changed = true;
    }
}

impl Best {
    fn keep(&mut self, identity: &Identity) -> Result<Keyframe, String> {
        let keyframe = match &self.image {
            Image::Kept(keyframe) => keyframe.clone(),
            Image::Raw(shot) => shot.keyframe(identity)?,
        };
        self.image = Image::Kept(keyframe.clone());
        Ok(keyframe)
    }
}

/// A box in tenths of pixels: finer it isn't known.
fn pixels(detection: &Detection) -> BoundingBox {
    let tenths = |value: f32| (f64::from(value) * 10.0).round() / 10.0;
    BoundingBox {
        x: tenths(detection.x),
        y: tenths(detection.y),
        width: tenths(detection.width),
        height: tenths(detection.height),
    }
}

/// Whether a box touches the edge of its picture: what it shows may go on outside.
fn is_at_edge(detection: &Detection, (width, height): (u32, u32)) -> bool {
    let Detection { x, y, .. } = *detection;
    x < 1.0 || y < 1.0 || x + detection.width > width as f32 - 1.0 || y + detection.height > height as f32 - 1.0
}

/// The same box in a picture as it is stored, `width` × `height` px.
fn stored(detection: &Detection, orientation: Orientation, width: u32, height: u32) -> Detection {
    // Edges lie half a pixel from the centres that `to_stored` speaks of.
    let corner = |x: f32, y: f32| {
        let (x, y) = orientation.to_stored(x - 0.5, y - 0.5, width, height);
        (x + 0.5, y + 0.5)
    };
    let (ax, ay) = corner(detection.x, detection.y);
    let (bx, by) = corner(detection.x + detection.width, detection.y + detection.height);
    Detection { x: ax.min(bx), y: ay.min(by), width: (ax - bx).abs(), height: (ay - by).abs(), ..*detection }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_turn_with_the_picture() {
        let detection = Detection { class_id: 3, confidence: 0.5, x: 10.0, y: 20.0, width: 30.0, height: 5.0 };
        let turned = |mirrored, quarter_turns| {
            let Detection { x, y, width, height, .. } =
                stored(&detection, Orientation { mirrored, quarter_turns }, 200, 100);
            (x, y, width, height)
        };
        assert_eq!(turned(false, 0), (10.0, 20.0, 30.0, 5.0));
        // Shown 100 × 200, turned clockwise: the shown left edge is the stored lower one.
        assert_eq!(turned(false, 1), (20.0, 60.0, 5.0, 30.0));
        assert_eq!(turned(false, 2), (160.0, 75.0, 30.0, 5.0));
        assert_eq!(turned(false, 3), (175.0, 10.0, 5.0, 30.0));
        assert_eq!(turned(true, 0), (160.0, 20.0, 30.0, 5.0));
    }
}
