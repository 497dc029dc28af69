//! What people say about an inspection: who, what on, with what.

use crate::config::SessionSection;
use serde::{Deserialize, Serialize};

/// Facts that travel with a job and end in its session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    /// Who held the camera.
    pub(crate) technician_id: Option<String>,
    /// Which vehicle or unit.
    pub(crate) vehicle_id: Option<String>,
    /// `coaster`, `motor`, `panel`, `pump` …
    pub(crate) equipment_type: Option<String>,
    /// Model of the camera.
    pub(crate) camera_model: Option<String>,
    /// `flat_clip`, `ring_clamp`, `lapel_clip` …
    pub(crate) mount_type: Option<String>,
}

impl From<&SessionSection> for Facts {
    fn from(section: &SessionSection) -> Self {
        let SessionSection { technician_id, vehicle_id, equipment_type, camera_model, mount_type } = section.clone();
        Self { technician_id, vehicle_id, equipment_type, camera_model, mount_type }
    }
}

impl Facts {
    /// As it stands in a job.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("facts are plain data")
    }

    /// From a job; what can't be read was not said.
    pub(crate) fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}
