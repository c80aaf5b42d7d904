//! Undoing a batch: its rows, and no others, come back from the trash.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::TICKS_PER_TRANSACTION;
use super::conflicts::{self, UndoConflict};
use super::read::{in_trash, of_moment};
use crate::database::{BackendConnection, Database, Invalidation};
use crate::domain::{DeletedKind, DeletionCounts, DeletionState};
use crate::error::{Error, Result};
use crate::models::{Deletion, check_who};
use crate::repository::{
    alert_log, alert_rule, bar, bar_series, instrument, market_data, saved_query,
};
use crate::soft_delete::SoftDeletable;
use crate::tables::{
    alert_logs, alert_rules, deletions, instruments, market_data_bars, saved_queries,
};
use crate::timestamp::Timestamp;

/// How a batch is undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UndoOptions {
    /// Changes nothing, and reports the same numbers.
    pub dry_run: bool,
    /// Leaves rows in the trash that cannot come back, where else nothing is restored.
    pub skip_conflicts: bool,
    /// Who undoes it, 1 to 100 characters.
    pub by: Option<String>,
}

/// What became of an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoOutcome {
    /// Rows came back.
    Undone,
    /// A dry run: nothing was changed.
    DryRun,
    /// Nothing was changed, for some rows cannot come back.
    Refused,
}

/// The report of an undo.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndoReport {
    /// The number of the batch.
    pub id: i64,
    /// What became of it.
    pub outcome: UndoOutcome,
    /// Rows that came back, or would; none when it was refused.
    pub restored: DeletionCounts,
    /// Rows that cannot.
    pub conflicts: Vec<UndoConflict>,
}

/// Takes the rows of a batch out of the trash: all that it deleted and that are still there, and no
/// row that was deleted by another. When one of them cannot come back, nothing is restored, unless
/// conflicts are skipped; then the batch can be undone again once they are out of the way.
///
/// Up to 100,000 ticks come back in one transaction; more of them in several. When a crash comes
/// between them, another undo goes on.
///
/// # Errors
/// [`Error::NotFound`] when nothing is known of the batch; [`Error::Conflict`] when it was undone or
/// purged; [`Error::Invalid`] for a name that is too long; those of [`Database::write`].
pub fn undo(db: &Database, id: i64, options: &UndoOptions) -> Result<UndoReport> {
    let deleted_at = Timestamp::from_micros(id)?;
    if let Some(by) = &options.by {
        check_who("by", by)?;
    }
    if options.dry_run {
        let skips = options.skip_conflicts;
        return db.read("deletion.undo_dry_run", |conn| {
            conn.snapshot(|conn| dry_run(conn, deleted_at, skips))
        });
    }
    let (now, first) = (db.clock().now(), options.clone());
    let (mut report, mut chunk) = db.write("deletion.undo", move |conn| {
        begin(conn, deleted_at, &first, now)
    })?;
    while report.outcome == UndoOutcome::Undone && chunk >= TICKS_PER_TRANSACTION {
        let (by, is_whole) = (options.by.clone(), report.conflicts.is_empty());
        chunk = db.write("deletion.undo_ticks", move |conn| {
            let chunk = market_data::restore_some(conn, deleted_at, TICKS_PER_TRANSACTION)?;
            if chunk < TICKS_PER_TRANSACTION && is_whole {
                mark_undone(conn, deleted_at, by.as_deref(), now)?;
            }
            Ok(chunk)
        })?;
        report.restored.ticks += chunk;
    }
    if report.outcome == UndoOutcome::Undone {
        tracing::info!(
            id,
            restored = report.restored.total(),
            conflicts = report.conflicts.len(),
            "undone"
        );
    }
    Ok(report)
}

fn dry_run(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
    skips_conflicts: bool,
) -> Result<UndoReport> {
    refuse_ended(&of_moment(conn, deleted_at)?)?;
    let conflicts = conflicts::of(conn, deleted_at)?;
    let restored = in_trash(conn, &[deleted_at])?;
    let mut restored = restored.get(&deleted_at).copied().unwrap_or_default();
    if !conflicts.is_empty() && !skips_conflicts {
        restored = DeletionCounts::default();
    }
    for conflict in conflicts.iter().filter(|_| skips_conflicts) {
        *restored.of_mut(conflict.kind) -= 1;
    }
    Ok(UndoReport {
        id: deleted_at.micros(),
        outcome: UndoOutcome::DryRun,
        restored,
        conflicts,
    })
}

