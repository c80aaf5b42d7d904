//! Data sources: lists, look-ups by id and name, insertion and changes.
//!
//! A source is never deleted: ticks and bars name it by its id. One that is no longer used is
//! switched off.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use diesel::dsl;
use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::error::{Error, Result};
use crate::models::{DataSource, DataSourceChange, NewDataSource};
use crate::repository::optional::{IfSome, if_some};
use crate::repository::rows::Recorded;
use crate::repository::{KEYS_PER_STATEMENT_MAX, or_conflict};
use crate::tables::data_sources;
use crate::timestamp::Timestamp;

type IfUsed = IfSome<dsl::Eq<data_sources::is_active, bool>>;

#[dsl::auto_type(no_type_alias)]
fn list_query(active_only: bool) -> _ {
    let used: IfUsed = if_some(active_only.then(|| data_sources::is_active.eq(true)));
    data_sources::table
        .filter(used)
        .order(data_sources::id.asc())
}

/// The sources by id, all of them or only those that are used.
///
/// # Errors
/// [`Error::Query`].
pub fn list(conn: &mut BackendConnection<'_>, active_only: bool) -> Result<Vec<DataSource>> {
    let rows = crate::on_backend!(conn, |c| {
        list_query(active_only)
            .select(DataSource::as_select())
            .load(c)
    });
    Ok(rows.recorded(conn)?)
}

/// The source with this id.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Query`].
pub fn get(conn: &mut BackendConnection<'_>, id: i64) -> Result<DataSource> {
    let found = crate::on_backend!(conn, |c| {
        let query = data_sources::table.find(id).select(DataSource::as_select());
        query.first(c).optional()
    })?;
    found.ok_or_else(|| not_found(id)).recorded(conn)
}

#[dsl::auto_type(no_type_alias)]
fn by_name_query<'a>(name: &'a str) -> _ {
    data_sources::table.filter(data_sources::name.eq(name))
}

/// The source with this name.
///
/// # Errors
/// [`Error::Query`].
pub fn by_name(conn: &mut BackendConnection<'_>, name: &str) -> Result<Option<DataSource>> {
    if name.contains('\0') {
        return Ok(None); // No stored text has one, and PostgreSQL takes none as a parameter.
    }
    let found = crate::on_backend!(conn, |c| {
        let query = by_name_query(name).select(DataSource::as_select());
        query.first(c).optional()
    });
    Ok(found.recorded(conn)?)
}

/// Returns the ids that belong to a source.
pub(crate) fn known_ids(
    conn: &mut BackendConnection<'_>,
    ids: &BTreeSet<i64>,
) -> Result<BTreeSet<i64>> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    let mut known = BTreeSet::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = data_sources::table
            .filter(data_sources::id.eq_any(ids))
            .select(data_sources::id);
        let found: Vec<i64> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
        known.extend(found);
    }
    Ok(known)
}

/// The names of these sources, by id.
pub(crate) fn names(conn: &mut BackendConnection<'_>, ids: &BTreeSet<i64>) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(ids.len());
    for id in ids {
        // One at a time stays prepared, and there are one or two.
        let query = data_sources::table.find(id).select(data_sources::name);
        let name: Option<String> = crate::on_backend!(&mut *conn, |c| query.first(c).optional())?;
        names.extend(name);
    }
    Ok(names)
}

/// Adds a source.
///
/// # Errors
/// Those of [`NewDataSource::check`]; [`Error::Conflict`] naming the source that has the name;
/// [`Error::Query`].
pub fn insert(
    conn: &mut BackendConnection<'_>,
    new: &NewDataSource,
    now: Timestamp,
) -> Result<DataSource> {
    new.check()?;
    if let Some(holder) = by_name(conn, &new.name)? {
        return Err(Error::Conflict {
            what: "new data source".to_owned(),
            existing: format!(
                "{:?} is the name of data source {}; use that one or another name",
                holder.name, holder.id
            ),
        });
    }
    let insert = diesel::insert_into(data_sources::table).values((
        new,
        data_sources::created_at.eq(now),
        data_sources::updated_at.eq(now),
    ));
    let stored = crate::on_backend!(conn, |c| {
        insert.returning(DataSource::as_returning()).get_result(c)
    });
    let stored = stored.map_err(|error| or_conflict(error, format!("data source {:?}", new.name)));
    stored.recorded(conn)
}

/// Changes a source; an empty change sets `updated_at` alone.
///
/// # Errors
/// Those of [`DataSourceChange::check`]; [`Error::NotFound`], [`Error::Query`].
pub fn update(
    conn: &mut BackendConnection<'_>,
    id: i64,
    change: &DataSourceChange,
    now: Timestamp,
) -> Result<DataSource> {
    change.check()?;
    let update = diesel::update(data_sources::table.find(id))
        .set((change, data_sources::updated_at.eq(now)));
    let changed = crate::on_backend!(conn, |c| {
        let update = update.returning(DataSource::as_returning());
        update.get_result(c).optional()
    })?;
    changed.ok_or_else(|| not_found(id)).recorded(conn)
}

fn not_found(id: i64) -> Error {
    Error::not_found(format!("data source {id}"), "list the data sources")
}
