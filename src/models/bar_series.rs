//! A series of built bars: the row. Rows are written by the repository alone.

use diesel::prelude::*;

use crate::domain::{BarPrice, Frequency};
use crate::tables::bar_series;
use crate::timestamp::Timestamp;

/// Bars of one frequency that were built of an instrument's shorter bars and ticks, for every period
/// in `[built_from, built_to)` but those that are stale. A period without any has no bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, HasQuery)]
#[diesel(table_name = bar_series)]
#[non_exhaustive]
pub struct BarSeries {
    /// The instrument.
    pub instrument_id: i64,
    /// Length of the periods.
    pub frequency: Frequency,
    /// Start of the first period.
    pub built_from: Timestamp,
    /// Start of the first period that is not built yet.
    pub built_to: Timestamp,
    /// When bars were last built or repaired.
    pub updated_at: Timestamp,
    /// The price of ticks that the bars are made of.
    pub price: BarPrice,
}