/// The first transaction: all rows, of ticks in the table the first 100,000; returns how many those
/// were, too.
fn begin(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
    options: &UndoOptions,
    now: Timestamp,
) -> Result<(UndoReport, usize)> {
    lock(conn, deleted_at)?;
    refuse_ended(&of_moment(conn, deleted_at)?)?;
    let conflicts = conflicts::of(conn, deleted_at)?;
    let mut report = UndoReport {
        id: deleted_at.micros(),
        outcome: UndoOutcome::Undone,
        restored: DeletionCounts::default(),
        conflicts,
    };
    if !report.conflicts.is_empty() && !options.skip_conflicts {
        report.outcome = UndoOutcome::Refused;
        return Ok((report, 0));
    }
    // First: what comes back is marked then as anything else.
    bar_series::forget_gone(conn, deleted_at)?;
    report.restored = restore_rows(conn, deleted_at, &report.conflicts)?;
    let chunk = market_data::restore_some(conn, deleted_at, TICKS_PER_TRANSACTION)?;
    report.restored.ticks += chunk;
    if chunk < TICKS_PER_TRANSACTION && report.conflicts.is_empty() {
        mark_undone(conn, deleted_at, options.by.as_deref(), now)?;
    }
    conn.record_rows(report.restored.total());
    Ok((report, chunk))
}

/// Restores all but ticks in the table, parents first.
fn restore_rows(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
    conflicts: &[UndoConflict],
) -> Result<DeletionCounts> {
    macro_rules! ids {
        ($kind:ident, $table:ident) => {{
            let query = $table::table
                .deleted()
                .filter($table::deleted_at.eq(deleted_at))
                .select($table::id)
                .order($table::id);
            let mut ids: Vec<i64> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
            let stay = conflicts
                .iter()
                .filter(|row| row.kind == DeletedKind::$kind);
            let stay: BTreeSet<i64> = stay.map(|row| row.id).collect();
            ids.retain(|id| !stay.contains(id));
            ids
        }};
    }
    let instruments = ids!(Instrument, instruments);
    let rules = ids!(Rule, alert_rules);
    let alerts = ids!(Alert, alert_logs);
    let bars = ids!(Bar, market_data_bars);
    let saved_queries = ids!(SavedQuery, saved_queries);
    let restored = DeletionCounts {
        instruments: instrument::restore(conn, &instruments)?,
        rules: alert_rule::restore(conn, &rules)?,
        alerts: alert_log::restore(conn, &alerts)?,
        bars: bar::restore(conn, &bars)?,
        ticks: 0,
        saved_queries: saved_query::restore(conn, &saved_queries)?,
    };
    #[cfg(feature = "archive")]
    let restored = DeletionCounts {
        ticks: market_data::restore_files(conn, deleted_at)?,
        ..restored
    };
    Ok(restored)
}

/// Keeps another undo of the batch, and the rest of its deletion, waiting.
pub(super) fn lock(conn: &mut BackendConnection<'_>, deleted_at: Timestamp) -> Result<()> {
    match conn {
        // The write lane is such a lock already.
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => {}
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            let query = deletions::table.find(deleted_at);
            let locked = query.select(deletions::deleted_at).for_update();
            let locked: Option<Timestamp> = locked.first(*c).optional()?;
            tracing::trace!(?locked, "locked");
        }
    }
    let _ = deleted_at;
    Ok(())
}

fn refuse_ended(deletion: &Deletion) -> Result<()> {
    let existing = match (deletion.state, deletion.undone_at, deletion.purged_at) {
        (DeletionState::Undone, Some(at), _) => format!("it was undone at {at}"),
        (DeletionState::Purged, _, Some(at)) => {
            format!("its rows were removed for good by a purge at {at}")
        }
        _ => return Ok(()),
    };
    Err(Error::Conflict {
        what: format!("deletion {} cannot be undone", deletion.id()),
        existing,
    })
}

fn mark_undone(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
    by: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let update = diesel::update(deletions::table.find(deleted_at)).set((
        deletions::state.eq(DeletionState::Undone),
        deletions::undone_at.eq(now),
        deletions::undone_by.eq(by),
    ));
    crate::on_backend!(conn, |c| update.execute(c))?;
    Ok(())
}
