//! Models that do their own suppression (YOLOv10, RT-DETR exports): a table of finished boxes.

use super::super::boxes::Candidate;
use super::{Reader, refused};

/// `[1, N, 6]`: left, top, right, bottom in model pixels, score, class. Rows of zeros fill the table up.
pub(super) fn decode(reader: &Reader<'_>) -> Result<Vec<Candidate>, String> {
    let wanted = "[1, N, 6] (end-to-end)";
    let table = reader.table(wanted)?;
    if table.columns != 6 {
        return Err(refused(&reader.outputs[0], wanted));
    }
    let candidates = table.rows().filter_map(|row| {
        let &[left, top, right, bottom, score, class] = row else { return None };
        let empty = row.iter().all(|&value| value == 0.0);
        let known = class >= 0.0 && class.round() < reader.classes as f32;
        (!empty && known && score >= reader.floor).then(|| Candidate {
            class_id: class.round() as usize,
            score,
            left,
            top,
            right,
            bottom,
        })
    });
    Ok(candidates.collect())
}
