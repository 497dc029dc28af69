//! Classifiers: one score per class for the whole picture.

use super::super::boxes::Candidate;
use super::{Reader, greatest, refused};

/// `[1, C]`: the best class, as a box around the whole input. Values that are not all within 0 to 1 are taken for
/// logits and made probabilities (softmax).
pub(super) fn decode(reader: &Reader<'_>) -> Result<Vec<Candidate>, String> {
    let wanted = format!("[1, {}] (classifier)", reader.classes);
    let output = reader.outputs.first().ok_or_else(|| format!("the model gives no output, {wanted} is needed"))?;
    let single = output.shape.iter().product::<usize>() == reader.classes && output.shape.contains(&reader.classes);
    if !single || output.data.len() != reader.classes {
        return Err(refused(output, &wanted));
    }
    let Some((class_id, value)) = greatest(output.data.iter().copied()) else { return Ok(Vec::new()) };
    let probabilities = output.data.iter().all(|value| value.is_nan() || (0.0..=1.0).contains(value));
    let score = if probabilities {
        value
    } else {
        let sum: f32 = output.data.iter().filter(|v| !v.is_nan()).map(|v| (v - value).exp()).sum();
        1.0 / sum
    };
    let [right, bottom] = reader.size.map(|side| side as f32);
    let candidate = Candidate { class_id, score, left: 0.0, top: 0.0, right, bottom };
    Ok(if score >= reader.floor { vec![candidate] } else { Vec::new() })
}
