//! Facts about the store itself: who it is, how often it was started, how the line to the hub stands.

use fieldeye_base::clock;
use fieldeye_protocol::device::DeviceId;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::Path;
use uuid::Uuid;

/// Who this store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Of this store; the media folder carries the same.
    pub(crate) store_id: Uuid,
    /// Of this device.
    pub(crate) device: DeviceId,
    /// How often the device has started.
    pub(crate) boot: u64,
}

const GET: &str = "SELECT value FROM meta WHERE key = ?1";
const SET: &str =
    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// Reads a fact.
pub(crate) fn get(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached(GET)?.query_row([key], |row| row.get(0)).optional()
}

/// Writes a fact.
pub(crate) fn set(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    db.prepare_cached(SET)?.execute([key, value]).map(drop)
}

/// The ids of this store, made at the first call. `starting` counts one more start.
pub(super) fn identify(db: &Connection, configured: Option<&DeviceId>, starting: bool) -> rusqlite::Result<Identity> {
    let store_id = match get(db, "store_id")?.and_then(|text| text.parse().ok()) {
        Some(id) => id,
        None => {
            let id = Uuid::new_v4();
            set(db, "store_id", &id.to_string())?;
            id
        }
    };
    let stored = get(db, "device")?.and_then(|text| DeviceId::parse(&text).ok());
    let device = match (configured, stored) {
        (Some(configured), stored) if stored.as_ref() != Some(configured) => {
            if let Some(stored) = stored {
                tracing::warn!(before = %stored, now = %configured, "this device was renamed; the hub keeps what it has under the name before");
            }
            set(db, "device", configured.as_str())?;
            configured.clone()
        }
        (_, Some(stored)) => stored,
        (_, None) => {
            let made = made_up_device();
            set(db, "device", made.as_str())?;
            made
        }
    };
    let mut boot: u64 = get(db, "boot")?.and_then(|text| text.parse().ok()).unwrap_or(0);
    if starting {
        boot += 1;
        set(db, "boot", &boot.to_string())?;
    }
    Ok(Identity { store_id, device, boot })
}

/// From the host name where it tells machines apart, by chance where it does not.
fn made_up_device() -> DeviceId {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    device_from_host(&host).unwrap_or_else(|| {
        let chance = Uuid::new_v4().simple().to_string();
        DeviceId::parse(&format!("cam-{}", &chance[..8])).expect("letters, digits and a dash")
    })
}

fn device_from_host(host: &str) -> Option<DeviceId> {
    let host = host.trim();
    let common = ["localhost", "raspberrypi", "debian", "ubuntu", "nvidia-desktop", "(none)"];
    if common.contains(&host.split('.').next().unwrap_or(host)) { None } else { DeviceId::from_name(host) }
}

/// How the line to the hub stood when it last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Whether there is a connection.
    pub(crate) connected: bool,
    /// Which process says so: a killed one can't say otherwise.
    pub(crate) process: u32,
    /// Since when.
    pub(crate) since_ms: i64,
}

impl Line {
    /// Whether there is a connection now.
    pub(crate) fn is_up(&self) -> bool {
        self.connected && Path::new("/proc").join(self.process.to_string()).exists()
    }
}

/// Writes down how the line stands.
pub(crate) fn set_line(db: &Connection, connected: bool) -> rusqlite::Result<()> {
    let text = format!("{} {} {}", u8::from(connected), std::process::id(), clock::now_ms());
    set(db, "line", &text)
}

/// Reads how the line stood.
pub(crate) fn line(db: &Connection) -> rusqlite::Result<Option<Line>> {
    Ok(get(db, "line")?.and_then(|text| {
        let mut parts = text.split(' ');
        let connected = parts.next()? == "1";
        Some(Line { connected, process: parts.next()?.parse().ok()?, since_ms: parts.next()?.parse().ok()? })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[test]
    fn ids_stay_and_starts_are_counted() {
        let db = testing::database();
        let first = identify(&db, None, true).expect("written");
        let second = identify(&db, None, true).expect("written");
        assert_eq!((&second.store_id, &second.device), (&first.store_id, &first.device));
        assert_eq!((first.boot, second.boot), (1, 2));
        assert_eq!(identify(&db, None, false).expect("read").boot, 2, "looking is not starting");
        let renamed = DeviceId::parse("cam-7").expect("valid");
        assert_eq!(identify(&db, Some(&renamed), false).expect("written").device, renamed);
        assert_eq!(identify(&db, None, false).expect("read").device, renamed, "a name once given stays");
    }

    #[test]
    fn host_names_that_everyone_has_are_not_ids() {
        assert_eq!(device_from_host("raspberrypi\n"), None);
        assert_eq!(device_from_host("localhost.localdomain"), None);
        assert_eq!(device_from_host("Lift-Hill\n").expect("usable").as_str(), "lift-hill");
    }
}
