//! Where the patches of one small picture went in another.
//!
//! Gradient descent on brightness differences after Lucas and Kanade (1981), in the inverse compositional form of
//! Baker and Matthews (2004): the gradients are those of the anchor, so that they and their 2x2 structure tensor are
//! computed once per anchor. A patch moves as a whole, which leaves its bilinear weights constant and its loops free of
//! gathers.

use super::small::Plane;

/// Side of a patch, px of the small picture.
pub(super) const SIDE: usize = 16;
/// Sums kept side by side, so that a compiler can add them all at once.
const LANES: usize = SIDE / 2;
/// Pixels of a patch.
const AREA: f32 = (SIDE * SIDE) as f32;
/// Steps of descent at most.
const STEPS: usize = 4;
/// A descent that leaves its start by more than this is lost, px.
const REACH: f32 = 3.5;

/// A patch of the anchor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch {
    /// Upper left corner, px.
    pub(super) x: usize,
    pub(super) y: usize,
    /// Structure tensor about its mean: sums of products of the gradients, contrast² per px².
    pub(super) gxx: f32,
    pub(super) gxy: f32,
    pub(super) gyy: f32,
    /// Sums of the gradients.
    sx: f32,
    sy: f32,
    /// Largest eigenvalue of the structure tensor.
    pub(super) strength: f32,
    /// Mean and variance of the contrast.
    mean: f32,
    pub(super) variance: f32,
}

/// What became of a patch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    /// Displacement from the anchor, px.
    pub(super) dx: f32,
    pub(super) dy: f32,
    /// Mean square of the difference that is left, contrast².
    pub(super) residual: f32,
    /// Part of the contrast that both pictures share, at most 1; near 0 or below for pictures that have nothing to do with each
    /// other. With noise in both it is the part that isn't noise.
    pub(super) common: f32,
}

/// Why there is no track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// It would lie outside of the picture.
    Outside,
    /// Nothing like it is near.
    Gone,
}

/// A small picture with its gradients and patches.
#[derive(Debug, Clone, Default)]
pub(super) struct Anchor {
    pub(super) fine: Plane,
    gx: Vec<f32>,
    gy: Vec<f32>,
    pub(super) patches: Vec<Patch>,
}

impl Anchor {
    /// Takes `fine` as the new anchor.
    pub(super) fn set(&mut self, fine: &Plane) {
        self.fine.w = fine.w;
        self.fine.h = fine.h;
        self.fine.px.clone_from(&fine.px);
        self.gradients();
        self.patches.clear();
        for y in starts(fine.h) {
            for x in starts(fine.w) {
                self.patches.push(self.patch(x, y));
            }
        }
    }

    fn gradients(&mut self) {
        let (w, h) = (self.fine.w, self.fine.h);
        self.gx.clear();
        self.gx.resize(w * h, 0.0);
        self.gy.clear();
        self.gy.resize(w * h, 0.0);
        if w < 3 || h < 3 {
            return;
        }
        for y in 1..h - 1 {
            let px = &self.fine.px;
            let row = &px[y * w..][..w];
            for (g, t) in self.gx[y * w + 1..][..w - 2].iter_mut().zip(row.windows(3)) {
                *g = 0.5 * (t[2] - t[0]);
            }
            let (up, down) = (&px[(y - 1) * w..][..w], &px[(y + 1) * w..][..w]);
            for ((g, a), b) in self.gy[y * w..][..w].iter_mut().zip(up).zip(down) {
                *g = 0.5 * (b - a);
            }
        }
    }

