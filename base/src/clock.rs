//! The only place that reads the wall clock.

use jiff::Timestamp;
use std::time::Instant;

/// The wall clock of this machine, as it stands.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    now().as_millisecond()
}

/// Whether the kernel believes that the wall clock is synchronised (`adjtimex`, as NTP clients set it).
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "adjtimex has no safe wrapper in the crates used here")]
pub fn synchronised() -> bool {
    const TIME_ERROR: i32 = 5;
    // SAFETY: a zeroed timex asks for the state only; the kernel writes into memory that we own.
    let state = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        libc::adjtimex(&raw mut timex)
    };
    state >= 0 && state != TIME_ERROR
}

/// Whether the wall clock is synchronised: taken for granted where the system doesn't say.
#[cfg(not(target_os = "linux"))]
pub fn synchronised() -> bool {
    true
}

/// Milliseconds of the monotonic clock since this value was made at program start.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic(Instant);

impl Monotonic {
    /// Starts counting.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
