//! Stores a batch of an import, ticks or bars, and counts the outcomes of its rows.

use crate::database::BackendConnection;
use crate::domain::bar::Bar;
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::ingest::record::FeedRecord;
use crate::models::NewMarketDataBar;
use crate::repository::market_data::{InsertOptions, RowOutcome};
use crate::repository::{bar, market_data};
use crate::timestamp::Timestamp;

/// Rows that the import knows how to store.
pub(super) trait Stored: FeedRecord + 'static {
    fn store(
        conn: &mut BackendConnection<'_>,
        rows: &[Self],
        now: Timestamp,
    ) -> Result<StoreOutcome>;
}

/// The outcome of a batch; rows are named by their indexes in it.
#[derive(Debug, Default)]
pub(super) struct StoreOutcome {
    pub(super) inserted: usize,
    pub(super) updated: usize,
    pub(super) duplicates: usize,
    pub(super) late: usize,
    pub(super) conflicts: Vec<usize>,
    pub(super) deleted: Vec<usize>,
    pub(super) rejected: Vec<(usize, String)>,
}

impl Stored for Tick {
    fn store(
        conn: &mut BackendConnection<'_>,
        rows: &[Self],
        now: Timestamp,
    ) -> Result<StoreOutcome> {
        let options = InsertOptions {
            outcomes: true,
            ..InsertOptions::default()
        };
        let report = market_data::insert_batch(conn, rows, &options, now)?;
        let outcomes = report.outcomes.unwrap_or_default();
        let rows_that = |fate: RowOutcome| -> Vec<usize> {
            let rows = outcomes.iter().enumerate();
            rows.filter(|(_, outcome)| **outcome == fate)
                .map(|(index, _)| index)
                .collect()
        };
        Ok(StoreOutcome {
            inserted: report.inserted,
            updated: 0,
            duplicates: report.duplicates,
            late: report.late,
            conflicts: rows_that(RowOutcome::Conflict),
            deleted: rows_that(RowOutcome::Deleted),
            rejected: report
                .rejected
                .into_iter()
                .map(|row| (row.index, row.reason))
                .collect(),
        })
    }
}

impl Stored for Bar {
    fn store(
        conn: &mut BackendConnection<'_>,
        rows: &[Self],
        now: Timestamp,
    ) -> Result<StoreOutcome> {
        let rows: Vec<NewMarketDataBar> = rows.iter().map(Into::into).collect();
        let report = bar::upsert_batch(conn, &rows, now)?;
        Ok(StoreOutcome {
            inserted: report.inserted,
            updated: report.updated,
            duplicates: report.unchanged,
            rejected: report
                .rejected
                .into_iter()
                .map(|row| (row.index, row.reason))
                .collect(),
            ..StoreOutcome::default()
        })
    }
}
