//! What runs a model: one trait, two runtimes.
//!
//! tract is part of the program and needs nothing. ONNX Runtime (feature `onnxruntime`) is a library that is loaded when
//! it is asked for; it is what uses a GPU. Both take one tensor of a fixed shape and give all outputs as numbers, and
//! both refuse with one sentence: nothing in a model file makes them panic.

mod graph;
#[cfg(feature = "onnxruntime")]
mod onnx_runtime;
mod tract;

pub(super) use graph::Graph;
pub use graph::{Anatomy, Declared};

use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// What is to run a model, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuntimeConfig {
    /// Which runtime.
    pub kind: RuntimeKind,
    /// The library of ONNX Runtime; without one the system's `libonnxruntime.so` is looked for.
    pub library: Option<PathBuf>,
    /// What ONNX Runtime may calculate on, best first; the processor when there is none. tract knows the processor only.
    pub providers: Vec<Provider>,
    /// Threads of ONNX Runtime per model; 0 is one. tract uses the caller's thread.
    pub threads: usize,
}

/// A runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// tract, part of the program.
    #[default]
    Tract,
    /// ONNX Runtime, a library that is loaded.
    OnnxRuntime,
}

impl RuntimeKind {
    /// Its name in configuration and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tract => "tract",
            Self::OnnxRuntime => "onnxruntime",
        }
    }

    /// Those that this program was built with, the default first.
    #[must_use]
    pub fn built_in() -> &'static [Self] {
        if cfg!(feature = "onnxruntime") { &[Self::Tract, Self::OnnxRuntime] } else { &[Self::Tract] }
    }
}

impl From<RuntimeKind> for RuntimeConfig {
    /// That runtime, with the defaults for all else.
    fn from(kind: RuntimeKind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// What ONNX Runtime calculates on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, through CUDA.
    Cuda,
    /// An NVIDIA GPU, through TensorRT.
    TensorRt,
}

impl Provider {
    /// By its name in configuration: `cpu`, `cuda`, `tensorrt`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda),
            "tensorrt" => Some(Self::TensorRt),
            _ => None,
        }
    }
}

/// What a tensor of the input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 32 bit numbers; 16 bit ones are made of them at the door.
    Float,
    /// Whole numbers from 0 to 255.
    Byte,
}

/// A picture as a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    /// One picture, channels, rows, columns.
    pub(crate) shape: [usize; 4],
    pub(crate) values: Values,
}

/// The numbers of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    Float(Vec<f32>),
    Byte(Vec<u8>),
}

/// One tensor that a model gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
}

/// A model that is ready to run.
pub(crate) trait Runtime: std::fmt::Debug + Send + Sync {
    /// Which runtime it is.
    fn kind(&self) -> RuntimeKind;

    /// What its input holds.
    fn input_kind(&self) -> Kind;

    /// Runs the model on an input of the shape it was built for.
    ///
    /// # Errors
    /// One sentence: what the runtime said.
    fn run(&self, input: &Input) -> Result<Vec<Output>, String>;
}

/// Builds the model for an input of `shape`. Axes that the file leaves open are fixed by it.
///
/// # Errors
/// One sentence: what is wrong with the file, or what the runtime can't do, with the operator's name.
pub(crate) fn load(model: &[u8], shape: [usize; 4], config: &RuntimeConfig) -> Result<Box<dyn Runtime>, String> {
    guarded("reading the model", || {
        let graph = Graph::read(model)?;
        let declared = graph.input().ok_or("the model has no input")?;
        if !declared.shape.is_empty() {
            fits(&declared.shape, shape)?;
        }
        match config.kind {
            RuntimeKind::Tract => Ok(Box::new(tract::Tract::build(&graph, shape)?) as Box<dyn Runtime>),
            #[cfg(feature = "onnxruntime")]
            RuntimeKind::OnnxRuntime => Ok(Box::new(onnx_runtime::OnnxRuntime::build(model, config)?)),
            #[cfg(not(feature = "onnxruntime"))]
            RuntimeKind::OnnxRuntime => Err(
                "this program was built without ONNX Runtime; build it with `--features onnxruntime`, or choose tract"
                    .to_owned(),
            ),
        }
    })
}

/// Whether the shape that a file declares leaves room for the manifest's; `None` is an open axis.
fn fits(declared: &[Option<usize>], shape: [usize; 4]) -> Result<(), String> {
    let dims_fit = declared.iter().zip(shape).all(|(dim, wanted)| dim.is_none_or(|dim| dim == wanted));
    if declared.len() == shape.len() && dims_fit {
        return Ok(());
    }
    let dims = declared.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect::<Vec<_>>().join(", ");
    Err(format!("the model's input is [{dims}], the manifest's size and colour make {shape:?}; correct [input]"))
}

/// What a runtime said, on one line.
fn said(error: impl std::fmt::Display) -> String {
    /// Longest message, bytes.
    const LINE: usize = 400;
    let text = format!("{error:#}");
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > LINE {
        let end = (0..=LINE).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
        line.truncate(end);
        line.push_str("...");
    }
    line
}

/// Runs what may panic on a damaged model.
fn guarded<T>(doing: &str, run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!(
            "{doing} broke off ({}); the file is damaged or uses what the runtime can't do",
            said(text.unwrap_or("no reason given"))
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_runtime_is_an_answer() {
        let error = guarded::<()>("reading the model", || panic!("no such\noutlet")).expect_err("it broke off");
        assert!(error.contains("reading the model") && error.contains("no such outlet"), "{error}");
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let line = said("\u{e4}".repeat(600));
        assert!(line.len() <= 403 && line.ends_with("..."), "{} bytes", line.len());
    }
}
