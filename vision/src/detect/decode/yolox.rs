//! YOLOX: the raw output of its grids. A row is a cell; centre and size are relative to it.

use super::super::boxes::Candidate;
use super::yolo::scored;
use super::{Reader, refused};

/// Pixels per cell of the grids, in the order of the output.
const STRIDES: [usize; 3] = [8, 16, 32];

/// `[1, N, 5+C]`, grids of strides 8, 16 and 32 one after the other, each row by row. A centre is `(value + cell) ×
/// stride`, a size `exp(value) × stride`; objectness and scores are probabilities already.
pub(super) fn decode(reader: &Reader<'_>) -> Result<Vec<Candidate>, String> {
    let [width, height] = reader.size.map(|side| side as usize);
    let grids = STRIDES.map(|stride| (stride, width / stride, height / stride));
    let cells: usize = grids.iter().map(|(_, across, down)| across * down).sum();
    let wanted = format!("[1, {cells}, 5+classes = {}] (yolox at {width}x{height})", 5 + reader.classes);
    let table = reader.table(&wanted)?;
    if (table.rows, table.columns) != (cells, 5 + reader.classes) {
        return Err(refused(&reader.outputs[0], &wanted));
    }
    let places = grids.into_iter().flat_map(|(stride, across, down)| {
        (0..down).flat_map(move |y| (0..across).map(move |x| (stride as f32, x as f32, y as f32)))
    });
    let candidates = table.rows().zip(places).filter_map(|(row, (stride, x, y))| {
        let (class_id, score) = scored(row)?;
        let place = [(row[0] + x) * stride, (row[1] + y) * stride, row[2].exp() * stride, row[3].exp() * stride];
        (score >= reader.floor).then(|| Candidate::centred(class_id, score, place))
    });
    Ok(candidates.collect())
}
