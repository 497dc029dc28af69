//! Two of tract's operators walk a tensor number by number where rows would do; this replaces them in a finished plan.
//!
//! Seen with `perf` on two models: the borders that most convolutions ask for (`Pad`) took a quarter of the time, and a
//! softmax over any axis but the last (the box head of YOLOv8) took half of it. The answers stay the same.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_core::ops::nn::Softmax;

/// Replaces what is slow in an optimised graph. To be called last: tract's own passes don't know what comes in here.
pub(super) fn quicken(graph: &mut TypedModel) -> TractResult<()> {
    for id in 0..graph.nodes.len() {
        let node = graph.node(id);
        let fact = graph.node_input_facts(id)?.first().copied().cloned();
        let Some(fact) = fact.filter(|fact| fact.datum_type == f32::datum_type()) else { continue };
        let patch = if let Some(pad) = node.op_as::<Pad>() {
            let Some(op) = PadRows::of(pad)? else { continue };
            TypedModelPatch::replace_single_op(graph, node, &node.inputs, op)?
        } else if let Some(softmax) = node.op_as::<Softmax>() {
            let last = fact.rank().saturating_sub(1);
            let &[axis] = softmax.axes.as_slice() else { continue };
            if axis == last {
                continue;
            }
            let op = Softmax { axes: tvec!(last), ..softmax.clone() };
            TypedModelPatch::rewire(graph, &node.inputs, &[id.into()], &|patch, inputs| {
                let there = patch.wire_node(format!("{}.there", node.name), AxisOp::Move(axis, last), inputs)?;
                let done = patch.wire_node(&node.name, op.clone(), &there)?;
                patch.wire_node(format!("{}.back", node.name), AxisOp::Move(last, axis), &done)
            })?
        } else {
            continue;
        };
        patch.apply(graph)?;
    }
    graph.compact()
}

/// A border of one number around an f32 tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PadRows {
    /// Numbers before and after, for each axis.
    pads: Vec<(usize, usize)>,
    /// The bits of what the border holds.
    bits: u32,
}

impl PadRows {
    /// The same as `pad`, if that is a border of one number.
    fn of(pad: &Pad) -> TractResult<Option<Self>> {
        let PadMode::Constant(value) = &pad.mode else { return Ok(None) };
        Ok(Some(Self { pads: pad.pads.clone(), bits: value.cast_to_scalar::<f32>()?.to_bits() }))
    }
}

impl Op for PadRows {
    fn name(&self) -> StaticName {
        "PadRows".into()
    }

    op_as_typed_op!();
}

