use super::super::boxes::Candidate;
use super::super::runtime::Output;
use super::candidates;
use crate::package::Manifest;
use proptest::prelude::*;

/// A manifest for 64 x 32 px with the decoder and classes `a`, `b`, ... over 0.25 (`a` over 0.4).
fn manifest(decoder: &str, classes: usize) -> Manifest {
    let mut text = format!(
        "[model]\nname=\"m\"\nversion=\"1\"\nfile=\"m.onnx\"\nsha256=\"{}\"\ntask=\"detect\"\n[input]\nsize=[64,32]\n\
         [output]\ndecoder=\"{decoder}\"\n",
        "0".repeat(64)
    );
    for class in 0..classes {
        let confidence = if class == 0 { "confidence=0.4\n" } else { "" };
        text.push_str(&format!("[[classes]]\nname=\"{class}\"\n{confidence}"));
    }
    Manifest::parse(&text).expect("valid")
}

fn output(shape: &[usize], data: &[f32]) -> Output {
    Output { shape: shape.to_vec(), data: data.to_vec() }
}

fn decoded(decoder: &str, classes: usize, outputs: &[Output]) -> Vec<Candidate> {
    candidates(outputs, &manifest(decoder, classes)).expect("fits")
}

fn edges(class_id: usize, score: f32, [left, top, right, bottom]: [f32; 4]) -> Candidate {
    Candidate { class_id, score, left, top, right, bottom }
}

#[test]
fn yolov8_reads_columns() {
    // Three places: class 1 with 0.9, too little, and a score that is no number beside one that is.
    #[rustfmt::skip]
    let data = [
        10.0, 20.0, 30.0,
        12.0, 20.0, 16.0,
        4.0, 8.0, 20.0,
        6.0, 8.0, 10.0,
        0.1, 0.2, f32::NAN,
        0.9, 0.1, 0.5,
    ];
    let found = decoded("yolov8", 2, &[output(&[1, 6, 3], &data)]);
    assert_eq!(found, [edges(1, 0.9, [8.0, 9.0, 12.0, 15.0]), edges(1, 0.5, [20.0, 11.0, 40.0, 21.0])]);
}

#[test]
fn yolov5_multiplies_objectness() {
    #[rustfmt::skip]
    let data = [
        10.0, 12.0, 4.0, 6.0, 0.5, 0.25, 0.75,
        10.0, 12.0, 4.0, 6.0, 0.3, 0.25, 0.75,
    ];
    let found = decoded("yolov5", 2, &[output(&[1, 2, 7], &data)]);
    assert_eq!(found, [edges(1, 0.375, [8.0, 9.0, 12.0, 15.0])]);
}

