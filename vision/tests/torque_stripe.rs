//! The default model: its self-test, and answers that ONNX Runtime and NumPy gave for the same pixels
//! (`models/torque-stripe/reference.py`), on every runtime that is there.

mod common;

use common::{picture, root};
use fieldeye_vision::detect::{Detector, RuntimeKind};
use fieldeye_vision::package::Package;
use fieldeye_vision::verify::{Expected, Tolerance, compare};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    root().join("models/torque-stripe")
}

/// Looks at a picture and compares with what is written beside it.
fn compared(image: &Path, answers: &Path, tolerance: Tolerance) {
    let package = Package::open(&folder()).expect("the default package is whole");
    let expected = Expected::parse(&std::fs::read_to_string(answers).expect("answers")).expect("detections");
    assert!(!expected.detections.is_empty());
    for &kind in RuntimeKind::built_in() {
        let detector = Detector::load(&package, &kind.into()).expect("the runtime can run it");
        let found = detector.detect(&picture(image).view()).expect("runs");
        assert!(found.is_sorted_by(|a, b| a.confidence >= b.confidence), "best first");
        let result = compare(&found, &expected, &package.manifest, tolerance);
        assert!(result.is_good(), "{} on {}: {result:#?}", image.display(), kind.as_str());
    }
}

#[test]
fn the_selftest_passes() {
    let package = Package::open(&folder()).expect("whole");
    assert!(!package.manifest.selftest.is_empty());
    for selftest in &package.manifest.selftest {
        compared(&folder().join(&selftest.image), &folder().join(&selftest.expect), Tolerance::DECODED);
    }
}

#[test]
fn answers_are_those_of_onnx_runtime() {
    let data = root().join("vision/tests/data");
    for index in 1..=3 {
        let file = |kind: &str| data.join(format!("torque-stripe-{index}.{kind}"));
        compared(&file("png"), &file("json"), Tolerance::EXACT);
    }
}

#[test]
fn the_package_is_small_and_its_classes_are_known() {
    let package = Package::open(&folder()).expect("whole");
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
