//! What a model sees in a picture: picture → tensor → ONNX → boxes.
//!
//! `preprocess` brings a decoded frame to the model's size and number range in one pass over its planes, `tract` runs
//! the model, `decode` reads the output tensors of the usual families of detectors, and `boxes` keeps one box per
//! thing. A [`Detector`] ties the four together for one model package.
//!
//! A package is checked when it is loaded, by running it once: what loads has an output that its decoder can read.
//! Nothing that a model file or its output contains makes this room panic.

mod boxes;
mod decode;
mod preprocess;
#[cfg(test)]
mod tests;
mod tract;

use crate::package::{Manifest, Package, PackageError, Resize};
use crate::picture::PictureView;
use boxes::Candidate;
use preprocess::{Placement, Preprocessor};
use tract::Tract;

/// Something that the model sees. Pixels are those of the displayed (rotated) picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Index into the manifest's classes.
    pub class_id: usize,
    /// How sure the model is, 0 to 1.
    pub confidence: f32,
    /// Left edge, px.
    pub x: f32,
    /// Upper edge, px.
    pub y: f32,
    /// Width, px.
    pub width: f32,
    /// Height, px.
    pub height: f32,
}

/// Why a picture could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// The runtime gave up.
    #[error("the model failed on a picture: {why}")]
    Run {
        /// What the runtime said.
        why: String,
    },
    /// The model gave something else than when it was loaded.
    #[error("the model's output can't be read: {why}")]
    Output {
        /// What is wrong with it.
        why: String,
    },
}

/// One tensor that a model gave.
#[derive(Debug, Clone, PartialEq)]
struct Output {
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// A model that is ready to look. One per package; shared between threads as it is.
#[derive(Debug)]
pub struct Detector {
    manifest: Manifest,
    preprocessor: Preprocessor,
    model: Tract,
}

impl Detector {
    /// Builds the model, and runs it once on a grey picture.
    ///
    /// # Errors
    /// [`PackageError::Model`] when the runtime can't run it, or its decoder can't read what it gives.
    pub fn load(package: &Package) -> Result<Self, PackageError> {
        let refuse = |why: String| PackageError::Model { path: package.path.clone(), why };
        let manifest = package.manifest.clone();
        let preprocessor = Preprocessor::new(&manifest.input);
        let model = Tract::load(&package.model, preprocessor.shape()).map_err(refuse)?;
        let outputs = model.run(&preprocessor.blank()).map_err(refuse)?;
        decode::candidates(&outputs, &manifest).map_err(refuse)?;
        Ok(Self { manifest, preprocessor, model })
    }

    /// The package's manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What runs the model.
    #[must_use]
    pub fn runtime(&self) -> &'static str {
        "tract"
    }

    /// Looks at a picture: boxes over the threshold of their class, one per thing, within the picture, best first.
    /// Classes that are no defects are among them.
    ///
    /// # Errors
    /// [`DetectError`] when the runtime fails on this picture.
    pub fn detect(&self, picture: &PictureView<'_>) -> Result<Vec<Detection>, DetectError> {
        let (tensor, placement) = self.preprocessor.tensor(picture);
        let outputs = self.model.run(&tensor).map_err(|why| DetectError::Run { why })?;
        let candidates = decode::candidates(&outputs, &self.manifest).map_err(|why| DetectError::Output { why })?;
        Ok(self.finish(candidates, &placement))
    }

    /// From boxes in model pixels to detections.
    fn finish(&self, mut candidates: Vec<Candidate>, placement: &Placement) -> Vec<Detection> {
        candidates.retain(|c| c.score >= self.manifest.threshold(c.class_id));
        let kept = if decode::overlaps_are_done(self.manifest.output.decoder) {
            boxes::best(candidates)
        } else {
            boxes::suppress(candidates, self.manifest.output.iou)
        };
        kept.iter().filter_map(|candidate| placement.detection(candidate)).collect()
    }
}

/// Shape and values of the tensor that a picture becomes, for tools that compare runtimes.
#[doc(hidden)]
#[must_use]
pub fn tensor_of(manifest: &Manifest, picture: &PictureView<'_>) -> ([usize; 4], Vec<f32>) {
    let preprocessor = Preprocessor::new(&manifest.input);
    (preprocessor.shape(), preprocessor.tensor(picture).0)
}

impl Resize {
    /// Whether the aspect ratio is kept.
    fn keeps_aspect(self) -> bool {
        self != Self::Stretch
    }
}
