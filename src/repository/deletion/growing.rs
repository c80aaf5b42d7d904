//! A batch whose rows go in several transactions, as they are found. A crash between two of them leaves it
//! `running`: undoing it takes back what it did.

use super::cascade::ended;
use super::read::of_moment;
use super::undo::lock;
use crate::database::{BackendConnection, Database};
use crate::domain::DeletionState;
use crate::error::Result;
use crate::models::{Deletion, NewDeletion};
use crate::repository::deletion_batch::DeletionBatch;
use crate::timestamp::Timestamp;

/// A batch that is not done yet. Its row is written with its first rows.
#[derive(Debug, Clone)]
pub(crate) struct GrowingBatch {
    new: NewDeletion,
    deleted_at: Option<Timestamp>,
}

impl GrowingBatch {
    pub(crate) fn new(new: NewDeletion) -> Self {
        Self {
            new,
            deleted_at: None,
        }
    }

    /// Soft-deletes rows in a transaction of its own: `work` gives the batch that it gets to functions
    /// that do.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when somebody undoes the batch while it grows; those of
    /// `work` and of [`Database::write`].
    pub(crate) fn add<T: Send + 'static>(
        &mut self,
        db: &Database,
        op: &'static str,
        mut work: impl FnMut(&mut BackendConnection<'_>, &mut DeletionBatch) -> Result<T>
        + Send
        + 'static,
    ) -> Result<T> {
        let (begun, new, now) = (self.deleted_at, self.new.clone(), db.clock().now());
        let (outcome, deleted_at) = db.write(op, move |conn| {
            let mut batch = match begun {
                None => DeletionBatch::begin(conn, &new, now)?,
                Some(deleted_at) => {
                    lock(conn, deleted_at)?;
                    let deletion = of_moment(conn, deleted_at)?;
                    if deletion.state != DeletionState::Running {
                        return Err(ended(&deletion, "run it again"));
                    }
                    DeletionBatch::of(&deletion)
                }
            };
            let outcome = work(conn, &mut batch)?;
            if begun.is_none() && batch.counts().total() == 0 {
                batch.forget(conn)?;
                return Ok((outcome, None));
            }
            let deletion = batch.write(conn, DeletionState::Running)?;
            Ok((outcome, Some(deletion.deleted_at)))
        })?;
        self.deleted_at = deleted_at;
        Ok(outcome)
    }

    /// Says that all of it is in the trash; `None` when nothing was deleted.
    ///
    /// # Errors
    /// As [`GrowingBatch::add`].
    pub(crate) fn finish(self, db: &Database) -> Result<Option<Deletion>> {
        let Some(deleted_at) = self.deleted_at else {
            return Ok(None);
        };
        let deletion = db.write("deletion.finish", move |conn| {
            lock(conn, deleted_at)?;
            let deletion = of_moment(conn, deleted_at)?;
            if deletion.state != DeletionState::Running {
                return Err(ended(&deletion, "run it again"));
            }
            DeletionBatch::of(&deletion).write(conn, DeletionState::Done)
        })?;
        tracing::info!(
            id = deletion.id(),
            request = deletion.request,
            rows = deletion.counts().total(),
            "soft-deleted"
        );
        Ok(Some(deletion))
    }
}
