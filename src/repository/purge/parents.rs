//! Deletion and counting of rows that others may refer to: rules and instruments.

use std::collections::{BTreeMap, HashMap};

use diesel::dsl;
use diesel::prelude::*;

use super::report::{KeptRow, Referrer};
use super::{INSTRUMENTS_PER_TRANSACTION_MAX, ROWS_PER_TRANSACTION_MAX};
use crate::database::BackendConnection;
use crate::domain::Symbol;
use crate::error::Result;
use crate::soft_delete::{Deleted, SoftDeletable};
use crate::tables::{alert_logs, alert_rules, instruments, market_data, market_data_bars};
use crate::timestamp::Timestamp;

/// Where a chunk begins: after this row, in the order of deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    deleted_at: Timestamp,
    id: i64,
}

impl Place {
    /// Before every row.
    pub(super) const START: Self = Self {
        deleted_at: Timestamp::MIN,
        id: i64::MIN,
    };
}

/// What became of some rows.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) deleted: usize,
    pub(super) kept: Vec<Kept>,
    /// Where the next chunk begins; `None` after the last one.
    pub(super) next: Option<Place>,
}

/// A kept row, and the instrument that it is or belongs to.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) row: KeptRow,
    pub(super) instrument_id: i64,
}

/// A row that is old enough.
struct Candidate {
    place: Place,
    label: String,
    instrument_id: i64,
}

/// For each row how many rows refer to it.
type Referrers = HashMap<i64, i64>;

