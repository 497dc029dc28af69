//! ONNX Runtime: a library that is loaded when it is first asked for, once per process.

use super::{Input, Kind, Output, Provider, Runtime, RuntimeConfig, RuntimeKind, Values, guarded, said};
use half::f16;
use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProviderDispatch, TensorRT};
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{DynValue, Tensor, TensorElementType, TensorRef};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Name of the library where none is configured; looked for where the system keeps libraries.
const LIBRARY: &str = if cfg!(windows) {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};
/// The environment variable that the library's own documentation names.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// A model that is ready to run.
#[derive(Debug)]
pub(super) struct OnnxRuntime {
    /// It runs one picture at a time.
    session: Mutex<Session>,
    holds: TensorElementType,
}

impl OnnxRuntime {
    /// Opens a session for a file whose graph was read.
    pub(super) fn build(model: &[u8], config: &RuntimeConfig) -> Result<Self, String> {
        let environment = environment(config.library.as_deref())?;
        let session = Session::builder(environment)
            .map_err(said)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(said)?
            .with_intra_threads(config.threads.max(1))
            .map_err(said)?
            // Spinning threads would take the decoder's time.
            .with_intra_op_spinning(false)
            .map_err(said)?
            .with_log_level(LogLevel::Fatal)
            .map_err(said)?
            .with_execution_providers(providers(&config.providers))
            .map_err(|error| format!("ONNX Runtime can't use the configured provider: {}", said(error)))?
            .commit_from_memory(model)
            .map_err(|error| format!("ONNX Runtime refuses the model: {}", said(error)))?;
        let holds = session.inputs().first().and_then(|input| input.dtype().tensor_type());
        match holds {
            Some(holds @ (TensorElementType::Float32 | TensorElementType::Float16 | TensorElementType::Uint8)) => {
                Ok(Self { session: Mutex::new(session), holds })
            }
            other => Err(format!(
                "the model's input holds {}; export it with f32, f16 or u8",
                other.map_or("no tensor".to_owned(), |kind| kind.to_string())
            )),
        }
    }
}

impl Runtime for OnnxRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::OnnxRuntime
    }

    fn input_kind(&self) -> Kind {
        if self.holds == TensorElementType::Uint8 { Kind::Byte } else { Kind::Float }
    }

    fn run(&self, input: &Input) -> Result<Vec<Output>, String> {
        guarded("running the model", || {
            let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            let shape = input.shape;
            let outputs = match &input.values {
                Values::Float(values) if self.holds == TensorElementType::Float16 => {
                    let halves: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
                    given(&mut session, Tensor::from_array((shape, halves)).map_err(said)?)
                }
                Values::Float(values) => {
                    given(&mut session, TensorRef::from_array_view((shape, values.as_slice())).map_err(said)?)
                }
                Values::Byte(values) => {
                    given(&mut session, TensorRef::from_array_view((shape, values.as_slice())).map_err(said)?)
                }
            }?;
            let names: Vec<String> = outputs.keys().map(str::to_owned).collect();
            names.iter().map(|name| plain(&outputs[name.as_str()])).collect()
        })
    }
}

fn given<'s, 'v>(
    session: &'s mut Session,
    tensor: impl Into<SessionInputValue<'v>>,
) -> Result<SessionOutputs<'s>, String> {
    session.run([tensor.into()]).map_err(said)
}

/// A tensor as numbers.
fn plain(value: &DynValue) -> Result<Output, String> {
    let kind = value.dtype().tensor_type().ok_or("one of the model's outputs is no tensor")?;
    let output = |shape: &[i64], data: Vec<f32>| Output {
        shape: shape.iter().map(|&axis| usize::try_from(axis).unwrap_or(0)).collect(),
        data,
    };
    macro_rules! cast {
        ($kind:ty, $cast:expr) => {{
            let (shape, data) = value.try_extract_tensor::<$kind>().map_err(said)?;
            Ok(output(shape, data.iter().map($cast).collect()))
        }};
    }
    match kind {
        TensorElementType::Float32 => cast!(f32, |&v| v),
        TensorElementType::Float64 => cast!(f64, |&v| v as f32),
        TensorElementType::Float16 => cast!(f16, |v| v.to_f32()),
        TensorElementType::Uint8 => cast!(u8, |&v| f32::from(v)),
        TensorElementType::Int32 => cast!(i32, |&v| v as f32),
        TensorElementType::Int64 => cast!(i64, |&v| v as f32),
        TensorElementType::Bool => cast!(bool, |&v| f32::from(u8::from(v))),
        other => Err(format!("one of the model's outputs holds {other}; export it with f32")),
    }
}

fn providers(wanted: &[Provider]) -> Vec<ExecutionProviderDispatch> {
    let one = |provider: &Provider| match provider {
        // It is always there, and last.
        Provider::Cpu => None,
        Provider::Cuda => Some(CUDA::default().build().error_on_failure()),
        Provider::TensorRt => Some(TensorRT::default().build().error_on_failure()),
    };
    wanted.iter().filter_map(one).collect()
}

/// The library and its environment: there can be one in a process.
fn environment(library: Option<&Path>) -> Result<&'static Environment, String> {
    type Loaded = (PathBuf, Result<Environment, String>);
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = library.map(Path::to_path_buf).or(named).unwrap_or_else(|| PathBuf::from(LIBRARY));
    let (loaded, environment) = LOADED.get_or_init(|| {
        let environment = ort::init_from(&path)
            .map_err(|error| {
                format!(
                    "ONNX Runtime can't be loaded ({}); install it and name the library in detect.library or {VARIABLE}, or choose tract",
                    said(error)
                )
            })
            .and_then(|builder| builder.with_name("fieldeye").with_telemetry(false).build().map_err(said));
        (path.clone(), environment)
    });
    if *loaded != path {
        return Err(format!("ONNX Runtime was loaded from {} already, not from {}", loaded.display(), path.display()));
    }
    environment.as_ref().map_err(Clone::clone)
}
