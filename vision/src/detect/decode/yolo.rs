//! YOLOv8 (and v9, 11) and YOLOv5: boxes by centre and size in model pixels, as their exporters write them.

use super::super::boxes::Candidate;
use super::{Reader, greatest, refused};

/// `[1, 4+C, N]`: rows are centre x, centre y, width, height and one score per class.
pub(super) fn v8(reader: &Reader<'_>) -> Result<Vec<Candidate>, String> {
    let classes = reader.classes;
    let wanted = format!("[1, 4+classes = {}, N] (yolov8)", 4 + classes);
    let table = reader.table(&wanted)?;
    if table.rows != 4 + classes {
        return Err(refused(&reader.outputs[0], &wanted));
    }
    let boxes = [0, 1, 2, 3].map(|row| table.row(row));
    let scores: Vec<&[f32]> = (4..table.rows).map(|row| table.row(row)).collect();
    let candidates = (0..table.columns).filter_map(|column| {
        let (class_id, score) = greatest(scores.iter().map(|row| row[column]))?;
        (score >= reader.floor).then(|| Candidate::centred(class_id, score, boxes.map(|row| row[column])))
    });
    Ok(candidates.collect())
}

/// `[1, N, 5+C]`: columns are centre x, centre y, width, height, objectness and one score per class.
pub(super) fn v5(reader: &Reader<'_>) -> Result<Vec<Candidate>, String> {
    let wanted = format!("[1, N, 5+classes = {}] (yolov5)", 5 + reader.classes);
    let table = reader.table(&wanted)?;
    if table.columns != 5 + reader.classes {
        return Err(refused(&reader.outputs[0], &wanted));
    }
    let candidates = table.rows().filter_map(|row| {
        let (class_id, score) = scored(row)?;
        (score >= reader.floor).then(|| Candidate::centred(class_id, score, [row[0], row[1], row[2], row[3]]))
    });
    Ok(candidates.collect())
}

/// Class and score of a row with objectness in column 4: the one times the other.
pub(super) fn scored(row: &[f32]) -> Option<(usize, f32)> {
    let (class_id, score) = greatest(row[5..].iter().copied())?;
    let score = score * row[4];
    (!score.is_nan()).then_some((class_id, score))
}
