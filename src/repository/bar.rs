//! Bars: insertion and replacement by the rules of identity, reads by key order, soft delete and
//! restore by ids and ranges.
//!
//! Of each period (instrument, frequency, start, source) there is one active bar; a deleted one
//! gives its period free. It aggregates nothing: that is the historical data service's.

mod batch;
mod counts;
mod delete;
mod keys;
#[cfg(feature = "archive")]
mod oldest;
mod read;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use batch::replace;
pub use batch::{BarInsertReport, UpsertReport, insert_batch, upsert_batch};
pub use counts::{FrequencyCount, InstrumentBarCount, frequency_counts, instrument_counts};
pub use delete::{
    RestoreReport, imported_ranges, restore, restore_range, soft_delete, soft_delete_range,
};
pub(crate) use delete::{remove, soft_delete_all};
pub use keys::{BarKey, BarRange};
#[cfg(feature = "archive")]
pub(crate) use oldest::{ends, first_start, last_of_first, sources_of};
pub(crate) use read::{ScannedBar, contested_periods, outermost_starts, scan, stored_frequencies};
pub use read::{count, range};
