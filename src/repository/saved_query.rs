//! Saved queries: a list, look-ups, insertion, the count of executions, soft delete and restore.

#[cfg(test)]
mod tests;

use diesel::dsl;
use diesel::prelude::*;

use crate::database::{BackendConnection, Invalidation};
use crate::domain::DeletedKind;
use crate::error::{Error, Result};
use crate::models::{NewSavedQuery, SavedQuery};
use crate::repository::KEYS_PER_STATEMENT_MAX;
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::rows::Recorded;
use crate::soft_delete::{Active, Deleted, SoftDeletable};
use crate::tables::saved_queries;
use crate::timestamp::Timestamp;

#[dsl::auto_type(no_type_alias)]
fn list_query(limit: i64) -> _ {
    let queries: Active<saved_queries::table> = saved_queries::table.active();
    queries
        .order((saved_queries::created_at.desc(), saved_queries::id.desc()))
        .limit(limit)
}

/// The most queries that [`list`] returns.
pub const LIST_ROWS_MAX: usize = 1_000;

/// The saved queries, newest first, [`LIST_ROWS_MAX`] at most.
///
/// # Errors
/// [`Error::Query`].
pub fn list(conn: &mut BackendConnection<'_>) -> Result<Vec<SavedQuery>> {
    let limit = i64::try_from(LIST_ROWS_MAX).unwrap_or(i64::MAX);
    let rows = crate::on_backend!(conn, |c| {
        list_query(limit).select(SavedQuery::as_select()).load(c)
    });
    Ok(rows.recorded(conn)?)
}

#[dsl::auto_type(no_type_alias)]
fn by_id_query(id: i64) -> _ {
    let queries: Active<saved_queries::table> = saved_queries::table.active();
    queries.filter(saved_queries::id.eq(id))
}

/// The query with this id.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Query`].
pub fn get(conn: &mut BackendConnection<'_>, id: i64) -> Result<SavedQuery> {
    let found = crate::on_backend!(conn, |c| {
        let query = by_id_query(id).select(SavedQuery::as_select());
        query.first(c).optional()
    })?;
    found.ok_or_else(|| not_found(id)).recorded(conn)
}

/// Saves a query.
///
/// # Errors
/// Those of [`NewSavedQuery::check`]; [`Error::Query`].
pub fn insert(
    conn: &mut BackendConnection<'_>,
    new: &NewSavedQuery,
    now: Timestamp,
) -> Result<SavedQuery> {
    new.check()?;
    insert_as_written(conn, new, now)
}

/// Saves a query whose end may be before its start, which finds nothing: other programs take one.
///
/// # Errors
/// Those of [`NewSavedQuery::check`] but for the range; [`Error::Query`].
pub fn insert_as_written(
    conn: &mut BackendConnection<'_>,
    new: &NewSavedQuery,
    now: Timestamp,
) -> Result<SavedQuery> {
    let _said = conn.invalidates(Invalidation::Nothing);
    new.check_texts()?;
    let insert = saved_queries::table.insert().values((
        new,
        saved_queries::created_at.eq(now),
        saved_queries::updated_at.eq(now),
    ));
    let stored = crate::on_backend!(conn, |c| {
        insert.returning(SavedQuery::as_returning()).get_result(c)
    });
    Ok(stored.recorded(conn)?)
}

/// Counts an execution of the query at `now`; returns the query with it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Query`].
pub fn mark_executed(
    conn: &mut BackendConnection<'_>,
    id: i64,
    now: Timestamp,
) -> Result<SavedQuery> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let update = diesel::update(by_id_query(id)).set((
        saved_queries::execution_count.eq(saved_queries::execution_count + 1),
        saved_queries::last_executed.eq(now),
    ));
    let changed = crate::on_backend!(conn, |c| {
        let update = update.returning(SavedQuery::as_returning());
        update.get_result(c).optional()
    })?;
    changed.ok_or_else(|| not_found(id)).recorded(conn)
}

#[dsl::auto_type(no_type_alias)]
fn active_query<'a>(ids: &'a [i64]) -> _ {
    let queries: Active<saved_queries::table> = saved_queries::table.active();
    queries.filter(saved_queries::id.eq_any(ids))
}

#[dsl::auto_type(no_type_alias)]
fn deleted_query<'a>(ids: &'a [i64]) -> _ {
    let queries: Deleted<saved_queries::table> = saved_queries::table.deleted();
    queries.filter(saved_queries::id.eq_any(ids))
}

/// Moves the queries with these ids to the trash; returns how many were active.
///
/// # Errors
/// [`Error::Query`].
pub fn soft_delete(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let update =
            diesel::update(active_query(ids)).set(saved_queries::deleted_at.eq(batch.deleted_at()));
        changed += crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    }
    batch.add(DeletedKind::SavedQuery, changed);
    Ok(changed).recorded(conn)
}

/// Takes the queries with these ids out of the trash; returns how many were in it.
///
/// # Errors
/// [`Error::Query`].
pub fn restore(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let update =
            diesel::update(deleted_query(ids)).set(saved_queries::deleted_at.eq(None::<Timestamp>));
        changed += crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    }
    Ok(changed).recorded(conn)
}

fn not_found(id: i64) -> Error {
    Error::not_found(format!("query {id}"), "list the saved queries")
}
