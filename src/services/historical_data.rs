//! History: the bars of an instrument in any frequency, from what is stored (bars that came in,
//! bars that were built, ticks), read in one snapshot.
//!
//! Of a period the answer holds the bar that came in, else the bar that was built and is not stale,
//! else what its parts make: the periods of the next shorter frequency of which the instrument has
//! bars, each by the same rule, and below the shortest one the ticks. So a tick counts only where
//! no bar covers it. It writes nothing.
//!
//! Begin with [`bars`] and a [`BarQuery`], within
//! [`Database::read`](crate::database::Database::read); [`fetch`] is the same by symbol and from
//! async code. [`HistoricalDataService`] keeps series up to date that
//! [`bar_series`](crate::repository::bar_series) has built.

mod alternative;
mod day;
mod fetch;
mod query;
mod read;
mod refresh;
#[cfg(test)]
mod tests;

pub use alternative::{Alternative, alternative};
pub use day::{DaySummary, InstrumentDay, days};
pub use fetch::{SymbolHistory, fetch, fetch_cached, fetch_many};
pub use query::{BarBasis, BarHistory, BarOrigin, BarQuery, Fill, HistoryBar, HistorySources};
pub(crate) use read::standing;
pub use read::{bars, extent};
pub use refresh::{HistoricalDataService, RefreshReport};
