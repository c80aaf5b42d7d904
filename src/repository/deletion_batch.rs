//! A batch of soft deletes while it is made: its row in `deletions`, and the moment that is its key.
//!
//! A batch has a moment of its own, so that the rows of a table that it deleted are found by the
//! trash index alone, and undoing it gives back them and no others.

use std::time::Duration;

use diesel::dsl;
use diesel::prelude::*;

use crate::database::{BackendConnection, Invalidation};
use crate::domain::{DeletedKind, DeletionCounts, DeletionState};
use crate::error::{Error, Result};
use crate::models::{Deletion, NewDeletion};
use crate::tables::deletions;
use crate::timestamp::Timestamp;

/// A clock that was ahead once has left moments in the future: those further away are not followed.
const AHEAD_MAX: Duration = Duration::from_secs(3_600);

/// A batch of soft deletes in an open transaction. The functions that soft-delete rows take one: see
/// [`batch`].
#[derive(Debug)]
pub struct DeletionBatch {
    deleted_at: Timestamp,
    counts: DeletionCounts,
}

impl DeletionBatch {
    /// The moment of deletion of all its rows. Give it to rows of your own tables that go with them.
    #[must_use]
    pub fn deleted_at(&self) -> Timestamp {
        self.deleted_at
    }

    /// What it has deleted so far.
    #[must_use]
    pub fn counts(&self) -> DeletionCounts {
        self.counts
    }

    pub(crate) fn add(&mut self, kind: DeletedKind, rows: usize) {
        *self.counts.of_mut(kind) += rows;
    }

    /// A batch that is kept nowhere: of rows that were deleted at this moment in another database, by
    /// nobody knows whom.
    pub(crate) fn of_elsewhere(deleted_at: Timestamp) -> Self {
        Self {
            deleted_at,
            counts: DeletionCounts::default(),
        }
    }

    /// Goes on with one that is there.
    pub(crate) fn of(deletion: &Deletion) -> Self {
        Self {
            deleted_at: deletion.deleted_at,
            counts: deletion.counts(),
        }
    }

    /// Writes down that a batch begins, under the first free moment from `now` on.
    pub(crate) fn begin(
        conn: &mut BackendConnection<'_>,
        new: &NewDeletion,
        now: Timestamp,
    ) -> Result<Self> {
        let _said = conn.invalidates(Invalidation::Nothing);
        let request = new.checked_request()?;
        let process = process_name();
        let mut deleted_at = now;
        loop {
            let insert = diesel::insert_into(deletions::table)
                .values((
                    deletions::deleted_at.eq(deleted_at),
                    deletions::token_name.eq(&new.token_name),
                    deletions::actor.eq(&new.actor),
                    deletions::process.eq(&process),
                    deletions::reason.eq(&new.reason),
                    deletions::request.eq(&request),
                    deletions::state.eq(DeletionState::Running),
                ))
                .on_conflict_do_nothing();
            if crate::on_backend!(&mut *conn, |c| insert.execute(c))? == 1 {
                return Ok(Self::of_elsewhere(deleted_at));
            }
            deleted_at = after_newest(conn, deleted_at)?;
        }
    }

    /// Writes down what it has deleted, and what has become of it.
    pub(crate) fn write(
        &self,
        conn: &mut BackendConnection<'_>,
        state: DeletionState,
    ) -> Result<Deletion> {
        let _said = conn.invalidates(Invalidation::Nothing);
        let count = |kind| i64::try_from(self.counts.of(kind)).unwrap_or(i64::MAX);
        let update = diesel::update(deletions::table.find(self.deleted_at)).set((
            deletions::state.eq(state),
            deletions::instruments.eq(count(DeletedKind::Instrument)),
            deletions::rules.eq(count(DeletedKind::Rule)),
            deletions::alerts.eq(count(DeletedKind::Alert)),
            deletions::bars.eq(count(DeletedKind::Bar)),
            deletions::ticks.eq(count(DeletedKind::Tick)),
            deletions::saved_queries.eq(count(DeletedKind::SavedQuery)),
        ));
        Ok(crate::on_backend!(conn, |c| {
            update.returning(Deletion::as_returning()).get_result(c)
        })?)
    }

    /// Forgets one that has deleted nothing.
    pub(crate) fn forget(self, conn: &mut BackendConnection<'_>) -> Result<()> {
        let _said = conn.invalidates(Invalidation::Nothing);
        let delete = diesel::delete(deletions::table.find(self.deleted_at));
        crate::on_backend!(conn, |c| delete.execute(c))?;
        Ok(())
    }
}

/// Soft-deletes rows in one batch: `work` gives the batch that it gets to functions such as
/// [`alert_rule::soft_delete`](super::alert_rule::soft_delete). Returns what `work` returns, and the
/// batch; none when nothing was deleted.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a name or a reason that is too long; those of `work`;
/// [`Error::Query`](crate::Error::Query). The caller's transaction must be undone then.
pub fn batch<T>(
    conn: &mut BackendConnection<'_>,
    new: &NewDeletion,
    now: Timestamp,
    work: impl FnOnce(&mut BackendConnection<'_>, &mut DeletionBatch) -> Result<T>,
) -> Result<(T, Option<Deletion>)> {
    let mut batch = DeletionBatch::begin(conn, new, now)?;
    let outcome = work(conn, &mut batch)?;
    if batch.counts.total() == 0 {
        batch.forget(conn)?;
        return Ok((outcome, None));
    }
    let deletion = batch.write(conn, DeletionState::Done)?;
    tracing::info!(
        id = deletion.id(),
        request = deletion.request,
        rows = batch.counts.total(),
        "soft-deleted"
    );
    Ok((outcome, Some(deletion)))
}

/// The moment after the newest batch that is not far ahead.
fn after_newest(conn: &mut BackendConnection<'_>, taken: Timestamp) -> Result<Timestamp> {
    let ahead = i64::try_from(AHEAD_MAX.as_micros()).unwrap_or(i64::MAX);
    let query = deletions::table
        .filter(deletions::deleted_at.between(taken, taken.saturating_add_micros(ahead)))
        .select(dsl::max(deletions::deleted_at));
    let newest: Option<Timestamp> = crate::on_backend!(conn, |c| query.get_result(c))?;
    let next = newest.unwrap_or(taken).saturating_add_micros(1);
    if next <= taken {
        let remedy = "set the clock right";
        return Err(Error::invalid("now", "no later moment is there", remedy));
    }
    Ok(next)
}

/// The program, and the number of its process.
fn process_name() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(std::path::Path::file_stem);
    let name = name.map_or_else(|| Deletion::UNKNOWN.into(), |name| name.to_string_lossy());
    format!("{name}[{}]", std::process::id())
}
