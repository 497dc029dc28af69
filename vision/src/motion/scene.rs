//! A made-up textured world and a camera over it, for tests.

use crate::luma::LumaView;

/// A square world of grey values that repeats at its edges.
pub(crate) struct Scene {
    px: Vec<f32>,
}

/// Side of the world, px.
const SIDE: usize = 512;

/// Where the camera looks: the point of the world in the middle of the picture, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) zoom: f32,
    pub(crate) turn: f32,
}

impl View {
    pub(crate) fn at(x: f32, y: f32) -> Self {
        Self { x, y, zoom: 1.0, turn: 0.0 }
    }
}

/// A picture that owns its pixels.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) px: Vec<u8>,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// A reproducible stream of numbers in 0..1 (xorshift).
pub(crate) struct Dice(pub(crate) u32);

impl Dice {
    pub(crate) fn roll(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) as f32 / (1 << 24) as f32
    }
}

impl Scene {
    /// Blotches of several sizes; `contrast` in grey levels, about 40 for a machine and 3 for a bare wall.
    pub(crate) fn new(seed: u32, contrast: f32) -> Self {
        let mut px = vec![0.0; SIDE * SIDE];
        let mut dice = Dice(seed.wrapping_mul(2_654_435_761) | 1);
        for (cell, weight) in [(64, 1.0), (32, 0.8), (16, 0.7), (8, 0.6)] {
            let n = SIDE / cell;
            let knots: Vec<f32> = (0..n * n).map(|_| dice.roll() * 2.0 - 1.0).collect();
            for y in 0..SIDE {
                for x in 0..SIDE {
                    px[y * SIDE + x] +=
                        contrast * weight * blend(&knots, n, x as f32 / cell as f32, y as f32 / cell as f32);
                }
            }
        }
        Self { px: px.into_iter().map(|v| 120.0 + v).collect() }
    }

    pub(crate) fn render(&self, view: View, width: usize, height: usize) -> Picture {
        let (sin, cos) = view.turn.sin_cos();
        let mut px = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32 - width as f32 / 2.0, y as f32 - height as f32 / 2.0);
                let wx = view.x + (cos * u + sin * v) / view.zoom;
                let wy = view.y + (cos * v - sin * u) / view.zoom;
                px.push(blend(&self.px, SIDE, wx, wy).round().clamp(0.0, 255.0) as u8);
            }
        }
        Picture { px, width, height }
    }
}

/// Bilinear value at (`x`, `y`) of a square of `n` by `n` values that repeats.
fn blend(values: &[f32], n: usize, x: f32, y: f32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (wx, wy) = (x - fx, y - fy);
    let (ix, iy) = ((fx as i64).rem_euclid(n as i64) as usize, (fy as i64).rem_euclid(n as i64) as usize);
    let (jx, jy) = ((ix + 1) % n, (iy + 1) % n);
    let top = values[iy * n + ix] * (1.0 - wx) + values[iy * n + jx] * wx;
    let bottom = values[jy * n + ix] * (1.0 - wx) + values[jy * n + jx] * wx;
    top * (1.0 - wy) + bottom * wy
}

impl Picture {
    pub(crate) fn view(&self) -> LumaView<'_> {
        LumaView::packed(&self.px, self.width as u32, self.height as u32).expect("a picture is whole")
    }

    /// Changes every pixel, given its place as fractions of the width and height.
    pub(crate) fn map(mut self, change: impl Fn(f32, f32, f32) -> f32) -> Self {
        for y in 0..self.height {
            for x in 0..self.width {
                let v = &mut self.px[y * self.width + x];
                let place = (x as f32 / self.width as f32, y as f32 / self.height as f32);
                *v = change(place.0, place.1, f32::from(*v)).round().clamp(0.0, 255.0) as u8;
            }
        }
        self
    }

    /// Sensor noise of about `sigma` grey levels.
    pub(crate) fn noisy(mut self, dice: &mut Dice, sigma: f32) -> Self {
        for v in &mut self.px {
            let bell = dice.roll() + dice.roll() + dice.roll() + dice.roll() - 2.0;
            *v = (f32::from(*v) + bell * sigma * 1.73).round().clamp(0.0, 255.0) as u8;
        }
        self
    }

    /// Puts `other` on the rectangle from (`x0`, `y0`) to (`x1`, `y1`), fractions of the width and height.
    pub(crate) fn cover(mut self, other: &Self, x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        let column = |f: f32| ((f.clamp(0.0, 1.0)) * self.width as f32) as usize;
        let row = |f: f32| ((f.clamp(0.0, 1.0)) * self.height as f32) as usize;
        let (x0, x1, y0, y1) = (column(x0), column(x1), row(y0), row(y1));
        for y in y0..y1 {
            for x in x0..x1 {
                self.px[y * self.width + x] = other.px[y * self.width + x];
            }
        }
        self
    }
}