    fn patch(&self, x: usize, y: usize) -> Patch {
        let mut sums = [[0.0f32; SIDE]; 7];
        for row in y..y + SIDE {
            let at = row * self.fine.w + x;
            let (gx, gy, px) = (lane(&self.gx, at), lane(&self.gy, at), lane(&self.fine.px, at));
            for i in 0..SIDE {
                sums[5][i] += px[i];
                sums[6][i] += px[i] * px[i];
                sums[0][i] += gx[i];
                sums[1][i] += gy[i];
                sums[2][i] += gx[i] * gx[i];
                sums[3][i] += gx[i] * gy[i];
                sums[4][i] += gy[i] * gy[i];
            }
        }
        let [sx, sy, xx, xy, yy, s, ss] = sums.map(|s| s.iter().sum::<f32>());
        let (gxx, gxy, gyy) = (xx - sx * sx / AREA, xy - sx * sy / AREA, yy - sy * sy / AREA);
        let half = 0.5 * (gxx - gyy);
        let strength = 0.5 * (gxx + gyy) + (half * half + gxy * gxy).sqrt();
        let mean = s / AREA;
        let variance = (ss / AREA - mean * mean).max(0.0);
        Patch { x, y, gxx, gxy, gyy, sx, sy, strength: strength.max(0.0), mean, variance }
    }

    /// Mean absolute difference to `now` when everything is displaced by (`dx`, `dy`), over the patches that stay
    /// inside; each patch counts for no more than `limit`. `None` when fewer than a third do.
    pub(super) fn mismatch(&self, now: &Plane, dx: f32, dy: f32, limit: f32) -> Option<f32> {
        let (mut sum, mut count) = (0.0, 0usize);
        for patch in &self.patches {
            let Some(one) = self.mismatch_of(patch, now, dx, dy) else { continue };
            sum += one.min(limit);
            count += 1;
        }
        (count * 3 > self.patches.len()).then(|| sum / count as f32)
    }

    /// Mean absolute difference of one patch, displaced by (`dx`, `dy`); `None` outside of the picture.
    pub(super) fn mismatch_of(&self, patch: &Patch, now: &Plane, dx: f32, dy: f32) -> Option<f32> {
        let (x, y, wx, wy) = place(now, patch.x as f32 + dx, patch.y as f32 + dy)?;
        let mut acc = [0.0f32; SIDE];
        let weights = corner_weights(wx, wy);
        for row in (0..SIDE).step_by(2) {
            let template = lane(&self.fine.px, (patch.y + row) * self.fine.w + patch.x);
            let sample = sample_row(now, x, y + row, weights);
            for i in 0..SIDE {
                acc[i] += (sample[i] - template[i]).abs();
            }
        }
        Some(acc.iter().sum::<f32>() / (AREA * 0.5))
    }

    /// Mean absolute difference of the four quarters of one patch, displaced by (`dx`, `dy`), left to right and then
    /// down; `None` outside of the picture.
    pub(super) fn mismatch_of_quarters(&self, patch: &Patch, now: &Plane, dx: f32, dy: f32) -> Option<[f32; 4]> {
        let (x, y, wx, wy) = place(now, patch.x as f32 + dx, patch.y as f32 + dy)?;
        let weights = corner_weights(wx, wy);
        let mut quarters = [0.0; 4];
        for (part, two) in quarters.chunks_exact_mut(2).enumerate() {
            let mut acc = [0.0f32; SIDE];
            for row in (part * LANES..(part + 1) * LANES).step_by(2) {
                let template = lane(&self.fine.px, (patch.y + row) * self.fine.w + patch.x);
                let sample = sample_row(now, x, y + row, weights);
                for i in 0..SIDE {
                    acc[i] += (sample[i] - template[i]).abs();
                }
            }
            let scale = 8.0 / AREA;
            two[0] = acc[..LANES].iter().sum::<f32>() * scale;
            two[1] = acc[LANES..].iter().sum::<f32>() * scale;
        }
        Some(quarters)
    }

