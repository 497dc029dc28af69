//! What a model sees in a picture: picture → tensor → ONNX → boxes.
//!
//! `preprocess` brings a decoded frame to the model's size and number range in one pass over its planes, `runtime` runs
//! the model, `decode` reads the output tensors of the usual families of detectors, `boxes` keeps one box per thing, and
//! `tiles` looks at large pictures part by part. A [`Detector`] ties them together for one model package.
//!
//! A package is checked when it is loaded, by running it once: what loads has an output that its decoder can read.
//! Nothing that a model file or its output contains makes this room panic.

mod boxes;
mod decode;
pub(crate) mod preprocess;
pub(crate) mod runtime;
#[cfg(test)]
mod tests;
mod tiles;

pub use runtime::{Anatomy, Declared, Provider, RuntimeConfig, RuntimeKind};

use crate::package::{Manifest, Package, PackageError};
use crate::picture::PictureView;
use boxes::Candidate;
use preprocess::Preprocessor;
use runtime::{Graph, Input, Output, Runtime};
use std::time::{Duration, Instant};

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

/// Where the time of a look went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// From the frame to the tensor.
    pub preprocess: Duration,
    /// In the runtime.
    pub inference: Duration,
    /// From the output to boxes.
    pub postprocess: Duration,
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.preprocess += other.preprocess;
        self.inference += other.inference;
        self.postprocess += other.postprocess;
    }
}

/// A model that is ready to look. One per package; shared between threads as it is.
#[derive(Debug)]
pub struct Detector {
    manifest: Manifest,
    preprocessor: Preprocessor,
    model: Box<dyn Runtime>,
}

impl Detector {
    /// Builds the model, and runs it once on a grey picture.
    ///
    /// # Errors
    /// [`PackageError::Model`] when the runtime can't run it, or its decoder can't read what it gives.
    pub fn load(package: &Package, config: &RuntimeConfig) -> Result<Self, PackageError> {
        let refuse = |why: String| PackageError::Model { path: package.path.clone(), why };
        let manifest = package.manifest.clone();
        let preprocessor = Preprocessor::new(&manifest.input);
        let model = runtime::load(&package.model, preprocessor.shape(), config).map_err(refuse)?;
        let outputs = model.run(&preprocessor.blank(model.input_kind())).map_err(refuse)?;
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
    pub fn runtime(&self) -> RuntimeKind {
        self.model.kind()
    }

    /// Looks at a picture: boxes over the threshold of their class, one per thing, within the picture, best first.
    /// Classes that are no defects are among them.
    ///
    /// # Errors
    /// [`DetectError`] when the runtime fails on this picture.
    pub fn detect(&self, picture: &PictureView<'_>) -> Result<Vec<Detection>, DetectError> {
        self.look(picture).map(|(found, _)| found)
    }

    /// As [`Detector::detect`], and where the time went.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn look(&self, picture: &PictureView<'_>) -> Result<(Vec<Detection>, Spent), DetectError> {
        let mut spent = Spent::default();
        let found = match self.manifest.input.tiles {
            Some(tiles) => tiles::look(self, picture, &tiles, &mut spent)?,
            None => self.look_once(picture, &mut spent)?,
        };
        Ok((found, spent))
    }

    /// The greatest score that the model gives to anything in a picture, whatever its threshold; 0 when there is none.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn strongest(&self, picture: &PictureView<'_>) -> Result<f32, DetectError> {
        let (_, outputs) = self.outputs(picture)?;
        let mut manifest = self.manifest.clone();
        manifest.output.confidence = 0.0;
        manifest.classes.iter_mut().for_each(|class| class.confidence = None);
        let candidates = decode::candidates(&outputs, &manifest).map_err(|why| DetectError::Output { why })?;
        Ok(candidates.iter().map(|candidate| candidate.score).fold(0.0, f32::max))
    }

    /// The tensor that a picture becomes and the numbers of the model's first output, for tools that compare runtimes.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    #[doc(hidden)]
    pub fn raw(&self, picture: &PictureView<'_>) -> Result<(Vec<f32>, Vec<f32>), DetectError> {
        let (input, outputs) = self.outputs(picture)?;
        let tensor = match input.values {
            runtime::Values::Float(values) => values,
            runtime::Values::Byte(values) => values.into_iter().map(f32::from).collect(),
        };
        Ok((tensor, outputs.into_iter().next().map(|output| output.data).unwrap_or_default()))
    }

    /// What the model is given for a picture, and what it gives.
    fn outputs(&self, picture: &PictureView<'_>) -> Result<(Input, Vec<Output>), DetectError> {
        let (input, _) = self.preprocessor.input(picture, self.model.input_kind());
        let outputs = self.model.run(&input).map_err(|why| DetectError::Run { why })?;
        Ok((input, outputs))
    }

    /// What the model sees when it is shown this picture as one.
    fn look_once(&self, picture: &PictureView<'_>, spent: &mut Spent) -> Result<Vec<Detection>, DetectError> {
        let began = Instant::now();
        let (input, placement) = self.preprocessor.input(picture, self.model.input_kind());
        let prepared = Instant::now();
        let outputs = self.model.run(&input).map_err(|why| DetectError::Run { why })?;
        let ran = Instant::now();
        let candidates = decode::candidates(&outputs, &self.manifest).map_err(|why| DetectError::Output { why })?;
        let found = self.kept(candidates).iter().filter_map(|candidate| placement.detection(candidate)).collect();
        *spent += Spent { preprocess: prepared - began, inference: ran - prepared, postprocess: ran.elapsed() };
        Ok(found)
    }

    /// The candidates over the threshold of their class, one per thing.
    fn kept(&self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        candidates.retain(|c| c.score >= self.manifest.threshold(c.class_id));
        if decode::overlaps_are_done(self.manifest.output.decoder) {
            boxes::best(candidates)
        } else {
            boxes::suppress(candidates, self.manifest.output.iou)
        }
    }
}

/// What a model consists of, whether a runtime can run it or not.
///
/// # Errors
/// [`PackageError::Model`] when it is no ONNX file, or a damaged or incomplete one.
pub fn anatomy(package: &Package) -> Result<Anatomy, PackageError> {
    let refuse = |why: String| PackageError::Model { path: package.path.clone(), why };
    Graph::read(&package.model).map(|graph| graph.anatomy()).map_err(refuse)
}
