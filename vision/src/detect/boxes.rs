//! Boxes: which of them are worth keeping.

use std::cmp::Ordering;

/// Boxes looked at before overlaps are removed; a model with more over its threshold is not telling anything.
const CONSIDERED: usize = 30_000;
/// Boxes told per picture at most.
const KEPT: usize = 300;

/// A box as a model gives it, in pixels of the model's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) class_id: usize,
    pub(super) score: f32,
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

impl Candidate {
    /// A box by its centre and size.
    pub(super) fn centred(class_id: usize, score: f32, [cx, cy, width, height]: [f32; 4]) -> Self {
        let (half_width, half_height) = (width * 0.5, height * 0.5);
        Self {
            class_id,
            score,
            left: cx - half_width,
            top: cy - half_height,
            right: cx + half_width,
            bottom: cy + half_height,
        }
    }

    /// Whether it is a box at all: numbers, in order, and a score that can be compared.
    fn is_sound(&self) -> bool {
        let edges = [self.left, self.top, self.right, self.bottom];
        self.score.is_finite()
            && edges.iter().all(|edge| edge.is_finite())
            && self.right > self.left
            && self.bottom > self.top
    }

    fn area(&self) -> f32 {
        (self.right - self.left) * (self.bottom - self.top)
    }

    /// Area of what both cover.
    fn common(&self, other: &Self) -> f32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    /// Common area over united area.
    pub(super) fn iou(&self, other: &Self) -> f32 {
        let common = self.common(other);
        if common > 0.0 { common / (self.area() + other.area() - common) } else { 0.0 }
    }

    /// Part of this box that the other covers.
    pub(super) fn share_in(&self, other: &Self) -> f32 {
        let common = self.common(other);
        if common > 0.0 { common / self.area() } else { 0.0 }
    }
}

/// The sound ones, best first; those of one score in the order of the output, so that the answer is always the same.
pub(super) fn best(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.retain(Candidate::is_sound);
    candidates.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
    candidates.truncate(CONSIDERED);
    candidates
}

/// Non-maximum suppression within each class: of boxes that overlap by more than `iou` only the best stays.
pub(super) fn suppress(candidates: Vec<Candidate>, iou: f32) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in best(candidates) {
        if kept.len() >= KEPT {
            break;
        }
        let hidden = kept.iter().any(|k| k.class_id == candidate.class_id && k.iou(&candidate) > iou);
        if !hidden {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(class_id: usize, score: f32, left: f32) -> Candidate {
        Candidate { class_id, score, left, top: 0.0, right: left + 10.0, bottom: 10.0 }
    }

    #[test]
    fn overlap_is_common_over_united() {
        // 5 of 10 px shared: 50 / (100 + 100 - 50).
        assert!((square(0, 1.0, 0.0).iou(&square(0, 1.0, 5.0)) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(square(0, 1.0, 0.0).iou(&square(0, 1.0, 10.0)), 0.0);
    }

    #[test]
    fn the_best_of_each_class_stays() {
        let boxes = vec![square(0, 0.5, 0.0), square(0, 0.9, 1.0), square(1, 0.4, 0.0), square(0, 0.3, 40.0)];
        let kept: Vec<_> = suppress(boxes, 0.45).iter().map(|c| (c.class_id, c.score)).collect();
        assert_eq!(kept, [(0, 0.9), (1, 0.4), (0, 0.3)]);
    }

    #[test]
    fn what_is_no_box_is_ignored() {
        let upside_down = Candidate { right: -1.0, ..square(0, 0.9, 0.0) };
        let endless = Candidate { bottom: f32::INFINITY, ..square(0, 0.9, 0.0) };
        let boxes = vec![square(0, f32::NAN, 0.0), square(0, 0.9, f32::NAN), upside_down, endless];
        assert!(suppress(boxes, 0.5).is_empty());
    }
}
