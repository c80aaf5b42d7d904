//! The only hard delete: of rows that were soft-deleted long enough ago.
//!
//! Tables are emptied from the leaves to the root (alerts, silences that ended, rules, ticks, bars, saved queries,
//! instruments), so that one purge also takes what its own earlier steps set free. Alerts take their deliveries
//! along. What something still refers to is kept and reported, as are ticks whose keys a file of the
//! archive holds: without the deleted row, the tick of the file would be there again. Each chunk is a write of its own: other writers come in between. It never
//! deletes an active row; the triggers of the database would refuse it, too.

mod alerts;
#[cfg(feature = "archive")]
mod archived;
mod referenced;
mod report;
#[cfg(test)]
mod tests;
mod trash;

use std::collections::BTreeMap;

pub use report::{KeepReason, KeptRow, PurgeReport, Referrer, TablePurge};

use crate::database::{BackendConnection, Database};
use crate::error::Result;
use crate::repository::rows::Recorded;
use crate::repository::{alert_silence, deletion, ingest_batch};
use crate::timestamp::Timestamp;
use alerts::AlertRows;
use referenced::{DeletedReferences, Parent, PurgeCandidates, PurgeCursor};
use trash::LeafTable;

/// Rows of one transaction: some 10 ms of the writer's time.
const ROWS_PER_TRANSACTION_MAX: usize = 5_000;
/// Instruments of one transaction. For each the database looks through all bars, rules and alerts
/// for a reference, as their indexes hold only active rows or begin with another column.
const INSTRUMENTS_PER_TRANSACTION_MAX: usize = 1;

/// Deletes for good the rows that were soft-deleted at or before `cut_off`, unless another row refers
/// to them, silences that ended until then, and forgets idempotency keys older than 24 hours.
///
/// A dry run deletes nothing and reports the same numbers. A run that fails half-way has deleted
/// whole chunks; run it again.
///
/// # Errors
/// Those of [`Database::write`], and of [`Database::read`] for a dry run.
pub fn run(db: &Database, cut_off: Timestamp, dry_run: bool) -> Result<PurgeReport> {
    let now = db.clock().now();
    let tables = if dry_run {
        db.read("purge.dry_run", |conn| count_all(conn, cut_off, now))?
    } else {
        // First: a batch that is undone beside the purge would come back in part.
        end_batches(db, cut_off, now)?;
        delete_all(db, cut_off, now)?
    };
    let report = PurgeReport { dry_run, tables };
    let (deleted, kept) = (report.deleted(), report.kept());
    tracing::info!(%cut_off, dry_run, deleted, kept, "purged");
    Ok(report)
}

fn delete_all(db: &Database, cut_off: Timestamp, now: Timestamp) -> Result<Vec<TablePurge>> {
    let expired = || {
        db.write("purge.ingest_batches", move |conn| {
            ingest_batch::expire(conn, now).recorded(conn)
        })
    };
    let silences = || {
        db.write("purge.alert_silences", move |conn| {
            alert_silence::expire(conn, cut_off).recorded(conn)
        })
    };
    // Children before parents: alerts refer to rules, and all of them to instruments. What the
    // earlier steps delete no longer keeps a row of the later ones.
    let [deliveries, alerts] = delete_alerts(db, cut_off)?;
    Ok(vec![
        deliveries,
        alerts,
        TablePurge::new("alert_silences", silences()?),
        delete_parent(db, "purge.alert_rules", Parent::AlertRules, cut_off)?,
        #[cfg(feature = "archive")]
        archived::delete_files(db, cut_off)?,
        delete_ticks(db, cut_off)?,
        delete_leaf(
            db,
            "purge.market_data_bars",
            LeafTable::MarketDataBars,
            cut_off,
        )?,
        delete_leaf(db, "purge.saved_queries", LeafTable::SavedQueries, cut_off)?,
        delete_parent(db, "purge.instruments", Parent::Instruments, cut_off)?,
        TablePurge::new("ingest_batches", expired()?),
    ])
}

/// Ticks of periods that have files first: of the others then none is left that a file may hold.
fn delete_ticks(db: &Database, cut_off: Timestamp) -> Result<TablePurge> {
    let leaf = LeafTable::MarketData;
    #[cfg(feature = "archive")]
    {
        let mut purge = TablePurge::new(leaf.name(), 0);
        archived::delete_rows_over_files(db, cut_off, &mut purge)?;
        purge.deleted += delete_leaf(db, "purge.market_data", leaf, cut_off)?.deleted;
        Ok(purge)
    }
    #[cfg(not(feature = "archive"))]
    delete_leaf(db, "purge.market_data", leaf, cut_off)
}

/// Says of the batches whose rows are gone that they cannot be undone.
fn end_batches(db: &Database, cut_off: Timestamp, now: Timestamp) -> Result<()> {
    db.write("purge.deletions", move |conn| {
        deletion::mark_purged(conn, cut_off, now)
    })?;
    Ok(())
}

