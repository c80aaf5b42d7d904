//! Whether a statement of this thread goes on: a connection that copies asks, every so often, while
//! SQLite runs it. Diesel does not lend the handle by which another thread could interrupt it.

use std::cell::RefCell;

/// Whether what is under way goes on.
pub(crate) type GoesOn = Box<dyn Fn() -> bool>;

thread_local! {
    static GOES_ON: RefCell<Option<GoesOn>> = const { RefCell::new(None) };
}

/// Runs `work`, whose statements end with an error once `goes_on` says no.
pub(super) fn unless<T>(goes_on: GoesOn, work: impl FnOnce() -> T) -> T {
    GOES_ON.set(Some(goes_on));
    let done = work();
    GOES_ON.set(None);
    done
}

/// Asked by SQLite.
pub(super) fn goes_on() -> bool {
    GOES_ON.with_borrow(|goes_on| goes_on.as_ref().is_none_or(|goes_on| goes_on()))
}
