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
    /// Pixels of the full picture per pixel of `fine`.
    pub(super) factor: usize,
}

/// The shrinking, with its scratch memory.
#[derive(Debug, Default)]
pub(super) struct Shrinker {
    columns: Vec<u16>,
    grey: Vec<f32>,
    reach: Reach,
    soft: Vec<f32>,
    around: Vec<f32>,
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
        self.columns.resize(w * f, 0);
        let row_step = f.div_ceil(ROWS);
        for (y, line) in self.grey.chunks_exact_mut(w.max(1)).enumerate() {
            let row = |i: usize| luma.row(y * f + i * row_step);
            let rows = f.div_ceil(row_step);
            match rows {
                4 => add_rows([row(0), row(1), row(2), row(3)], &mut self.columns),
                3 => add_rows([row(0), row(1), row(2)], &mut self.columns),
                2 => add_rows([row(0), row(1)], &mut self.columns),
                _ => add_rows([row(0)], &mut self.columns),
            }
            let scale = 1.0 / (rows * f) as f32;
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
    }

    /// `(soft - surroundings) / (surroundings + dark)`.
    fn contrast(&mut self, w: usize, h: usize, out: &mut [f32]) {
        if w < 3 || h < 3 {
            out.fill(0.0);
            return;
        }
        self.soft.resize(w, 0.0);
        self.around.resize(w, 0.0);
        self.reach.begin(&self.grey, w, h);
        for (y, line) in out.chunks_exact_mut(w).enumerate() {
            self.reach.row(&self.grey, y, &mut self.around);
            soften_row(&self.grey, y, h, &mut self.soft, line);
            for (v, &around) in line.iter_mut().zip(&self.around) {
                *v = ((*v - around) / (around + DARK)).clamp(-CONTRAST_LIMIT, CONTRAST_LIMIT);
            }
        }
    }
}

/// Rows of a block that are read; more add time, not knowledge.
const ROWS: usize = 4;

/// Sums of `N` rows, column by column. A row that is missing counts as black.
fn add_rows<const N: usize>(rows: [&[u8]; N], out: &mut [u16]) {
    let w = out.len();
    if rows.iter().any(|row| row.len() < w) {
        out.fill(0);
        return;
    }
    let rows = rows.map(|row| &row[..w]);
    for (x, v) in out.iter_mut().enumerate() {
        *v = rows.iter().map(|row| u16::from(row[x])).sum();
    }
}

/// Row `y` of the 3x3 binomial of `grey` into `out`; the border keeps its own rows and columns.
fn soften_row(grey: &[f32], y: usize, h: usize, column: &mut [f32], out: &mut [f32]) {
    let w = out.len();
    let (up, mid, down) =
        (&grey[y.saturating_sub(1) * w..][..w], &grey[y * w..][..w], &grey[(y + 1).min(h - 1) * w..][..w]);
    for (((v, a), b), c) in column.iter_mut().zip(up).zip(mid).zip(down) {
        *v = 0.25 * (a + c) + 0.5 * b;
    }
    out[0] = column[0];
    out[w - 1] = column[w - 1];
    let (left, here, right) = (&column[..w - 2], &column[1..w - 1], &column[2..w]);
    for (((v, a), b), c) in out[1..w - 1].iter_mut().zip(left).zip(here).zip(right) {
        *v = 0.25 * (a + c) + 0.5 * b;
    }
}

/// Means of the box of [`SURROUND`] about each pixel, over as much of it as lies in the picture, row after row.
#[derive(Debug, Default)]
struct Reach {
    w: usize,
    h: usize,
    /// Sums of the rows in reach, with [`SURROUND`] zeros left and right.
    columns: Vec<f32>,
    /// Sums of 2, 4 and 8 neighbours of `columns`.
    twos: Vec<f32>,
    fours: Vec<f32>,
    eights: Vec<f32>,
    /// One over the columns that lie in the picture.
    share: Vec<f32>,
}

impl Reach {
    fn begin(&mut self, grey: &[f32], w: usize, h: usize) {
        let padded = w + 2 * SURROUND;
        (self.w, self.h) = (w, h);
        self.columns.clear();
        self.columns.resize(padded, 0.0);
        for sums in [&mut self.twos, &mut self.fours, &mut self.eights] {
            sums.resize(padded, 0.0);
        }
        self.share.clear();
        self.share.extend((0..w).map(|x| 1.0 / ((x + SURROUND).min(w - 1) + 1 - x.saturating_sub(SURROUND)) as f32));
        for row in grey.chunks_exact(w).take(SURROUND.min(h)) {
            for (sum, &v) in self.columns[SURROUND..].iter_mut().zip(row) {
                *sum += v;
            }
        }
    }

    /// The means of row `y`; rows are asked for in order.
    fn row(&mut self, grey: &[f32], y: usize, out: &mut [f32]) {
        let (w, h) = (self.w, self.h);
        let columns = &mut self.columns[SURROUND..][..w];
        if y + SURROUND < h {
            for (sum, &v) in columns.iter_mut().zip(&grey[(y + SURROUND) * w..][..w]) {
                *sum += v;
            }
        }
        if y > SURROUND {
            for (sum, &v) in columns.iter_mut().zip(&grey[(y - SURROUND - 1) * w..][..w]) {
                *sum -= v;
            }
        }
        // 15 = 8 + 4 + 2 + 1: sums of neighbours, doubled each time, need no running sum whose steps wait for each other.
        let pairs = |from: &[f32], by: usize, to: &mut [f32]| {
            let ahead = &from[by..];
            for ((v, a), b) in to.iter_mut().zip(from).zip(ahead) {
                *v = a + b;
            }
        };
        pairs(&self.columns, 1, &mut self.twos);
        pairs(&self.twos, 2, &mut self.fours);
        pairs(&self.fours, 4, &mut self.eights);
        let rows = (y + SURROUND).min(h - 1) + 1 - y.saturating_sub(SURROUND);
        let scale = 1.0 / rows as f32;
        let (eights, fours) = (&self.eights[..w], &self.fours[8..][..w]);
        let (twos, ones) = (&self.twos[12..][..w], &self.columns[14..][..w]);
        for (x, v) in out[..w].iter_mut().enumerate() {
            *v = (eights[x] + fours[x] + (twos[x] + ones[x])) * (self.share[x] * scale);
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

/// Means of blocks of [`COARSE`], for finding a large displacement.
pub(super) fn shrink_plane(fine: &Plane, coarse: &mut Plane) {
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
