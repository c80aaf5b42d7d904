//! Those who want to know of changes, and telling them, in order and outside of every lock. What
//! changes is not decided here.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::check::Change;
use crate::services::panic_text;

type Callback = Arc<dyn Fn(&Change) + Send + Sync>;

/// The callbacks, and the changes that they have not been told yet.
#[derive(Default)]
pub(super) struct Callbacks(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    registered: Vec<(u64, Callback)>,
    registrations: u64,
    untold: VecDeque<Change>,
    /// A thread tells right now: what comes meanwhile is left to it, so that changes are told in
    /// order, also when a callback makes a round of its own.
    telling: bool,
}

/// A callback that is registered. It is called no more when this value goes.
#[must_use = "the callback is called no more when this value goes; `detach` keeps it"]
pub struct Registration {
    id: u64,
    callbacks: Weak<Callbacks>,
}

impl Registration {
    /// Leaves the callback registered for as long as the service is there.
    pub fn detach(mut self) {
        self.callbacks = Weak::new();
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Some(callbacks) = self.callbacks.upgrade() else {
            return;
        };
        let mut inner = callbacks.inner();
        let place = inner.registered.iter().position(|(id, _)| *id == self.id);
        let callback = place.map(|place| inner.registered.remove(place));
        // What the callback owns may be a registration, too: it goes outside of the lock.
        drop(inner);
        drop(callback);
    }
}

impl Callbacks {
    pub(super) fn register(
        self: &Arc<Self>,
        callback: impl Fn(&Change) + Send + Sync + 'static,
    ) -> Registration {
        let mut inner = self.inner();
        inner.registrations += 1;
        let id = inner.registrations;
        inner.registered.push((id, Arc::new(callback)));
        Registration {
            id,
            callbacks: Arc::downgrade(self),
        }
    }

    /// Lines changes up to be told.
    pub(super) fn enqueue(&self, changes: Vec<Change>) {
        self.inner().untold.extend(changes);
    }

    /// Tells what is lined up, unless another thread is at it. `panicked` is called once for each
    /// panic of a callback.
    pub(super) fn tell(&self, panicked: impl Fn()) {
        if std::mem::replace(&mut self.inner().telling, true) {
            return;
        }
        let _telling = Telling(self);
        while let Some((change, callbacks)) = self.next() {
            for callback in callbacks {
                let told = catch_unwind(AssertUnwindSafe(|| callback(&change)));
                if let Err(payload) = told {
                    panicked();
                    tracing::error!(
                        check = change.check.name(),
                        panic = panic_text(payload.as_ref()),
                        "a callback of monitoring panicked; the others are told all the same"
                    );
                }
            }
        }
    }

    /// The next change with those who are to be told; nobody tells any more when there is none.
    fn next(&self) -> Option<(Change, Vec<Callback>)> {
        let mut inner = self.inner();
        let change = inner.untold.pop_front();
        inner.telling = change.is_some();
        let callbacks = inner.registered.iter().map(|(_, callback)| callback);
        Some((change?, callbacks.cloned().collect()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets others tell again when telling was cut short by a panic (of a subscriber of the log, say).
struct Telling<'a>(&'a Callbacks);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.inner().telling = false;
        }
    }
}
