//! Those who want to know of alerts, and telling them: after the commit, in its order, on a thread
//! that no write waits for. What fires is not decided here.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::lock;
use crate::models::AlertLog;
use crate::services::{Callbacks, Registration};

/// The most alerts that wait to be told.
pub(super) const WAITING_MAX: usize = 65_536;

/// The callbacks, and the alerts that they have not been told yet.
#[derive(Default)]
pub(super) struct AlertNotifier {
    callbacks: Arc<Callbacks<[AlertLog]>>,
    inner: Mutex<NotifierQueue>,
    came: Condvar,
}

#[derive(Default)]
struct NotifierQueue {
    /// The alerts of one transaction each.
    waiting: VecDeque<Vec<AlertLog>>,
    waiting_alerts: usize,
    untold: u64,
    /// Counts starts: a thread of an earlier one ends.
    opened: u64,
    is_open: bool,
}

impl AlertNotifier {
    pub(super) fn register(
        &self,
        callback: impl Fn(&[AlertLog]) + Send + Sync + 'static,
    ) -> Registration {
        self.callbacks.register(callback)
    }

    /// Lines alerts up to be told; never waits.
    pub(super) fn enqueue(&self, alerts: Vec<AlertLog>) {
        if alerts.is_empty() || self.callbacks.is_empty() {
            return;
        }
        let mut inner = self.inner();
        if !inner.is_open {
            return;
        }
        // The alerts of one transaction are told, however many they are, when nothing waits.
        if inner.waiting_alerts > 0 && inner.waiting_alerts + alerts.len() > WAITING_MAX {
            if inner.untold == 0 {
                let (alerts, limit) = (alerts.len(), WAITING_MAX);
                tracing::warn!(
                    alerts,
                    limit,
                    "callbacks are too slow; they miss stored alerts"
                );
            }
            inner.untold += alerts.len() as u64;
            return;
        }
        inner.waiting_alerts += alerts.len();
        inner.waiting.push_back(alerts);
        self.came.notify_one();
    }

    pub(super) fn missed(&self) -> u64 {
        self.inner().untold
    }

    /// Takes alerts from now on; returns the number of this start.
    pub(super) fn open(&self) -> u64 {
        let mut inner = self.inner();
        inner.opened += 1;
        inner.is_open = true;
        inner.opened
    }

    /// Takes none any more; the thread ends when those that wait are told.
    pub(super) fn close(&self) {
        self.inner().is_open = false;
        self.came.notify_all();
    }

    /// Tells until it is closed and nothing waits, or started once more.
    pub(super) fn notify(&self, of: u64, panicked: impl Fn()) {
        while let Some(alerts) = self.next(of) {
            self.callbacks.call(&alerts, |error| {
                tracing::error!(error, "a callback of the alert engine failed; it goes on");
                panicked();
            });
        }
    }

    fn next(&self, of: u64) -> Option<Vec<AlertLog>> {
        let idle = |inner: &mut NotifierQueue| {
            inner.waiting.is_empty() && inner.is_open && inner.opened == of
        };
        let waited = self.came.wait_while(self.inner(), idle);
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner);
        if inner.opened != of {
            return None; // Out of a callback it was stopped and started: another thread tells.
        }
        let alerts = inner.waiting.pop_front()?;
        inner.waiting_alerts -= alerts.len();
        Some(alerts)
    }

    fn inner(&self) -> MutexGuard<'_, NotifierQueue> {
        lock(&self.inner)
    }
}

impl fmt::Debug for AlertNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertNotifier").finish_non_exhaustive()
    }
}
