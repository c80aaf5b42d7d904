//! Changes of state on their way to those who want to know of them, in order and outside of every
//! lock. What changes is not decided here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::check::LevelChange;
use crate::services::{Callbacks, Registration};

/// The callbacks, and the changes that they have not been told yet.
#[derive(Default)]
pub(super) struct ChangeNotifier {
    callbacks: Arc<Callbacks<LevelChange>>,
    untold: Mutex<QueuedChanges>,
}

#[derive(Default)]
struct QueuedChanges {
    changes: VecDeque<LevelChange>,
    /// A thread tells right now: what comes meanwhile is left to it, so that changes are told in
    /// order, also when a callback makes a round of its own.
    telling: bool,
}

impl ChangeNotifier {
    pub(super) fn register(
        &self,
        callback: impl Fn(&LevelChange) + Send + Sync + 'static,
    ) -> Registration {
        self.callbacks.register(callback)
    }

    /// Lines changes up to be told.
    pub(super) fn enqueue(&self, changes: Vec<LevelChange>) {
        self.missed().changes.extend(changes);
    }

    /// Tells what is lined up, unless another thread is at it. `panicked` is called once for each
    /// panic of a callback.
    pub(super) fn notify(&self, panicked: impl Fn()) {
        // One thread tells at a time, or two rounds would tell their changes out of order.
        if std::mem::replace(&mut self.missed().telling, true) {
            return;
        }
        let _telling = Telling(self);
        while let Some(change) = self.next() {
            self.callbacks.call(&change, |error| {
                panicked();
                let check = change.check.name();
                tracing::error!(check, error, "a callback of monitoring failed; it goes on");
            });
        }
    }

    /// The next change; nobody tells any more when there is none.
    fn next(&self) -> Option<LevelChange> {
        let mut untold = self.missed();
        let change = untold.changes.pop_front();
        // In the same lock as the look: a change that is lined up after it finds nobody telling,
        // and is told by its own thread.
        untold.telling = change.is_some();
        change
    }

    fn missed(&self) -> MutexGuard<'_, QueuedChanges> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets others tell again when telling was cut short by a panic (of a subscriber of the log, say).
struct Telling<'a>(&'a ChangeNotifier);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.missed().telling = false;
        }
    }
}
