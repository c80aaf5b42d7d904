//! The identity of an active bar and the ranges that reads and deletes name. No SQL.

use std::fmt;

use crate::domain::Frequency;
use crate::error::Result;
use crate::models::{MarketDataBar, NewMarketDataBar};
use crate::repository::bounds;
use crate::timestamp::Timestamp;

/// The key of an active bar, in the order in which bars are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BarKey {
    /// The instrument.
    pub instrument_id: i64,
    /// Length of the period.
    pub frequency: Frequency,
    /// Start of the period.
    pub timestamp: Timestamp,
    /// Its data source.
    pub data_source_id: i64,
}

impl fmt::Display for BarKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "instrument {}, {} from {}, source {}",
            self.instrument_id, self.frequency, self.timestamp, self.data_source_id
        )
    }
}

impl MarketDataBar {
    /// Returns the key of the bar while it is active.
    #[must_use]
    pub fn key(&self) -> BarKey {
        BarKey {
            instrument_id: self.instrument_id,
            frequency: self.frequency,
            timestamp: self.timestamp,
            data_source_id: self.data_source_id,
        }
    }
}

impl NewMarketDataBar {
    /// Returns the key that the bar will have.
    #[must_use]
    pub fn key(&self) -> BarKey {
        BarKey {
            instrument_id: self.instrument_id,
            frequency: self.frequency,
            timestamp: self.timestamp,
            data_source_id: self.data_source_id,
        }
    }
}

/// The bars of one instrument and frequency that start from `start` (included) to `end`
/// (excluded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarRange {
    /// The instrument.
    pub instrument_id: i64,
    /// Length of the periods.
    pub frequency: Frequency,
    /// Only bars of this source; `None` for all.
    pub data_source_id: Option<i64>,
    /// The first moment; `None` for the beginning.
    pub start: Option<Timestamp>,
    /// The moment that is no longer part of it; `None` for the end.
    pub end: Option<Timestamp>,
}

impl BarRange {
    /// All bars of an instrument and frequency.
    #[must_use]
    pub fn all(instrument_id: i64, frequency: Frequency) -> Self {
        Self {
            instrument_id,
            frequency,
            data_source_id: None,
            start: None,
            end: None,
        }
    }

    /// Returns the bounds that SQL can compare: the first moment and the last one.
    pub(super) fn bounds(&self) -> Result<(Timestamp, Timestamp)> {
        bounds::moments(self.start, self.end)
    }
}
