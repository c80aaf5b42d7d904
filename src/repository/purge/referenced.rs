//! Rows that others may refer to: rules and instruments.
//!
//! A survey, which may count millions of referrers, only reads; the deletion looks once more at the
//! few rows that it takes.

use std::collections::{BTreeMap, HashMap};

use diesel::dsl;
use diesel::prelude::*;

use super::report::{KeptRow, ReferencedRow, Referrer};
use crate::database::{BackendConnection, Invalidation};
use crate::domain::Symbol;
use crate::error::Result;
use crate::soft_delete::{Deleted, SoftDeletable};
use crate::tables::{alert_logs, alert_rules, instruments, market_data, market_data_bars};
use crate::tables::{archive_segments, bar_series, stale_bars};
use crate::timestamp::Timestamp;

/// Rows of one survey.
const CANDIDATES_PER_SURVEY_MAX: i64 = 1_000;

/// The begin of a survey: after this row, in the order of deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PurgeCursor {
    deleted_at: Timestamp,
    id: i64,
}

impl PurgeCursor {
    /// Before every row.
    pub(super) const START: Self = Self {
        deleted_at: Timestamp::MIN,
        id: i64::MIN,
    };
}

/// A table to whose rows others may refer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    AlertRules,
    Instruments,
}

impl Parent {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AlertRules => alert_rules::table::NAME,
            Self::Instruments => instruments::table::NAME,
        }
    }
}

/// Some rows that are old enough: those to which something refers, and the others.
#[derive(Debug)]
pub(super) struct PurgeCandidates {
    pub(super) kept: Vec<ReferencedRow>,
    /// The ids of those to which nothing refers.
    pub(super) free: Vec<i64>,
    /// The begin of the next survey; `None` after the last one.
    pub(super) next: Option<PurgeCursor>,
}

/// The rows that a dry run takes for deleted although they are still there.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeletedReferences<'a> {
    /// Alerts, ticks and bars that were deleted up to this moment.
    pub(super) cut_off: Timestamp,
    /// Deleted rules that stay: their number by instrument.
    pub(super) kept_rules: &'a BTreeMap<i64, i64>,
}

/// A row that is old enough.
struct PurgeCandidate {
    place: PurgeCursor,
    label: String,
    instrument_id: i64,
}

/// For each row how many rows refer to it.
type ReferenceCounts = HashMap<i64, i64>;

