//! Output tensors to boxes, one function per family of detectors.
//!
//! Every function checks shapes against the manifest before it reads a number, and says what it found and what it
//! needs. Numbers that are none are left out: a score that is not a number is no score. Boxes leave here in pixels of
//! the model's input, without thresholds for single classes and without regard to overlaps.

mod anomaly;
mod classifier;
mod end_to_end;
mod ssd;
#[cfg(test)]
mod tests;
mod yolo;
mod yolox;

use super::boxes::Candidate;
use super::runtime::Output;
use crate::package::{Decoder, Manifest};

/// The boxes in the outputs whose score reaches the lowest threshold of the package.
pub(super) fn candidates(outputs: &[Output], manifest: &Manifest) -> Result<Vec<Candidate>, String> {
    let classes = manifest.classes.len();
    let floor = (0..classes).map(|class| manifest.threshold(class)).fold(f32::INFINITY, f32::min);
    let reader = Reader { outputs, classes, floor, size: manifest.input.size };
    match manifest.output.decoder {
        Decoder::Yolov8 => yolo::v8(&reader),
        Decoder::Yolov5 => yolo::v5(&reader),
        Decoder::Yolox => yolox::decode(&reader),
        Decoder::EndToEnd => end_to_end::decode(&reader),
        Decoder::Ssd => ssd::decode(&reader),
        Decoder::Classifier => classifier::decode(&reader),
        Decoder::AnomalyMap => anomaly::decode(&reader),
    }
}

/// Whether overlapping boxes were dealt with by the model or can't be.
pub(super) fn overlaps_are_done(decoder: Decoder) -> bool {
    matches!(decoder, Decoder::EndToEnd | Decoder::Classifier | Decoder::AnomalyMap)
}

/// What a decoder reads from.
struct Reader<'a> {
    outputs: &'a [Output],
    /// Classes of the manifest.
    classes: usize,
    /// Scores below are of no interest.
    floor: f32,
    /// Width and height of the model's input, px.
    size: [u32; 2],
}

impl<'a> Reader<'a> {
    /// The first output as rows of numbers: its last two axes, when all before are 1.
    fn table(&self, wanted: &str) -> Result<Table<'a>, String> {
        let output = self.outputs.first().ok_or_else(|| format!("the model gives no output, {wanted} is needed"))?;
        Table::of(output).ok_or_else(|| refused(output, wanted))
    }
}

/// A tensor of two axes.
#[derive(Debug, Clone, Copy)]
struct Table<'a> {
    rows: usize,
    columns: usize,
    data: &'a [f32],
}

impl<'a> Table<'a> {
    /// The last two axes of a tensor whose other axes are 1.
    fn of(output: &'a Output) -> Option<Self> {
        let (before, &[rows, columns]) = output.shape.split_last_chunk::<2>()?;
        let whole = before.iter().all(|&axis| axis == 1) && rows.checked_mul(columns) == Some(output.data.len());
        whole.then_some(Self { rows, columns, data: &output.data })
    }

    fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.columns..][..self.columns]
    }

    fn rows(&self) -> impl Iterator<Item = &'a [f32]> {
        let table = *self;
        (0..table.rows).map(move |row| table.row(row))
    }
}

/// The words for an output of the wrong shape.
fn refused(output: &Output, wanted: &str) -> String {
    format!(
        "the model's output is {:?}, {wanted} is needed; correct output.decoder or the list of classes",
        output.shape
    )
}

/// Place and value of the greatest number; of equal ones the first. What is no number doesn't count.
fn greatest(values: impl IntoIterator<Item = f32>) -> Option<(usize, f32)> {
    values.into_iter().enumerate().filter(|(_, value)| !value.is_nan()).fold(None, |best, (index, value)| match best {
        Some((_, greatest)) if greatest >= value => best,
        _ => Some((index, value)),
    })
}
