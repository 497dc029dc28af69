//! The memory: features of good places, few enough to compare with each of them.
//!
//! Of very many features those are kept that lie farthest from the ones kept before (Gonzalez 1985; PatchCore, Roth et
//! al. 2022, keeps its coreset so): what is rare on good pictures is in it as surely as what is everywhere. Distances are
//! Mahalanobis': in units of how good places differ, and features that always go together count once. A defect often
//! shows in a combination that good places never vary in (Rippel et al. 2021).

use super::filters::FEATURES;
use super::onnx::{Attribute, Value, Writer};

/// Places that are remembered.
pub(super) const PLACES: usize = 1024;
/// A feature that varies less than this (in logarithms of light) is not known to vary at all.
const LEAST_SPREAD: f64 = 0.003;
/// What is added to each variance, in shares of a feature's own: below, variation is noise.
const RIDGE: f64 = 0.02;
/// Sums that run side by side, so that the processor's wide registers are used.
const LANES: usize = 8;

/// The features of one place.
pub(super) type Feature = [f32; FEATURES];

/// Turns features into ones that are spread by 1 in each direction: a lower triangle, row by row.
#[derive(Debug, Clone)]
pub(super) struct Whitening {
    rows: Vec<Feature>,
}

impl Whitening {
    /// The inverse of the Cholesky factor of the features' covariance.
    pub(super) fn of(features: &[Feature]) -> Self {
        let count = features.len().max(1) as f64;
        let means: [f64; FEATURES] =
            std::array::from_fn(|at| features.iter().map(|feature| f64::from(feature[at])).sum::<f64>() / count);
        let mut covariance = vec![[0.0f64; FEATURES]; FEATURES];
        for feature in features {
            let away: [f64; FEATURES] = std::array::from_fn(|at| f64::from(feature[at]) - means[at]);
            for (row, own) in covariance.iter_mut().zip(away) {
                row.iter_mut().zip(&away).for_each(|(sum, other)| *sum += own * other);
            }
        }
        let spreads: [f64; FEATURES] = std::array::from_fn(|at| (covariance[at][at] / count).sqrt().max(LEAST_SPREAD));
        for (row, values) in covariance.iter_mut().enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                *value /= count * spreads[row] * spreads[column];
            }
            values[row] += RIDGE;
        }
        let inverse = inverse(&cholesky(&covariance));
        let row = |row: &[f64; FEATURES]| std::array::from_fn(|at| (row[at] / spreads[at]) as f32);
        Self { rows: inverse.iter().map(row).collect() }
    }

    /// A feature, whitened.
    pub(super) fn apply(&self, feature: &Feature) -> Feature {
        std::array::from_fn(|at| dot(&self.rows[at], feature))
    }
}

/// The lower triangle whose product with its own mirror image is `matrix`, which is positive definite.
fn cholesky(matrix: &[[f64; FEATURES]]) -> Vec<[f64; FEATURES]> {
    let mut lower = vec![[0.0f64; FEATURES]; FEATURES];
    for row in 0..FEATURES {
        for column in 0..=row {
            let done: f64 = (0..column).map(|at| lower[row][at] * lower[column][at]).sum();
            let rest = matrix[row][column] - done;
            lower[row][column] =
                if row == column { rest.max(RIDGE * RIDGE).sqrt() } else { rest / lower[column][column] };
        }
    }
    lower
}

/// The inverse of a lower triangle.
fn inverse(lower: &[[f64; FEATURES]]) -> Vec<[f64; FEATURES]> {
    let mut inverse: Vec<[f64; FEATURES]> = Vec::with_capacity(FEATURES);
    for (row, weights) in lower.iter().enumerate() {
        // Row by row: what is above is done.
        inverse.push(std::array::from_fn(|column| {
            let done: f64 = (column..row).map(|at| weights[at] * inverse[at][column]).sum();
            let wanted = if row == column { 1.0 } else { 0.0 };
            if column > row { 0.0 } else { (wanted - done) / weights[row] }
        }));
    }
    inverse
}

fn dot(a: &Feature, b: &Feature) -> f32 {
    lanes(a, b, |a, b| a * b)
}

fn apart(a: &Feature, b: &Feature) -> f32 {
    lanes(a, b, |a, b| (a - b) * (a - b))
}

#[inline(always)]
fn lanes(a: &Feature, b: &Feature, term: impl Fn(f32, f32) -> f32) -> f32 {
    let (wide_a, rest_a) = a.as_chunks::<LANES>();
    let (wide_b, rest_b) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in wide_a.iter().zip(wide_b) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| term(*a, *b)).sum::<f32>()
}

/// At most `places` of the features: the one nearest to the middle first, then always the one farthest from all that
/// were taken. Ends early when nothing new is left.
pub(super) fn farthest(features: &[Feature], places: usize) -> Vec<Feature> {
    let count = features.len().max(1) as f32;
    let middle: Feature =
        std::array::from_fn(|index| features.iter().map(|feature| feature[index]).sum::<f32>() / count);
    let first = features.iter().min_by(|a, b| apart(a, &middle).total_cmp(&apart(b, &middle)));
    let mut kept: Vec<Feature> = first.into_iter().copied().collect();
    let mut nearest = vec![(f32::INFINITY, 0usize); features.len()];
    while let Some(last) = kept.last().filter(|_| kept.len() < places) {
        let from_last: Vec<f32> = kept.iter().map(|place| apart(place, last)).collect();
        let newest = kept.len() - 1;
        let (mut at, mut most) = (0, 0.0);
        for (index, ((distance, place), feature)) in nearest.iter_mut().zip(features).enumerate() {
            // By the triangle inequality a place twice as far from the nearest one can't be nearer (Elkan 2003); these
            // are squares.
            if newest == 0 || from_last[*place] < 4.0 * *distance {
                let new = apart(feature, last);
                if new < *distance {
                    (*distance, *place) = (new, newest);
                }
            }
            if *distance > most {
                (at, most) = (index, *distance);
            }
        }
        if most <= 0.0 {
            break;
        }
        kept.push(features[at]);
    }
    kept
}

