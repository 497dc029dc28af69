//! What an ONNX file says of itself, before any runtime builds it.

use serde::Serialize;
use std::collections::BTreeMap;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto, ValueInfoProto};
use tract_onnx::prelude::Framework as _;
use tract_onnx::{Onnx, onnx};

/// An ONNX file that was read and whose parts belong together.
pub(in super::super) struct Graph {
    pub(super) onnx: Onnx,
    pub(super) file: ModelProto,
}

/// A tensor that goes in or comes out, as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// What it holds, as ONNX calls it in small letters: `float`, `float16`, `uint8`.
    pub holds: String,
    /// Its axes; none for those that the file leaves open.
    pub shape: Vec<Option<usize>>,
}

/// What a model consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anatomy {
    /// Version of ONNX's operators that it was written for.
    pub opset: i64,
    /// The program that wrote it, if it says so.
    pub producer: String,
    /// Tensors that go in.
    pub inputs: Vec<Declared>,
    /// Tensors that come out.
    pub outputs: Vec<Declared>,
    /// How often each operator occurs.
    pub operators: BTreeMap<String, usize>,
    /// How many weights there are of each kind, as ONNX calls them in small letters.
    pub weights: BTreeMap<String, u64>,
}

impl Graph {
    /// Reads a file and refuses what is damaged or incomplete.
    ///
    /// # Errors
    /// One sentence.
    pub(in super::super) fn read(model: &[u8]) -> Result<Self, String> {
        let onnx = onnx();
        let mut reader = model;
        let file = onnx.proto_model_for_read(&mut reader).map_err(|_| "this is not an ONNX file".to_owned())?;
        let this = Self { onnx, file };
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<(), String> {
        let graph = self.file.graph.as_ref().ok_or("this is not an ONNX file: it has no graph")?;
        // 1 is "external" in the format.
        if let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.data_location == Some(1)) {
            return Err(format!("the values of {:?} are in another file; save the model as one file", tensor.name));
        }
        if graph.output.is_empty() {
            return Err("the model has no output".to_owned());
        }
        let inputs = picture_inputs(graph).count();
        if inputs != 1 {
            return Err(format!(
                "the model has {inputs} inputs, one picture is what it can be given; export it with one"
            ));
        }
        let made = graph.node.iter().flat_map(|node| &node.output);
        let given = graph.input.iter().map(|input| &input.name);
        let stored = graph.initializer.iter().map(|tensor| &tensor.name);
        let values: std::collections::BTreeSet<&String> = made.chain(given).chain(stored).collect();
        match graph.output.iter().find(|output| !values.contains(&output.name)) {
            None => Ok(()),
            Some(output) => {
                Err(format!("the model's output {:?} is made by nothing in it; the file is damaged", output.name))
            }
        }
    }

    /// The picture's declaration.
    pub(super) fn input(&self) -> Option<Declared> {
        self.file.graph.as_ref().and_then(|graph| picture_inputs(graph).next().map(declared))
    }

    /// The operator that makes a value or has a name.
    pub(super) fn operator_of(&self, name: &str) -> Option<&str> {
        let graph = self.file.graph.as_ref()?;
        let is = |node: &&tract_onnx::pb::NodeProto| node.name == name || node.output.iter().any(|made| made == name);
        graph.node.iter().find(is).map(|node| node.op_type.as_str())
    }

    /// What it consists of.
    pub(in super::super) fn anatomy(&self) -> Anatomy {
        let mut anatomy = Anatomy {
            opset: self.file.opset_import.iter().find(|set| set.domain.is_empty()).map_or(0, |set| set.version),
            producer: format!("{} {}", self.file.producer_name, self.file.producer_version).trim().to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            operators: BTreeMap::new(),
            weights: BTreeMap::new(),
        };
        if let Some(graph) = &self.file.graph {
            anatomy.inputs = picture_inputs(graph).map(declared).collect();
            anatomy.outputs = graph.output.iter().map(declared).collect();
            operators(graph, &mut |name| *anatomy.operators.entry(name.to_owned()).or_default() += 1);
            for tensor in &graph.initializer {
                *anatomy.weights.entry(kind_name(tensor.data_type)).or_default() += count(tensor);
            }
        }
        anatomy
    }
}

/// The inputs that are no stored values: old files list those, too.
fn picture_inputs(graph: &GraphProto) -> impl Iterator<Item = &ValueInfoProto> {
    graph.input.iter().filter(|input| graph.initializer.iter().all(|stored| stored.name != input.name))
}

fn declared(info: &ValueInfoProto) -> Declared {
    let TypeValue::TensorType(tensor) = match info.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(value) => value,
        None => return Declared { name: info.name.clone(), holds: kind_name(0), shape: Vec::new() },
    };
    let axis = |dimension: &Option<Dimension>| match dimension {
        Some(Dimension::DimValue(size)) => usize::try_from(*size).ok().filter(|size| *size > 0),
        _ => None,
    };
    let dimensions = tensor.shape.iter().flat_map(|shape| &shape.dim);
    Declared {
        name: info.name.clone(),
        holds: kind_name(tensor.elem_type),
        shape: dimensions.map(|dimension| axis(&dimension.value)).collect(),
    }
}

fn kind_name(kind: i32) -> String {
    DataType::try_from(kind).map_or_else(|_| format!("kind {kind}"), |kind| kind.as_str_name().to_ascii_lowercase())
}

fn count(tensor: &TensorProto) -> u64 {
    tensor.dims.iter().map(|&size| u64::try_from(size).unwrap_or(0)).product()
}

/// Every operator of a graph and of those inside it.
pub(super) fn operators(graph: &GraphProto, see: &mut dyn FnMut(&str)) {
    for node in &graph.node {
        see(&node.op_type);
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).for_each(|inner| operators(inner, see));
        }
    }
}
