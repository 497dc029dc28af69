//! A large picture, part by part: small defects would vanish in the model's input.
//!
//! The picture is cut into columns and rows of equal parts that overlap; each is looked at as a picture of its own, and
//! the whole picture once more, for what is larger than a part. What lies on an inner edge is seen cut there, and as a
//! rule whole in the neighbour or in the whole picture: a cut box that mostly lies in a better one is dropped (the
//! measure is the overlap over the cut box's own area, as in Akyon et al., "Slicing Aided Hyper Inference", 2022).

use super::boxes::{self, Candidate};
use super::{DetectError, Detection, Detector, Spent};
use crate::package::Tiles;
use crate::picture::PictureView;

/// Part of a cut box that lies in a whole one from which on it is the same thing.
const SAME: f32 = 0.5;
/// Distance from an edge within which a box is cut there, px.
const EDGE: f32 = 1.5;

/// Looks at the parts and at the whole.
pub(super) fn look(
    detector: &Detector,
    picture: &PictureView<'_>,
    tiles: &Tiles,
    spent: &mut Spent,
) -> Result<Vec<Detection>, DetectError> {
    let shown = picture.displayed_size();
    let mut whole: Vec<Candidate> = detector.look_once(picture, spent)?.iter().map(candidate).collect();
    let mut cut = Vec::new();
    for (origin, size) in parts(tiles, shown) {
        let (part, origin) = picture.part(origin, size);
        let size = part.displayed_size();
        for found in detector.look_once(&part, spent)? {
            let is_cut = is_cut(&found, origin, size, shown);
            let found = Detection { x: found.x + origin.0 as f32, y: found.y + origin.1 as f32, ..found };
            if is_cut { cut.push(candidate(&found)) } else { whole.push(candidate(&found)) }
        }
    }
    let mut kept = boxes::suppress(whole, detector.manifest.output.iou);
    for candidate in boxes::best(cut) {
        let same = |k: &Candidate| k.class_id == candidate.class_id && candidate.share_in(k) > SAME;
        if !kept.iter().any(same) {
            kept.push(candidate);
        }
    }
    Ok(boxes::best(kept).iter().map(detection).collect())
}

/// First pixel and size of every part, row by row.
fn parts(tiles: &Tiles, shown: (u32, u32)) -> Vec<((u32, u32), (u32, u32))> {
    let axis = |count: u32, side: u32| {
        // `count` parts of this length, each overlapping the one before, make up the side.
        let length = f64::from(side) / (f64::from(count) - f64::from(count - 1) * f64::from(tiles.overlap));
        let step = length * (1.0 - f64::from(tiles.overlap));
        let part = move |index: u32| {
            let from = (f64::from(index) * step).round() as u32;
            let to = ((f64::from(index) * step + length).round() as u32).min(side);
            (from, to - from)
        };
        (0..count).map(part).filter(|(_, length)| *length > 0).collect::<Vec<_>>()
    };
    let (across, down) = (axis(tiles.columns, shown.0), axis(tiles.rows, shown.1));
    down.iter().flat_map(|&(y, height)| across.iter().map(move |&(x, width)| ((x, y), (width, height)))).collect()
}

/// Whether a box of a part ends at an edge of it that is none of the picture.
fn is_cut(found: &Detection, origin: (u32, u32), size: (u32, u32), shown: (u32, u32)) -> bool {
    let before = |near: f32, origin: u32| near < EDGE && origin > 0;
    let after = |far: f32, origin: u32, size: u32, shown: u32| far > size as f32 - EDGE && origin + size < shown;
    before(found.x, origin.0)
        || before(found.y, origin.1)
        || after(found.x + found.width, origin.0, size.0, shown.0)
        || after(found.y + found.height, origin.1, size.1, shown.1)
}

fn candidate(found: &Detection) -> Candidate {
    Candidate {
        class_id: found.class_id,
        score: found.confidence,
        left: found.x,
        top: found.y,
        right: found.x + found.width,
        bottom: found.y + found.height,
    }
}

fn detection(candidate: &Candidate) -> Detection {
    Detection {
        class_id: candidate.class_id,
        confidence: candidate.score,
        x: candidate.left,
        y: candidate.top,
        width: candidate.right - candidate.left,
        height: candidate.bottom - candidate.top,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_picture_and_overlap() {
        let tiles = Tiles { columns: 3, rows: 2, overlap: 0.25 };
        let parts = parts(&tiles, (1000, 700));
        // 1000 = 3 parts - 2 overlaps of a quarter: 400 each, 300 apart; 700 = 2 - 1/4: 400 each.
        let columns: Vec<_> = parts.iter().take(3).map(|((x, _), (width, _))| (*x, *width)).collect();
        assert_eq!(columns, [(0, 400), (300, 400), (600, 400)]);
        assert_eq!(parts.len(), 6);
        assert_eq!(parts[5], ((600, 300), (400, 400)));
    }

    #[test]
    fn only_inner_edges_cut() {
        let found = |x, y, width, height| Detection { class_id: 0, confidence: 0.5, x, y, width, height };
        let cut = |found| is_cut(&found, (0, 100), (200, 100), (400, 200));
        assert!(!cut(found(0.0, 20.0, 30.0, 80.0)), "at the left and lower edge of the picture");
        assert!(cut(found(150.0, 20.0, 50.0, 20.0)), "goes on to the right");
        assert!(cut(found(20.0, 0.5, 50.0, 20.0)), "comes from above");
    }

    proptest::proptest! {
        #[test]
        fn no_size_is_left_out(columns in 1u32..8, rows in 1u32..8, overlap in 0.0f32..0.5, width in 1u32..500, height in 1u32..500) {
            let parts = parts(&Tiles { columns, rows, overlap }, (width, height));
            for ((x, y), (w, h)) in &parts {
                proptest::prop_assert!(*w > 0 && *h > 0 && x + w <= width && y + h <= height);
            }
            let right = parts.iter().map(|((x, _), (w, _))| x + w).max();
            let bottom = parts.iter().map(|((_, y), (_, h))| y + h).max();
            proptest::prop_assert_eq!((right, bottom), (Some(width), Some(height)));
        }
    }
}
