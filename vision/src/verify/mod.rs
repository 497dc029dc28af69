//! Whether a model says what it should: references, and what its file gives away.
//!
//! A package may bring pictures with answers that another implementation gave (`[[selftest]]`). [`compare`] puts what a
//! detector found beside them, box by box. [`remarks`] reads from the file alone what has gone wrong with exported
//! models before. Pictures are decoded by the caller.

use crate::detect::{Anatomy, Detection};
use crate::package::Manifest;
use crate::picture::{Colour, Layout, Orientation, Picture};
use serde::{Deserialize, Serialize};

/// A frame of noise, as decoders give frames (I420): what costs are measured on.
#[must_use]
pub fn noise(width: u32, height: u32) -> Picture {
    let (w, h) = (width.max(1) as usize, height.max(1) as usize);
    let (half_w, half_h) = (w.div_ceil(2), h.div_ceil(2));
    let plane = |length: usize| (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<u8>>();
    let planes = vec![(plane(w * h), w), (plane(half_w * half_h), half_w), (plane(half_w * half_h), half_w)];
    Picture::new(Layout::I420, (w as u32, h as u32), planes, Colour::BT709, Orientation::default())
        .expect("the planes are as large as the picture")
}

/// What must be found on a picture: the file that `[[selftest]] expect` names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Expected {
    /// All of it, in any order.
    pub detections: Vec<ExpectedDetection>,
}

/// One thing that must be found.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ExpectedDetection {
    /// Name of its class.
    pub r#type: String,
    /// Its score, 0 to 1.
    pub confidence: f32,
    /// Where, in pixels of the displayed picture.
    pub bounding_box: ExpectedBox,
}

/// A box in pixels of the displayed picture.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct ExpectedBox {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Expected {
    /// Reads the file's text.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("is not a list of detections: {error}"))
    }
}

impl ExpectedBox {
    /// Common area over united area.
    fn iou(&self, other: &Detection) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let common = width.max(0.0) * height.max(0.0);
        common / (self.width * self.height + other.width * other.height - common).max(f32::MIN_POSITIVE)
    }
}

/// How far a finding may be from its reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Least overlap, common over united area.
    pub iou: f32,
    /// Greatest difference of the scores; as close to its threshold a thing may be missing or there too much.
    pub score: f32,
}

impl Tolerance {
    /// For pictures that every program decodes to the same pixels (PNG).
    pub const EXACT: Self = Self { iou: 0.99, score: 1e-3 };
    /// For JPEG pictures, which decoders round differently.
    pub const DECODED: Self = Self { iou: 0.9, score: 0.02 };
}

/// What came of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Things that must be found.
    pub expected: usize,
    /// Things that were found.
    pub found: usize,
    /// Least overlap of a thing with its reference; 1 when there is none.
    pub worst_iou: f32,
    /// Greatest difference of a score from its reference.
    pub worst_score: f32,
    /// What does not fit, one sentence each.
    pub faults: Vec<String>,
}