/// Chunk by chunk until nothing is left; oldest first, so that a run that is cut off has done the
/// older part.
fn delete_leaf(
    db: &Database,
    op: &'static str,
    leaf: LeafTable,
    cut_off: Timestamp,
) -> Result<TablePurge> {
    let limit = i64::try_from(ROWS_PER_TRANSACTION_MAX).unwrap_or(i64::MAX);
    let mut deleted = 0;
    loop {
        let chunk = db.write(op, move |conn| {
            trash::delete_chunk(conn, leaf, cut_off, limit).recorded(conn)
        })?;
        if chunk == 0 {
            return Ok(TablePurge::new(leaf.name(), deleted));
        }
        deleted += chunk;
    }
}

/// As [`delete_leaf`].
fn delete_alerts(db: &Database, cut_off: Timestamp) -> Result<[TablePurge; 2]> {
    let limit = i64::try_from(ROWS_PER_TRANSACTION_MAX).unwrap_or(i64::MAX);
    let mut deleted = AlertRows::default();
    loop {
        let chunk = db.write("purge.alert_logs", move |conn| {
            alerts::delete_chunk(conn, cut_off, limit)
        })?;
        if chunk.alerts == 0 {
            return Ok(of_alerts(deleted));
        }
        deleted.alerts += chunk.alerts;
        deleted.deliveries += chunk.deliveries;
    }
}

/// Survey by survey; each one's free rows go in transactions of a few.
fn delete_parent(
    db: &Database,
    op: &'static str,
    parent: Parent,
    cut_off: Timestamp,
) -> Result<TablePurge> {
    let per_transaction = match parent {
        Parent::AlertRules => ROWS_PER_TRANSACTION_MAX,
        Parent::Instruments => INSTRUMENTS_PER_TRANSACTION_MAX,
    };
    let mut purge = TablePurge::new(parent.name(), 0);
    let mut after = Some(PurgeCursor::START);
    while let Some(place) = after {
        let PurgeCandidates { kept, free, next } = db.read("purge.survey", |conn| {
            referenced::survey(conn, parent, cut_off, place, None)
        })?;
        for ids in free.chunks(per_transaction) {
            let ids = ids.to_vec();
            let delete = move |conn: &mut BackendConnection<'_>| {
                referenced::delete(conn, parent, &ids).recorded(conn)
            };
            purge.deleted += db.write(op, delete)?;
        }
        purge.keep(kept);
        after = next;
    }
    Ok(purge)
}

/// What [`delete_all`] would do: a row that an earlier step would delete refers
/// to nothing any more.
fn count_all(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    now: Timestamp,
) -> Result<Vec<TablePurge>> {
    let mut kept_rules = BTreeMap::new();
    let expired = ingest_batch::count_expired(conn, now)?;
    let silences = alert_silence::count_expired(conn, cut_off)?;
    let [deliveries, alerts] = of_alerts(alerts::count(conn, cut_off)?);
    #[cfg_attr(not(feature = "archive"), allow(unused_mut))]
    let mut ticks = count_leaf(conn, LeafTable::MarketData, cut_off)?;
    #[cfg(feature = "archive")]
    let files = archived::count(conn, cut_off, now, &mut ticks)?;
    Ok(vec![
        deliveries,
        alerts,
        TablePurge::new("alert_silences", usize::try_from(silences).unwrap_or(0)),
        count_parent(conn, Parent::AlertRules, cut_off, &mut kept_rules)?,
        #[cfg(feature = "archive")]
        files,
        ticks,
        count_leaf(conn, LeafTable::MarketDataBars, cut_off)?,
        count_leaf(conn, LeafTable::SavedQueries, cut_off)?,
        count_parent(conn, Parent::Instruments, cut_off, &mut kept_rules)?,
        TablePurge::new("ingest_batches", usize::try_from(expired).unwrap_or(0)),
    ])
}

fn of_alerts(rows: AlertRows) -> [TablePurge; 2] {
    [
        TablePurge::new("alert_deliveries", rows.deliveries),
        TablePurge::new("alert_logs", rows.alerts),
    ]
}

/// Counts rules and notes the kept ones by instrument, or counts instruments by that note.
fn count_parent(
    conn: &mut BackendConnection<'_>,
    parent: Parent,
    cut_off: Timestamp,
    kept_rules: &mut BTreeMap<i64, i64>,
) -> Result<TablePurge> {
    let mut purge = TablePurge::new(parent.name(), 0);
    let mut after = Some(PurgeCursor::START);
    while let Some(place) = after {
        let gone = DeletedReferences {
            cut_off,
            kept_rules,
        };
        let PurgeCandidates { kept, free, next } =
            referenced::survey(conn, parent, cut_off, place, Some(gone))?;
        if parent == Parent::AlertRules {
            for rule in &kept {
                *kept_rules.entry(rule.instrument_id).or_default() += 1;
            }
        }
        purge.deleted += free.len();
        purge.keep(kept);
        after = next;
    }
    Ok(purge)
}

fn count_leaf(
    conn: &mut BackendConnection<'_>,
    leaf: LeafTable,
    cut_off: Timestamp,
) -> Result<TablePurge> {
    let rows = trash::count(conn, leaf, cut_off)?;
    Ok(TablePurge::new(
        leaf.name(),
        usize::try_from(rows).unwrap_or(0),
    ))
}
