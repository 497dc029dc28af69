//! What a place of a picture looks like, as numbers: a fixed bank of filters, nothing learnt.
//!
//! The logarithm of the picture less its mean makes a brighter or warmer light an offset that falls out. On luma and
//! two opponent colours stand oriented filters, even and odd (Gabor 1946; Daugman 1985), at one, two and four pixels. Their
//! magnitudes, averaged over the surroundings, say how much of which edge is there and not exactly where (scattering, Bruna
//! and Mallat 2013), so that parts may lie a little differently on each picture.

use super::onnx::{Attribute, Value, Writer};

/// Pixels of the input per cell of the map.
pub(super) const CELL: usize = 4;
/// What is mirrored around the picture, px: as far as a feature sees.
const MARGIN: usize = 24;
/// Side of the filters.
const SIDE: usize = 5;
/// Their envelope's standard deviation, px, and their waves per px.
const SIGMA: f64 = 1.2;
const FREQUENCY: f64 = 0.28;
/// Orientations on luma, and on each colour.
const ORIENTATIONS: [usize; 3] = [4, 2, 2];
/// Darker than this share of white, noise outweighs what is seen.
const DARK: f32 = 0.08;
/// Red, green and blue to luma, red against green, yellow against blue.
const OPPONENTS: [f32; 9] = [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 1.0, -1.0, 0.0, 0.5, 0.5, -1.0];
/// Cells across, over which the surroundings of a cell are averaged.
const SURROUNDINGS: usize = 5;
/// Features per cell: the colours, luma's filters at three scales and those of the colours at two; and all of that again
/// for the surroundings.
pub(super) const FEATURES: usize = 2 * (3 + 8 + 16 + 16);

/// Cells of a map for an input of `size` (width, height): rows and columns.
pub(super) fn cells(size: [u32; 2]) -> (usize, usize) {
    (size[1] as usize / CELL, size[0] as usize / CELL)
}

/// Writes the nodes from a picture `[1, 3, height, width]` of 0 to 1 to its features `[1, FEATURES, rows, columns]`.
pub(super) fn features(writer: &mut Writer, picture: &Value, size: [u32; 2]) -> Value {
    let dark = writer.floats("dark", &[1], &[DARK]);
    let lifted = writer.node("Add", "lifted", &[picture, &dark], &[]);
    let log = writer.node("Log", "log", &[&lifted], &[]);
    let light = writer.node("GlobalAveragePool", "light", &[&log], &[]);
    let even = writer.node("Sub", "even", &[&log, &light], &[]);
    let opponents = writer.floats("opponents", &[3, 3, 1, 1], &OPPONENTS);
    let colours = writer.conv("colours", &even, &opponents, None, 1);
    let margin = MARGIN as i64;
    let margins = writer.ints("margins", &[0, 0, margin, margin, 0, 0, margin, margin]);
    let full = writer.node("Pad", "full", &[&colours, &margins], &[("mode", Attribute::Text("reflect"))]);
    let half = writer.mean("half", &full, 2, 2, 0);
    let quarter = writer.mean("quarter", &half, 2, 2, 0);
    let fine = edges(writer, "fine", &full, 1, (8, 4, 2));
    let middle = edges(writer, "middle", &half, 3, (4, 2, 1));
    let coarse = edges(writer, "coarse", &quarter, 3, (3, 1, 1));
    let here = writer.node("Concat", "here", &[&quarter, &fine, &middle, &coarse], &[("axis", Attribute::Int(1))]);
    let around = writer.mean("around", &here, SURROUNDINGS, 1, SURROUNDINGS / 2);
    let all = writer.node("Concat", "all", &[&here, &around], &[("axis", Attribute::Int(1))]);
    let (rows, columns) = cells(size);
    let first = (MARGIN / CELL) as i64;
    let from = writer.ints("first", &[first, first]);
    let to = writer.ints("last", &[first + rows as i64, first + columns as i64]);
    let axes = writer.ints("rows-columns", &[2, 3]);
    writer.node("Slice", "features", &[&all, &from, &to, &axes], &[])
}

/// The filters' magnitudes on the first `channels` of `input`, averaged (`side`, `stride`, `pad`) to one per cell.
fn edges(writer: &mut Writer, name: &str, input: &Value, channels: usize, pool: (usize, usize, usize)) -> Value {
    let bank = bank(channels);
    let count = bank.len() / (3 * SIDE * SIDE);
    let weights = writer.floats(&format!("{name}.bank"), &[count, 3, SIDE, SIDE], &bank);
    let waves = writer.conv(&format!("{name}.waves"), input, &weights, None, SIDE);
    let size = writer.node("Abs", &format!("{name}.size"), &[&waves], &[]);
    writer.mean(&format!("{name}.mean"), &size, pool.0, pool.1, pool.2)
}

/// Weights of the filters on the first `channels` of three: for each orientation an even and an odd one.
fn bank(channels: usize) -> Vec<f32> {
    let mut weights = Vec::new();
    for (channel, &orientations) in ORIENTATIONS.iter().enumerate().take(channels) {
        for index in 0..orientations {
            let angle = std::f64::consts::PI * index as f64 / orientations as f64;
            for phase in [0.0, std::f64::consts::FRAC_PI_2] {
                for of in 0..3 {
                    let wave = wave(angle, phase);
                    weights.extend(wave.iter().map(|&value| if of == channel { value } else { 0.0 }));
                }
            }
        }
    }
    weights
}

/// A Gabor filter without response to evenness, its magnitudes adding up to 1.
fn wave(angle: f64, phase: f64) -> [f32; SIDE * SIDE] {
    let middle = (SIDE / 2) as f64;
    let at = |index: usize| ((index % SIDE) as f64 - middle, (index / SIDE) as f64 - middle);
    let bell: [f64; SIDE * SIDE] = std::array::from_fn(|index| {
        let (x, y) = at(index);
        (-(x * x + y * y) / (2.0 * SIGMA * SIGMA)).exp()
    });
    let mut wave: [f64; SIDE * SIDE] = std::array::from_fn(|index| {
        let (x, y) = at(index);
        let along = x * angle.cos() + y * angle.sin();
        bell[index] * (std::f64::consts::TAU * FREQUENCY * along - phase).cos()
    });
    let share = wave.iter().sum::<f64>() / bell.iter().sum::<f64>();
    wave.iter_mut().zip(&bell).for_each(|(value, bell)| *value -= share * bell);
    let size: f64 = wave.iter().map(|value| value.abs()).sum();
    wave.map(|value| (value / size) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenness_is_nothing_and_an_edge_is_seen_across() {
        for channels in [1, 3] {
            let bank = bank(channels);
            for filter in bank.chunks_exact(SIDE * SIDE) {
                assert!(filter.iter().sum::<f32>().abs() < 1e-6);
            }
        }
        let step = |filter: &[f32]| -> f32 {
            filter.iter().enumerate().map(|(index, value)| if index % SIDE > SIDE / 2 { *value } else { 0.0 }).sum()
        };
        let (across, along) =
            (wave(0.0, std::f64::consts::FRAC_PI_2), wave(std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2));
        assert!(step(&across).abs() > 0.2 && step(&along).abs() < 1e-6);
    }
}
