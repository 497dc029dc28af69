//! From a luma plane to a small picture that light can't move.
//!
//! The plane is shrunk to about 160 px on its long side by averaging whole blocks, which takes sensor noise and
//! compression noise down with it. What is kept is contrast: the difference to the surroundings over their brightness.
//! A gain of the exposure divides out, and the slope of a lamp's cone goes with the surroundings, so that what is
//! left belongs to the surface.

use crate::luma::LumaView;

/// Long side of the small picture, px, about.
const LONG_SIDE: usize = 160;
/// Half width of the surroundings, px of the small picture.
const SURROUND: usize = 7;
/// Grey levels added to the brightness before dividing, so that noise in the dark isn't blown up.
const DARK: f32 = 12.0;
/// Contrast beyond this is cut: one hard edge shall not outvote a surface.
const CONTRAST_LIMIT: f32 = 0.6;
/// Block of the coarse picture, px of the small picture.
pub(super) const COARSE: usize = 4;

/// A grid of contrasts.
#[derive(Debug, Clone, Default)]
pub(super) struct Plane {
    pub(super) w: usize,
    pub(super) h: usize,
    pub(super) px: Vec<f32>,
}

impl Plane {
    fn resize(&mut self, w: usize, h: usize) {
        self.w = w;
        self.h = h;
        self.px.resize(w * h, 0.0);
    }
}

/// One frame as the motion measurement sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Small {
    /// Contrast, about 160 px on the long side.
    pub(super) fine: Plane,
    /// Contrast, four times smaller, for finding a large displacement.
    pub(super) coarse: Plane,
    /// Pixels of the full picture per pixel of `fine`.
    pub(super) factor: usize,
}

/// The shrinking, with its scratch memory.
#[derive(Debug, Default)]
pub(super) struct Shrinker {
    columns: Vec<u16>,
    grey: Vec<f32>,
    soft: Vec<f32>,
    sums: Vec<f32>,
    running: Vec<f32>,
}

/// How many pixels of a `width` x `height` picture go into one pixel of the small one.
pub(super) fn factor_for(width: u32, height: u32) -> usize {
    ((width.max(height) as usize + LONG_SIDE / 2) / LONG_SIDE).max(1)
}

impl Shrinker {
    /// Fills `out` from `luma`.
    pub(super) fn shrink(&mut self, luma: LumaView<'_>, out: &mut Small) {
        let f = factor_for(luma.width, luma.height);
        let (w, h) = (luma.width as usize / f, luma.height as usize / f);
        out.factor = f;
        out.fine.resize(w, h);
        self.grey.resize(w * h, 0.0);
        // More than eight rows of a block add time, not knowledge.
        let row_step = f.div_ceil(8);
        self.columns.resize(w * f, 0);
        for (y, line) in self.grey.chunks_exact_mut(w.max(1)).enumerate() {
            let mut rows = 0u16;
            for source in (y * f..(y + 1) * f).step_by(row_step) {
                let Some(row) = luma.row(source).get(..w * f) else { continue };
                if rows == 0 {
                    for (sum, &v) in self.columns.iter_mut().zip(row) {
                        *sum = u16::from(v);
                    }
                } else {
                    for (sum, &v) in self.columns.iter_mut().zip(row) {
                        *sum += u16::from(v);
                    }
                }
                rows += 1;
            }
            let scale = 1.0 / (f32::from(rows.max(1)) * f as f32);
            match f {
                2 => fold::<2>(&self.columns, scale, line),
                4 => fold::<4>(&self.columns, scale, line),
                6 => fold::<6>(&self.columns, scale, line),
                8 => fold::<8>(&self.columns, scale, line),
                12 => fold::<12>(&self.columns, scale, line),
                _ => {
                    for (v, block) in line.iter_mut().zip(self.columns.chunks_exact(f)) {
                        *v = block.iter().map(|&c| u32::from(c)).sum::<u32>() as f32 * scale;
                    }
                }
            }
        }
        self.contrast(w, h, &mut out.fine.px);
        shrink_plane(&out.fine, &mut out.coarse);
    }

    /// `(soft - surroundings) / (surroundings + dark)`.
    fn contrast(&mut self, w: usize, h: usize, out: &mut [f32]) {
        if w < 3 || h < 3 {
            out.fill(0.0);
            return;
        }
        self.soften(w, h);
        self.surroundings(w, h);
        for ((v, &s), &around) in out.iter_mut().zip(&self.soft).zip(&self.sums) {
            *v = ((s - around) / (around + DARK)).clamp(-CONTRAST_LIMIT, CONTRAST_LIMIT);
        }
    }