impl Comparison {
    /// Whether everything fits.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Puts what was found beside what must be found; each thing counts once.
#[must_use]
pub fn compare(found: &[Detection], expected: &Expected, manifest: &Manifest, tolerance: Tolerance) -> Comparison {
    let name = |class_id: usize| manifest.classes.get(class_id).map_or("?", |class| class.name.as_str());
    let brink = |class_id: usize, score: f32| score - manifest.threshold(class_id) < tolerance.score;
    let mut result =
        Comparison { expected: expected.detections.len(), found: found.len(), worst_iou: 1.0, ..Comparison::default() };
    let mut free: Vec<&Detection> = found.iter().collect();
    for wanted in &expected.detections {
        let overlap = |detection: &Detection| {
            if name(detection.class_id) == wanted.r#type { wanted.bounding_box.iou(detection) } else { -1.0 }
        };
        let best = (0..free.len()).max_by(|&a, &b| overlap(free[a]).total_cmp(&overlap(free[b])));
        let class_id = manifest.classes.iter().position(|class| class.name == wanted.r#type);
        match best.filter(|&index| overlap(free[index]) > 0.1) {
            Some(index) => {
                let detection = free.swap_remove(index);
                let (iou, off) = (overlap(detection), (detection.confidence - wanted.confidence).abs());
                result.worst_iou = result.worst_iou.min(iou);
                result.worst_score = result.worst_score.max(off);
                if iou < tolerance.iou || off > tolerance.score {
                    result.faults.push(format!(
                        "{} at {:.0},{:.0}: overlap {iou:.3}, score {:.3} and not {:.3}",
                        wanted.r#type,
                        wanted.bounding_box.x,
                        wanted.bounding_box.y,
                        detection.confidence,
                        wanted.confidence
                    ));
                }
            }
            None if class_id.is_some_and(|class_id| brink(class_id, wanted.confidence)) => {}
            None => result.faults.push(format!(
                "{} at {:.0},{:.0} (score {:.3}) is not found",
                wanted.r#type, wanted.bounding_box.x, wanted.bounding_box.y, wanted.confidence
            )),
        }
    }
    let extra = free.iter().filter(|detection| !brink(detection.class_id, detection.confidence));
    result.faults.extend(extra.map(|detection| {
        let Detection { x, y, confidence, class_id, .. } = detection;
        format!("{} at {x:.0},{y:.0} (score {confidence:.3}) is found and should not be", name(*class_id))
    }));
    result
}

/// What the file gives away that has gone wrong before; one sentence each, with what to do.
#[must_use]
pub fn remarks(anatomy: &Anatomy) -> Vec<String> {
    let mut remarks = Vec::new();
    let has = |wanted: &[&'static str]| wanted.iter().find(|name| anatomy.operators.contains_key(**name)).copied();
    if let Some(name) = has(&["QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"]) {
        remarks.push(format!(
            "it is quantised ({name}): where boxes and scores share one scale every score becomes 0, and tract may place boxes \
             elsewhere and be slower than with f32; export f32, or quantise without the head, and bring references"
        ));
    }
    let weights = |kind: &str| anatomy.weights.get(kind).copied().unwrap_or(0);
    if weights("float16") > weights("float") {
        remarks.push(
            "its weights are 16 bit numbers: tract calculates many times slower with them than with f32; export f32"
                .to_owned(),
        );
    }
    if weights("double") > 0 {
        remarks.push("it has 64 bit weights: export f32, which takes half the time and memory".to_owned());
    }
    if anatomy.opset < 11 {
        remarks.push(format!("it was written for opset {}: export opset 13 to 17", anatomy.opset));
    }
    if let Some(name) = has(&["NonMaxSuppression"]) {
        remarks.push(format!(
            "it removes overlaps itself ({name}): export it without, this program does that with the manifest's iou"
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn manifest() -> Manifest {
        let text = format!(
            "[model]\nname=\"m\"\nversion=\"1\"\nfile=\"m.onnx\"\nsha256=\"{}\"\ntask=\"detect\"\n[input]\nsize=[64,64]\n\
             [output]\ndecoder=\"yolov8\"\nconfidence=0.5\n[[classes]]\nname=\"a\"\n[[classes]]\nname=\"b\"\n",
            "0".repeat(64)
        );
        Manifest::parse(&text).expect("valid")
    }

    fn found(class_id: usize, confidence: f32, x: f32) -> Detection {
        Detection { class_id, confidence, x, y: 10.0, width: 20.0, height: 20.0 }
    }

    fn wanted(list: &[(&str, f32, f32)]) -> Expected {
        let one = |&(name, confidence, x): &(&str, f32, f32)| ExpectedDetection {
            r#type: name.to_owned(),
            confidence,
            bounding_box: ExpectedBox { x, y: 10.0, width: 20.0, height: 20.0 },
        };
        Expected { detections: list.iter().map(one).collect() }
    }

    fn faults(found: &[Detection], expected: &Expected) -> Vec<String> {
        compare(found, expected, &manifest(), Tolerance::DECODED).faults
    }

    #[test]
    fn the_same_is_good() {
        let expected = wanted(&[("a", 0.9, 0.0), ("b", 0.7, 100.0)]);
        let result = compare(&[found(1, 0.7, 100.0), found(0, 0.905, 0.5)], &expected, &manifest(), Tolerance::DECODED);
        assert!(result.is_good(), "{result:?}");
        assert!(result.worst_iou > 0.94 && result.worst_iou < 0.96 && (result.worst_score - 0.005).abs() < 1e-4);
    }

    #[test]
    fn every_difference_is_told() {
        let expected = wanted(&[("a", 0.9, 0.0)]);
        for (name, seen, word) in [
            ("nothing, as quantised scores of 0 give", vec![], "not found"),
            ("boxes elsewhere", vec![found(0, 0.9, 80.0)], "not found"),
            ("boxes beside", vec![found(0, 0.9, 5.0)], "overlap"),
            ("another score", vec![found(0, 0.8, 0.0)], "score 0.800"),
            ("another class", vec![found(1, 0.9, 0.0)], "should not be"),
            ("one twice", vec![found(0, 0.9, 0.0), found(0, 0.8, 0.0)], "should not be"),
        ] {
            let told = faults(&seen, &expected).join("; ");
            assert!(told.contains(word), "{name}: {told}");
        }
    }

    #[test]
    fn what_is_on_the_brink_may_be_there_or_not() {
        let expected = wanted(&[("a", 0.51, 0.0)]);
        assert_eq!(faults(&[], &expected), Vec::<String>::new());
        assert_eq!(faults(&[found(0, 0.51, 0.0), found(1, 0.515, 60.0)], &expected), Vec::<String>::new());
    }

    #[test]
    fn bad_files_are_told() {
        assert!(Expected::parse("[]").is_err());
        assert_eq!(Expected::parse("{\"detections\":[]}").expect("valid").detections.len(), 0);
    }

    #[test]
    fn traps_are_told_from_the_file() {
        let anatomy = |operators: &[&str], weights: &[(&str, u64)], opset| Anatomy {
            opset,
            producer: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            operators: operators.iter().map(|name| ((*name).to_owned(), 1)).collect(),
            weights: weights.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect::<BTreeMap<_, _>>(),
        };
        assert_eq!(remarks(&anatomy(&["Conv"], &[("float", 9)], 13)), Vec::<String>::new());
        for (bad, word) in [
            (anatomy(&["Conv", "QuantizeLinear"], &[("float", 9)], 13), "quantised"),
            (anatomy(&["Conv"], &[("float16", 9), ("float", 1)], 13), "16 bit"),
            (anatomy(&["Conv"], &[("double", 9)], 13), "64 bit"),
            (anatomy(&["Conv"], &[("float", 9)], 9), "opset 9"),
            (anatomy(&["NonMaxSuppression"], &[("float", 9)], 13), "removes overlaps"),
        ] {
            let told = remarks(&bad);
            assert!(told.len() == 1 && told[0].contains(word), "{told:?}");
        }
    }
}
