//! The defect model: the one inside the program, or a package in a folder.

use crate::config::Config;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_protocol::body::ModelRef;
use fieldeye_vision::detect::{Detector, RuntimeConfig};
use fieldeye_vision::package::{Package, PackageError};
use std::path::Path;
use std::sync::Arc;

/// The default model's package.
const BUILT_IN_MANIFEST: &str = include_str!("../../models/torque-stripe/model.toml");
const BUILT_IN_MODEL: &[u8] = include_bytes!("../../models/torque-stripe/model.onnx");

/// A model that is ready to look, and what records say of it.
#[derive(Debug, Clone)]
pub(crate) struct LoadedModel {
    /// Looks at pictures.
    pub(crate) detector: Arc<Detector>,
    /// Name, version and digest.
    pub(crate) reference: ModelRef,
}

/// Reads the package in `folder`, or the one inside the program. Anything wrong with it is exit 4. Blocks.
pub(crate) fn open(folder: Option<&Path>) -> Result<Package, Failure> {
    match folder {
        Some(folder) => {
            let hint = format!("give a folder with model.toml and the model that it names, not {}", folder.display());
            Package::open(folder).map_err(|error| refuse(&error, &hint))
        }
        None => Package::embedded(BUILT_IN_MANIFEST, BUILT_IN_MODEL)
            .map_err(|error| refuse(&error, "please report this, and give --model DIR meanwhile")),
    }
}

/// Makes the configured model ready to look, with the configured runtime. Errors as of [`load`]. Blocks.
pub(crate) fn configured(config: &Config) -> Result<LoadedModel, Failure> {
    load(config.model.path.as_deref(), &config.detect.runtime_config()?)
}

/// Makes the package in `folder`, or the one inside the program, ready to look. Anything wrong with it is exit 4. Blocks.
pub(crate) fn load(folder: Option<&Path>, runtime: &RuntimeConfig) -> Result<LoadedModel, Failure> {
    let package = open(folder)?;
    let detector = Detector::load(&package, runtime).map_err(|error| {
        refuse(&error, "`fieldeye-agent model verify DIR` says more; docs/MODELS.md says what to export")
    })?;
    let model = &package.manifest.model;
    let reference = ModelRef { name: model.name.clone(), version: model.version.clone(), sha256: model.sha256.clone() };
    Ok(LoadedModel { detector: Arc::new(detector), reference })
}

fn refuse(error: &PackageError, hint: &str) -> Failure {
    Failure::new(Exit::BadModel, error.to_string()).hint(hint)
}
