use super::super::boxes::Candidate;
use super::*;
use crate::package::Manifest;
use crate::picture::{Colour, Picture};

fn spec(input: &str) -> InputSpec {
    let text = format!(
        "[model]\nname=\"m\"\nversion=\"1\"\nfile=\"m.onnx\"\nsha256=\"{}\"\ntask=\"detect\"\n[input]\n{input}\n[output]\n\
         decoder=\"yolov8\"\n[[classes]]\nname=\"a\"\n",
        "0".repeat(64)
    );
    Manifest::parse(&text).expect("valid").input
}

fn tensor(input: &str, picture: &Picture) -> Vec<f32> {
    let (input, _) = Preprocessor::new(&spec(input)).input(&picture.view(), Kind::Float);
    match input.values {
        Values::Float(values) => values,
        Values::Byte(_) => panic!("floats were asked for"),
    }
}

/// An RGB picture of a function of place.
fn drawn(width: u32, height: u32, value: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
    let data = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| value(x, y)).collect();
    Picture::from_rgb(width, height, data).expect("valid")
}

/// Red grows to the right, green downwards, blue changes often.
fn pattern(x: u32, y: u32) -> [u8; 3] {
    [(x * 7 % 256) as u8, (y * 11 % 256) as u8, ((x * 31 + y * 17) % 256) as u8]
}

fn close(a: &[f32], b: &[f32], within: f32) {
    assert_eq!(a.len(), b.len());
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= within, "off by {worst}");
}

#[test]
fn a_picture_of_the_models_size_is_taken_as_it_is() {
    let values = tensor("size = [32, 24]", &drawn(32, 24, pattern));
    for channel in 0..3 {
        for (x, y) in [(0, 0), (31, 0), (5, 17), (31, 23)] {
            let value = values[channel * 32 * 24 + y * 32 + x];
            assert!((value - f32::from(pattern(x as u32, y as u32)[channel]) / 255.0).abs() < 1e-6);
        }
    }
}

#[test]
fn colours_are_ordered_and_normalised() {
    let picture = drawn(16, 16, |_, _| [200, 100, 50]);
    let first = |input: &str| {
        let values = tensor(&format!("size = [16, 16]\n{input}"), &picture);
        values.chunks(256).map(|channel| channel[0]).collect::<Vec<_>>()
    };
    close(&first("scale = 1.0"), &[200.0, 100.0, 50.0], 1e-3);
    close(&first("scale = 1.0\ncolour = \"bgr\""), &[50.0, 100.0, 200.0], 1e-3);
    close(&first("scale = 1.0\ncolour = \"gray\""), &[0.299 * 200.0 + 0.587 * 100.0 + 0.114 * 50.0], 1e-3);
    // Means and deviations belong to the tensor's channels, whatever colour those have.
    let normal = "scale = 0.01\nmean = [0.5, 0.25, 0.0]\nstd = [0.5, 0.25, 2.0]";
    close(&first(normal), &[3.0, 3.0, 0.25], 1e-5);
    close(&first(&format!("{normal}\ncolour = \"bgr\"")), &[0.0, 3.0, 1.0], 1e-5);
}

#[test]
fn letterboxes_lie_where_the_convention_says() {
    // 40 x 20 in 33 x 33 becomes 33 x 17 (16.5 rounded away from 0): 8 rows above, 8 below.
    let white = drawn(40, 20, |_, _| [255; 3]);
    let rows = |input: &str| {
        let values = tensor(&format!("size = [33, 34]\npad = 0.0\n{input}"), &white);
        (0..34).filter(|row| values[row * 33 + 16] > 0.5).collect::<Vec<usize>>()
    };
    // 34 - 17 = 17 rows to spare: 8 above, 9 below.
    assert_eq!(rows("resize = \"letterbox\""), (8..25).collect::<Vec<_>>());
    assert_eq!(rows("resize = \"letterbox-corner\""), (0..17).collect::<Vec<_>>());
    assert_eq!(rows("resize = \"stretch\""), (0..34).collect::<Vec<_>>());
    let padded = tensor("size = [32, 32]\npad = 114.0", &white);
    assert!((padded[0] - 114.0 / 255.0).abs() < 1e-6);
}

#[test]
fn enlarging_interpolates_between_pixel_centres() {
    // 0 and 100 at 4 px: centres at -0.25, 0.25, 0.75, 1.25 of the source, edges repeated.
    let picture = drawn(2, 2, |x, _| [x as u8 * 100; 3]);
    let values = tensor("size = [16, 16]\nscale = 1.0", &picture);
    let wanted = (0..16).map(|x| (((x as f32 + 0.5) / 8.0 - 0.5).clamp(0.0, 1.0)) * 100.0).collect::<Vec<_>>();
    close(&values[..16], &wanted, 5e-3);
}

#[test]
fn shrinking_averages() {
    // Lines of one pixel at a quarter of the size: point sampling would give black or white.
    let lines = drawn(64, 64, |x, y| if (x + y) % 2 == 0 { [255; 3] } else { [0; 3] });
    let values = tensor("size = [16, 16]\nscale = 1.0", &lines);
    assert!(values.iter().all(|value| (value - 127.5).abs() < 1e-2), "{:?}", &values[..4]);
    // Areas with broken edges: 40 px to 16 are 2.5 each, so the second pixel has half of the third and all of two more.
    let steps = drawn(40, 40, |x, _| [(x * 6) as u8; 3]);
    let values = tensor("size = [16, 16]\nscale = 1.0", &steps);
    close(&values[..2], &[(0.0 + 6.0 + 0.5 * 12.0) / 2.5, (0.5 * 12.0 + 18.0 + 24.0) / 2.5], 5e-3);
}

