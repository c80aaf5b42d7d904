//! Ticks: insertion by the rules of identity, reads by key order, soft delete by keys and ranges.
//!
//! A tick is its key: (instrument_id, timestamp, source_id, sequence). What is stored under a key
//! never changes: the same values again are a duplicate, others a conflict, and a deleted tick keeps
//! its key; none of them stores anything.
//!
//! The reasons are in docs/decisions/0004 and docs/decisions/0005.

#[cfg(feature = "archive")]
mod archived_deletes;
#[cfg(feature = "archive")]
mod archived_keys;
#[cfg(feature = "archive")]
mod archived_prices;
mod changes;
mod delete;
mod future_limit;
mod hot_prices;
mod insert;
mod insert_order;
#[cfg(feature = "postgres")]
mod insert_postgres;
mod insert_report;
#[cfg(feature = "sqlite")]
mod insert_sqlite;
mod joins;
mod key_order;
mod keys;
mod last_ticks;
mod latest;
#[cfg(feature = "postgres")]
mod latest_postgres;
#[cfg(feature = "sqlite")]
mod latest_sqlite;
mod prices;
mod read;
#[cfg(test)]
mod tests;
mod tick_hook;
mod tick_store;

#[cfg(feature = "archive")]
pub(crate) use archived_deletes::{restore_files, soft_delete_files};
pub use delete::{restore_keys, restore_range, soft_delete_keys, soft_delete_range};
pub(crate) use delete::{restore_some, soft_delete_some};
pub use hot_prices::PricePoint;
pub(crate) use hot_prices::PricesOf;
pub use insert::{InsertOptions, insert_batch};
pub use insert_report::{InsertReport, RowOutcome, RowRejection};
#[cfg(feature = "archive")]
pub(crate) use key_order::{before_key, behind_key};
pub use keys::{TickKey, TickRange};
pub use latest::latest;
pub(crate) use prices::{first_stamp, newest_stamps, nth_stamp, prices_of};
pub use prices::{prices, prices_of_all};
#[cfg(feature = "archive")]
pub(crate) use read::ascending_query;
pub(crate) use read::find_range;
#[cfg(feature = "sqlite")]
pub(crate) use read::plan_samples;
pub use read::{count, count_since, range};
pub(crate) use tick_hook::{Demand, InstrumentVersions, TickWatcher, Watcher};

use crate::database::{BackendConnection, Database, Page};
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::models::MarketData;
use crate::models::NewDeletion;
use crate::repository::RangeQuery;
use crate::repository::deletion_batch::{self, DeletionBatch};

/// Reads and writes ticks.
#[doc(alias = "OptimizedMarketDataRepository")]
#[derive(Debug, Clone, Copy)]
pub struct MarketDataRepository<'a> {
    db: &'a Database,
}

impl<'a> MarketDataRepository<'a> {
    /// The ticks of a database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self { db }
    }

    /// Stores any number of ticks in one transaction and returns after its commit.
    ///
    /// Duplicates, conflicts and rows that meet deleted ticks are counted, not errors; a tick of an
    /// unknown instrument or source, or too far ahead of the clock (`write.future_seconds_max`), is
    /// returned with its index and the reason. On an error nothing of the call is stored.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn insert_batch(&self, ticks: Vec<Tick>, options: InsertOptions) -> Result<InsertReport> {
        let (now, size) = (self.db.clock().now(), options.size_of(&ticks));
        let insert =
            move |conn: &mut BackendConnection<'_>| insert_batch(conn, &ticks, &options, now);
        self.db
            .write_batch("market_data.insert_batch", size, insert)
    }

    /// [`MarketDataRepository::insert_batch`] without blocking the thread.
    ///
    /// # Errors
    /// Those of [`Database::write_async`].
    pub async fn insert_batch_async(
        &self,
        ticks: Vec<Tick>,
        options: InsertOptions,
    ) -> Result<InsertReport> {
        let (now, size) = (self.db.clock().now(), options.size_of(&ticks));
        let insert =
            move |conn: &mut BackendConnection<'_>| insert_batch(conn, &ticks, &options, now);
        self.db
            .write_batch_async("market_data.insert_batch", size, insert)
            .await
    }

    /// The newest active tick of each instrument that has one, in one statement, by instrument.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn latest(&self, instrument_ids: &[i64]) -> Result<Vec<MarketData>> {
        self.db
            .read("market_data.latest", |conn| latest(conn, instrument_ids))
    }

    /// A page of one instrument's active ticks.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above
    /// [`PAGE_ROWS_MAX`](crate::repository::PAGE_ROWS_MAX); those of [`Database::read`].
    pub fn range(
        &self,
        query: &RangeQuery<TickRange, TickKey>,
    ) -> Result<Page<MarketData, TickKey>> {
        self.db.read("market_data.range", |conn| range(conn, query))
    }

    /// How many active ticks are in a range.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn count(&self, of: &TickRange) -> Result<i64> {
        self.db.read("market_data.count", |conn| count(conn, of))
    }

    /// Moves the ticks with these keys to the trash, as a batch of their own; returns how many were
    /// active. To say who does it and why, call [`soft_delete_keys`] in a
    /// [`batch`](super::deletion::batch).
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn soft_delete_keys(&self, keys: Vec<TickKey>) -> Result<usize> {
        let now = self.db.clock().now();
        let by = NewDeletion::of(format!("delete {} ticks by their keys", keys.len()));
        self.db.write("market_data.soft_delete_keys", move |conn| {
            let delete = |conn: &mut BackendConnection<'_>, batch: &mut DeletionBatch| {
                soft_delete_keys(conn, &keys, batch)
            };
            Ok(deletion_batch::batch(conn, &by, now, delete)?.0)
        })
    }

    /// Moves the active ticks of a range to the trash, as a batch of their own; returns how many there
    /// were. To say who does it and why, call [`soft_delete_range`] in a
    /// [`batch`](super::deletion::batch).
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn soft_delete_range(&self, of: TickRange) -> Result<usize> {
        let now = self.db.clock().now();
        let by = NewDeletion::of(format!("delete ticks of {of}"));
        self.db.write("market_data.soft_delete_range", move |conn| {
            let delete = |conn: &mut BackendConnection<'_>, batch: &mut DeletionBatch| {
                soft_delete_range(conn, &of, batch)
            };
            Ok(deletion_batch::batch(conn, &by, now, delete)?.0)
        })
    }

    /// Takes the ticks with these keys out of the trash; returns how many were in it.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn restore_keys(&self, keys: Vec<TickKey>) -> Result<usize> {
        self.db.write("market_data.restore_keys", move |conn| {
            restore_keys(conn, &keys)
        })
    }

    /// Takes the deleted ticks of a range out of the trash; returns how many there were.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn restore_range(&self, of: TickRange) -> Result<usize> {
        self.db.write("market_data.restore_range", move |conn| {
            restore_range(conn, &of)
        })
    }
}
