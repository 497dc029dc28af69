//! From a decoded frame to the tensor that a model sees.
//!
//! The planes are resampled before colours are made of them: Y, U and V are averaged straight to the model's size, and
//! only those few pixels are converted, normalised and written. That gives the same as converting first (the
//! conversion is linear), reads every sample once, and leaves the frame where it is.
//!
//! Down to half the size a pixel is interpolated between its neighbours (as OpenCV's `INTER_LINEAR`, with which most
//! detectors were trained); below that, pixels are averaged over the area that they cover (`INTER_AREA`), for at a
//! quarter of the size interpolation skips most of the picture and turns bolt threads and gratings into ghosts. At
//! exactly half the two are one and the same.

#[cfg(test)]
mod tests;

use super::Detection;
use super::boxes::Candidate;
use crate::package::{Channels, InputSpec, Resize};
use crate::picture::{Layout, Orientation, PictureView, Plane};

/// Shrinking beyond which pixels are averaged.
const AVERAGE_FROM: f32 = 2.0;

/// Where a picture lies in the model's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placement {
    /// First column and row of the picture, px of the input.
    left: u32,
    top: u32,
    /// Its size there.
    width: u32,
    height: u32,
    /// Its size as displayed.
    shown: (u32, u32),
}

impl Placement {
    fn new(spec: &InputSpec, shown: (u32, u32)) -> Self {
        let [input_width, input_height] = spec.size;
        let (width, height) = if spec.resize.keeps_aspect() {
            let ratio = (f64::from(input_width) / f64::from(shown.0)).min(f64::from(input_height) / f64::from(shown.1));
            let side = |shown: u32, limit: u32| ((f64::from(shown) * ratio).round() as u32).clamp(1, limit);
            (side(shown.0, input_width), side(shown.1, input_height))
        } else {
            (input_width, input_height)
        };
        let (spare_x, spare_y) = (input_width - width, input_height - height);
        // An odd pixel goes to the right and to the bottom.
        let (left, top) = if spec.resize == Resize::Letterbox { (spare_x / 2, spare_y / 2) } else { (0, 0) };
        Self { left, top, width, height, shown }
    }

    /// The candidate in pixels of the picture, clipped to it; nothing when it lies outside.
    pub(super) fn detection(&self, candidate: &Candidate) -> Option<Detection> {
        let (shown_x, shown_y) = (self.shown.0 as f32, self.shown.1 as f32);
        let (scale_x, scale_y) = (shown_x / self.width as f32, shown_y / self.height as f32);
        let x = |edge: f32| ((edge - self.left as f32) * scale_x).clamp(0.0, shown_x);
        let y = |edge: f32| ((edge - self.top as f32) * scale_y).clamp(0.0, shown_y);
        let (left, right) = (x(candidate.left), x(candidate.right));
        let (top, bottom) = (y(candidate.top), y(candidate.bottom));
        (right > left && bottom > top).then_some(Detection {
            class_id: candidate.class_id,
            confidence: candidate.score.clamp(0.0, 1.0),
            x: left,
            y: top,
            width: right - left,
            height: bottom - top,
        })
    }
}

/// Makes tensors for one model.
#[derive(Debug, Clone)]
pub(super) struct Preprocessor {
    spec: InputSpec,
    /// Per channel: what a pixel is multiplied by, and what is added then.
    normalise: [(f32, f32); 3],
}

impl Preprocessor {
    pub(super) fn new(spec: &InputSpec) -> Self {
        let of = |values: &[f32], channel: usize, otherwise: f32| {
            values.get(channel).or(values.first()).copied().unwrap_or(otherwise)
        };
        let normalise = [0, 1, 2].map(|channel| {
            let (mean, std) = (of(&spec.mean, channel, 0.0), of(&spec.std, channel, 1.0));
            (spec.scale / std, -mean / std)
        });
        Self { spec: spec.clone(), normalise }
    }

    /// Shape of the tensors: one picture, channels, rows, columns.
    pub(super) fn shape(&self) -> [usize; 4] {
        let [width, height] = self.spec.size;
        [1, self.spec.colour.count(), height as usize, width as usize]
    }

    /// A tensor of nothing but padding.
    pub(super) fn blank(&self) -> Vec<f32> {
        let [_, channels, height, width] = self.shape();
        let area = width * height;
        let mut tensor = vec![0.0; channels * area];
        for (values, (factor, offset)) in tensor.chunks_exact_mut(area).zip(self.normalise) {
            values.fill(self.spec.pad * factor + offset);
        }
        tensor
    }

