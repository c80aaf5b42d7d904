//! The readiness of the process: not yet, now, or no longer. It starts and stops nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The answer of `/readyz`; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

/// The phase of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Ready,
    Draining,
}

impl Readiness {
    /// The database is migrated and the services run: requests are welcome.
    pub fn ready(&self) {
        self.0.store(Phase::Ready as u8, Ordering::SeqCst);
    }

    /// The process is about to end: what is under way is finished, load balancers shall send
    /// nothing more.
    pub fn draining(&self) {
        self.0.store(Phase::Draining as u8, Ordering::SeqCst);
    }

    pub(super) fn phase(&self) -> Phase {
        match self.0.load(Ordering::SeqCst) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }
}
