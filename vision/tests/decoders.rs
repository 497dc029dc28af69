//! Every family of detectors, on every runtime that is there, beside what ONNX Runtime and NumPy found for the same pixels
//! (`models/references/make.py`): box by box, IoU 0.99, scores within 0.001.

mod common;

use common::{picture, root};
use fieldeye_vision::detect::{Detector, RuntimeKind};
use fieldeye_vision::package::{Decoder, Package};
use fieldeye_vision::verify::{Expected, Tolerance, compare};
use std::path::PathBuf;

fn folders() -> Vec<PathBuf> {
    let all = std::fs::read_dir(root().join("vision/tests/data/decoders")).expect("the references");
    let mut folders: Vec<PathBuf> =
        all.map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[test]
fn every_decoder_agrees_with_another_implementation() {
    for folder in folders() {
        let package = Package::open(&folder).expect("whole");
        let [selftest] = package.manifest.selftest.as_slice() else { panic!("one picture with answers") };
        let picture = picture(&folder.join(&selftest.image));
        let text = std::fs::read_to_string(folder.join(&selftest.expect)).expect("answers");
        let expected = Expected::parse(&text).expect("detections");
        assert!(!expected.detections.is_empty());
        for &kind in RuntimeKind::built_in() {
            let detector = Detector::load(&package, &kind.into()).expect("the runtime can run it");
            let found = detector.detect(&picture.view()).expect("runs");
            let result = compare(&found, &expected, &package.manifest, Tolerance::EXACT);
            let name = folder.file_name().expect("a name").to_string_lossy();
            assert!(result.is_good(), "{name} on {}: {result:#?}", kind.as_str());
            assert_eq!(found.len(), expected.detections.len(), "{name}");
        }
    }
}

#[test]
fn no_decoder_is_without_a_reference() {
    let there: Vec<Decoder> =
        folders().iter().map(|folder| Package::open(folder).expect("whole").manifest.output.decoder).collect();
    for decoder in [
        Decoder::Yolov8,
        Decoder::Yolov5,
        Decoder::Yolox,
        Decoder::EndToEnd,
        Decoder::Ssd,
        Decoder::Classifier,
        Decoder::AnomalyMap,
    ] {
        assert!(there.contains(&decoder), "{decoder:?}");
    }
}