    /// The tensor of a picture, and where the picture lies in it.
    pub(super) fn tensor(&self, picture: &PictureView<'_>) -> (Vec<f32>, Placement) {
        let placement = Placement::new(&self.spec, picture.displayed_size());
        let mut tensor = self.blank();
        let [_, _, _, input_width] = self.shape();
        let area = tensor.len() / self.spec.colour.count();
        let small = Small::of(picture, &placement);
        let (width, height) = (placement.width as usize, placement.height as usize);
        for y in 0..height {
            let row = (placement.top as usize + y) * input_width + placement.left as usize;
            for x in 0..width {
                let [red, green, blue] = small.rgb(picture, small.stored(x, y));
                let at = row + x;
                match self.spec.colour {
                    Channels::Rgb => self.put(&mut tensor, at, area, [red, green, blue]),
                    Channels::Bgr => self.put(&mut tensor, at, area, [blue, green, red]),
                    Channels::Gray => {
                        let (factor, offset) = self.normalise[0];
                        tensor[at] = (0.299 * red + 0.587 * green + 0.114 * blue) * factor + offset;
                    }
                }
            }
        }
        (tensor, placement)
    }

    #[inline]
    fn put(&self, tensor: &mut [f32], at: usize, area: usize, values: [f32; 3]) {
        for (channel, (value, (factor, offset))) in values.into_iter().zip(self.normalise).enumerate() {
            tensor[channel * area + at] = value * factor + offset;
        }
    }
}

/// A picture's samples at the model's size, still lying as they were stored.
struct Small {
    channels: [Vec<f32>; 3],
    width: usize,
    height: usize,
    orientation: Orientation,
}

impl Small {
    fn of(picture: &PictureView<'_>, placement: &Placement) -> Self {
        let orientation = picture.orientation();
        let (width, height) = orientation.displayed_size(placement.width, placement.height);
        let (stored_width, stored_height) = picture.stored_size();
        let size = (width as usize, height as usize);
        let taps = |shift: u32| {
            let axis = |stored: u32, size: usize| {
                Taps::new(((stored + shift) >> shift) as usize, stored as f32 / (1 << shift) as f32, size)
            };
            (axis(stored_width, size.0), axis(stored_height, size.1))
        };
        let [first, second, third] = picture.planes();
        let channels = match picture.layout() {
            Layout::Gray8 => [resample(first, 1, 0, &taps(0)), Vec::new(), Vec::new()],
            Layout::Rgb24 => {
                let taps = taps(0);
                [0, 1, 2].map(|channel| resample(first, 3, channel, &taps))
            }
            Layout::I420 => {
                let halved = taps(1);
                [resample(first, 1, 0, &taps(0)), resample(second, 1, 0, &halved), resample(third, 1, 0, &halved)]
            }
            Layout::Nv12 => {
                let halved = taps(1);
                [resample(first, 1, 0, &taps(0)), resample(second, 2, 0, &halved), resample(second, 2, 1, &halved)]
            }
        };
        Self { channels, width: size.0, height: size.1, orientation }
    }

    /// Index of the sample that is displayed at `(x, y)`.
    #[inline]
    fn stored(&self, x: usize, y: usize) -> usize {
        let (right, bottom) = (self.width - 1, self.height - 1);
        let (sx, sy) = match self.orientation.quarter_turns % 4 {
            0 => (x, y),
            1 => (y, bottom - x),
            2 => (right - x, bottom - y),
            _ => (right - y, x),
        };
        sy * self.width + if self.orientation.mirrored { right - sx } else { sx }
    }

    #[inline]
    fn rgb(&self, picture: &PictureView<'_>, at: usize) -> [f32; 3] {
        let [first, second, third] = &self.channels;
        match picture.layout() {
            Layout::Gray8 => [first[at]; 3],
            Layout::Rgb24 => [first[at], second[at], third[at]],
            Layout::I420 | Layout::Nv12 => picture.yuv_to_rgb(first[at], second[at], third[at]),
        }
    }
}

/// Which samples along an axis make each pixel of the result, and with what weights.
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

    fn len(&self) -> usize {
        self.starts.len()
    }

    fn of(&self, pixel: usize) -> (usize, &[f32]) {
        (self.starts[pixel], &self.weights[pixel * self.width..][..self.width])
    }
}

/// One channel of a plane whose samples are `step` bytes apart, at the size of the taps.
fn resample(plane: Plane<'_>, step: usize, channel: usize, (across, down): &(Taps, Taps)) -> Vec<f32> {
    let samples = across.starts.iter().max().map_or(0, |start| start + across.width);
    let mut row = vec![0.0f32; samples];
    let mut small = Vec::with_capacity(across.len() * down.len());
    for y in 0..down.len() {
        let (start, weights) = down.of(y);
        row.fill(0.0);
        for (index, &weight) in weights.iter().enumerate() {
            if weight == 0.0 {
                continue;
            }
            let line = &plane.data[(start + index) * plane.stride..];
            if step == 1 {
                for (sum, &sample) in row.iter_mut().zip(line) {
                    *sum += weight * f32::from(sample);
                }
            } else {
                for (sum, pixel) in row.iter_mut().zip(line[channel..].iter().step_by(step)) {
                    *sum += weight * f32::from(*pixel);
                }
            }
        }
        for x in 0..across.len() {
            let (start, weights) = across.of(x);
            small.push(row[start..].iter().zip(weights).map(|(sample, weight)| sample * weight).sum());
        }
    }
    small
}
