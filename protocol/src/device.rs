//! The name of a device: the CN of its certificate, its MQTT client id and a level of its topics.

use crate::ProtocolError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A valid device id: `[a-z0-9][a-z0-9-]{2,63}`, so it is safe in topics, paths and file names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(String);

impl DeviceId {
    /// Checks and takes a device id.
    pub fn parse(text: &str) -> Result<Self, ProtocolError> {
        let bytes = text.as_bytes();
        let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        let valid = (3..=64).contains(&bytes.len()) && bytes[0] != b'-' && bytes.iter().all(allowed);
        if valid { Ok(Self(text.to_owned())) } else { Err(ProtocolError::DeviceId(text.chars().take(80).collect())) }
    }

    /// Makes the nearest valid id from any name, such as a host name: lower case, other characters become `-`.
    /// `None` when nothing usable is left.
    pub fn from_name(name: &str) -> Option<Self> {
        let mapped: String = name
            .chars()
            .map(|c| c.to_ascii_lowercase())
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
            .collect();
        let trimmed: String = mapped.trim_matches('-').chars().take(64).collect();
        Self::parse(&trimmed).ok()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DeviceId {
    type Err = ProtocolError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for DeviceId {
    type Error = ProtocolError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_and_refuses() {
        for good in ["cam-7", "abc", "0ab", &"a".repeat(64)] {
            assert!(DeviceId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "-ab", "Cam-7", "cam_7", "cam/7", "cam+", "a#b", "../x", "cämera", &"a".repeat(65)] {
            assert!(DeviceId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn from_host_names() {
        assert_eq!(DeviceId::from_name("Lift-Hill.local").expect("usable").as_str(), "lift-hill-local");
        assert_eq!(DeviceId::from_name("__"), None);
    }

    proptest! {
        #[test]
        fn made_ids_are_valid(name in ".*") {
            if let Some(id) = DeviceId::from_name(&name) {
                prop_assert!(DeviceId::parse(id.as_str()).is_ok());
            }
        }
    }
}
