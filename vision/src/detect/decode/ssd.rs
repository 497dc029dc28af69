//! SSD: boxes and scores as two tensors.

use super::super::boxes::Candidate;
use super::{Reader, Table, greatest};

/// `[1, N, 4]` (left, top, right, bottom as parts of the input's width and height) and `[1, N, C]` or `[1, N, 1+C]`
/// (probabilities; with one column more than there are classes the first is the background), in either order. Which is
/// which is told by the columns; with as many columns in both, by the rows that add up to 1, and if neither does boxes come first.
pub(super) fn decode(reader: &Reader<'_>) -> Result<Vec<Candidate>, String> {
    let classes = reader.classes;
    let shapes: Vec<_> = reader.outputs.iter().map(|output| output.shape.clone()).collect();
    let refuse = || {
        format!(
            "the model's outputs are {shapes:?}, [1, N, 4] and [1, N, {classes} or {}] (ssd) are needed; correct output.decoder or the list of classes",
            classes + 1
        )
    };
    let [first, second] = reader.outputs else { return Err(refuse()) };
    let (Some(first), Some(second)) = (Table::of(first), Table::of(second)) else { return Err(refuse()) };
    let fits = |boxes: &Table<'_>, scores: &Table<'_>| {
        boxes.columns == 4 && boxes.rows == scores.rows && [classes, classes + 1].contains(&scores.columns)
    };
    let (boxes, scores) = match (fits(&first, &second), fits(&second, &first)) {
        (true, true) if are_shares(&first) && !are_shares(&second) => (second, first),
        (true, _) => (first, second),
        (false, true) => (second, first),
        (false, false) => return Err(refuse()),
    };
    let background = scores.columns - classes;
    let [width, height] = reader.size.map(|side| side as f32);
    let candidates = boxes.rows().zip(scores.rows()).filter_map(|(place, scores)| {
        let (class_id, score) = greatest(scores[background..].iter().copied())?;
        let &[left, top, right, bottom] = place else { return None };
        (score >= reader.floor).then_some(Candidate {
            class_id,
            score,
            left: left * width,
            top: top * height,
            right: right * width,
            bottom: bottom * height,
        })
    });
    Ok(candidates.collect())
}

/// Whether every row is a whole shared out, as a softmax leaves it.
fn are_shares(table: &Table<'_>) -> bool {
    table.rows().all(|row| row.iter().all(|value| *value >= 0.0) && (row.iter().sum::<f32>() - 1.0).abs() < 1e-3)
}
