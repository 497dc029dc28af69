//! A displacement too large to be followed, found by trying them all on very small pictures.

use super::small::Plane;

/// Blocks of `now` that look other than in `before`, one bit per block; all of them when hardly any do. What stands still
/// has nothing to say about how the rest moved.
fn changed(before: &Plane, now: &Plane) -> Vec<bool> {
    const CHANGED: f32 = 0.02;
    let mut changed: Vec<bool> = before.px.iter().zip(&now.px).map(|(a, b)| (a - b).abs() > CHANGED).collect();
    if changed.iter().filter(|c| **c).count() * 8 < changed.len() {
        changed.fill(true);
    }
    changed
}

/// Whole shift of `now` against `before` with the least mean absolute difference where it changed, px of the coarse
/// picture.
pub(super) fn best_shift(before: &Plane, now: &Plane, reach: i32) -> Option<(f32, f32)> {
    let (w, h) = (now.w as i32, now.h as i32);
    if before.w != now.w || before.h != now.h || w < 8 || h < 8 {
        return None;
    }
    let weights: Vec<f32> = changed(before, now).into_iter().map(|c| if c { 1.0 } else { 0.0 }).collect();
    let (rx, ry) = (reach.min(w / 2), reach.min(h / 2));
    let mut best: Option<(f32, i32, i32)> = None;
    for dy in -ry..=ry {
        for dx in -rx..=rx {
            let (x0, x1) = (0.max(-dx), w.min(w - dx));
            let (y0, y1) = (0.max(-dy), h.min(h - dy));
            let length = (x1 - x0) as usize;
            let (mut sum, mut weight) = (0.0, 0.0);
            for y in y0..y1 {
                let a = &before.px[(y * w + x0) as usize..][..length];
                let at = ((y + dy) * w + x0 + dx) as usize;
                let (b, c) = (&now.px[at..][..length], &weights[at..][..length]);
                let (mut acc, mut ws) = ([0.0f32; 8], [0.0f32; 8]);
                for ((p, q), c) in a.chunks(8).zip(b.chunks(8)).zip(c.chunks(8)) {
                    for (i, ((p, q), c)) in p.iter().zip(q).zip(c).enumerate() {
                        acc[i] += c * (p - q).abs();
                        ws[i] += c;
                    }
                }
                sum += acc.iter().sum::<f32>();
                weight += ws.iter().sum::<f32>();
            }
            // A shift that leaves hardly any of it in view is no explanation.
            if weight * 64.0 < (w * h) as f32 {
                continue;
            }
            let mean = sum / weight;
            if best.is_none_or(|(b, _, _)| mean < b) {
                best = Some((mean, dx, dy));
            }
        }
    }
    best.map(|(_, dx, dy)| (dx as f32, dy as f32))
}
