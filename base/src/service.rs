//! The service manager: readiness and watchdog (systemd), nothing elsewhere.

/// Tells the service manager that the program is ready to work.
pub fn ready() {
    #[cfg(unix)]
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells the service manager that a clean stop has begun.
pub fn stopping() {
    #[cfg(unix)]
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
}

/// Says "still alive" to the watchdog.
pub fn alive() {
    #[cfg(unix)]
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
}

/// How often [`alive`] must be called: half of what the unit asks for. `None` without a watchdog.
pub fn watchdog_interval() -> Option<std::time::Duration> {
    #[cfg(unix)]
    return sd_notify::watchdog_enabled().map(|limit| limit / 2);
    #[cfg(not(unix))]
    None
}
