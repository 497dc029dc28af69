//! The tract runtime: an ONNX file becomes a plan for one input shape.
//!
//! What tract can't do is refused by the name of the operator, before anything is built. Damaged files can make its
//! importer panic; that is caught here, for a bad model is an answer and not a crash.

mod quicken;

use super::graph::{self, Graph};
use super::{Input, Kind, Output, Runtime, RuntimeKind, Values, guarded, said};
use std::collections::BTreeSet;
use std::sync::Arc;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid as _;

/// A model that is ready to run.
#[derive(Debug)]
pub(super) struct Tract {
    plan: Arc<TypedSimplePlan>,
    /// What the input holds.
    kind: DatumType,
}

impl Tract {
    /// Builds the plan for an input of `shape`.
    pub(super) fn build(file: &Graph, shape: [usize; 4]) -> Result<Self, String> {
        known(file)?;
        let blame = |error: TractError| {
            let text = said(&error);
            // tract names the step; people know operators.
            let named = text.split('"').filter(|word| !word.is_empty()).find_map(|word| file.operator_of(word));
            named.map_or_else(|| text.clone(), |operator| format!("tract can't do this {operator}: {text}"))
        };
        let mut graph = file.onnx.model_for_proto_model(&file.file).map_err(blame)?;
        let input = *graph.input_outlets().map_err(said)?.first().ok_or("the model has no input")?;
        let kind = graph.outlet_fact(input).map_err(said)?.datum_type.concretize().unwrap_or(f32::datum_type());
        if ![f32::datum_type(), f16::datum_type(), u8::datum_type()].contains(&kind) {
            return Err(format!("the model's input holds {kind:?}; export it with f32, f16 or u8"));
        }
        graph.set_input_fact(0, InferenceFact::dt_shape(kind, shape)).map_err(said)?;
        // Shapes written into the file for its outputs were made for another batch or size: they are found anew.
        for index in 0..graph.outputs.len() {
            graph.set_output_fact(index, InferenceFact::default()).map_err(said)?;
        }
        let mut graph = graph.into_optimized().map_err(blame)?;
        quicken::quicken(&mut graph).map_err(blame)?;
        let plan = graph.into_runnable().map_err(blame)?;
        Ok(Self { plan, kind })
    }
}

impl Runtime for Tract {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Tract
    }

    fn input_kind(&self) -> Kind {
        if self.kind == u8::datum_type() { Kind::Byte } else { Kind::Float }
    }

    fn run(&self, input: &Input) -> Result<Vec<Output>, String> {
        guarded("running the model", || {
            let tensor = match &input.values {
                Values::Float(values) => Tensor::from_shape(&input.shape, values),
                Values::Byte(values) => Tensor::from_shape(&input.shape, values),
            };
            let tensor = tensor.map_err(said)?.cast_to_dt(self.kind).map_err(said)?.into_owned();
            let outputs = self.plan.run(tvec!(tensor.into())).map_err(said)?;
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

/// Refuses operators that the importer doesn't know.
fn known(Graph { onnx, file }: &Graph) -> Result<(), String> {
    let mut unknown = BTreeSet::new();
    if let Some(graph) = &file.graph {
        graph::operators(graph, &mut |name| {
            if !onnx.op_register.0.contains_key(name) {
                unknown.insert(name.to_owned());
            }
        });
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
    Err(format!(
        "tract has no operator {names}; export the model without it (often a post-processing step that can be left out), or use ONNX Runtime"
    ))
}