#[test]
fn a_turned_picture_is_seen_upright() {
    let shown = drawn(48, 36, pattern);
    let upright = tensor("size = [32, 20]", &shown);
    for mirrored in [false, true] {
        for quarter_turns in 0..4 {
            let orientation = Orientation { mirrored, quarter_turns };
            let (width, height) = orientation.displayed_size(48, 36);
            let mut data = vec![0; 48 * 36 * 3];
            for (x, y) in (0..36).flat_map(|y| (0..48).map(move |x| (x, y))) {
                let (sx, sy) = orientation.to_stored(x as f32, y as f32, width, height);
                let at = (sy as usize * width as usize + sx as usize) * 3;
                data[at..][..3].copy_from_slice(&pattern(x, y));
            }
            let planes = vec![(data, width as usize * 3)];
            let stored = Picture::new(Layout::Rgb24, (width, height), planes, Colour::BT601, orientation);
            close(&tensor("size = [32, 20]", &stored.expect("valid")), &upright, 1e-4);
        }
    }
}

#[test]
fn decoders_frames_give_the_same_as_their_colours() {
    let (width, height) = (54u32, 38u32);
    let smooth = |n: usize, step: usize| (60 + (n * step) % 97) as u8;
    let luma: Vec<u8> = (0..54 * 38).map(|n| smooth(n, 3)).collect();
    // Weak, slowly changing colours: none is cut off at 0 or 255, and interpolating them twice changes nothing.
    let chroma: Vec<(u8, u8)> =
        (0..27 * 19).map(|n| (110 + n % 27, 140 - n / 27)).map(|(u, v)| (u as u8, v as u8)).collect();
    let (u, v): (Vec<u8>, Vec<u8>) = chroma.iter().copied().unzip();
    let uv = chroma.iter().flat_map(|(u, v)| [*u, *v]).collect();
    let orientation = Orientation { mirrored: false, quarter_turns: 1 };
    let make =
        |layout, planes| Picture::new(layout, (width, height), planes, Colour::BT709, orientation).expect("valid");
    let planar = make(Layout::I420, vec![(luma.clone(), 54), (u, 27), (v, 27)]);
    let packed = make(Layout::Nv12, vec![(luma, 54), (uv, 54)]);
    let view = planar.view();
    let converted = drawn(38, 54, |x, y| view.rgb_pixel(x, y));
    for size in ["size = [38, 54]", "size = [20, 32]", "size = [64, 64]"] {
        // What is converted first was rounded to whole numbers.
        close(&tensor(size, &planar), &tensor(size, &converted), 1.2 / 255.0);
        close(&tensor(size, &packed), &tensor(size, &planar), 1e-6);
    }
}

#[test]
fn bytes_are_rounded() {
    let picture = drawn(40, 30, pattern);
    let spec = spec("size = [24, 24]\nscale = 1.0");
    let preprocessor = Preprocessor::new(&spec);
    let (bytes, _) = preprocessor.input(&picture.view(), Kind::Byte);
    let (floats, _) = preprocessor.input(&picture.view(), Kind::Float);
    let (Values::Byte(bytes), Values::Float(floats)) = (bytes.values, floats.values) else { panic!("as asked for") };
    close(&bytes.iter().map(|&byte| f32::from(byte)).collect::<Vec<_>>(), &floats, 0.501);
}

#[test]
fn very_large_pictures_are_averaged_without_overflow() {
    let white = drawn(64, 9000, |_, _| [255; 3]);
    for value in tensor("size = [16, 16]\nscale = 1.0\nresize = \"stretch\"", &white) {
        assert!((value - 255.0).abs() < 0.6, "{value}");
    }
}

#[test]
fn boxes_come_back_to_the_picture() {
    // 100 x 50 shown in 64 x 64: 64 x 32 from row 16.
    let placement = Placement::new(&spec("size = [64, 64]"), (100, 50));
    let back = |left, top, right, bottom| {
        placement.detection(&Candidate { class_id: 3, score: 0.5, left, top, right, bottom })
    };
    let found = back(16.0, 24.0, 32.0, 32.0).expect("inside");
    assert_eq!((found.x, found.y, found.width, found.height), (25.0, 12.5, 25.0, 12.5));
    assert_eq!((found.class_id, found.confidence), (3, 0.5));
    let clipped = back(-16.0, 8.0, 32.0, 200.0).expect("partly inside");
    assert_eq!((clipped.x, clipped.y, clipped.width, clipped.height), (0.0, 0.0, 50.0, 50.0));
    assert_eq!(back(0.0, 0.0, 64.0, 16.0), None, "all in the padding");
    assert_eq!(back(70.0, 20.0, 90.0, 30.0), None, "right of the picture");
}

proptest::proptest! {
    #[test]
    fn no_size_panics(width in 1u32..200, height in 1u32..200, model in (16u32..70, 16u32..70), turns in 0u8..4, mode in 0usize..3) {
        let resize = ["letterbox", "letterbox-corner", "stretch"][mode];
        let (w, h) = (width as usize, height as usize);
        let half = w.div_ceil(2);
        let planes = vec![(vec![77; w * h], w), (vec![99; half * h.div_ceil(2)], half), (vec![140; half * h.div_ceil(2)], half)];
        let orientation = Orientation { mirrored: turns % 2 == 0, quarter_turns: turns };
        let picture = Picture::new(Layout::I420, (width, height), planes, Colour::BT601, orientation).expect("valid");
        let values = tensor(&format!("size = [{}, {}]\nresize = \"{resize}\"", model.0, model.1), &picture);
        proptest::prop_assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}
