//! Running what was written, with the runtime that looks at pictures too.

use super::LearnError;
use std::sync::Arc;
use tract_onnx::onnx;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

/// A graph of one input and one output that is ready to run.
#[derive(Debug)]
pub(super) struct Runner {
    plan: Arc<TypedSimplePlan>,
    shape: [usize; 4],
}

impl Runner {
    /// Builds the plan for an input of `shape`.
    pub(super) fn new(model: &ModelProto, shape: [usize; 4]) -> Result<Self, LearnError> {
        let graph = onnx().model_for_proto_model(model).map_err(failed)?;
        let plan = graph.into_optimized().map_err(failed)?.into_runnable().map_err(failed)?;
        Ok(Self { plan, shape })
    }

    /// The output's values for this input.
    pub(super) fn run(&self, input: &[f32]) -> Result<Vec<f32>, LearnError> {
        let tensor = Tensor::from_shape(&self.shape, input).map_err(failed)?;
        let outputs = self.plan.run(tvec!(tensor.into())).map_err(failed)?;
        let view = outputs[0].to_plain_array_view::<f32>().map_err(failed)?;
        Ok(view.iter().copied().collect())
    }
}

fn failed(error: impl std::fmt::Display) -> LearnError {
    LearnError::Run { why: format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ") }
}
