//! Soft delete and restore of ticks, by keys and by range. Exact counts; the first `deleted_at`
//! stays. What an instrument shows as its last tick follows: the instruments are locked first, as
//! an insertion does, so that neither of the two overwrites what the other has seen.

use std::collections::BTreeSet;

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Nullable};

#[cfg(feature = "archive")]
use super::archived_deletes;
use super::keys::{TickKey, TickRange};
use super::last_ticks::refresh_last_ticks;
use crate::database::{BackendConnection, Invalidation};
use crate::domain::{DeletedKind, TickPrices};
use crate::error::Result;
use crate::repository::bar_series::Marks;
use crate::repository::data_change::ChangedSpan;
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::instrument;
use crate::repository::pass::each_row;
use crate::repository::rows::Recorded;
use crate::repository::tick_key_list::{TICK_KEYS_PER_STATEMENT_MAX, push_tick_keys};
use crate::soft_delete::SoftDeletable;
use crate::sql_types;
use crate::tables::market_data;
use crate::timestamp::Timestamp;

/// Moves the ticks with these keys to the trash; returns how many were active.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn soft_delete_keys(
    conn: &mut BackendConnection<'_>,
    keys: &[TickKey],
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let changed = mark_keys(conn, keys, Some(batch.deleted_at()))?;
    batch.add(DeletedKind::Tick, changed);
    Ok(changed)
}

/// Takes the ticks with these keys out of the trash; returns how many were in it.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn restore_keys(conn: &mut BackendConnection<'_>, keys: &[TickKey]) -> Result<usize> {
    mark_keys(conn, keys, None)
}

fn mark_keys(
    conn: &mut BackendConnection<'_>,
    keys: &[TickKey],
    mark: Option<Timestamp>,
) -> Result<usize> {
    // In key order the statement walks the clustered table once.
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    let ids: BTreeSet<i64> = keys.iter().map(|key| key.instrument_id).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let _said = conn.invalidates(Invalidation::Ticks(&ids));
    instrument::lock(conn, &ids)?;
    // Archived ticks come back among the rows first: deleted ones to be marked, restored ones as they were.
    #[cfg(feature = "archive")]
    let mut changed = archived_deletes::bring_back_keys(conn, &ids, &keys, mark)?;
    #[cfg(not(feature = "archive"))]
    let mut changed = 0;
    for keys in keys.chunks(TICK_KEYS_PER_STATEMENT_MAX) {
        let update = MarkKeys { keys, mark };
        changed += crate::on_backend!(conn, |c| update.execute(c))?;
    }
    if changed > 0 {
        let mut marks = Marks::of(conn, &ids)?;
        for key in &keys {
            marks.touch(key.instrument_id, key.timestamp, TickPrices::ANY);
        }
        marks.store(conn)?;
        let stamps = keys.iter().map(|key| key.timestamp);
        // Of several instruments it is not known how many rows are whose.
        let span = ChangedSpan {
            from: stamps.clone().min(),
            to: stamps.max(),
            rows: (ids.len() == 1).then_some(changed as u64),
        };
        refresh_last_ticks(conn, &ids, span)?;
    }
    Ok(changed).recorded(conn)
}

/// The built bars that the ticks of a range touch: those that go, or those that come back. It must
/// look before they do.
macro_rules! marks_of {
    ($conn:expr, $instrument_id:expr, $rows:expr) => {{
        let mut marks = Marks::of($conn, &[$instrument_id])?;
        if let Some(built_to) = marks.built_to() {
            let ticks = $rows
                .filter(market_data::timestamp.lt(built_to))
                .order(market_data::timestamp.asc())
                .select((
                    market_data::timestamp,
                    market_data::price.is_not_null(),
                    market_data::bid.is_not_null(),
                    market_data::ask.is_not_null(),
                ));
            type DeletedTickRow = (Timestamp, bool, bool, bool);
            each_row!(
                $conn,
                ticks,
                DeletedTickRow,
                |(at, last, bid, ask): DeletedTickRow| {
                    marks.touch($instrument_id, at, TickPrices { last, bid, ask });
                    Ok(())
                }
            )?;
        }
        marks
    }};
}

