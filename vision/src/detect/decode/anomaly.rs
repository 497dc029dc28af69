//! Anomaly maps: how unlike the good ones each part of the picture is.

use super::super::boxes::Candidate;
use super::{Reader, Table, refused};

/// `[1, 1, h, w]`, values 0 (as always) to 1 (never seen): every connected region over the first class's threshold is
/// a box of that class, scored by its greatest value. The map covers the whole input, whatever its size.
pub(super) fn decode(reader: &Reader<'_>) -> Result<Vec<Candidate>, String> {
    let wanted = "[1, 1, rows, columns] and one class (anomaly-map)";
    let map = reader.table(wanted)?;
    if reader.classes != 1 || map.rows == 0 || map.columns == 0 {
        return Err(refused(&reader.outputs[0], wanted));
    }
    let (across, down) = (reader.size[0] as f32 / map.columns as f32, reader.size[1] as f32 / map.rows as f32);
    let mut seen: Vec<bool> = map.data.iter().map(|&value| value.is_nan() || value < reader.floor).collect();
    let mut candidates = Vec::new();
    let mut open = Vec::new();
    for start in 0..map.data.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        open.push(start);
        let (mut left, mut right, mut top, mut bottom) = (map.columns, 0, map.rows, 0);
        let mut score = f32::NEG_INFINITY;
        while let Some(at) = open.pop() {
            let (x, y) = (at % map.columns, at / map.columns);
            (left, right) = (left.min(x), right.max(x + 1));
            (top, bottom) = (top.min(y), bottom.max(y + 1));
            score = score.max(map.data[at]);
            for neighbour in neighbours(&map, x, y) {
                if !std::mem::replace(&mut seen[neighbour], true) {
                    open.push(neighbour);
                }
            }
        }
        candidates.push(Candidate {
            class_id: 0,
            score: score.min(1.0),
            left: left as f32 * across,
            top: top as f32 * down,
            right: right as f32 * across,
            bottom: bottom as f32 * down,
        });
    }
    Ok(candidates)
}

/// Up to eight places around one.
fn neighbours(map: &Table<'_>, x: usize, y: usize) -> impl Iterator<Item = usize> + use<> {
    let columns = map.columns;
    let (xs, ys) = (x.saturating_sub(1)..(x + 2).min(columns), y.saturating_sub(1)..(y + 2).min(map.rows));
    ys.flat_map(move |y| xs.clone().map(move |x| y * columns + x))
}
