//! Packages made by hand: an ONNX file is a few fields of protocol buffers.

use super::*;
use crate::package::Package;
use crate::picture::Picture;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// A field of a message: number and content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

fn number(field: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    bytes.extend(varint(value));
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A value's name, f32, and shape; an axis of 0 is left open as "N".
fn value(name: &str, shape: &[u64]) -> Vec<u8> {
    let axis = |&size: &u64| field(1, &if size == 0 { field(2, b"N") } else { number(1, size) });
    let shape = shape.iter().flat_map(axis).collect::<Vec<_>>();
    let tensor = [number(1, 1), field(2, &shape)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

/// A constant of f32.
fn constant(name: &str, shape: &[u64], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let axes: Vec<u8> = shape.iter().flat_map(|&size| number(1, size)).collect();
    [axes, number(2, 1), field(8, name.as_bytes()), field(9, &raw)].concat()
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect::<Vec<_>>();
    [inputs, field(2, output.as_bytes()), field(4, operator.as_bytes())].concat()
}

fn model(nodes: &[Vec<u8>], constants: &[Vec<u8>], inputs: &[Vec<u8>], outputs: &[Vec<u8>]) -> Vec<u8> {
    let many = |number: u8, messages: &[Vec<u8>]| messages.iter().flat_map(|m| field(number, m)).collect::<Vec<_>>();
    let graph = [many(1, nodes), field(2, b"g"), many(5, constants), many(11, inputs), many(12, outputs)].concat();
    [number(1, 8), field(7, &graph), field(8, &number(2, 13))].concat()
}

/// Gives the boxes whatever it sees; `[1, 6, N]`.
fn fixed(input: &[u64], boxes: &[[f32; 6]]) -> Vec<u8> {
    let columns: Vec<f32> = (0..6).flat_map(|row| boxes.iter().map(move |column| column[row])).collect();
    let shape = [1, 6, boxes.len() as u64];
    let nodes = [node("ReduceMax", &["picture"], "most"), node("Mul", &["most", "zero"], "nothing")];
    // The picture takes part, by nothing.
    let nodes =
        [nodes.as_slice(), &[node("Reshape", &["nothing", "one"], "flat"), node("Add", &["boxes", "flat"], "found")]]
            .concat();
    let one = [number(1, 1), number(2, 7), field(8, b"one"), field(9, &1i64.to_le_bytes())].concat();
    let constants = [constant("zero", &[1], &[0.0]), constant("boxes", &shape, &columns), one];
    model(&nodes, &constants, &[value("picture", input)], &[value("found", &[1, 6, 0])])
}

fn package(model: &[u8]) -> Package {
    let digest: String = Sha256::digest(model).iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = format!(
        "[model]\nname=\"m\"\nversion=\"1\"\nfile=\"m.onnx\"\nsha256=\"{digest}\"\ntask=\"detect\"\n[input]\nsize=[64,64]\n\
         [output]\ndecoder=\"yolov8\"\nconfidence=0.25\niou=0.5\n[[classes]]\nname=\"bad\"\nconfidence=0.6\n\
         [[classes]]\nname=\"fine\"\ndefect=false\n"
    );
    Package::embedded(&manifest, model).expect("digest fits")
}

/// A detector by each runtime that is there.
fn detectors(model: &[u8]) -> Vec<Detector> {
    let load = |&kind: &RuntimeKind| Detector::load(&package(model), &kind.into()).expect("runs");
    RuntimeKind::built_in().iter().map(load).collect()
}

/// What each runtime says against a model.
fn refusals(model: &[u8]) -> Vec<String> {
    let refusal = |&kind: &RuntimeKind| match Detector::load(&package(model), &kind.into()) {
        Err(PackageError::Model { why, .. }) => why,
        other => panic!("refused as a model, not {other:?}"),
    };
    RuntimeKind::built_in().iter().map(refusal).collect()
}

fn refused_with(model: &[u8], words: &[&str]) {
    for why in refusals(model) {
        assert!(words.iter().all(|word| why.contains(word)), "{why}");
    }
}

const PICTURE: [u64; 4] = [1, 3, 64, 64];

#[test]
fn a_picture_becomes_detections() {
    // 128 x 64 px shown in 64 x 64: half the size, from row 16.
    let model = fixed(
        &PICTURE,
        &[
            [10.0, 30.0, 8.0, 8.0, 0.7, 0.1],
            [11.0, 30.0, 8.0, 8.0, 0.9, 0.1],
            [10.0, 30.0, 8.0, 8.0, 0.1, 0.3],
            [40.0, 30.0, 8.0, 8.0, 0.5, 0.1],
            [40.0, 5.0, 8.0, 8.0, 0.9, 0.1],
            [62.0, 46.0, 8.0, 8.0, 0.1, 0.95],
        ],
    );
    let picture = Picture::from_rgb(128, 64, vec![90; 128 * 64 * 3]).expect("valid");
    let wanted = [
        // Clipped at the right and the bottom edge.
        Detection { class_id: 1, confidence: 0.95, x: 116.0, y: 52.0, width: 12.0, height: 12.0 },
        // The better of two that overlap; the other class at the same place stays.
        Detection { class_id: 0, confidence: 0.9, x: 14.0, y: 20.0, width: 16.0, height: 16.0 },
        Detection { class_id: 1, confidence: 0.3, x: 12.0, y: 20.0, width: 16.0, height: 16.0 },
    ];
    for detector in detectors(&model) {
        let found = detector.detect(&picture.view()).expect("runs");
        assert_eq!(found, wanted, "0.5 is too little for the first class, and one box lies in the padding");
    }
}

#[test]
fn one_detector_serves_many_threads() {
    for detector in detectors(&fixed(&PICTURE, &[[10.0, 30.0, 8.0, 8.0, 0.7, 0.1]])) {
        let detector = Arc::new(detector);
        let looks: Vec<_> = (0..3)
            .map(|_| {
                let detector = Arc::clone(&detector);
                std::thread::spawn(move || {
                    let picture = Picture::from_rgb(64, 64, vec![9; 64 * 64 * 3]).expect("valid");
                    detector.detect(&picture.view()).expect("runs").len()
                })
            })
            .collect();
        assert!(looks.into_iter().all(|look| look.join().expect("no panic") == 1));
    }
}

#[test]
fn open_axes_are_fixed_by_the_manifest() {
    for input in [[0, 3, 64, 64], [0, 3, 0, 0]] {
        assert!(!detectors(&fixed(&input, &[[10.0, 30.0, 8.0, 8.0, 0.7, 0.1]])).is_empty());
    }
    refused_with(&fixed(&[1, 1, 64, 64], &[[0.0; 6]]), &["[1, 1, 64, 64]", "[1, 3, 64, 64]"]);
}

#[test]
fn what_the_runtime_cant_do_is_named() {
    let picture = value("picture", &PICTURE);
    let odd =
        model(&[node("Frobnicate", &["picture"], "out")], &[], std::slice::from_ref(&picture), &[value("out", &[1])]);
    refused_with(&odd, &["Frobnicate"]);
    let two = model(
        &[node("Add", &["picture", "other"], "out")],
        &[],
        &[picture.clone(), value("other", &PICTURE)],
        &[value("out", &PICTURE)],
    );
    refused_with(&two, &["2 inputs"]);
    let shape =
        model(&[node("Relu", &["picture"], "out")], &[], std::slice::from_ref(&picture), &[value("out", &PICTURE)]);
    refused_with(&shape, &["[1, 4+classes = 6, N]"]);
    let nowhere =
        model(&[node("Relu", &["picture"], "out")], &[], std::slice::from_ref(&picture), &[value("lost", &PICTURE)]);
    refused_with(&nowhere, &["\"lost\""]);
    let elsewhere = [number(1, 1), number(2, 1), field(8, b"w"), number(14, 1)].concat();
    let outside = model(&[node("Relu", &["picture"], "out")], &[elsewhere], &[picture], &[value("out", &PICTURE)]);
    refused_with(&outside, &["another file"]);
}

#[test]
fn damaged_files_are_refused() {
    let good = fixed(&PICTURE, &[[10.0, 30.0, 8.0, 8.0, 0.7, 0.1]]);
    assert!(!detectors(&good).is_empty());
    for text in [b"".as_slice(), b"this is a text", b"\x08\x08", &[0xff; 300]] {
        refused_with(text, &["not an ONNX file"]);
    }
    // Cut anywhere, or with any byte changed: an answer, whichever, but no panic.
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x15;
        for damaged in [&good[..at], &changed] {
            for &kind in RuntimeKind::built_in() {
                if let Err(error) = Detector::load(&package(damaged), &kind.into()) {
                    assert!(matches!(error, PackageError::Model { .. }), "{error:?}");
                    assert!(!error.to_string().contains('\n'), "{error}");
                }
            }
        }
    }
}
