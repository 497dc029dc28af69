//! A sign of life from a thread, for whoever must know that it gets on with its work.

use fieldeye_base::clock::Monotonic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts the time since the last beat. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    started: Monotonic,
    last_ms: Arc<AtomicU64>,
}

impl Pulse {
    /// Beats for the first time.
    pub(crate) fn new() -> Self {
        Self { started: Monotonic::start(), last_ms: Arc::default() }
    }

    /// Still at it.
    pub(crate) fn beat(&self) {
        self.last_ms.store(self.started.elapsed_ms(), Ordering::Relaxed);
    }

    /// How long ago the last beat was.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_millis(self.started.elapsed_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }
}
