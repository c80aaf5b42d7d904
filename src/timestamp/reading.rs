//! A stamp as it stands in a text, and why one is refused.

use super::Timestamp;
use super::form::StampShape;
use crate::error::Error;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const SECONDS_PER_DAY: i64 = 86_400;
/// Longer texts are no stamp; keeps error messages and scans short.
pub(super) const STAMP_BYTES_MAX: usize = 64;

/// A stamp as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StampReading {
    /// Microseconds from 1970-01-01T00:00:00 on the clock that the text shows.
    pub(super) local_micros: i64,
    /// Seconds east of UTC, when the text says so.
    pub(super) offset_seconds: Option<i32>,
    /// Digits finer than a microsecond were cut off.
    pub(super) truncated: bool,
    /// The second was 60.
    pub(super) leap: bool,
    /// There is a date and no time of day.
    pub(super) date_alone: bool,
    pub(super) shape: StampShape,
}

impl StampReading {
    /// The moment of a clock that is so many seconds east of UTC.
    #[inline]
    pub(super) fn at_offset(&self, offset_seconds: i32) -> Parsed<Timestamp> {
        let micros = self.local_micros - i64::from(offset_seconds) * MICROS_PER_SECOND;
        if self.leap
            && micros
                .div_euclid(MICROS_PER_SECOND)
                .rem_euclid(SECONDS_PER_DAY)
                != 0
        {
            return Err(&BAD_LEAP);
        }
        in_range(micros)
    }
}

/// Why a stamp is not read, and what would be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StampRefusal {
    reason: &'static str,
    remedy: &'static str,
}

impl StampRefusal {
    pub(super) const fn new(reason: &'static str) -> Self {
        Self {
            reason,
            remedy: WRITE_LIKE,
        }
    }

    pub(super) const fn with_remedy(reason: &'static str, remedy: &'static str) -> Self {
        Self { reason, remedy }
    }

    #[cold]
    pub(super) fn error(&self, text: &[u8]) -> Error {
        refuse(text, self.reason, self.remedy)
    }
}

pub(super) type Parsed<T = StampReading> = std::result::Result<T, &'static StampRefusal>;

/// The error for a stamp that cannot be read.
#[cold]
pub(super) fn refuse(text: &[u8], reason: impl std::fmt::Display, remedy: &str) -> Error {
    let shown = String::from_utf8_lossy(text.get(..STAMP_BYTES_MAX).unwrap_or(text));
    Error::invalid("timestamp", format!("{shown:?} {reason}"), remedy)
}

pub(super) const WRITE_LIKE: &str = "write it like 2013-09-01T17:00:00.083Z";

pub(super) static NO_STAMP: StampRefusal = StampRefusal::new("is not a date and time");
pub(super) static TRAILING: StampRefusal = StampRefusal::new("has text after the time");
pub(super) static OUT_OF_RANGE: StampRefusal = StampRefusal::new(
    "is outside the years 1 to 9999, of which the last moment is 9999-12-30T22:00:00.999999Z",
);
pub(super) static BAD_DATE: StampRefusal = StampRefusal::new("is not in the calendar");
pub(super) static BAD_TIME: StampRefusal = StampRefusal::new("has no such time of day");
pub(super) static BAD_OFFSET: StampRefusal =
    StampRefusal::new("has an offset that cannot be read (write Z, +00:00 or -0500)");
pub(super) static BAD_LEAP: StampRefusal =
    StampRefusal::new("has a second 60 that is not 23:59:60 UTC");
pub(super) static LONG_YEAR: StampRefusal =
    StampRefusal::new("has a year of more than four digits: outside the years 1 to 9999");
pub(super) static TOO_LONG: StampRefusal = StampRefusal::new("is too long for a stamp");
pub(super) static SHORT_YEAR: StampRefusal = StampRefusal::with_remedy(
    "has a year of two digits",
    "name the form, like --timestamp-format %d/%m/%y, or write four digits",
);
pub(super) static DAY_OR_MONTH: StampRefusal = StampRefusal::with_remedy(
    "can have the day first or the month first",
    "write the year first, or name the order: --date-order day (--timestamp-format %d/%m/%Y) or \
     --date-order month (--timestamp-format %m/%d/%Y)",
);
pub(super) static NOT_MONTH_FIRST: StampRefusal = StampRefusal::with_remedy(
    "has no such month, read with the month first",
    "if days come first, name --date-order day or --timestamp-format %d/%m/%Y",
);
pub(super) static NOT_DAY_FIRST: StampRefusal = StampRefusal::with_remedy(
    "has no such month, read with the day first",
    "if months come first, name --date-order month or --timestamp-format %m/%d/%Y",
);
pub(super) static NOT_YEAR_FIRST: StampRefusal = StampRefusal::with_remedy(
    "does not begin with the year",
    "name the order that the file has: --date-order day or --date-order month",
);

pub(super) fn in_range(micros: i64) -> Parsed<Timestamp> {
    if !(Timestamp::MIN.0..=Timestamp::MAX.0).contains(&micros) {
        return Err(&OUT_OF_RANGE);
    }
    Ok(Timestamp(micros))
}
