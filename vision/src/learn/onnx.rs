//! Writing ONNX: nodes and constants in the order in which they are used.
//!
//! Only plain operators of opset 13 with fixed shapes come out of this room, so that every runtime runs them.

use prost::Message as _;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::type_proto::{self, Tensor};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
};

const OPSET: i64 = 13;
/// Of the file format, as opset 13 to 17 are usually written.
const IR: i64 = 8;

/// A graph that is being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

/// The name of a value in the graph.
pub(super) type Value = String;

/// An attribute of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Text(&'a str),
}

impl Writer {
    /// A constant of f32.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Value {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len(), "{name}");
        self.constants.push(TensorProto {
            name: name.to_owned(),
            dims: signed(dims),
            data_type: DataType::Float as i32,
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        name.to_owned()
    }

    /// A constant of i64 with one axis.
    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> Value {
        self.constants.push(TensorProto {
            name: name.to_owned(),
            dims: vec![values.len() as i64],
            data_type: DataType::Int64 as i32,
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        name.to_owned()
    }

    /// A node with one output, which has the node's name.
    pub(super) fn node(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        self.nodes.push(NodeProto {
            name: name.to_owned(),
            op_type: operator.to_owned(),
            input: inputs.iter().map(|&input| input.clone()).collect(),
            output: vec![name.to_owned()],
            attribute: attributes.iter().map(|&(key, value)| attribute(key, value)).collect(),
            ..NodeProto::default()
        });
        name.to_owned()
    }

    /// A convolution of stride 1 whose output is as large as its input.
    pub(super) fn conv(
        &mut self,
        name: &str,
        input: &Value,
        weights: &Value,
        bias: Option<&Value>,
        side: usize,
    ) -> Value {
        let (kernel, pads) = ([side as i64; 2], [side as i64 / 2; 4]);
        let inputs: Vec<&Value> = [input, weights].into_iter().chain(bias).collect();
        let attributes = [("kernel_shape", Attribute::Ints(&kernel)), ("pads", Attribute::Ints(&pads))];
        self.node("Conv", name, &inputs, &attributes)
    }

    /// The mean of squares of `side`, `stride` apart, with `pad` on all sides that does not count.
    pub(super) fn mean(&mut self, name: &str, input: &Value, side: usize, stride: usize, pad: usize) -> Value {
        let (kernel, strides, pads) = ([side as i64; 2], [stride as i64; 2], [pad as i64; 4]);
        let attributes = [
            ("kernel_shape", Attribute::Ints(&kernel)),
            ("strides", Attribute::Ints(&strides)),
            ("pads", Attribute::Ints(&pads)),
            ("count_include_pad", Attribute::Int(0)),
        ];
        self.node("AveragePool", name, &[input], &attributes)
    }

    /// The whole file, with one input and one output of these shapes.
    pub(super) fn model(self, name: &str, input: (&str, &[usize]), output: (&Value, &[usize])) -> Vec<u8> {
        let graph = GraphProto {
            name: name.to_owned(),
            node: self.nodes,
            initializer: self.constants,
            input: vec![declared(input.0, input.1)],
            output: vec![declared(output.0, output.1)],
            ..GraphProto::default()
        };
        let model = ModelProto {
            ir_version: IR,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name: "field-eye".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }
}

fn signed(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|&dim| dim as i64).collect()
}

fn attribute(key: &str, value: Attribute<'_>) -> AttributeProto {
    let mut attribute = AttributeProto { name: key.to_owned(), ..AttributeProto::default() };
    let kind = match value {
        Attribute::Int(number) => {
            attribute.i = number;
            AttributeType::Int
        }
        Attribute::Ints(numbers) => {
            attribute.ints = numbers.to_vec();
            AttributeType::Ints
        }
        Attribute::Text(text) => {
            attribute.s = text.as_bytes().to_vec();
            AttributeType::String
        }
    };
    attribute.r#type = kind as i32;
    attribute
}

fn declared(name: &str, dims: &[usize]) -> ValueInfoProto {
    let dim = |&dim: &usize| Dimension { value: Some(dimension::Value::DimValue(dim as i64)), ..Dimension::default() };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = Tensor { elem_type: DataType::Float as i32, shape: Some(shape) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}
