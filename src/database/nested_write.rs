//! Refuses a write inside a write: it would wait for the lane of the write around it, or be
//! committed on a connection of its own, whatever becomes of that.

use std::cell::Cell;

use crate::error::{Error, Result};

thread_local! {
    /// Whether this thread runs the closure of a write door. No parameter can carry it: a closure
    /// captures its `Database`, and calls a door of it without the connection that it was given.
    static IS_IN_WRITE: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, its thread is inside the closure of a write door.
pub(super) struct WriteClosure(());

impl WriteClosure {
    pub(super) fn enter() -> Self {
        IS_IN_WRITE.set(true);
        Self(())
    }
}

impl Drop for WriteClosure {
    fn drop(&mut self) {
        IS_IN_WRITE.set(false);
    }
}

/// Whether this thread is inside the closure of a write door.
pub(super) fn is_in_write() -> bool {
    IS_IN_WRITE.get()
}

pub(super) fn refuse(op: &'static str) -> Result<()> {
    if !is_in_write() {
        return Ok(());
    }
    Err(Error::invalid(
        op,
        "it was called inside another write",
        "use the connection that the closure was given",
    ))
}
