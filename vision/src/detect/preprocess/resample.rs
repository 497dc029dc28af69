//! One channel of a plane at another size.
//!
//! Rows are mixed first, in 16 bit fixed point, eight or more samples at a time; the columns of the few mixed rows
//! follow. Averaging over columns takes two differences of a running sum per pixel, however many samples there are.

use crate::picture::Plane;

/// Shrinking beyond which pixels are averaged.
const AVERAGE_FROM: f32 = 2.0;
/// Value of a whole sample in the mixed rows.
const UNIT: f32 = 256.0;

/// Which samples along an axis make each pixel of the result, and with what weights.
#[derive(Debug)]
struct Taps {
    /// First sample of each pixel.
    starts: Vec<usize>,
    /// Weights of each pixel, `width` of them, from `starts` on; they add up to 1.
    weights: Vec<f32>,
    width: usize,
}

impl Taps {
    /// `length` samples that span `extent` of them (half a sample less where chroma is padded) become `size` pixels.
    fn new(length: usize, extent: f32, size: usize) -> Self {
        let scale = extent / size as f32;
        let average = scale > AVERAGE_FROM;
        let width = if average { (scale.ceil() as usize + 1).min(length) } else { 2.min(length) };
        let mut starts = Vec::with_capacity(size);
        let mut weights = Vec::with_capacity(size * width);
        for pixel in 0..size {
            let (from, to) = if average {
                (pixel as f32 * scale, (pixel + 1) as f32 * scale)
            } else {
                // Interpolation is the overlap of a sample's width with the samples, clamped to the edges.
                let centre = ((pixel as f32 + 0.5) * scale).clamp(0.5, length as f32 - 0.5);
                (centre - 0.5, centre + 0.5)
            };
            let start = (from.floor().max(0.0) as usize).min(length - width);
            let overlap = |tap: usize| {
                let sample = (start + tap) as f32;
                (to.min(sample + 1.0) - from.max(sample)).max(0.0)
            };
            let total: f32 = (0..width).map(overlap).sum();
            starts.push(start);
            weights.extend((0..width).map(|tap| if total > 0.0 { overlap(tap) / total } else { 1.0 / width as f32 }));
        }
        Self { starts, weights, width }
    }

    fn of(&self, pixel: usize) -> (usize, &[f32]) {
        (self.starts[pixel], &self.weights[pixel * self.width..][..self.width])
    }
}

/// How the columns of a mixed row become pixels.
#[derive(Debug)]
enum Columns {
    /// Neighbours, two or one.
    Mix(Taps),
    /// Whole spans: where each begins and the last ends, as sample and fraction of it; and what a span's sum is times.
    Average { edges: Vec<(usize, f32)>, factor: f32 },
}

/// How planes of one size become planes of another.
#[derive(Debug)]
pub(super) struct Resampler {
    rows: Taps,
    columns: Columns,
    /// Samples across that are read.
    reach: usize,
    width: usize,
}

/// Memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    mixed: Vec<u16>,
    sums: Vec<u32>,
}

impl Resampler {
    /// From `stored` width and height in pixels, halved `shift` times in the plane, to `size`.
    pub(super) fn new(stored: (u32, u32), shift: u32, size: (usize, usize)) -> Self {
        let length = |side: u32| ((side + shift) >> shift) as usize;
        let extent = |side: u32| side as f32 / (1 << shift) as f32;
        let rows = Taps::new(length(stored.1), extent(stored.1), size.1);
        let scale = extent(stored.0) / size.0 as f32;
        let columns = if scale > AVERAGE_FROM {
            let edge = |pixel: usize| {
                let at = (pixel as f32 * scale).min(extent(stored.0));
                (at as usize, at.fract())
            };
            Columns::Average { edges: (0..=size.0).map(edge).collect(), factor: 1.0 / (scale * UNIT) }
        } else {
            Columns::Mix(Taps::new(length(stored.0), extent(stored.0), size.0))
        };
        Self { rows, columns, reach: length(stored.0), width: size.0 }
    }

    /// The channel at byte `channel` of samples that are `step` bytes apart, rows from the top, 0 to 255.
    pub(super) fn channel(&self, plane: Plane<'_>, step: usize, channel: usize, scratch: &mut Scratch) -> Vec<f32> {
        let height = self.rows.starts.len();
        let mut small = vec![0.0; self.width * height];
        let bytes = self.reach * step;
        for (y, line) in small.chunks_exact_mut(self.width).enumerate() {
            self.mix_rows(plane, y, bytes, &mut scratch.mixed);
            match &self.columns {
                Columns::Mix(taps) => mix_columns(taps, &scratch.mixed, step, channel, line),
                Columns::Average { edges, factor } => {
                    average(edges, *factor, step, channel, scratch, line);
                }
            }
        }
        small
    }

    /// Row `y` of the result, all its samples still side by side, in 256ths.
    fn mix_rows(&self, plane: Plane<'_>, y: usize, bytes: usize, mixed: &mut Vec<u16>) {
        let (start, weights) = self.rows.of(y);
        let taps = weights.iter().filter(|weight| **weight > 0.0).count();
        mixed.clear();
        // Each product is rounded down: by half a 256th on average.
        mixed.resize(bytes, taps as u16 / 2);
        for (index, &weight) in weights.iter().enumerate() {
            if weight == 0.0 {
                continue;
            }
            let line = &plane.data[(start + index) * plane.stride..];
            if taps == 1 {
                for (sum, &sample) in mixed.iter_mut().zip(line) {
                    *sum = u16::from(sample) << 8;
                }
                continue;
            }
            let weight = (weight * 65_536.0).round().min(65_535.0) as u16;
            for (sum, &sample) in mixed.iter_mut().zip(line) {
                let product = (u32::from(sample) << 8) * u32::from(weight);
                *sum = sum.saturating_add((product >> 16) as u16);
            }
        }
    }
}

fn mix_columns(taps: &Taps, mixed: &[u16], step: usize, channel: usize, out: &mut [f32]) {
    const SCALE: f32 = 1.0 / UNIT;
    if taps.width == 2 {
        for ((value, &start), weights) in out.iter_mut().zip(&taps.starts).zip(taps.weights.chunks_exact(2)) {
            let at = start * step + channel;
            *value = (f32::from(mixed[at]) * weights[0] + f32::from(mixed[at + step]) * weights[1]) * SCALE;
        }
    } else {
        // A single column.
        out.fill(f32::from(mixed[channel]) * SCALE);
    }
}

fn average(
    edges: &[(usize, f32)],
    factor: f32,
    step: usize,
    channel: usize,
    Scratch { mixed, sums }: &mut Scratch,
    out: &mut [f32],
) {
    sums.clear();
    sums.push(0);
    let mut sum = 0u32;
    sums.extend(mixed[channel..].iter().step_by(step).map(|&sample| {
        sum += u32::from(sample);
        sum
    }));
    // The part of a broken sample that belongs to what is left of an edge.
    let part = |(at, fraction): (usize, f32)| {
        mixed.get(at * step + channel).map_or(0.0, |&sample| f32::from(sample) * fraction)
    };
    let mut from = edges[0];
    let mut before = part(from);
    for (value, &to) in out.iter_mut().zip(&edges[1..]) {
        let after = part(to);
        *value = ((sums[to.0] - sums[from.0]) as f32 + after - before) * factor;
        (from, before) = (to, after);
    }
}
