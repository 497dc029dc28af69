//! One file per subcommand: arguments, what is done, what a person reads. Everything else is in the rooms.

pub(crate) mod detect;
pub(crate) mod doctor;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod model;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod why;

use crate::jobs::facts::Facts;
use clap::Args;
use fieldeye_base::config::Flag;
use indicatif::ProgressStyle;

/// With what a command looks; what isn't given is as configured.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// Folder of another model package
    #[arg(long, value_name = "DIR")]
    model: Option<std::path::PathBuf>,
    /// What runs the model: tract, or onnxruntime where it is built in
    #[arg(long, value_name = "NAME")]
    runtime: Option<String>,
}

impl LookArgs {
    /// As the strongest layer of the configuration.
    pub(crate) fn flags(&self) -> [Flag; 2] {
        let model = self.model.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        [("model.path", model), ("detect.runtime", self.runtime.clone())]
    }
}

/// What a person says about an inspection.
#[derive(Debug, Args)]
pub(crate) struct FactsArgs {
    /// Who held the camera
    #[arg(long, value_name = "ID")]
    technician: Option<String>,
    /// Which vehicle or unit was inspected
    #[arg(long, value_name = "ID")]
    vehicle: Option<String>,
    /// coaster, motor, panel, pump ...
    #[arg(long, value_name = "TYPE")]
    equipment: Option<String>,
    /// flat_clip, ring_clamp, lapel_clip ...
    #[arg(long, value_name = "TYPE")]
    mount: Option<String>,
}

impl FactsArgs {
    /// As the strongest layer of the configuration.
    pub(crate) fn flags(&self) -> [Flag; 4] {
        [
            ("session.technician_id", self.technician.clone()),
            ("session.vehicle_id", self.vehicle.clone()),
            ("session.equipment_type", self.equipment.clone()),
            ("session.mount_type", self.mount.clone()),
        ]
    }

    /// As facts.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            technician_id: self.technician.clone(),
            vehicle_id: self.vehicle.clone(),
            equipment_type: self.equipment.clone(),
            camera_model: None,
            mount_type: self.mount.clone(),
        }
    }
}

/// `--skim` as the strongest layer of the configuration.
fn skim_flag(skim: bool) -> Flag {
    ("detect.skim", skim.then(|| "true".to_owned()))
}

/// How a progress bar looks; indicatif's own is not ASCII.
fn bar_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a valid template").progress_chars("=> ")
}
