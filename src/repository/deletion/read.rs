//! Reads of batches, and the mark of those that were purged.

use std::collections::BTreeMap;

use diesel::dsl;
use diesel::prelude::*;

use super::stamps::{NewestStamps, TABLES};
use crate::database::{BackendConnection, Invalidation};
use crate::domain::{DeletedKind, DeletionCounts, DeletionState};
use crate::error::{Error, Result};
use crate::models::Deletion;
#[cfg(feature = "archive")]
use crate::repository::archive;
use crate::repository::bounds;
use crate::repository::rows::Recorded;
use crate::soft_delete::SoftDeletable;
use crate::tables::{
    alert_logs, alert_rules, deletions, instruments, market_data, market_data_bars, saved_queries,
};
use crate::timestamp::Timestamp;

/// The most batches of one call.
pub const LIMIT_MAX: usize = 1_000;

/// Batches, newest first, those from before a moment if one is given. Rows in the trash that no batch
/// has a record of are listed as batches of unknown origin, one for each moment.
///
/// # Errors
/// [`Error::Invalid`] for a limit of 0 or above [`LIMIT_MAX`]; [`Error::Query`].
pub fn list(
    conn: &mut BackendConnection<'_>,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<Deletion>> {
    let rows = bounds::rows(limit, LIMIT_MAX)?;
    conn.snapshot(|conn| page(conn, before.unwrap_or(Timestamp::MAX), rows, limit))
        .recorded(conn)
}

fn page(
    conn: &mut BackendConnection<'_>,
    before: Timestamp,
    rows: i64,
    limit: usize,
) -> Result<Vec<Deletion>> {
    let query = deletions::table
        .filter(deletions::deleted_at.lt(before))
        .order(deletions::deleted_at.desc())
        .limit(rows);
    let known: Vec<Deletion> = crate::on_backend!(&mut *conn, |c| {
        query.select(Deletion::as_select()).load(c)
    })?;
    let mut found: BTreeMap<Timestamp, Option<Deletion>> = known
        .into_iter()
        .map(|deletion| (deletion.deleted_at, Some(deletion)))
        .collect();
    for table in TABLES {
        let newest = NewestStamps {
            table,
            before,
            limit: rows,
        };
        let stamps: Vec<Option<Timestamp>> = crate::on_backend!(&mut *conn, |c| newest.load(c))?;
        for stamp in stamps.into_iter().flatten() {
            found.entry(stamp).or_default();
        }
    }
    // A known one that is older than those of the page is cut off with what else is.
    let found: Vec<(Timestamp, Option<Deletion>)> = found.into_iter().rev().take(limit).collect();
    let unknown = found.iter().filter(|(_, known)| known.is_none());
    let unknown: Vec<Timestamp> = unknown.map(|(stamp, _)| *stamp).collect();
    let counts = in_trash(conn, &unknown)?;
    let list = found.into_iter().map(|(stamp, known)| {
        let counts = counts.get(&stamp).copied().unwrap_or_default();
        known.unwrap_or_else(|| Deletion::unknown(stamp, counts))
    });
    Ok(list.collect())
}

/// The batch with this number; one of unknown origin when only rows in the trash know of it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Query`].
pub fn get(conn: &mut BackendConnection<'_>, id: i64) -> Result<Deletion> {
    let deleted_at = Timestamp::from_micros(id)?;
    conn.snapshot(|conn| of_moment(conn, deleted_at))
        .recorded(conn)
}

/// [`get`] by the moment.
pub(crate) fn of_moment(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
) -> Result<Deletion> {
    let query = deletions::table.find(deleted_at);
    let known: Option<Deletion> = crate::on_backend!(&mut *conn, |c| {
        query.select(Deletion::as_select()).first(c).optional()
    })?;
    if let Some(known) = known {
        return Ok(known);
    }
    let counts = in_trash(conn, &[deleted_at])?;
    let counts = counts.get(&deleted_at).copied().ok_or_else(|| {
        let what = format!("deletion {}", deleted_at.micros());
        Error::not_found(what, "list the deletions")
    })?;
    Ok(Deletion::unknown(deleted_at, counts))
}

/// How many rows in the trash were deleted at each of these moments, of those that have any: one
/// statement for each table.
pub(super) fn in_trash(
    conn: &mut BackendConnection<'_>,
    stamps: &[Timestamp],
) -> Result<BTreeMap<Timestamp, DeletionCounts>> {
    let mut counts: BTreeMap<Timestamp, DeletionCounts> = BTreeMap::new();
    if stamps.is_empty() {
        return Ok(counts);
    }
    macro_rules! count {
        ($kind:ident, $table:ident) => {{
            let rows = $table::table
                .deleted()
                .filter($table::deleted_at.eq_any(stamps))
                .group_by($table::deleted_at)
                .select(($table::deleted_at, dsl::count_star()));
            let rows: Vec<(Option<Timestamp>, i64)> =
                crate::on_backend!(&mut *conn, |c| rows.load(c))?;
            for (stamp, rows) in rows {
                let of = counts.entry(stamp.unwrap_or(Timestamp::MIN)).or_default();
                *of.of_mut(DeletedKind::$kind) = usize::try_from(rows).unwrap_or(0);
            }
        }};
    }
    count!(Instrument, instruments);
    count!(Rule, alert_rules);
    count!(Alert, alert_logs);
    count!(Bar, market_data_bars);
    count!(Tick, market_data);
    count!(SavedQuery, saved_queries);
    #[cfg(feature = "archive")]
    for file in archive::segments_in_trash(conn, stamps)? {
        let of = counts.entry(file.segment.deleted_at.unwrap_or(Timestamp::MIN));
        of.or_default().ticks += usize::try_from(file.ticks).unwrap_or(0);
    }
    Ok(counts)
}

/// Notes down that the rows of the batches up to a moment are gone for good; what something still
/// refers to is kept, and no longer comes back with its batch.
pub(crate) fn mark_purged(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    now: Timestamp,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let old = deletions::table
        .filter(deletions::deleted_at.le(cut_off))
        .filter(deletions::state.eq_any([DeletionState::Running, DeletionState::Done]));
    let update = diesel::update(old).set((
        deletions::state.eq(DeletionState::Purged),
        deletions::purged_at.eq(now),
    ));
    Ok(crate::on_backend!(conn, |c| update.execute(c))?)
}