#[test]
fn yolox_places_cells() {
    // 64 x 32 px: 8 x 4, 4 x 2 and 2 x 1 cells.
    let cells = 32 + 8 + 2;
    let mut data = vec![0.0; cells * 6];
    let mut cell = |index: usize, values: [f32; 6]| data[index * 6..][..6].copy_from_slice(&values);
    // Column 3, row 1 of the first grid; column 2, row 1 of the second; column 1 of the third.
    cell(8 + 3, [0.5, 0.25, 0.0, 2.0f32.ln(), 0.8, 0.5]);
    cell(32 + 4 + 2, [0.0, -0.5, 0.0, 0.0, 1.0, 0.75]);
    cell(32 + 8 + 1, [-0.5, 0.5, 0.0, 0.0, 1.0, 1.0]);
    let found = decoded("yolox", 1, &[output(&[1, cells, 6], &data)]);
    let wanted = [
        edges(0, 0.4, [24.0, 2.0, 32.0, 18.0]),
        edges(0, 0.75, [24.0, 0.0, 40.0, 16.0]),
        edges(0, 1.0, [0.0, 0.0, 32.0, 32.0]),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn end_to_end_leaves_filling_out() {
    #[rustfmt::skip]
    let data = [
        1.0, 2.0, 3.0, 5.0, 0.9, 1.0,
        0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        1.0, 2.0, 3.0, 5.0, 0.9, 7.0,
        1.0, 2.0, 3.0, 5.0, f32::NAN, 1.0,
        1.0, 2.0, 3.0, 5.0, 0.9, f32::NAN,
        1.0, 2.0, 3.0, 5.0, 0.9, -1.0,
    ];
    assert_eq!(decoded("end-to-end", 2, &[output(&[1, 6, 6], &data)]), [edges(1, 0.9, [1.0, 2.0, 3.0, 5.0])]);
}

#[test]
fn ssd_finds_out_which_is_which() {
    let boxes = output(&[1, 2, 4], &[0.25, 0.5, 0.5, 1.0, 0.0, 0.0, 1.0, 1.0]);
    let scores = output(&[1, 2, 2], &[0.1, 0.8, 0.1, 0.2]);
    let background = output(&[1, 2, 3], &[0.1, 0.1, 0.8, 0.9, 0.1, 0.2]);
    let wanted = [edges(1, 0.8, [16.0, 16.0, 32.0, 32.0])];
    assert_eq!(decoded("ssd", 2, &[boxes.clone(), scores.clone()]), wanted);
    assert_eq!(decoded("ssd", 2, &[scores, boxes.clone()]), wanted);
    assert_eq!(decoded("ssd", 2, &[boxes.clone(), background]), wanted);
    // As many columns in both: probabilities of four kinds add up to 1.
    let shares = output(&[1, 2, 4], &[0.1, 0.1, 0.7, 0.1, 0.9, 0.1, 0.0, 0.0]);
    let found = decoded("ssd", 3, &[shares.clone(), boxes.clone()]);
    assert_eq!(found, [edges(1, 0.7, [16.0, 16.0, 32.0, 32.0])]);
    assert_eq!(decoded("ssd", 3, &[boxes, shares]), found);
}

#[test]
fn a_classifier_speaks_for_the_whole_picture() {
    let whole = [0.0, 0.0, 64.0, 32.0];
    let shape = [1, 3];
    assert_eq!(decoded("classifier", 3, &[output(&shape, &[0.1, 0.2, 0.7])]), [edges(2, 0.7, whole)]);
    assert_eq!(decoded("classifier", 3, &[output(&shape, &[0.1, 0.2, 0.2])]), []);
    // Logits: exp(2) of exp(2) + 2 exp(0).
    let found = decoded("classifier", 3, &[output(&shape, &[0.0, 2.0, 0.0])]);
    assert_eq!(found.len(), 1);
    assert!((found[0].score - 2f32.exp() / (2f32.exp() + 2.0)).abs() < 1e-6, "{found:?}");
}

#[test]
fn an_anomaly_map_gives_regions() {
    // 8 x 4 places of 8 x 8 px; a diagonal pair, and one apart.
    let mut map = vec![0.1; 32];
    (map[0], map[9], map[31]) = (0.6, 0.9, 0.5);
    let found = decoded("anomaly-map", 1, &[output(&[1, 1, 4, 8], &map)]);
    assert_eq!(found, [edges(0, 0.9, [0.0, 0.0, 16.0, 16.0]), edges(0, 0.5, [56.0, 24.0, 64.0, 32.0])]);
}

#[test]
fn wrong_shapes_are_told_with_the_right_one() {
    for (decoder, classes, shape, word) in [
        ("yolov8", 2, vec![1, 7, 10], "6, N"),
        ("yolov8", 2, vec![2, 6, 10], "[2, 6, 10]"),
        ("yolov5", 2, vec![1, 10, 6], "= 7]"),
        ("yolox", 1, vec![1, 41, 6], "42"),
        ("end-to-end", 2, vec![1, 10, 7], "[1, N, 6]"),
        ("ssd", 2, vec![1, 10, 4], "[1, N, 4]"),
        ("classifier", 3, vec![1, 4], "[1, 3]"),
        ("anomaly-map", 2, vec![1, 1, 4, 4], "one class"),
    ] {
        let data = vec![0.5; shape.iter().product()];
        let error = candidates(&[output(&shape, &data)], &manifest(decoder, classes)).expect_err(decoder);
        assert!(error.contains(word), "{decoder}: {error}");
        assert!(candidates(&[], &manifest(decoder, classes)).is_err(), "{decoder} without any output");
    }
}

fn any_value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -2.0f32..70.0,
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(f32::MAX), Just(0.0)],
    ]
}

fn any_output() -> impl Strategy<Value = Output> {
    let axis = prop_oneof![Just(0usize), Just(1), Just(2), Just(4), Just(6), Just(7), Just(42), 0usize..9];
    proptest::collection::vec(axis, 0..5).prop_flat_map(|shape| {
        let length = shape.iter().product::<usize>();
        // Most are whole, as a runtime gives them; some are not.
        let lengths = prop_oneof![9 => Just(length), 1 => 0usize..40];
        (Just(shape), lengths.prop_flat_map(|length| proptest::collection::vec(any_value(), length)))
            .prop_map(|(shape, data)| Output { shape, data })
    })
}

proptest! {
    #[test]
    fn no_output_panics(outputs in proptest::collection::vec(any_output(), 0..3), classes in 1usize..4) {
        for decoder in ["yolov8", "yolov5", "yolox", "end-to-end", "ssd", "classifier", "anomaly-map"] {
            let manifest = manifest(decoder, classes);
            if let Ok(found) = candidates(&outputs, &manifest) {
                prop_assert!(found.iter().all(|c| c.class_id < classes && !c.score.is_nan()));
                let kept = super::super::boxes::suppress(found, 0.5);
                prop_assert!(kept.iter().all(|c| c.right > c.left && c.bottom > c.top));
            }
        }
    }
}
