//! Callbacks of a service's users: who is registered, and calling all of them outside of every
//! lock. When they are called, and on which thread, is the service's.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::panic_text;

type Callback<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// Callbacks that are called with a `T`.
pub(crate) struct Callbacks<T: ?Sized>(Mutex<Registered<T>>);

struct Registered<T: ?Sized> {
    callbacks: Vec<(u64, Callback<T>)>,
    /// The count of registrations so far, which numbers the newest one.
    registrations: u64,
}

/// A callback that is registered. It is called no more when this value goes.
#[must_use = "the callback is called no more when this value goes; `detach` keeps it"]
pub struct Registration {
    id: u64,
    of: Option<Weak<dyn Remove>>,
}

impl Registration {
    /// Leaves the callback registered for as long as the service is there.
    pub fn detach(mut self) {
        self.of = None;
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
        if let Some(of) = self.of.take().and_then(|of| of.upgrade()) {
            of.remove(self.id);
        }
    }
}

/// Forgets a callback, whatever it is told.
trait Remove: Send + Sync {
    fn remove(&self, id: u64);
}

impl<T: ?Sized> Remove for Callbacks<T> {
    fn remove(&self, id: u64) {
        let mut registered = self.registered();
        let place = registered.callbacks.iter().position(|(of, _)| *of == id);
        let callback = place.map(|place| registered.callbacks.remove(place));
        // What the callback owns may be a registration, too: it goes outside of the lock.
        drop(registered);
        drop(callback);
    }
}

impl<T: ?Sized + 'static> Callbacks<T> {
    pub(crate) fn register(
        self: &Arc<Self>,
        callback: impl Fn(&T) + Send + Sync + 'static,
    ) -> Registration {
        let mut registered = self.registered();
        registered.registrations += 1;
        let id = registered.registrations;
        registered.callbacks.push((id, Arc::new(callback)));
        let this: Arc<dyn Remove> = Arc::clone(self) as _;
        Registration {
            id,
            of: Some(Arc::downgrade(&this)),
        }
    }
}

impl<T: ?Sized> Callbacks<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.registered().callbacks.is_empty()
    }

    /// Calls those that are registered now, one after the other. A panic of one is handed to
    /// `panicked` as text; the others are called all the same.
    pub(crate) fn call(&self, told: &T, panicked: impl Fn(&str)) {
        let registered = self.registered();
        let callbacks = registered.callbacks.iter().map(|(_, callback)| callback);
        let callbacks: Vec<Callback<T>> = callbacks.cloned().collect();
        drop(registered);
        for callback in callbacks {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(told))) {
                panicked(&panic_text(payload.as_ref()));
            }
        }
    }

    fn registered(&self) -> MutexGuard<'_, Registered<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Default for Callbacks<T> {
    fn default() -> Self {
        Self(Mutex::new(Registered {
            callbacks: Vec::new(),
            registrations: 0,
        }))
    }
}

impl<T: ?Sized> fmt::Debug for Callbacks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}
