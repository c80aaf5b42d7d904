//! Bars: insertion and replacement by the rules of identity, reads by key order, soft delete and
//! restore by ids and ranges.
//!
//! Of each period (instrument, frequency, start, source) there is one active bar; a deleted one
//! gives its period free. It aggregates nothing: that is the historical data service's.

mod batch;
mod counts;
mod delete;
mod keys;
mod read;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use batch::replace;
pub use batch::{BarInsertReport, UpsertReport, insert_batch, upsert_batch};
pub use counts::{FrequencyCount, frequency_counts};
pub(crate) use delete::remove;
pub use delete::{
    RestoreReport, imported_ranges, restore, restore_range, soft_delete, soft_delete_range,
};
pub use keys::{BarKey, BarRange};
pub(crate) use read::{ScannedBar, contested_periods, outermost_starts, scan, stored_frequencies};
pub use read::{count, range};

use crate::database::{Database, Page};
use crate::error::Result;
use crate::models::{MarketDataBar, NewMarketDataBar};
use crate::repository::RangeQuery;
use crate::repository::rows::Recorded;

/// Reads and writes bars.
#[derive(Debug, Clone, Copy)]
pub struct BarRepository<'a> {
    db: &'a Database,
}

impl<'a> BarRepository<'a> {
    /// The bars of a database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self { db }
    }

    /// Stores any number of bars in one transaction and returns after its commit. What is stored
    /// stays: a bar of a period that has one is a duplicate if its values are the same, else a
    /// conflict; both are counted and not stored. A bar that breaks a rule, or whose instrument or
    /// source is unknown, is returned with its index and the reason.
    ///
    /// It takes [`NewMarketDataBar`]s, or a slice of [`Bar`](crate::domain::Bar)s.
    ///
    /// # Errors
    /// Those of [`Database::write`]; nothing of the call is stored then.
    pub fn insert_batch(
        &self,
        bars: impl IntoIterator<Item = impl Into<NewMarketDataBar>>,
    ) -> Result<BarInsertReport> {
        let bars: Vec<NewMarketDataBar> = bars.into_iter().map(Into::into).collect();
        let now = self.db.clock().now();
        self.db.write("bar.insert_batch", move |conn| {
            insert_batch(conn, &bars, now)
        })
    }

    /// Stores any number of bars in one transaction and returns after its commit. A bar of a
    /// period that has one replaces its values; of several bars of one period in the batch the
    /// last one stays. Rejections are those of [`BarRepository::insert_batch`].
    ///
    /// # Errors
    /// Those of [`Database::write`]; nothing of the call is stored then.
    pub fn upsert_batch(
        &self,
        bars: impl IntoIterator<Item = impl Into<NewMarketDataBar>>,
    ) -> Result<UpsertReport> {
        let bars: Vec<NewMarketDataBar> = bars.into_iter().map(Into::into).collect();
        let now = self.db.clock().now();
        self.db.write("bar.upsert_batch", move |conn| {
            upsert_batch(conn, &bars, now)
        })
    }

    /// A page of the active bars of one instrument and frequency.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above
    /// [`PAGE_ROWS_MAX`](crate::repository::PAGE_ROWS_MAX), or a start after the end; those of [`Database::read`].
    pub fn range(
        &self,
        query: &RangeQuery<BarRange, BarKey>,
    ) -> Result<Page<MarketDataBar, BarKey>> {
        self.db
            .read("bar.range", |conn| range(conn, query).recorded(conn))
    }

    /// How many active bars are in a range.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a start after the end; those of
    /// [`Database::read`].
    pub fn count(&self, of: &BarRange) -> Result<i64> {
        self.db
            .read("bar.count", |conn| count(conn, of).recorded(conn))
    }

    /// Moves the bars with these ids to the trash; returns how many were active.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn soft_delete(&self, ids: Vec<i64>) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("bar.soft_delete", move |conn| {
            soft_delete(conn, &ids, now).recorded(conn)
        })
    }

    /// Moves the active bars of a range to the trash; returns how many there were.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a start after the end; those of
    /// [`Database::write`].
    pub fn soft_delete_range(&self, of: BarRange) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("bar.soft_delete_range", move |conn| {
            soft_delete_range(conn, &of, now).recorded(conn)
        })
    }

    /// Takes the bars with these ids out of the trash, all or none; returns how many were in it.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) naming the active bar that took a period
    /// meanwhile; those of [`Database::write`].
    pub fn restore(&self, ids: Vec<i64>) -> Result<usize> {
        self.db.write("bar.restore", move |conn| {
            restore(conn, &ids).recorded(conn)
        })
    }

    /// Takes the deleted bars of a range out of the trash, as far as their periods are free; of
    /// several deleted bars of a period and source the one that was deleted last.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a start after the end; those of
    /// [`Database::write`].
    pub fn restore_range(&self, of: BarRange) -> Result<RestoreReport> {
        self.db.write("bar.restore_range", move |conn| {
            restore_range(conn, &of).recorded(conn)
        })
    }
}
