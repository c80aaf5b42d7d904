//! Where the writes of an adoption go: each into a transaction of its own, or, in a trial, all into
//! one that is undone.

use crate::database::{BackendConnection, BatchSize, Database, WhenFull};
use crate::error::Result;

/// A place for writes.
pub(super) trait AdoptionSteps {
    /// Runs a write of so many rows. It may run again, and only its last run is kept.
    fn write<T, F>(&mut self, op: &'static str, rows: usize, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static;
}

/// Each write is committed by itself: other writers get their turn in between.
pub(super) struct CommittedSteps<'d> {
    pub(super) db: &'d Database,
}

impl AdoptionSteps for CommittedSteps<'_> {
    fn write<T, F>(&mut self, op: &'static str, rows: usize, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let size = BatchSize {
            rows,
            when_full: WhenFull::Wait,
        };
        self.db.write_batch(op, size, work)
    }
}

/// All writes are of one transaction, which somebody else undoes.
pub(super) struct TrialSteps<'s, 'c> {
    pub(super) conn: &'s mut BackendConnection<'c>,
}

impl AdoptionSteps for TrialSteps<'_, '_> {
    fn write<T, F>(&mut self, _: &'static str, _: usize, mut work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        work(self.conn)
    }
}