    /// 3x3 binomial of `grey` into `soft`; the border keeps its own rows and columns.
    fn soften(&mut self, w: usize, h: usize) {
        self.soft.resize(w * h, 0.0);
        self.running.resize(w, 0.0);
        for y in 0..h {
            let up = &self.grey[y.saturating_sub(1) * w..][..w];
            let mid = &self.grey[y * w..][..w];
            let down = &self.grey[(y + 1).min(h - 1) * w..][..w];
            for (((v, a), b), c) in self.running.iter_mut().zip(up).zip(mid).zip(down) {
                *v = 0.25 * (a + c) + 0.5 * b;
            }
            let line = &mut self.soft[y * w..][..w];
            line[0] = self.running[0];
            line[w - 1] = self.running[w - 1];
            for (v, t) in line[1..w - 1].iter_mut().zip(self.running.windows(3)) {
                *v = 0.25 * (t[0] + t[2]) + 0.5 * t[1];
            }
        }
    }

    /// Box mean of `grey` into `sums`, over as much of the box as lies in the picture.
    fn surroundings(&mut self, w: usize, h: usize) {
        self.sums.resize(w * h, 0.0);
        self.running.clear();
        self.running.resize(w, 0.0);
        // Columns first: `running` holds the sum of the rows in reach of row y.
        for y in 0..SURROUND.min(h) {
            for (r, &v) in self.running.iter_mut().zip(&self.grey[y * w..][..w]) {
                *r += v;
            }
        }
        for y in 0..h {
            if y + SURROUND < h {
                for (r, &v) in self.running.iter_mut().zip(&self.grey[(y + SURROUND) * w..][..w]) {
                    *r += v;
                }
            }
            if y > SURROUND {
                for (r, &v) in self.running.iter_mut().zip(&self.grey[(y - SURROUND - 1) * w..][..w]) {
                    *r -= v;
                }
            }
            let rows = (y + SURROUND).min(h - 1) + 1 - y.saturating_sub(SURROUND);
            let line = &mut self.sums[y * w..][..w];
            let mut sum: f32 = self.running.iter().take(SURROUND).sum();
            for (x, v) in line.iter_mut().enumerate() {
                if x + SURROUND < w {
                    sum += self.running[x + SURROUND];
                }
                if x > SURROUND {
                    sum -= self.running[x - SURROUND - 1];
                }
                let columns = (x + SURROUND).min(w - 1) + 1 - x.saturating_sub(SURROUND);
                *v = sum / (rows * columns) as f32;
            }
        }
    }
}

/// Half width of the box that takes noise away, px; it is applied twice each way.
const SOFT: usize = 2;

/// `fine` without what noise is made of: two box means each way, together about a Gaussian of 2 px.
pub(super) fn soften_plane(fine: &Plane, scratch: &mut Vec<f32>, out: &mut Plane) {
    let (w, h) = (fine.w, fine.h);
    out.resize(w, h);
    out.px.copy_from_slice(&fine.px);
    if w < 4 * SOFT || h < 4 * SOFT {
        return;
    }
    let scale = 1.0 / (2 * SOFT + 1) as f32;
    scratch.resize(w * h, 0.0);
    for _ in 0..2 {
        for (line, source) in scratch.chunks_exact_mut(w).zip(out.px.chunks_exact(w)) {
            line.copy_from_slice(source);
            for (v, box_) in line[SOFT..w - SOFT].iter_mut().zip(source.windows(2 * SOFT + 1)) {
                *v = box_.iter().sum::<f32>() * scale;
            }
        }
        for y in SOFT..h - SOFT {
            let line = &mut out.px[y * w..][..w];
            line.fill(0.0);
            for row in y - SOFT..=y + SOFT {
                for (v, s) in line.iter_mut().zip(&scratch[row * w..][..w]) {
                    *v += s * scale;
                }
            }
        }
    }
}

/// Sums of `N` neighbouring columns, scaled.
fn fold<const N: usize>(columns: &[u16], scale: f32, out: &mut [f32]) {
    for (v, block) in out.iter_mut().zip(columns.chunks_exact(N)) {
        let mut sum = 0u32;
        for &c in block {
            sum += u32::from(c);
        }
        *v = sum as f32 * scale;
    }
}

fn shrink_plane(fine: &Plane, coarse: &mut Plane) {
    let (w, h) = (fine.w / COARSE, fine.h / COARSE);
    coarse.resize(w, h);
    for (y, line) in coarse.px.chunks_exact_mut(w.max(1)).enumerate() {
        line.fill(0.0);
        for row in 0..COARSE {
            let source = &fine.px[(y * COARSE + row) * fine.w..][..w * COARSE];
            for (v, block) in line.iter_mut().zip(source.chunks_exact(COARSE)) {
                *v += block.iter().sum::<f32>();
            }
        }
        for v in line {
            *v /= (COARSE * COARSE) as f32;
        }
    }
}
