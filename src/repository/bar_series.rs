//! Series of built bars: building, extending and repairing them, and which of their periods have
//! gone stale.
//!
//! A series says truly what is built: its bars, its bounds and its stale periods change in one
//! transaction, under the lock of the instrument under which ticks and bars are stored, too. Built
//! bars are those of the source `tickbase-bars`, or of another one for each price of quotes. What a bar is made of is `bar_composition`'s: it
//! holds shorter bars that came in, and ticks where there are none.
//!
//! The reasons are in docs/decisions/0015.

mod bars;
mod build;
mod marks;
mod read;
mod status;
#[cfg(test)]
mod tests;

pub use build::{BuildReport, BuildSpan};
pub(crate) use marks::Marks;
pub use marks::mark_stale;
pub(crate) use read::BuiltSources;
pub use read::{BUILT_SOURCE_NAME, SeriesKey, of_instrument, source_id, stale_between};
pub use status::{SeriesStatus, list};

use crate::database::{BackendConnection, Database};
use crate::domain::{BarPrice, Frequency};
use crate::error::Result;
use crate::models::BarSeries;
use crate::repository::market_data::TickRange;

/// Ticks that one transaction reads: some 100 ms, after which ticks that wait are stored. A single
/// period is never divided, however many it has.
const TICKS_PER_TRANSACTION_MAX: usize = 250_000;

/// Builds series and tells what is built.
#[derive(Debug, Clone, Copy)]
pub struct BarSeriesRepository<'a> {
    db: &'a Database,
    price: BarPrice,
    ticks_max: usize,
}

impl<'a> BarSeriesRepository<'a> {
    /// The series of a database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self {
            db,
            price: BarPrice::Last,
            ticks_max: TICKS_PER_TRANSACTION_MAX,
        }
    }

    /// Has series built and refreshed of this price of the ticks; without it, of the price of
    /// trades. Bars of quotes are made of ticks alone, not of bars that came in.
    #[must_use]
    pub fn of_price(mut self, price: BarPrice) -> Self {
        self.price = price;
        self
    }

    /// Has one transaction read about so many ticks, at least 1, where the default (250,000) holds
    /// up other writers for too long.
    #[must_use]
    pub fn ticks_per_transaction_max(mut self, ticks: usize) -> Self {
        self.ticks_max = ticks.max(1);
        self
    }

    /// Builds the bars of a span, repairs its stale ones, and keeps the series from then on.
    ///
    /// A period is made of shorter bars that came in, and of ticks where there are none. Only closed
    /// periods are built: those at or past whose end the instrument has a tick or such a bar. A
    /// series has no gap: a span that does not touch it is built with what lies between. What is
    /// built stays built when a later transaction fails, and the series says so.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for an instrument that is unknown or deleted;
    /// [`Error::Invalid`](crate::Error::Invalid) for a start after the end, or a price that no bar
    /// holds; those of [`Database::write`].
    pub fn build(
        &self,
        instrument_id: i64,
        frequency: Frequency,
        span: BuildSpan,
    ) -> Result<BuildReport> {
        let span = span.checked()?;
        let key = self.key(instrument_id, frequency);
        self.run(build::Goal::build(key, span), &|| true)
    }

    /// Extends a series by the periods that have closed since, and repairs its stale ones; does
    /// nothing for a series that does not exist. It ends early, between two transactions, when
    /// `goes_on` says so.
    ///
    /// # Errors
    /// As [`BarSeriesRepository::build`].
    pub fn refresh(
        &self,
        instrument_id: i64,
        frequency: Frequency,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<BuildReport> {
        let key = self.key(instrument_id, frequency);
        self.run(build::Goal::refresh(key), goes_on)
    }

    fn key(&self, instrument_id: i64, frequency: Frequency) -> SeriesKey {
        SeriesKey {
            instrument_id,
            frequency,
            price: self.price,
        }
    }

    fn run(&self, mut goal: build::Goal, goes_on: &dyn Fn() -> bool) -> Result<BuildReport> {
        let (op, limit) = (goal.operation(), self.ticks_max);
        let mut report = BuildReport::new(&goal);
        while goes_on() {
            let now = self.db.clock().now();
            let step = move |conn: &mut BackendConnection<'_>| build::step(conn, &goal, limit, now);
            let Some(work) = report.add(self.db.write(op, step)?) else {
                break;
            };
            goal.goes_on_from(work.repaired_to);
        }
        Ok(report)
    }

    /// Marks what is built of a range of ticks as stale; see [`mark_stale`]. Returns how many periods
    /// of all series that are.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a start after the end; those of
    /// [`Database::write`].
    pub fn mark_stale(&self, of: TickRange) -> Result<usize> {
        self.db.write("bar_series.mark_stale", move |conn| {
            let marked = mark_stale(conn, &of)?;
            conn.record_rows(marked);
            Ok(marked)
        })
    }

    /// Every series of an active instrument, by symbol, frequency, shortest first, and price.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn list(&self) -> Result<Vec<SeriesStatus>> {
        self.db.read("bar_series.list", |conn| {
            let all = list(conn)?;
            conn.record_rows(all.len());
            Ok(all)
        })
    }

    /// The series of an instrument, shortest frequency first.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn of_instrument(&self, instrument_id: i64) -> Result<Vec<BarSeries>> {
        self.db.read("bar_series.of_instrument", |conn| {
            of_instrument(conn, instrument_id)
        })
    }
}