/// Moves the active ticks of a range to the trash; returns how many there were.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a start after the end;
/// [`Error::Query`](crate::Error::Query).
pub fn soft_delete_range(
    conn: &mut BackendConnection<'_>,
    of: &TickRange,
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let (first, last) = of.bounds()?;
    let _said = conn.invalidates(Invalidation::Ticks(&[of.instrument_id]));
    instrument::lock(conn, &[of.instrument_id])?;
    #[cfg(feature = "archive")]
    let archived = archived_deletes::delete_range(conn, of, batch.deleted_at())?;
    #[cfg(not(feature = "archive"))]
    let archived = 0;
    let rows = market_data::table
        .active()
        .filter(market_data::instrument_id.eq(of.instrument_id))
        .filter(market_data::timestamp.between(first, last));
    let marks = marks_of!(conn, of.instrument_id, rows);
    let update = diesel::update(rows).set(market_data::deleted_at.eq(batch.deleted_at()));
    let changed = archived + crate::on_backend!(conn, |c| update.execute(c))?;
    batch.add(DeletedKind::Tick, changed);
    marks.store(conn)?;
    if changed > 0 {
        let span = ChangedSpan {
            from: of.start,
            to: of.end.map(|_| last),
            rows: Some(changed as u64),
        };
        refresh_last_ticks(conn, &[of.instrument_id], span)?;
    }
    Ok(changed).recorded(conn)
}

/// Takes the deleted ticks of a range out of the trash; returns how many there were.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a start after the end;
/// [`Error::Query`](crate::Error::Query).
pub fn restore_range(conn: &mut BackendConnection<'_>, of: &TickRange) -> Result<usize> {
    let (first, last) = of.bounds()?;
    let _said = conn.invalidates(Invalidation::Ticks(&[of.instrument_id]));
    instrument::lock(conn, &[of.instrument_id])?;
    let rows = market_data::table
        .deleted()
        .filter(market_data::instrument_id.eq(of.instrument_id))
        .filter(market_data::timestamp.between(first, last));
    let marks = marks_of!(conn, of.instrument_id, rows);
    let update = diesel::update(rows).set(market_data::deleted_at.eq(None::<Timestamp>));
    let changed = crate::on_backend!(conn, |c| update.execute(c))?;
    #[cfg(feature = "archive")]
    let changed = changed + archived_deletes::restore_range(conn, of)?;
    marks.store(conn)?;
    if changed > 0 {
        let span = ChangedSpan {
            from: of.start,
            to: of.end.map(|_| last),
            rows: Some(changed as u64),
        };
        refresh_last_ticks(conn, &[of.instrument_id], span)?;
    }
    Ok(changed).recorded(conn)
}

/// The last of the first rows by time, about `limit` of them at most: ticks of one moment go
/// together.
macro_rules! last_of_first {
    ($conn:expr, $rows:expr, $limit:expr) => {{
        let by_time = || {
            $rows
                .order(market_data::timestamp.asc())
                .select(market_data::timestamp)
        };
        let first = by_time().limit(1);
        let first: Option<Timestamp> =
            crate::on_backend!(&mut *$conn, |c| first.first(c).optional())?;
        let beyond = by_time()
            .offset(i64::try_from($limit).unwrap_or(i64::MAX))
            .limit(1);
        let beyond: Option<Timestamp> =
            crate::on_backend!(&mut *$conn, |c| beyond.first(c).optional())?;
        let before = beyond.map_or(Timestamp::MAX, |at| at.saturating_add_micros(-1));
        first.map(|first| (first, before.max(first)))
    }};
}

