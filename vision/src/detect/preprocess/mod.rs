//! From a decoded frame to the tensor that a model sees.
//!
//! The planes are resampled before colours are made of them: Y, U and V are averaged straight to the model's size
//! (`resample`), and only those few pixels are converted, normalised and written where the picture lies (`placement`).
//! That gives the same as converting first (the conversion is linear), reads every sample once, and leaves the frame
//! where it is.
//!
//! Down to half the size a pixel is interpolated between its neighbours (as OpenCV's `INTER_LINEAR`, with which most
//! detectors were trained); below that, pixels are averaged over the area that they cover (`INTER_AREA`), for at a
//! quarter of the size interpolation skips most of the picture and turns bolt threads and gratings into ghosts. At
//! exactly half the two are one and the same.

mod placement;
mod resample;
#[cfg(test)]
mod tests;

pub(crate) use placement::Placement;

use super::runtime::{Input, Kind, Values};
use crate::package::{Channels, InputSpec};
use crate::picture::{Layout, Orientation, PictureView};
use resample::{Resampler, Scratch};

/// A number that a tensor may hold.
trait Element: Copy {
    /// The nearest number of this kind.
    fn of(value: f32) -> Self;
}

impl Element for f32 {
    #[inline]
    fn of(value: f32) -> Self {
        value
    }
}

impl Element for u8 {
    #[inline]
    fn of(value: f32) -> Self {
        (value + 0.5) as u8
    }
}

/// Makes tensors for one model.
#[derive(Debug, Clone)]
pub(crate) struct Preprocessor {
    spec: InputSpec,
    /// Per channel: what a pixel is multiplied by, and what is added then.
    normalise: [(f32, f32); 3],
}

impl Preprocessor {
    pub(crate) fn new(spec: &InputSpec) -> Self {
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

    /// An input of nothing but padding.
    pub(super) fn blank(&self, kind: Kind) -> Input {
        let values = match kind {
            Kind::Float => Values::Float(self.padding()),
            Kind::Byte => Values::Byte(self.padding()),
        };
        Input { shape: self.shape(), values }
    }

    /// The input that a picture becomes, and where the picture lies in it.
    pub(crate) fn input(&self, picture: &PictureView<'_>, kind: Kind) -> (Input, Placement) {
        let placement = Placement::new(&self.spec, picture.displayed_size());
        let values = match kind {
            Kind::Float => Values::Float(self.tensor(picture, &placement)),
            Kind::Byte => Values::Byte(self.tensor(picture, &placement)),
        };
        (Input { shape: self.shape(), values }, placement)
    }

    fn padding<T: Element>(&self) -> Vec<T> {
        let [_, channels, height, width] = self.shape();
        let pad = |(factor, offset): (f32, f32)| T::of(self.spec.pad * factor + offset);
        self.normalise[..channels].iter().flat_map(|&normal| std::iter::repeat_n(pad(normal), width * height)).collect()
    }

    fn tensor<T: Element>(&self, picture: &PictureView<'_>, placement: &Placement) -> Vec<T> {
        let mut tensor = self.padding();
        let [_, _, input_height, input_width] = self.shape();
        let mut small = Small::of(picture, placement);
        small.colour(picture);
        let width = placement.width as usize;
        let order: &[usize] = match self.spec.colour {
            Channels::Rgb => &[0, 1, 2],
            Channels::Bgr => &[2, 1, 0],
            Channels::Gray => {
                small.grey();
                &[0]
            }
        };
        let planes = tensor.chunks_exact_mut(input_width * input_height);
        for ((plane, &channel), (factor, offset)) in planes.zip(order).zip(self.normalise) {
            for y in 0..placement.height as usize {
                let row = (placement.top as usize + y) * input_width + placement.left as usize;
                let out = &mut plane[row..][..width];
                match small.upright_row(channel, y) {
                    Some(line) => {
                        for (value, &pixel) in out.iter_mut().zip(line) {
                            *value = T::of(pixel * factor + offset);
                        }
                    }
                    None => {
                        for (x, value) in out.iter_mut().enumerate() {
                            *value = T::of(small.channels[channel][small.stored(x, y)] * factor + offset);
                        }
                    }
                }
            }
        }
        tensor
    }
}

/// A picture at the model's size, still lying as it was stored: first its samples, then its colours, 0 to 255.
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
        let size = (width as usize, height as usize);
        let resampler = |shift: u32| Resampler::new(picture.stored_size(), shift, size);
        let (whole, scratch) = (resampler(0), &mut Scratch::default());
        let [first, second, third] = picture.planes();
        let channels = match picture.layout() {
            Layout::Gray8 => [whole.channel(first, 1, 0, scratch), Vec::new(), Vec::new()],
            Layout::Rgb24 => [0, 1, 2].map(|channel| whole.channel(first, 3, channel, scratch)),
            Layout::I420 => {
                let halved = resampler(1);
                let luma = whole.channel(first, 1, 0, scratch);
                [luma, halved.channel(second, 1, 0, scratch), halved.channel(third, 1, 0, scratch)]
            }
            Layout::Nv12 => {
                let halved = resampler(1);
                let luma = whole.channel(first, 1, 0, scratch);
                [luma, halved.channel(second, 2, 0, scratch), halved.channel(second, 2, 1, scratch)]
            }
        };
        Self { channels, width: size.0, height: size.1, orientation }
    }

    /// From the picture's samples to red, green and blue.
    fn colour(&mut self, picture: &PictureView<'_>) {
        let [first, second, third] = &mut self.channels;
        match picture.layout() {
            Layout::Gray8 => {
                second.clone_from(first);
                third.clone_from(first);
            }
            Layout::Rgb24 => {}
            Layout::I420 | Layout::Nv12 => {
                for ((y, u), v) in first.iter_mut().zip(second).zip(third) {
                    [*y, *u, *v] = picture.yuv_to_rgb(*y, *u, *v);
                }
            }
        }
        for channel in &mut self.channels {
            for value in channel {
                *value = value.min(255.0);
            }
        }
    }

    /// From colours to their luma in the first channel (BT.601 weights).
    fn grey(&mut self) {
        let [red, green, blue] = &mut self.channels;
        for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
            *red = 0.299 * *red + 0.587 * *green + 0.114 * *blue;
        }
    }

    /// Row `y` as displayed, when it lies in memory as it is displayed.
    fn upright_row(&self, channel: usize, y: usize) -> Option<&[f32]> {
        let upright = self.orientation == Orientation::default();
        upright.then(|| &self.channels[channel][y * self.width..][..self.width])
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
}
