//! Reads the stamps of a feed, row by row: form, date order and time zone are those of the whole
//! feed, and a row before tells which of two equal hours a local time means.

#[cfg(test)]
mod tests;

use super::Timestamp;
use super::date_order::DateOrder;
use super::form::{StampForm, StampShape, StampShapes};
use super::pattern::TimestampFormat;
use super::reading::{MICROS_PER_SECOND, Parsed, StampReading, StampRefusal};
use super::unix::is_automatic;
use super::zone::{FeedZone, Offsets};
use crate::error::Result;

/// The longest step back between ticks within an hour that exists twice.
const DISORDER_MICROS: i64 = 60 * MICROS_PER_SECOND;

/// A stamp of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenStamp {
    /// The moment.
    pub at: Timestamp,
    /// The wall clock as it is written, as if it were UTC, in microseconds since 1970. A count
    /// since 1970 has that of the reader's zone: daily bars that begin at its midnight are those
    /// of its dates.
    pub local_micros: i64,
    /// Digits finer than a microsecond were cut off.
    pub truncated: bool,
}

/// Reads the stamps of one series, in the order of its rows.
///
/// A stamp with an offset of its own keeps it; one without is in the reader's zone, or UTC. A
/// stamp whose form was not named lies in the years 1900 to 2100.
///
/// Where clocks are set back, an hour exists twice, and a local time means the first of its two
/// moments that does not lie before the row above. So the first pass through the hour is the
/// first moment; once the local time steps back, or repeats in a series of
/// [one row per stamp](Self::set_one_row_per_stamp), it is the second one. Ticks less than a
/// minute out of order are no step back. When rows run
/// [downwards](Self::set_downward), it is the last of the two moments that does not lie after the
/// row above. A row that lies beyond both moments is refused.
///
/// Series must not be mixed: a file of many symbols needs a reader for each of them.
#[derive(Debug, Clone, Default)]
pub struct StampReader {
    format: TimestampFormat,
    zone: Option<FeedZone>,
    date_order: Option<DateOrder>,
    one_row_per_stamp: bool,
    downward: bool,
    shapes: StampShapes,
    /// The moment of the row before; remembered for zones only.
    previous: Option<Timestamp>,
}

impl StampReader {
    /// A reader of stamps in this form and this zone.
    #[must_use]
    pub fn new(format: TimestampFormat, zone: Option<FeedZone>) -> Self {
        Self {
            format,
            zone,
            ..Self::default()
        }
    }

    /// Dates that begin with a day or a month have this order. Without it, only those are read
    /// that prove their order, and all must prove the same.
    pub fn set_date_order(&mut self, order: DateOrder) {
        self.date_order = Some(order);
    }

    /// Each stamp occurs once, as in a series of bars: in an hour that exists twice, a repeated
    /// stamp is that of the second pass.
    pub fn set_one_row_per_stamp(&mut self, one: bool) {
        self.one_row_per_stamp = one;
    }

    /// The rows run from the newest to the oldest.
    pub fn set_downward(&mut self, downward: bool) {
        self.downward = downward;
    }

    /// Returns the form of the stamps read so far; `None` before the first.
    #[must_use]
    pub fn form(&self) -> Option<StampForm> {
        (!self.shapes.is_empty()).then(|| StampForm {
            shapes: self.shapes,
            pattern: self.format.pattern(),
        })
    }

    /// Reads the stamp of the next row.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming the text, what is wrong with it and what
    /// would be read.
    #[inline]
    pub fn read(&mut self, text: &[u8]) -> Result<WrittenStamp> {
        let text = text.trim_ascii();
        let reading = self.format.read(text, self.date_order)?;
        let at = match (reading.offset_seconds, &self.zone) {
            (Some(offset), _) => reading.at_offset(offset),
            (None, None) => reading.at_offset(0),
            (None, Some(zone)) => self.local(&reading, zone),
        }
        .map_err(|refusal| refusal.error(text))?;
        if self.format.is_automatic() && !is_automatic(at) {
            return Err(NOT_AUTOMATIC.error(text));
        }
        if self.proves_another_order(reading.shape) {
            return Err(OTHER_ORDER.error(text));
        }
        self.shapes.add(reading.shape);
        if self.zone.is_some() {
            // After every check: a row that is refused says nothing about the row below it.
            self.previous = Some(at);
        }
        let local_micros = match &self.zone {
            Some(zone) if reading.shape.is_count() => zone.local_micros(at),
            _ => reading.local_micros,
        };
        Ok(WrittenStamp {
            at,
            local_micros,
            truncated: reading.truncated,
        })
    }

    /// The moment of a wall clock of the zone.
    fn local(&self, reading: &StampReading, zone: &FeedZone) -> Parsed<Timestamp> {
        let offsets = zone
            .offsets(reading.local_micros)
            .ok_or(&super::reading::OUT_OF_RANGE)?;
        let (first, second) = match offsets {
            Offsets::One(offset) => return reading.at_offset(offset),
            Offsets::None => return Err(&SKIPPED_HOUR),
            Offsets::Two(first, second) => (reading.at_offset(first)?, reading.at_offset(second)?),
        };
        let Some(previous) = self.previous else {
            return Ok(if self.downward { second } else { first });
        };
        let (near, far) = if self.downward {
            (second, first)
        } else {
            (first, second)
        };
        [near, far]
            .into_iter()
            .find(|at| self.may_follow(previous, *at))
            .ok_or(&BEYOND_BOTH)
    }

    /// True when a row at this moment may stand below a row at the previous one.
    fn may_follow(&self, previous: Timestamp, at: Timestamp) -> bool {
        let ahead = if self.downward {
            previous.micros() - at.micros()
        } else {
            at.micros() - previous.micros()
        };
        if self.one_row_per_stamp {
            ahead > 0
        } else {
            // Ticks of several venues arrive a little out of order; bars never do.
            ahead > -DISORDER_MICROS
        }
    }

    fn proves_another_order(&self, shape: StampShape) -> bool {
        match shape {
            StampShape::DayFirst => self.shapes.contains(StampShape::MonthFirst),
            StampShape::MonthFirst => self.shapes.contains(StampShape::DayFirst),
            _ => false,
        }
    }
}

static NOT_AUTOMATIC: StampRefusal = StampRefusal::with_remedy(
    "is not in the years 1900 to 2100",
    "if it is right, name the form, like --timestamp-format iso or a pattern",
);
static OTHER_ORDER: StampRefusal = StampRefusal::with_remedy(
    "has another order of day and month than an earlier row",
    "write the year first in every row",
);
static SKIPPED_HOUR: StampRefusal = StampRefusal::with_remedy(
    "does not exist in the time zone: the clocks were set forward over it",
    "check the time zone, or write stamps with their offset from UTC",
);
static BEYOND_BOTH: StampRefusal = StampRefusal::with_remedy(
    "is in an hour that exists twice, and the row before leaves neither of the two",
    "sort the file by time, or write stamps with their offset from UTC",
);