/// Moves active ticks of an instrument to the trash, the first by time and about `limit` of them;
/// returns how many. Nothing is left when it is less than `limit`.
pub(crate) fn soft_delete_some(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    limit: usize,
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let all = || {
        market_data::table
            .active()
            .filter(market_data::instrument_id.eq(instrument_id))
    };
    match last_of_first!(conn, all(), limit) {
        None => Ok(0),
        Some((_, last)) => {
            let of = TickRange {
                end: Some(last.saturating_add_micros(1)).filter(|_| last < Timestamp::MAX),
                ..TickRange::all(instrument_id)
            };
            soft_delete_range(conn, &of, batch)
        }
    }
}

/// Takes ticks of a batch out of the trash, about `limit` of them at most; returns how many. Nothing
/// is left when it is less than `limit`.
pub(crate) fn restore_some(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
    limit: usize,
) -> Result<usize> {
    let of_batch = || {
        market_data::table
            .deleted()
            .filter(market_data::deleted_at.eq(deleted_at))
    };
    let ids = of_batch()
        .select(market_data::instrument_id)
        .distinct()
        .order(market_data::instrument_id);
    let ids: Vec<i64> = crate::on_backend!(&mut *conn, |c| ids.load(c))?;
    let _said = conn.invalidates(Invalidation::Ticks(&ids));
    instrument::lock(conn, &ids)?;
    let mut restored = 0;
    for id in ids {
        if restored >= limit {
            break;
        }
        let of = || of_batch().filter(market_data::instrument_id.eq(id));
        let Some((first, last)) = last_of_first!(conn, of(), limit - restored) else {
            continue;
        };
        let rows = of().filter(market_data::timestamp.le(last));
        let marks = marks_of!(conn, id, rows);
        let update = diesel::update(rows).set(market_data::deleted_at.eq(None::<Timestamp>));
        let changed = crate::on_backend!(&mut *conn, |c| update.execute(c))?;
        marks.store(conn)?;
        let span = ChangedSpan {
            from: Some(first),
            to: Some(last).filter(|last| *last < Timestamp::MAX),
            rows: Some(changed as u64),
        };
        refresh_last_ticks(conn, &[id], span)?;
        restored += changed;
    }
    Ok(restored).recorded(conn)
}

/// `UPDATE market_data SET deleted_at = .. WHERE <scope> AND <key> IN (VALUES ..)`.
pub(super) struct MarkKeys<'a> {
    pub(super) keys: &'a [TickKey],
    /// The moment of deletion, or none to restore.
    pub(super) mark: Option<Timestamp>,
}

impl QueryId for MarkKeys<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Connection> RunQueryDsl<C> for MarkKeys<'_> {}

/// The conditions for active and deleted rows, in a form that leads the planner to no other index.
pub(super) trait ScopeBesideKeys: Backend {
    /// The condition for rows that are not deleted.
    const ACTIVE: &'static str;
    /// The condition for rows that are.
    const DELETED: &'static str;
}

#[cfg(feature = "sqlite")]
impl ScopeBesideKeys for diesel::sqlite::Sqlite {
    const ACTIVE: &'static str = "deleted_at IS NULL";
    const DELETED: &'static str = "deleted_at IS NOT NULL";
}

/// Before the statistics know of deleted rows, PostgreSQL takes the trash for empty: it would begin
/// with the trash index and compare each of its rows with each key. A subquery is nothing that the
/// planner looks through, so the condition is no reason to use that index.
impl ScopeBesideKeys for diesel::pg::Pg {
    const ACTIVE: &'static str = "(deleted_at IS NULL) = (SELECT TRUE)";
    const DELETED: &'static str = "(deleted_at IS NULL) = (SELECT FALSE)";
}

impl<DB> QueryFragment<DB> for MarkKeys<'_>
where
    DB: ScopeBesideKeys + HasSqlType<BigInt> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
    Option<Timestamp>: ToSql<Nullable<sql_types::Timestamp>, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE market_data SET deleted_at = ");
        out.push_bind_param::<Nullable<sql_types::Timestamp>, _>(&self.mark)?;
        out.push_sql(" WHERE ");
        out.push_sql(if self.mark.is_some() {
            DB::ACTIVE
        } else {
            DB::DELETED
        });
        out.push_sql(" AND ");
        push_tick_keys(&mut out, self.keys)
    }
}