/// Counts what refers to the rows, through one column of one table. The active rows and the trash
/// are counted apart, as each has an index of its own. Rows that were deleted up to `up_to` do
/// not count.
macro_rules! referrers {
    ($conn:expr, $table:ident :: $column:ident, $ids:expr, $up_to:expr) => {{
        let active = $table::table
            .active()
            .filter($table::$column.eq_any($ids))
            .group_by($table::$column)
            .select(($table::$column, dsl::count_star()));
        let after: Timestamp = $up_to.unwrap_or(Timestamp::MIN);
        let trash = $table::table
            .deleted()
            .filter($table::deleted_at.gt(after))
            .filter($table::$column.eq_any($ids))
            .group_by($table::$column)
            .select(($table::$column, dsl::count_star()));
        let mut rows: Vec<(i64, i64)> = crate::on_backend!(&mut *$conn, |c| active.load(c))?;
        let more: Vec<(i64, i64)> = crate::on_backend!(&mut *$conn, |c| trash.load(c))?;
        rows.extend(more);
        let mut counts = ReferenceCounts::new();
        for (id, count) in rows {
            *counts.entry(id).or_default() += count;
        }
        counts
    }};
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn rules_query(cut_off: Timestamp, after: PurgeCursor, limit: i64) -> _ {
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
pub(super) fn instruments_query(cut_off: Timestamp, after: PurgeCursor, limit: i64) -> _ {
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

/// Looks at the next rows that were deleted up to the cut-off, oldest first.
pub(super) fn survey(
    conn: &mut BackendConnection<'_>,
    parent: Parent,
    cut_off: Timestamp,
    after: PurgeCursor,
    gone: Option<DeletedReferences<'_>>,
) -> Result<PurgeCandidates> {
    let candidates = match parent {
        Parent::AlertRules => rules(conn, cut_off, after)?,
        Parent::Instruments => instruments(conn, cut_off, after)?,
    };
    let ids: Vec<i64> = candidates.iter().map(|row| row.place.id).collect();
    let referrers = referrers_of(conn, parent, &ids, gone)?;
    Ok(sort_out(candidates, &referrers))
}

/// Deletes rows of the trash, unless something refers to them by now; returns how many.
pub(super) fn delete(
    conn: &mut BackendConnection<'_>,
    parent: Parent,
    ids: &[i64],
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    // Asked again in the transaction of the deletion: the survey was a read of its own, and a row
    // may have come since.
    let referrers = referrers_of(conn, parent, ids, None)?;
    let is_free = |id: &i64| referrers.iter().all(|(_, counts)| !counts.contains_key(id));
    let free: Vec<i64> = ids.iter().copied().filter(is_free).collect();
    macro_rules! delete {
        ($table:ident) => {{
            let rows = $table::table.deleted().filter($table::id.eq_any(&free));
            Ok(crate::on_backend!(conn, |c| diesel::delete(rows).execute(c))?)
        }};
    }
    match parent {
        Parent::AlertRules => delete!(alert_rules),
        Parent::Instruments => {
            // First: foreign keys of the series point at the instrument.
            delete_series(conn, &free)?;
            delete!(instruments)
        }
    }
}

/// Deletes the series of instruments that have no ticks and bars any more.
fn delete_series(conn: &mut BackendConnection<'_>, instrument_ids: &[i64]) -> Result<()> {
    let of_marks = stale_bars::instrument_id.eq_any(instrument_ids);
    let marks = diesel::delete(stale_bars::table.filter(of_marks));
    crate::on_backend!(&mut *conn, |c| marks.execute(c))?;
    let of_series = bar_series::instrument_id.eq_any(instrument_ids);
    let series = diesel::delete(bar_series::table.filter(of_series));
    crate::on_backend!(conn, |c| series.execute(c))?;
    Ok(())
}

fn rules(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    after: PurgeCursor,
) -> Result<Vec<PurgeCandidate>> {
    type OldRuleRow = (i64, Option<Timestamp>, Option<String>, i64);
    let query = rules_query(cut_off, after, CANDIDATES_PER_SURVEY_MAX).select((
        alert_rules::id,
        alert_rules::deleted_at,
        alert_rules::name,
        alert_rules::instrument_id,
    ));
    let rows: Vec<OldRuleRow> = crate::on_backend!(conn, |c| query.load(c))?;
    let candidate = |(id, deleted_at, name, instrument_id): OldRuleRow| PurgeCandidate {
        place: PurgeCursor {
            deleted_at: deleted_at.unwrap_or(cut_off),
            id,
        },
        label: name.map_or(format!("rule {id}"), |name| format!("rule {id} {name:?}")),
        instrument_id,
    };
    Ok(rows.into_iter().map(candidate).collect())
}

fn instruments(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    after: PurgeCursor,
) -> Result<Vec<PurgeCandidate>> {
    type OldInstrumentRow = (i64, Option<Timestamp>, Symbol);
    let query = instruments_query(cut_off, after, CANDIDATES_PER_SURVEY_MAX).select((
        instruments::id,
        instruments::deleted_at,
        instruments::symbol,
    ));
    let rows: Vec<OldInstrumentRow> = crate::on_backend!(conn, |c| query.load(c))?;
    let candidate = |(id, deleted_at, symbol): OldInstrumentRow| PurgeCandidate {
        place: PurgeCursor {
            deleted_at: deleted_at.unwrap_or(cut_off),
            id,
        },
        label: format!("instrument {id} {:?}", symbol.as_str()),
        instrument_id: id,
    };
    Ok(rows.into_iter().map(candidate).collect())
}

/// Counts the rows that refer to these.
fn referrers_of(
    conn: &mut BackendConnection<'_>,
    parent: Parent,
    ids: &[i64],
    gone: Option<DeletedReferences<'_>>,
) -> Result<Vec<(Referrer, ReferenceCounts)>> {
    let up_to = gone.map(|gone| gone.cut_off);
    if parent == Parent::AlertRules {
        let alerts = referrers!(conn, alert_logs::rule_id, ids, up_to);
        return Ok(vec![(Referrer::Alerts, alerts)]);
    }
    let ticks = referrers!(conn, market_data::instrument_id, ids, up_to);
    let bars = referrers!(conn, market_data_bars::instrument_id, ids, up_to);
    let mut rules = referrers!(conn, alert_rules::instrument_id, ids, up_to);
    for (id, kept) in gone.iter().flat_map(|gone| gone.kept_rules) {
        *rules.entry(*id).or_default() += kept;
    }
    let alerts = referrers!(conn, alert_logs::instrument_id, ids, up_to);
    let after: Timestamp = up_to.unwrap_or(Timestamp::MIN);
    let is_left = archive_segments::deleted_at
        .is_null()
        .or(archive_segments::deleted_at.gt(after).assume_not_null());
    let periods = archive_segments::table
        .filter(archive_segments::instrument_id.eq_any(ids))
        .filter(is_left)
        .group_by(archive_segments::instrument_id)
        .select((archive_segments::instrument_id, dsl::count_star()));
    let periods: Vec<(i64, i64)> = crate::on_backend!(&mut *conn, |c| periods.load(c))?;
    Ok(vec![
        (Referrer::ArchivedPeriods, periods.into_iter().collect()),
        (Referrer::Ticks, ticks),
        (Referrer::Bars, bars),
        (Referrer::Rules, rules),
        (Referrer::Alerts, alerts),
    ])
}

/// Tells the rows to which something refers from those that are free.
fn sort_out(
    candidates: Vec<PurgeCandidate>,
    referrers: &[(Referrer, ReferenceCounts)],
) -> PurgeCandidates {
    let full = i64::try_from(candidates.len()).is_ok_and(|n| n >= CANDIDATES_PER_SURVEY_MAX);
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
        kept.push(ReferencedRow {
            row: KeptRow {
                row: row.label,
                referrers: of_row,
            },
            instrument_id: row.instrument_id,
        });
    }
    PurgeCandidates { kept, free, next }
}