/// Writes the nodes from features `[1, FEATURES, rows, columns]` to the distance from the nearest place of the memory
/// (whitened ones), averaged over three by three cells, `[1, 1, rows, columns]`.
///
/// `|f - m|^2 = |f|^2 - 2 f.m + |m|^2`, and `- 2 f.m + |m|^2` for all places `m` is one convolution.
pub(super) fn distance(writer: &mut Writer, features: &Value, whitening: &Whitening, memory: &[Feature]) -> Value {
    let rows: Vec<f32> = whitening.rows.iter().flatten().copied().collect();
    let rows = writer.floats("whitening", &[FEATURES, FEATURES, 1, 1], &rows);
    let white = writer.conv("white", features, &rows, None, 1);
    let weights: Vec<f32> = memory.iter().flatten().map(|value| -2.0 * value).collect();
    let squares: Vec<f32> = memory.iter().map(|place| dot(place, place)).collect();
    let places = writer.floats("places", &[memory.len(), FEATURES, 1, 1], &weights);
    let squares = writer.floats("squares", &[memory.len()], &squares);
    let compared = writer.conv("compared", &white, &places, Some(&squares), 1);
    let channels = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))];
    let nearest = writer.node("ReduceMin", "nearest", &[&compared], &channels);
    let squared = writer.node("Mul", "squared", &[&white, &white], &[]);
    // The sum over an axis has another form in each opset; a convolution with ones has one.
    let ones = writer.floats("ones", &[1, FEATURES, 1, 1], &[1.0; FEATURES]);
    let own = writer.conv("own", &squared, &ones, None, 1);
    let sum = writer.node("Add", "apart", &[&own, &nearest], &[]);
    // Rounding can bring it below 0.
    let apart = writer.node("Relu", "apart.least", &[&sum], &[]);
    let root = writer.node("Sqrt", "root", &[&apart], &[]);
    writer.mean("distance", &root, 3, 1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(values: &[(usize, f32)]) -> Feature {
        let mut feature = [0.0; FEATURES];
        values.iter().for_each(|&(index, value)| feature[index] = value);
        feature
    }

    #[test]
    fn the_rare_is_kept_and_nothing_twice() {
        let mut features = vec![place(&[(0, 1.0)]); 500];
        features.push(place(&[(3, 9.0)]));
        features.push(place(&[(5, -4.0)]));
        let kept = farthest(&features, 10);
        assert_eq!(kept, [place(&[(0, 1.0)]), place(&[(3, 9.0)]), place(&[(5, -4.0)])]);
        assert_eq!(farthest(&features, 2).len(), 2);
        assert!(farthest(&[], 3).is_empty());
    }

    /// Without the short cut: the greatest distance of any feature from the nearest place that was kept.
    #[test]
    fn what_is_skipped_was_no_nearer() {
        let noise = |index: usize, prime: usize| ((index * prime) % 1009) as f32 / 504.5 - 1.0;
        let features: Vec<Feature> = (0..700)
            .map(|index| std::array::from_fn(|at| noise(index + 1, 7919 + at * 31) + ((index % 7) * 3) as f32))
            .collect();
        let kept = farthest(&features, 40);
        for count in 1..kept.len() {
            let away = |feature: &Feature| {
                kept[..count].iter().map(|place| apart(place, feature)).fold(f32::INFINITY, f32::min)
            };
            let most = features.iter().map(away).fold(0.0, f32::max);
            assert_eq!(away(&kept[count]), most, "the place {count}");
        }
    }

    #[test]
    fn what_always_goes_together_stands_out_apart() {
        // Features 0 and 85 are equal on good places, whatever they are; feature 1 is its own, ten times as large.
        let noise = |index: usize, prime: usize| ((index * prime) % 1009) as f32 / 504.5 - 1.0;
        let last = FEATURES - 1;
        let good = |index: usize| {
            let value = noise(index, 7919);
            place(&[(0, value), (last, value), (1, noise(index, 104_729) * 10.0)])
        };
        let features: Vec<Feature> = (0..1009).map(good).collect();
        let whitening = Whitening::of(&features);
        let size = |feature: &Feature| {
            let white = whitening.apply(feature);
            dot(&white, &white).sqrt()
        };
        let (together, apart) = (size(&place(&[(0, 1.0), (last, 1.0)])), size(&place(&[(0, 1.0), (last, -1.0)])));
        assert!(apart > 5.0 * together, "{together} and {apart}");
        let (one, ten) = (size(&place(&[(0, 1.0), (last, 1.0)])), size(&place(&[(1, 10.0)])));
        assert!((0.5..2.0).contains(&(one / ten)), "{one} and {ten}");
        assert!(size(&place(&[(40, 1.0)])).is_finite(), "one that was never seen to vary");
    }
}