    /// Follows `patch` into `now`, starting at the displacement (`dx`, `dy`). [`Lost`] when it leaves the picture
    /// or runs away.
    pub(super) fn track(&self, patch: &Patch, now: &Plane, mut dx: f32, mut dy: f32) -> Result<Track, Lost> {
        let start = (dx, dy);
        // Keeps a patch with edges in one direction only from sliding along them.
        let damp = 0.02 * patch.strength + 1e-4;
        let (a, b, c) = (patch.gxx + damp, patch.gxy, patch.gyy + damp);
        let inverse = 1.0 / (a * c - b * b);
        let (mut residual, mut common) = (0.0, 0.0);
        for _ in 0..STEPS {
            let (x, y, wx, wy) = place(now, patch.x as f32 + dx, patch.y as f32 + dy).ok_or(Lost::Outside)?;
            let weights = corner_weights(wx, wy);
            let mut sums = [[0.0f32; LANES]; 5];
            for row in 0..SIDE {
                let at = (patch.y + row) * self.fine.w + patch.x;
                let (template, gx, gy) = (lane(&self.fine.px, at), lane(&self.gx, at), lane(&self.gy, at));
                let sample = sample_row(now, x, y + row, weights);
                for half in [0, LANES] {
                    for i in 0..LANES {
                        let e = sample[half + i] - template[half + i];
                        sums[0][i] += e;
                        sums[1][i] += gx[half + i] * e;
                        sums[2][i] += gy[half + i] * e;
                        sums[3][i] += e * e;
                        sums[4][i] += template[half + i] * e;
                    }
                }
            }
            let [e, xe, ye, ee, te] = sums.map(|sum| sum.iter().sum::<f32>() / AREA);
            let (bx, by) = (AREA * xe - e * patch.sx, AREA * ye - e * patch.sy);
            residual = (ee - e * e).max(0.0);
            // Of the sample, which is the template plus the difference.
            let variance = (residual + patch.variance + 2.0 * (te - e * patch.mean)).max(0.0);
            common = 1.0 - residual / (variance + patch.variance + 1e-9);
            let (ux, uy) = ((c * bx - b * by) * inverse, (a * by - b * bx) * inverse);
            dx -= ux;
            dy -= uy;
            let near = (dx - start.0).abs() < REACH && (dy - start.1).abs() < REACH;
            if !near {
                return Err(Lost::Gone);
            }
            if ux.abs() + uy.abs() < 0.02 {
                break;
            }
        }
        Ok(Track { dx, dy, residual, common })
    }
}

/// Starts of the patches along a side of `length` px: as many as fit, with a margin for moving, spread evenly.
fn starts(length: usize) -> impl Iterator<Item = usize> + Clone {
    let margin = if length >= 3 * SIDE { 3 } else { 0 };
    let room = length.saturating_sub(2 * margin);
    let count = room / SIDE;
    (0..count).map(move |i| margin + i * SIDE + (room - count * SIDE) * (2 * i + 1) / (2 * count))
}

/// `SIDE` values from `at`.
#[inline]
fn lane(px: &[f32], at: usize) -> &[f32; SIDE] {
    px[at..at + SIDE].first_chunk().expect("the slice is SIDE long")
}

fn corner_weights(wx: f32, wy: f32) -> [f32; 4] {
    [(1.0 - wx) * (1.0 - wy), wx * (1.0 - wy), (1.0 - wx) * wy, wx * wy]
}

/// One row of a patch with its corner at (`x` + fraction, `y` + fraction).
#[inline]
fn sample_row(plane: &Plane, x: usize, y: usize, weights: [f32; 4]) -> [f32; SIDE] {
    let at = y * plane.w + x;
    let (a, b) = (lane(&plane.px, at), lane(&plane.px, at + 1));
    let (c, d) = (lane(&plane.px, at + plane.w), lane(&plane.px, at + plane.w + 1));
    let mut out = [0.0; SIDE];
    for i in 0..SIDE {
        out[i] = weights[0] * a[i] + weights[1] * b[i] + weights[2] * c[i] + weights[3] * d[i];
    }
    out
}

/// Whole and fractional part of a patch's corner; `None` when the patch would not lie inside with one px to spare.
fn place(plane: &Plane, x: f32, y: f32) -> Option<(usize, usize, f32, f32)> {
    // Written so that a NaN is outside.
    let inside = x >= 0.0 && y >= 0.0 && x < plane.w as f32 && y < plane.h as f32;
    if !inside {
        return None;
    }
    let (ix, iy) = (x as usize, y as usize);
    (ix + SIDE < plane.w && iy + SIDE < plane.h).then_some((ix, iy, x - ix as f32, y - iy as f32))
}
