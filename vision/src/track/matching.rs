//! Which box is which thing.

/// A box in the common frame, by its centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Distance of the centres, in mean sizes of the two boxes, up to which they may be one thing. Two equal things side
/// by side are a whole size apart.
const REACH: f64 = 0.6;
/// Ratio of the sizes up to which they may be one thing.
const GROWTH: f64 = 2.2;

impl Place {
    fn size(&self) -> f64 {
        (self.width * self.height).sqrt()
    }

    /// How far two boxes are from being one, 0 to 1; nothing when they can't be.
    fn distance(&self, other: &Self) -> Option<f64> {
        let (mine, theirs) = (self.size(), other.size());
        let ratio = mine.max(theirs) / mine.min(theirs);
        let distance = (self.x - other.x).hypot(self.y - other.y) / (0.5 * (mine + theirs));
        // Not a number compares as false.
        (ratio <= GROWTH && distance <= REACH).then_some(distance / REACH)
    }
}

/// Run, class and place of a thing; two are one only when the first two are the same.
pub(super) type Kind = (u64, usize, Place);

/// For each of the `seen` the one of the `known` that it is, none twice, nearest pairs first.
pub(super) fn partners(known: &[Kind], seen: &[Kind]) -> Vec<Option<usize>> {
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (index, (run, class, place)) in seen.iter().enumerate() {
        for (other, (known_run, known_class, known_place)) in known.iter().enumerate() {
            if (run, class) == (known_run, known_class)
                && let Some(distance) = place.distance(known_place)
            {
                pairs.push((distance, index, other));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut partners = vec![None; seen.len()];
    let mut taken = vec![false; known.len()];
    for (_, index, other) in pairs {
        if partners[index].is_none() && !taken[other] {
            partners[index] = Some(other);
            taken[other] = true;
        }
    }
    partners
}
