//! The tract runtime: an ONNX file becomes a plan for one input shape.
//!
//! What tract can't do is refused by the name of the operator, before anything is built. Damaged files can make its
//! importer panic; that is caught here, for a bad model is an answer and not a crash.

use super::Output;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid as _;
use tract_onnx::tract_hir::internal::DimLike as _;
use tract_onnx::{Onnx, onnx};

/// A model that is ready to run.
#[derive(Debug)]
pub(super) struct Tract {
    plan: Arc<TypedSimplePlan>,
    shape: [usize; 4],
    /// What the input holds.
    kind: DatumType,
}

impl Tract {
    /// Builds the plan for an input of `shape`. Axes that the file leaves open are fixed by it.
    pub(super) fn load(model: &[u8], shape: [usize; 4]) -> Result<Self, String> {
        guarded("reading the model", || build(model, shape))
    }

    /// Runs the model on a tensor of the shape it was built for.
    pub(super) fn run(&self, input: &[f32]) -> Result<Vec<Output>, String> {
        guarded("running the model", || {
            let input = Tensor::from_shape(&self.shape, input).map_err(said)?;
            let input = input.cast_to_dt(self.kind).map_err(said)?.into_owned();
            let outputs = self.plan.run(tvec!(input.into())).map_err(said)?;
            outputs.iter().map(|tensor| plain(tensor)).collect()
        })
    }
}

/// A tensor as numbers.
fn plain(tensor: &Tensor) -> Result<Output, String> {
    let numbers = tensor.cast_to::<f32>().map_err(said)?;
    let view = numbers.to_plain_array_view::<f32>().map_err(said)?;
    Ok(Output { shape: view.shape().to_vec(), data: view.iter().copied().collect() })
}

fn build(model: &[u8], shape: [usize; 4]) -> Result<Tract, String> {
    let onnx = onnx();
    let mut reader = model;
    let file = onnx.proto_model_for_read(&mut reader).map_err(|_| "this is not an ONNX file".to_owned())?;
    examine(&onnx, &file)?;
    let mut graph = onnx.model_for_proto_model(&file).map_err(said)?;
    let [input] = graph.input_outlets().map_err(said)? else {
        let count = graph.inputs.len();
        return Err(format!("the model has {count} inputs, one picture is what it can be given; export it with one"));
    };
    let declared = graph.outlet_fact(*input).map_err(said)?.clone();
    fits(&declared, shape)?;
    let kind = declared.datum_type.concretize().unwrap_or(f32::datum_type());
    if ![f32::datum_type(), f16::datum_type(), u8::datum_type()].contains(&kind) {
        return Err(format!("the model's input holds {kind:?}; export it with f32, f16 or u8"));
    }
    graph.set_input_fact(0, InferenceFact::dt_shape(kind, shape)).map_err(said)?;
    // Shapes written into the file for its outputs were made for another batch or size: they are found anew.
    for index in 0..graph.outputs.len() {
        graph.set_output_fact(index, InferenceFact::default()).map_err(said)?;
    }
    let plan = graph.into_optimized().map_err(said)?.into_runnable().map_err(said)?;
    Ok(Tract { plan, shape, kind })
}

/// Refuses what the importer would trip over.
fn examine(onnx: &Onnx, file: &ModelProto) -> Result<(), String> {
    let graph = file.graph.as_ref().ok_or("this is not an ONNX file: it has no graph")?;
    let mut unknown = BTreeSet::new();
    operators(graph, &mut |name| {
        if !onnx.op_register.0.contains_key(name) {
            unknown.insert(name.to_owned());
        }
    });
    if !unknown.is_empty() {
        let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
        return Err(format!(
            "tract has no operator {names}; export the model without it (often a post-processing step that can be left out)"
        ));
    }
    let mut values: BTreeSet<&str> = graph.node.iter().flat_map(|node| &node.output).map(String::as_str).collect();
    values.extend(graph.input.iter().map(|input| input.name.as_str()));
    values.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    // 1 is "external" in the format.
    if let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.data_location == Some(1)) {
        return Err(format!("the values of {:?} are in another file; save the model as one file", tensor.name));
    }
    if graph.output.is_empty() {
        return Err("the model has no output".to_owned());
    }
    for output in &graph.output {
        if !values.contains(output.name.as_str()) {
            return Err(format!("the model's output {:?} is made by nothing in it; the file is damaged", output.name));
        }
    }
    Ok(())
}

/// Every operator of a graph and of those inside it.
fn operators(graph: &GraphProto, see: &mut dyn FnMut(&str)) {
    for node in &graph.node {
        see(&node.op_type);
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).for_each(|inner| operators(inner, see));
        }
    }
}

/// Whether the shape that the file declares leaves room for the manifest's.
fn fits(declared: &InferenceFact, shape: [usize; 4]) -> Result<(), String> {
    let dims: Vec<Option<usize>> =
        declared.shape.dims().map(|dim| dim.concretize().and_then(|dim| dim.to_usize().ok())).collect();
    let rank_fits = declared.shape.is_open() || dims.len() == shape.len();
    let dims_fit = dims.iter().zip(shape).all(|(dim, wanted)| dim.is_none_or(|dim| dim == wanted));
    if rank_fits && dims_fit {
        return Ok(());
    }
    let dims = dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect::<Vec<_>>().join(", ");
    Err(format!("the model's input is [{dims}], the manifest's size and colour make {shape:?}; correct [input]"))
}

/// What tract said, on one line.
fn said(error: impl std::fmt::Display) -> String {
    let text = format!("{error:#}");
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > LINE {
        let end = (0..=LINE).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
        line.truncate(end);
        line.push_str("...");
    }
    line
}

/// Longest message taken from tract, bytes.
const LINE: usize = 400;

/// Runs what may panic on a damaged model.
fn guarded<T>(doing: &str, run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!(
            "{doing} broke off ({}); the file is damaged or uses what tract can't do",
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
        let line = said("\u{e4}".repeat(LINE));
        assert!(line.len() <= LINE + 3 && line.ends_with("..."), "{} bytes", line.len());
    }
}
