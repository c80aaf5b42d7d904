//! The form in which a feed's stamps were read, in words for a report.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The form in which one stamp was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StampShape {
    Iso,
    YearFirst,
    DayFirst,
    MonthFirst,
    /// Day and month are equal, so that either order gives the same date.
    DayAndMonthAlike,
    MonthName,
    Compact,
    UnixSeconds,
    UnixMillis,
    UnixMicros,
    UnixNanos,
    Pattern,
}

impl StampShape {
    const ALL: [Self; 12] = [
        Self::Iso,
        Self::YearFirst,
        Self::DayFirst,
        Self::MonthFirst,
        Self::DayAndMonthAlike,
        Self::MonthName,
        Self::Compact,
        Self::UnixSeconds,
        Self::UnixMillis,
        Self::UnixMicros,
        Self::UnixNanos,
        Self::Pattern,
    ];

    const fn words(self) -> &'static str {
        match self {
            Self::Iso => "ISO 8601",
            Self::YearFirst => "year/month/day",
            Self::DayFirst => "day/month/year",
            Self::MonthFirst => "month/day/year",
            Self::DayAndMonthAlike => "day and month alike",
            Self::MonthName => "day with the month's name",
            Self::Compact => "YYYYMMDD without separators",
            Self::UnixSeconds => "Unix seconds",
            Self::UnixMillis => "Unix milliseconds",
            Self::UnixMicros => "Unix microseconds",
            Self::UnixNanos => "Unix nanoseconds",
            Self::Pattern => "pattern",
        }
    }

    /// True when it is a count since 1970, which has no wall clock.
    pub(super) const fn is_count(self) -> bool {
        matches!(
            self,
            Self::UnixSeconds | Self::UnixMillis | Self::UnixMicros | Self::UnixNanos
        )
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The shapes that were read so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StampShapes(u16);

impl StampShapes {
    pub(super) fn add(&mut self, shape: StampShape) {
        self.0 |= shape.bit();
    }

    pub(super) const fn contains(self, shape: StampShape) -> bool {
        self.0 & shape.bit() != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The form in which the stamps of a feed were read: `ISO 8601`, `Unix milliseconds`,
/// `day/month/year`, the pattern that was named; several forms with `and` between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampForm {
    pub(super) shapes: StampShapes,
    pub(super) pattern: Option<Arc<str>>,
}

impl fmt::Display for StampForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = StampShape::ALL
            .into_iter()
            .filter(|shape| self.shapes.contains(*shape));
        for (index, shape) in read.enumerate() {
            if index > 0 {
                f.write_str(" and ")?;
            }
            f.write_str(shape.words())?;
        }
        match &self.pattern {
            Some(pattern) => write!(f, " {pattern}"),
            None => Ok(()),
        }
    }
}

impl Serialize for StampForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
