//! How much room a file system has.

use std::path::Path;

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What a program without special rights may still write.
    pub free: u64,
    /// The whole file system.
    pub total: u64,
}

/// Asks the file system that holds `path`. `None` where the system doesn't say.
#[cfg(unix)]
#[expect(unsafe_code, reason = "statvfs has no safe wrapper in the crates used here")]
pub fn room(path: &Path) -> Option<Room> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: the path is a valid C string and the kernel writes into memory that we own.
    let stat = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(path.as_ptr(), &raw mut stat) != 0 {
            return None;
        }
        stat
    };
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the widths differ between systems")]
    let (unit, available, blocks) = (stat.f_frsize as u64, stat.f_bavail as u64, stat.f_blocks as u64);
    Some(Room { free: available.saturating_mul(unit), total: blocks.saturating_mul(unit) })
}

/// Asks the file system that holds `path`. `None` where the system doesn't say.
#[cfg(not(unix))]
pub fn room(_path: &Path) -> Option<Room> {
    None
}

/// A size for people: `12.3 MB`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(human(0), "0 bytes");
        assert_eq!(human(999), "999 bytes");
        assert_eq!(human(12_345_678), "12.3 MB");
    }

    #[cfg(unix)]
    #[test]
    fn this_machine_has_a_disk() {
        let room = room(Path::new("/")).expect("statvfs works here");
        assert!(room.total > 0 && room.free <= room.total);
        assert_eq!(super::room(Path::new("/no/such/folder")), None);
    }
}
