//! The default model: its self-test, and answers that ONNX Runtime and NumPy gave for the same pixels
//! (`models/torque-stripe/reference.py`).

use fieldeye_vision::detect::{Detection, Detector};
use fieldeye_vision::package::Package;
use fieldeye_vision::picture::Picture;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Expected {
    detections: Vec<ExpectedDetection>,
}

#[derive(Deserialize)]
struct ExpectedDetection {
    r#type: String,
    confidence: f32,
    bounding_box: ExpectedBox,
}

#[derive(Deserialize)]
struct ExpectedBox {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl ExpectedBox {
    fn iou(&self, other: &Detection) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let common = width.max(0.0) * height.max(0.0);
        common / (self.width * self.height + other.width * other.height - common)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn detector() -> Detector {
    let package = Package::open(&root().join("models/torque-stripe")).expect("the default package is whole");
    Detector::load(&package).expect("the runtime can run it")
}

fn picture(path: &Path) -> Picture {
    let rgb = image::open(path).expect("a picture").into_rgb8();
    let (width, height) = rgb.dimensions();
    Picture::from_rgb(width, height, rgb.into_raw()).expect("whole")
}

/// Looks at a picture and compares with what is written beside it; the same number, and each within the tolerances.
fn compare(detector: &Detector, image: &Path, answers: &Path, iou: f32, score: f32) {
    let text = std::fs::read_to_string(answers).expect("answers");
    let expected: Expected = serde_json::from_str(&text).expect("as the package format says");
    let found = detector.detect(&picture(image).view()).expect("runs");
    assert!(found.is_sorted_by(|a, b| a.confidence >= b.confidence), "best first");
    assert!(!expected.detections.is_empty());
    assert_eq!(found.len(), expected.detections.len(), "{}: {found:?}", image.display());
    for wanted in &expected.detections {
        let same_class = |d: &&Detection| detector.manifest().classes[d.class_id].name == wanted.r#type;
        let nearest = found
            .iter()
            .filter(same_class)
            .max_by(|a, b| wanted.bounding_box.iou(a).total_cmp(&wanted.bounding_box.iou(b)));
        let nearest = nearest.unwrap_or_else(|| panic!("no {} on {}", wanted.r#type, image.display()));
        let (fit, off) = (wanted.bounding_box.iou(nearest), (wanted.confidence - nearest.confidence).abs());
        assert!(fit >= iou && off <= score, "{} on {}: IoU {fit}, score off by {off}", wanted.r#type, image.display());
    }
}

#[test]
fn the_selftest_passes() {
    let (detector, folder) = (detector(), root().join("models/torque-stripe"));
    let selftests = &detector.manifest().selftest;
    assert!(!selftests.is_empty());
    for selftest in selftests {
        compare(&detector, &folder.join(&selftest.image), &folder.join(&selftest.expect), 0.9, 0.02);
    }
}

#[test]
fn answers_are_those_of_onnx_runtime() {
    let (detector, data) = (detector(), root().join("vision/tests/data"));
    for index in 1..=3 {
        let file = |kind: &str| data.join(format!("torque-stripe-{index}.{kind}"));
        compare(&detector, &file("png"), &file("json"), 0.99, 1e-3);
    }
}

#[test]
fn the_package_is_small_and_its_classes_are_known() {
    let package = Package::open(&root().join("models/torque-stripe")).expect("whole");
    assert!(package.model.len() < 2_500_000, "{} bytes", package.model.len());
    let classes = package.manifest.classes.iter().map(|c| (c.name.as_str(), c.severity.as_str(), c.defect));
    assert_eq!(
        classes.collect::<Vec<_>>(),
        [
            ("torque_stripe_ok", "info", false),
            ("torque_stripe_misaligned", "critical", true),
            ("torque_stripe_missing", "critical", true),
            ("corrosion", "warning", true),
            ("crack", "critical", true),
        ]
    );
}
