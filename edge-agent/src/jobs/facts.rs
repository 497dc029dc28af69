//! What people say about an inspection: who, what on, with what.

use crate::config::SessionSection;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

    /// These, and from `other` what these do not say.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            technician_id: self.technician_id.or(other.technician_id),
            vehicle_id: self.vehicle_id.or(other.vehicle_id),
            equipment_type: self.equipment_type.or(other.equipment_type),
            camera_model: self.camera_model.or(other.camera_model),
            mount_type: self.mount_type.or(other.mount_type),
        }
    }

    /// Those that the body of a session's record has. Its fields bear the same names.
    pub(crate) fn of_session(body: &Value) -> Self {
        Self::deserialize(body).unwrap_or_default()
    }

    /// Writes them into the body of a session's record.
    pub(crate) fn say_in(&self, body: &mut Value) {
        let Value::Object(said) = serde_json::to_value(self).expect("facts are plain data") else { return };
        if let Value::Object(body) = body {
            body.extend(said.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }

    /// From a job; what can't be read was not said.
    pub(crate) fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldeye_protocol::body::SessionBody;
    use serde_json::json;

    #[test]
    fn facts_are_those_of_the_sessions_record() {
        let facts =
            Facts { technician_id: Some("t-1".into()), mount_type: Some("ring_clamp".into()), ..Facts::default() };
        let mut body = serde_json::to_value(SessionBody { vehicle_id: Some("v-2".into()), ..SessionBody::default() })
            .expect("plain data");
        facts.say_in(&mut body);
        let all = Facts::of_session(&body);
        assert_eq!(all, facts.clone().or(Facts { vehicle_id: Some("v-2".into()), ..Facts::default() }));
        serde_json::from_value::<SessionBody>(body).expect("still a session's body");
        assert_eq!(Facts::from_json(&facts.to_json()), facts);
        assert_eq!(Facts::of_session(&json!({"technician_id": 7})), Facts::default());
    }
}
