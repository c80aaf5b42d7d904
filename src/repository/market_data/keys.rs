//! The identity of a tick and the ranges that reads and deletes name. No SQL.

use std::fmt;

use crate::error::Result;
use crate::repository::bounds;
use crate::timestamp::Timestamp;

/// The identity of a tick, in the order in which ticks are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TickKey {
    /// The instrument.
    pub instrument_id: i64,
    /// Event time.
    pub timestamp: Timestamp,
    /// The data source.
    pub source_id: i64,
    /// Number within (instrument, timestamp, source).
    pub sequence: i64,
}

impl TickKey {
    /// Comes before every tick at or after `stamp`.
    pub(crate) fn before_all(instrument_id: i64, stamp: Timestamp) -> Self {
        Self {
            instrument_id,
            timestamp: stamp,
            source_id: i64::MIN,
            sequence: i64::MIN,
        }
    }

    /// Comes after every tick at or before `stamp`.
    pub(crate) fn after_all(instrument_id: i64, stamp: Timestamp) -> Self {
        Self {
            instrument_id,
            timestamp: stamp,
            source_id: i64::MAX,
            sequence: i64::MAX,
        }
    }

    /// The key of a place among the ticks of an instrument.
    #[cfg(feature = "archive")]
    pub(crate) fn at(
        instrument_id: i64,
        (timestamp, source_id, sequence): (Timestamp, i64, i64),
    ) -> Self {
        Self {
            instrument_id,
            timestamp,
            source_id,
            sequence,
        }
    }

    /// The place among the ticks of the instrument.
    pub(crate) fn position(&self) -> (Timestamp, i64, i64) {
        (self.timestamp, self.source_id, self.sequence)
    }
}

/// The ticks of one instrument from `start` (included) to `end` (excluded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickRange {
    /// The instrument.
    pub instrument_id: i64,
    /// The first moment; `None` for the beginning.
    pub start: Option<Timestamp>,
    /// The moment that is no longer part of it; `None` for the end.
    pub end: Option<Timestamp>,
}

impl fmt::Display for TickRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instrument {}", self.instrument_id)?;
        self.start
            .map_or(Ok(()), |start| write!(f, " from {start}"))?;
        self.end.map_or(Ok(()), |end| write!(f, " to {end}"))
    }
}

impl TickRange {
    /// All ticks of an instrument.
    #[must_use]
    pub fn all(instrument_id: i64) -> Self {
        Self {
            instrument_id,
            start: None,
            end: None,
        }
    }

    /// Returns the bounds that SQL can compare: the first moment and the last one.
    pub(crate) fn bounds(&self) -> Result<(Timestamp, Timestamp)> {
        bounds::moments(self.start, self.end)
    }
}
