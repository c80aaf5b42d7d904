//! The only hard delete: of rows that were soft-deleted long enough ago.
//!
//! Tables are emptied from the leaves to the root (alerts, rules, ticks, bars, instruments), so
//! that one purge also takes what its own earlier steps set free. What something still refers to
//! is kept and reported. Each chunk is a write of its own: other writers come in between. It never
//! deletes an active row; the triggers of the database would refuse it, too.

mod parents;
mod report;
#[cfg(test)]
mod tests;
mod trash;

use std::collections::BTreeMap;

pub use report::{KeepReason, KeptRow, PurgeReport, Referrer, TablePurge};

use crate::database::{BackendConnection, Database};
use crate::error::Result;
use crate::repository::ingest_batch;
use crate::timestamp::Timestamp;
use parents::{Chunk, Place, instruments, rules};
use trash::Leaf;

/// Rows of one transaction: some 10 ms of the writer's time.
const ROWS_PER_TRANSACTION_MAX: i64 = 5_000;
/// Instruments of one transaction. For each the database looks through all bars and alerts for a
/// reference, as their indexes hold only active rows or begin with another column.
const INSTRUMENTS_PER_TRANSACTION_MAX: i64 = 20;

/// Empties the trash.
#[derive(Debug, Clone, Copy)]
pub struct PurgeRepository<'a> {
    db: &'a Database,
}

impl<'a> PurgeRepository<'a> {
    /// The trash of a database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self { db }
    }

    /// Deletes for good the rows that were soft-deleted at or before `cut_off`, unless another row
    /// refers to them, and forgets idempotency keys older than 24 hours.
    ///
    /// A dry run deletes nothing and reports the same numbers. A run that fails half-way has
    /// deleted whole chunks; run it again.
    ///
    /// # Errors
    /// Those of [`Database::write`], and of [`Database::read`] for a dry run.
    pub fn run(&self, cut_off: Timestamp, dry_run: bool) -> Result<PurgeReport> {
        let now = self.db.clock().now();
        let tables = if dry_run {
            self.db
                .read("purge.dry_run", |conn| count_all(conn, cut_off, now))?
        } else {
            self.delete_all(cut_off, now)?
        };
        let report = PurgeReport { dry_run, tables };
        let (deleted, kept) = (report.deleted(), report.kept());
        tracing::info!(%cut_off, dry_run, deleted, kept, "purged");
        Ok(report)
    }

    fn delete_all(&self, cut_off: Timestamp, now: Timestamp) -> Result<Vec<TablePurge>> {
        let expired = || {
            self.db.write("purge.ingest_batches", move |conn| {
                ingest_batch::expire(conn, now)
            })
        };
        Ok(vec![
            self.delete_leaf("purge.alert_logs", Leaf::AlertLogs, cut_off)?,
            self.delete_parents("alert_rules", |after| {
                self.db.write("purge.alert_rules", move |conn| {
                    rules(conn, cut_off, after, false)
                })
            })?,
            self.delete_leaf("purge.market_data", Leaf::MarketData, cut_off)?,
            self.delete_leaf("purge.market_data_bars", Leaf::MarketDataBars, cut_off)?,
            self.delete_parents("instruments", |after| {
                self.db.write("purge.instruments", move |conn| {
                    instruments(conn, cut_off, after, None)
                })
            })?,
            TablePurge::leaf("ingest_batches", expired()?),
        ])
    }

    /// Chunk by chunk until nothing is left; oldest first, so that a run that is cut off has done
    /// the older part.
    fn delete_leaf(&self, op: &'static str, leaf: Leaf, cut_off: Timestamp) -> Result<TablePurge> {
        let mut deleted = 0;
        loop {
            let chunk = self.db.write(op, move |conn| {
                trash::delete_chunk(conn, leaf, cut_off, ROWS_PER_TRANSACTION_MAX)
            })?;
            if chunk == 0 {
                return Ok(TablePurge::leaf(leaf.name(), deleted));
            }
            deleted += chunk;
        }
    }

    fn delete_parents(
        &self,
        table: &'static str,
        chunk: impl Fn(Place) -> Result<Chunk>,
    ) -> Result<TablePurge> {
        let mut purge = TablePurge::leaf(table, 0);
        let mut after = Some(Place::START);
        while let Some(place) = after {
            let chunk = chunk(place)?;
            after = chunk.next;
            purge.absorb(chunk);
        }
        Ok(purge)
    }
}

/// What [`PurgeRepository::delete_all`] would do: a row that an earlier step would delete refers
/// to nothing any more.
fn count_all(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    now: Timestamp,
) -> Result<Vec<TablePurge>> {
    let alerts = count_leaf(conn, Leaf::AlertLogs, cut_off)?;
    let mut rule_purge = TablePurge::leaf("alert_rules", 0);
    let mut kept_rules: BTreeMap<i64, i64> = BTreeMap::new();
    let mut after = Some(Place::START);
    while let Some(place) = after {
        let chunk = rules(conn, cut_off, place, true)?;
        after = chunk.next;
        for kept in &chunk.kept {
            *kept_rules.entry(kept.instrument_id).or_default() += 1;
        }
        rule_purge.absorb(chunk);
    }
    let ticks = count_leaf(conn, Leaf::MarketData, cut_off)?;
    let bars = count_leaf(conn, Leaf::MarketDataBars, cut_off)?;
    let mut instrument_purge = TablePurge::leaf("instruments", 0);
    let mut after = Some(Place::START);
    while let Some(place) = after {
        let chunk = instruments(conn, cut_off, place, Some(&kept_rules))?;
        after = chunk.next;
        instrument_purge.absorb(chunk);
    }
    let expired = ingest_batch::count_expired(conn, now)?;
    Ok(vec![
        alerts,
        rule_purge,
        ticks,
        bars,
        instrument_purge,
        TablePurge::leaf("ingest_batches", usize::try_from(expired).unwrap_or(0)),
    ])
}

fn count_leaf(
    conn: &mut BackendConnection<'_>,
    leaf: Leaf,
    cut_off: Timestamp,
) -> Result<TablePurge> {
    let rows = trash::count(conn, leaf, cut_off)?;
    Ok(TablePurge::leaf(
        leaf.name(),
        usize::try_from(rows).unwrap_or(0),
    ))
}
