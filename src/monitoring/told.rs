//! Changes of state on their way to those who want to know of them, in order and outside of every
//! lock. What changes is not decided here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::check::Change;
use crate::services::{Callbacks, Registration};

/// The callbacks, and the changes that they have not been told yet.
#[derive(Default)]
pub(super) struct Told {
    callbacks: Arc<Callbacks<Change>>,
    untold: Mutex<Untold>,
}

#[derive(Default)]
struct Untold {
    changes: VecDeque<Change>,
    /// A thread tells right now: what comes meanwhile is left to it, so that changes are told in
    /// order, also when a callback makes a round of its own.
    telling: bool,
}

impl Told {
    pub(super) fn register(
        &self,
        callback: impl Fn(&Change) + Send + Sync + 'static,
    ) -> Registration {
        self.callbacks.register(callback)
    }

    /// Lines changes up to be told.
    pub(super) fn enqueue(&self, changes: Vec<Change>) {
        self.untold().changes.extend(changes);
    }

    /// Tells what is lined up, unless another thread is at it. `panicked` is called once for each
    /// panic of a callback.
    pub(super) fn tell(&self, panicked: impl Fn()) {
        if std::mem::replace(&mut self.untold().telling, true) {
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
    fn next(&self) -> Option<Change> {
        let mut untold = self.untold();
        let change = untold.changes.pop_front();
        untold.telling = change.is_some();
        change
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets others tell again when telling was cut short by a panic (of a subscriber of the log, say).
struct Telling<'a>(&'a Told);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.untold().telling = false;
        }
    }
}