impl EvalOp for PadRows {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let shape: Vec<usize> =
            input.shape().iter().zip(&self.pads).map(|(n, (before, after))| n + before + after).collect();
        let mut output = Tensor::zero::<f32>(&shape)?;
        {
            let source = input.try_as_plain_ram()?;
            let mut target = output.try_as_plain_ram_mut()?;
            pad_rows(source.as_slice()?, input.shape(), &self.pads, f32::from_bits(self.bits), target.as_slice_mut()?);
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for PadRows {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut fact = inputs[0].without_value();
        ensure!(self.pads.len() == fact.rank(), "{} borders for {} axes", self.pads.len(), fact.rank());
        for (axis, (before, after)) in self.pads.iter().enumerate() {
            fact.shape.set(axis, fact.shape[axis].clone() + *before + *after);
        }
        Ok(tvec!(fact))
    }
}

/// Copies the rows of `source`, whose shape is `shape`, into the middle of `target`, which is zero and larger by `pads`;
/// its border becomes `value`.
fn pad_rows(source: &[f32], shape: &[usize], pads: &[(usize, usize)], value: f32, target: &mut [f32]) {
    if value != 0.0 {
        target.fill(value);
    }
    let Some((&row, outer)) = shape.split_last() else {
        target.copy_from_slice(source);
        return;
    };
    if row == 0 {
        return;
    }
    let last = outer.len();
    // Where the row that the odometer `at` stands on begins in the target, kept up as it turns.
    let mut steps = vec![1; last + 1];
    for axis in (0..last).rev() {
        steps[axis] = steps[axis + 1] * (shape[axis + 1] + pads[axis + 1].0 + pads[axis + 1].1);
    }
    let mut start: usize = steps.iter().zip(pads).map(|(step, (before, _))| step * before).sum();
    let mut at = vec![0; last];
    for values in source.chunks_exact(row) {
        target[start..start + row].copy_from_slice(values);
        for axis in (0..last).rev() {
            at[axis] += 1;
            start += steps[axis];
            if at[axis] < outer[axis] {
                break;
            }
            start -= at[axis] * steps[axis];
            at[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The answer is that of tract's own operator, on any shape.
        #[test]
        fn pads_as_tract_does(
            axes in prop::collection::vec((0_usize..4, 0_usize..3, 0_usize..3), 1..5),
            value in prop_oneof![Just(0.0_f32), Just(-3.5)],
        ) {
            let shape: Vec<usize> = axes.iter().map(|axis| axis.0).collect();
            let pads: Vec<(usize, usize)> = axes.iter().map(|axis| (axis.1, axis.2)).collect();
            let numbers: Vec<f32> = (0..shape.iter().product::<usize>()).map(|n| n as f32 + 1.0).collect();
            let tensor = Tensor::from_shape(&shape, &numbers).expect("a tensor");
            let pad = Pad { pads, mode: PadMode::Constant(Arc::new(value.into())) };
            let ours = PadRows::of(&pad).expect("a number").expect("a constant border");
            let context = EvalContext::out_of_plan();
            let theirs = pad.eval(&context, tvec!(tensor.clone().into())).expect("tract's answer");
            let ours = ours.eval(&context, tvec!(tensor.into())).expect("our answer");
            prop_assert_eq!(&*theirs[0], &*ours[0]);
        }
    }

    /// A graph of one border and one softmax over `axis`, and what it makes of some numbers before and after.
    fn both(axis: usize) -> (TypedModel, Tensor, Tensor) {
        let mut graph = TypedModel::default();
        let source = graph.add_source("in", f32::fact([1, 4, 5, 6])).expect("a source");
        let pad = Pad { pads: vec![(0, 0), (0, 0), (1, 1), (2, 1)], mode: PadMode::Constant(Arc::new(0.5_f32.into())) };
        let padded = graph.wire_node("pad", pad, &[source]).expect("a border");
        let softmax = Softmax { axes: tvec!(axis), ..Softmax::default() };
        let out = graph.wire_node("softmax", softmax, &padded).expect("a softmax");
        graph.select_output_outlets(&out).expect("an output");
        let numbers: Vec<f32> = (0..120).map(|n| ((n * 37) % 23) as f32 * 0.3).collect();
        let run = |graph: TypedModel| {
            let input = Tensor::from_shape(&[1, 4, 5, 6], &numbers).expect("a tensor");
            let answer = graph.into_runnable().expect("a plan").run(tvec!(input.into())).expect("an answer");
            answer[0].clone().into_tensor()
        };
        let before = run(graph.clone());
        quicken(&mut graph).expect("a quicker graph");
        let after = run(graph.clone());
        (graph, before, after)
    }

    #[test]
    fn answers_stay_and_slow_operators_go() {
        for axis in 0..4 {
            let (graph, before, after) = both(axis);
            before.close_enough(&after, Approximation::Close).expect("the same numbers");
            assert!(graph.nodes.iter().all(|node| !node.op_is::<Pad>()), "tract's border is gone");
            let softmax = graph.nodes.iter().find_map(|node| node.op_as::<Softmax>()).expect("a softmax");
            assert_eq!(softmax.axes.as_slice(), [3], "over the last axis");
        }
    }
}