/// Counts what refers to the rows, through one column of one table. The active rows and the trash
/// are counted apart, as each has an index of its own. With `gone`, rows that were deleted up to
/// that moment do not count.
macro_rules! referrers {
    ($conn:expr, $table:ident :: $column:ident, $ids:expr, $gone:expr) => {{
        let active = $table::table
            .active()
            .filter($table::$column.eq_any($ids))
            .group_by($table::$column)
            .select(($table::$column, dsl::count_star()));
        let after: Timestamp = $gone.unwrap_or(Timestamp::MIN);
        let trash = $table::table
            .deleted()
            .filter($table::deleted_at.gt(after))
            .filter($table::$column.eq_any($ids))
            .group_by($table::$column)
            .select(($table::$column, dsl::count_star()));
        let mut rows: Vec<(i64, i64)> = crate::on_backend!(&mut *$conn, |c| active.load(c))?;
        let more: Vec<(i64, i64)> = crate::on_backend!(&mut *$conn, |c| trash.load(c))?;
        rows.extend(more);
        let mut counts = Referrers::new();
        for (id, count) in rows {
            *counts.entry(id).or_default() += count;
        }
        counts
    }};
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn rules_query(cut_off: Timestamp, after: Place, limit: i64) -> _ {
    let deleted: Deleted<alert_rules::table> = alert_rules::table.deleted();
    let (stamp, id): (Timestamp, i64) = (after.deleted_at, after.id);
    let same_stamp = alert_rules::deleted_at
        .eq(stamp)
        .and(alert_rules::id.gt(id));
    let later = alert_rules::deleted_at.gt(stamp).or(same_stamp);
    deleted
        .filter(alert_rules::deleted_at.between(stamp, cut_off))
        .filter(later)
        .order((alert_rules::deleted_at.asc(), alert_rules::id.asc()))
        .limit(limit)
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn instruments_query(cut_off: Timestamp, after: Place, limit: i64) -> _ {
    let deleted: Deleted<instruments::table> = instruments::table.deleted();
    let (stamp, id): (Timestamp, i64) = (after.deleted_at, after.id);
    let same_stamp = instruments::deleted_at
        .eq(stamp)
        .and(instruments::id.gt(id));
    let later = instruments::deleted_at.gt(stamp).or(same_stamp);
    deleted
        .filter(instruments::deleted_at.between(stamp, cut_off))
        .filter(later)
        .order((instruments::deleted_at.asc(), instruments::id.asc()))
        .limit(limit)
}

/// Deletes the next rules to which no alert refers; a dry run only counts them.
pub(super) fn rules(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    after: Place,
    dry_run: bool,
) -> Result<Chunk> {
    type Row = (i64, Option<Timestamp>, Option<String>, i64);
    let limit = ROWS_PER_TRANSACTION_MAX;
    let query = rules_query(cut_off, after, limit).select((
        alert_rules::id,
        alert_rules::deleted_at,
        alert_rules::name,
        alert_rules::instrument_id,
    ));
    let rows: Vec<Row> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let candidates: Vec<Candidate> = rows
        .into_iter()
        .map(|(id, deleted_at, name, instrument_id)| Candidate {
            place: Place {
                deleted_at: deleted_at.unwrap_or(cut_off),
                id,
            },
            label: name.map_or(format!("rule {id}"), |name| format!("rule {id} {name:?}")),
            instrument_id,
        })
        .collect();
    let ids: Vec<i64> = candidates.iter().map(|row| row.place.id).collect();
    let gone = dry_run.then_some(cut_off);
    let alerts = referrers!(conn, alert_logs::rule_id, &ids, gone);
    let (mut chunk, free) = sort_out(candidates, limit, &[(Referrer::Alerts, alerts)]);
    chunk.deleted = free.len();
    if !dry_run {
        let rows = alert_rules::table
            .deleted()
            .filter(alert_rules::id.eq_any(&free));
        chunk.deleted = crate::on_backend!(conn, |c| diesel::delete(rows).execute(c))?;
    }
    Ok(chunk)
}

/// Deletes the next instruments to which nothing refers. A dry run only counts them; it brings
/// the number of kept rules per instrument.
pub(super) fn instruments(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    after: Place,
    dry_run: Option<&BTreeMap<i64, i64>>,
) -> Result<Chunk> {
    let limit = INSTRUMENTS_PER_TRANSACTION_MAX;
    let query = instruments_query(cut_off, after, limit).select((
        instruments::id,
        instruments::deleted_at,
        instruments::symbol,
    ));
    let rows: Vec<(i64, Option<Timestamp>, Symbol)> =
        crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let candidates: Vec<Candidate> = rows
        .into_iter()
        .map(|(id, deleted_at, symbol)| Candidate {
            place: Place {
                deleted_at: deleted_at.unwrap_or(cut_off),
                id,
            },
            label: format!("instrument {id} {:?}", symbol.as_str()),
            instrument_id: id,
        })
        .collect();
    let ids: Vec<i64> = candidates.iter().map(|row| row.place.id).collect();
    let gone = dry_run.map(|_| cut_off);
    let mut rules = referrers!(conn, alert_rules::instrument_id, &ids, gone);
    for (id, kept) in dry_run.into_iter().flatten() {
        *rules.entry(*id).or_default() += kept;
    }
    let referrers = [
        (
            Referrer::Ticks,
            referrers!(conn, market_data::instrument_id, &ids, gone),
        ),
        (
            Referrer::Bars,
            referrers!(conn, market_data_bars::instrument_id, &ids, gone),
        ),
        (Referrer::Rules, rules),
        (
            Referrer::Alerts,
            referrers!(conn, alert_logs::instrument_id, &ids, gone),
        ),
    ];
    let (mut chunk, free) = sort_out(candidates, limit, &referrers);
    chunk.deleted = free.len();
    if dry_run.is_none() {
        let rows = instruments::table
            .deleted()
            .filter(instruments::id.eq_any(&free));
        chunk.deleted = crate::on_backend!(conn, |c| diesel::delete(rows).execute(c))?;
    }
    Ok(chunk)
}

/// Tells the rows to which something refers from those that are free, whose ids it returns.
fn sort_out(
    candidates: Vec<Candidate>,
    limit: i64,
    referrers: &[(Referrer, Referrers)],
) -> (Chunk, Vec<i64>) {
    let full = i64::try_from(candidates.len()).is_ok_and(|rows| rows >= limit);
    let next = candidates.last().map(|row| row.place).filter(|_| full);
    let (mut kept, mut free) = (Vec::new(), Vec::new());
    for row in candidates {
        let of_row: Vec<(Referrer, i64)> = referrers
            .iter()
            .filter_map(|(referrer, counts)| Some((*referrer, *counts.get(&row.place.id)?)))
            .collect();
        if of_row.is_empty() {
            free.push(row.place.id);
            continue;
        }
        kept.push(Kept {
            row: KeptRow {
                row: row.label,
                referrers: of_row,
            },
            instrument_id: row.instrument_id,
        });
    }
    let chunk = Chunk {
        deleted: 0,
        kept,
        next,
    };
    (chunk, free)
}
