//! The closure of a write door that runs on a thread: whether it says what it changes, and that no
//! other write begins inside it.
//!
//! Functions that write say what they change ([`BackendConnection::invalidates`]). It is safe not to:
//! a committed closure in which nothing was said, or in which a statement ran that no
//! [`Invalidation`] covers, is taken to have changed everything. The observer of the connection
//! informs of each statement; it is not informed of a COPY, nor of anything once a closure has put
//! an observer of its own in its place, so such a closure says what it changes.

use std::cell::Cell;
use std::marker::PhantomData;

use super::invalidation::Invalidation;
use super::{BackendConnection, transaction_context};
use crate::error::{Error, Result};

thread_local! {
    static WORK: Cell<DoorCall> = const { Cell::new(DoorCall::NONE) };
}

/// While it lives, the statements of its thread are covered by what was said.
#[derive(Debug)]
#[must_use = "statements are covered as long as it lives"]
pub struct InvalidationGuard(PhantomData<*const ()>);

impl BackendConnection<'_> {
    /// Says what statements in a write touch: those that run until the answer is dropped. What is
    /// said counts when the transaction is committed.
    ///
    /// Without a word everything counts as touched, which is always right, and makes the cache
    /// read again what it holds. Say it where the crate's own functions are not used, and
    /// writes are frequent.
    ///
    /// ```
    /// # fn main() -> tickbase::Result<()> {
    /// use tickbase::database::Invalidation;
    /// use tickbase::diesel::prelude::*;
    /// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
    /// db.write("example.own_table", |conn| {
    ///     let _said = conn.invalidates(Invalidation::Nothing);
    ///     let own = tickbase::diesel::sql_query("CREATE TABLE own (id BIGINT)");
    ///     tickbase::on_backend!(conn, |c| own.execute(c))?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn invalidates(&self, what: Invalidation<'_>) -> InvalidationGuard {
        transaction_context::touch(|touched| touched.add(what));
        let mut work = WORK.get();
        work.said = true;
        InvalidationGuard::begin(work)
    }
}

impl InvalidationGuard {
    fn begin(mut work: DoorCall) -> Self {
        work.covers += 1;
        WORK.set(work);
        Self(PhantomData)
    }
}

impl Drop for InvalidationGuard {
    fn drop(&mut self) {
        let mut work = WORK.get();
        work.covers = work.covers.saturating_sub(1);
        WORK.set(work);
    }
}

/// The closure of a write door that runs on a thread.
#[derive(Debug, Clone, Copy)]
struct DoorCall {
    runs: bool,
    said: bool,
    /// Words that cover what runs now.
    covers: u32,
    /// Whether a statement ran that none has covered.
    uncovered: bool,
}

impl DoorCall {
    const NONE: Self = Self {
        runs: false,
        said: false,
        covers: 0,
        uncovered: false,
    };
}

/// Puts the work of the door around this one back.
struct Outer(DoorCall);

impl Drop for Outer {
    fn drop(&mut self) {
        WORK.set(self.0);
    }
}

/// Runs the closure of a write door; what it does without a word counts as everything.
pub(super) fn of_work<R>(work: impl FnOnce() -> R) -> R {
    let _outer = Outer(WORK.replace(DoorCall {
        runs: true,
        ..DoorCall::NONE
    }));
    let answer = work();
    let done = WORK.get();
    if !done.said || done.uncovered {
        transaction_context::touch(|touched| touched.everything = true);
    }
    answer
}

/// Whether this thread is inside the closure of a write door.
pub(super) fn is_in_work() -> bool {
    WORK.get().runs
}

/// Refuses a write inside a write: it would wait for the lane of the write around it, or be
/// committed on a connection of its own, whatever becomes of that.
pub(super) fn refuse_nested(op: &'static str) -> Result<()> {
    if !is_in_work() {
        return Ok(());
    }
    Err(Error::invalid(
        op,
        "it was called inside another write",
        "use the connection that the closure was given",
    ))
}

/// A statement begins on this thread.
pub(super) fn statement() {
    let mut work = WORK.get();
    if work.runs && work.covers == 0 {
        work.uncovered = true;
        WORK.set(work);
    }
}

/// Statements of the door's own, such as savepoints, until the answer is dropped.
pub(super) fn own_statements() -> InvalidationGuard {
    InvalidationGuard::begin(WORK.get())
}
