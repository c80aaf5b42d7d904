//! Text to wall clock and offset: RFC 3339 and the forms that market-data feeds write, by hand,
//! because every imported row passes here.
//!
//! An offset is converted, never dropped. Digits finer than a microsecond are cut off (towards
//! the past) and the caller is informed. A leap second, 23:59:60 UTC, is the first second of the
//! next day, as databases have it; a second 60 anywhere else is refused. Counts since 1970 are in
//! `unix`, patterns of the user's own in `pattern`, time zones in `reader`.

use super::Timestamp;
use super::calendar::{days_since_epoch, month_number};
use super::compact::{compact, date_and_rest};
use super::date_order::DateOrder;
use super::digits::Digits;
use super::form::StampShape;
use super::reading::{
    BAD_DATE, DAY_OR_MONTH, LONG_YEAR, NO_STAMP, NOT_DAY_FIRST, NOT_MONTH_FIRST, NOT_YEAR_FIRST,
    Parsed, SHORT_YEAR, STAMP_BYTES_MAX, TOO_LONG,
};
use super::unix::bare_number;
use crate::error::{Error, Result};

impl Timestamp {
    /// Reads a stamp in any form that cannot be mistaken, of the years 1 to 9999; without an
    /// offset it is UTC:
    ///
    /// - RFC 3339 and its relatives: `2013-09-01T17:00:00.083Z`, `2013-09-01 17:00:00.083`,
    ///   `2013/09/01 17:00`, `2013.09.01 17:00`, offsets `+00:00`, `-0500`, `+02`, `GMT+0200`, a
    ///   word `UTC` or `GMT`, hours of a 12-hour clock with `AM` or `PM`;
    /// - a date alone (midnight): `2013-09-01`, `20130901`, `13/9/2013`, `9/13/2013`;
    /// - `20200101 170000065` (`YYYYMMDD HHMMSS`, with or without fraction, with or without the
    ///   space), `202001011700`, `05 Nov 2023 17:00` and `Nov 5, 2023`;
    /// - counts since 1970: seconds with 9 or 10 digits, milliseconds with 12 or 13,
    ///   microseconds with 15 or 16, nanoseconds with 18 or 19, from 1977-08-09 to 2100 (smaller
    ///   numbers may be times of day), and likewise before 1970 with a minus.
    ///
    /// `1/4/1999`, of which either number can be the month, is refused. The second value says
    /// that digits finer than a microsecond were cut off. Rows of a feed are read by a
    /// [`StampReader`](super::StampReader).
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the text, what is wrong with it, and what would be read.
    pub fn parse(text: &[u8]) -> Result<(Self, bool)> {
        let text = text.trim_ascii();
        let moment = automatic(text, None).and_then(|reading| {
            let at = reading.at_offset(reading.offset_seconds.unwrap_or(0))?;
            Ok((at, reading.truncated))
        });
        moment.map_err(|refusal| refusal.error(text))
    }

    /// True when a text that [`Timestamp::parse`] reads is a date alone.
    #[must_use]
    pub fn is_date(text: &[u8]) -> bool {
        automatic(text.trim_ascii(), None).is_ok_and(|reading| reading.date_alone)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = Error;

    /// [`Timestamp::parse`], without the word on finer digits.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text.as_bytes()).map(|(timestamp, _)| timestamp)
    }
}

/// Reads any form that cannot be mistaken. Dates that begin with a day or a month are read in
/// this order; without one, only those that tell their order themselves.
#[inline]
pub(super) fn automatic(text: &[u8], order: Option<DateOrder>) -> Parsed {
    // The usual form first.
    match text {
        [_, b'0'..=b'9', b'0'..=b'9', _, b'-' | b'/' | b'.', ..] => iso(text),
        _ => by_shape(text, order),
    }
}

/// The forms that do not begin with `YYYY` and a separator.
fn by_shape(text: &[u8], order: Option<DateOrder>) -> Parsed {
    if text.len() > STAMP_BYTES_MAX {
        return Err(&TOO_LONG);
    }
    let run = Digits::new(text).run();
    match (run, text.get(run)) {
        (1 | 2, Some(b'/' | b'-' | b'.' | b' ')) => match text.get(run + 1) {
            Some(byte) if byte.is_ascii_alphabetic() => month_named(text),
            _ => day_and_month(text, order),
        },
        (0, Some(byte)) if byte.is_ascii_alphabetic() => month_named(text),
        (5.., Some(b'-' | b'/')) => Err(&LONG_YEAR),
        (8, Some(b' ' | b'T' | b't')) | (14, Some(b'.' | b',')) => compact(text),
        (1.., None) | (1.., Some(b'.')) => bare_number(text, run),
        (0, Some(b'-')) => bare_number(text, Digits::new(&text[1..]).run()),
        _ => Err(&NO_STAMP),
    }
}

/// `2013-09-01T17:00:00.083-05:00`, and all that leaves out from the right.
#[inline]
pub(super) fn iso(text: &[u8]) -> Parsed {
    if text.len() > STAMP_BYTES_MAX {
        return Err(&TOO_LONG);
    }
    let mut digits = Digits::new(text);
    let year = digits.fixed::<4>().ok_or(&NO_STAMP)?;
    let separator = digits.one_of(b"-/.").ok_or(&NO_STAMP)?;
    let month = digits.one_or_two().ok_or(&NO_STAMP)?;
    digits.one_of(&[separator]).ok_or(&NO_STAMP)?;
    let day = digits.one_or_two().ok_or(&NO_STAMP)?;
    let days = days_since_epoch(year, month, day)?;
    let shape = if separator == b'-' {
        StampShape::Iso
    } else {
        StampShape::YearFirst
    };
    date_and_rest(days, digits, shape)
}

/// The date at the front of a text whose first two numbers are the day and the month.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumericDate {
    pub(super) first: i64,
    pub(super) second: i64,
    year: i64,
}

impl NumericDate {
    /// Reads the date and leaves the rest.
    pub(super) fn read(digits: &mut Digits<'_>) -> Parsed<Self> {
        let first = digits.one_or_two().ok_or(&NO_STAMP)?;
        let separator = digits.one_of(b"/.-").ok_or(&NO_STAMP)?;
        let second = digits.one_or_two().ok_or(&NO_STAMP)?;
        digits.one_of(&[separator]).ok_or(&NO_STAMP)?;
        match digits.run() {
            2 => return Err(&SHORT_YEAR),
            5.. => return Err(&LONG_YEAR),
            _ => {}
        }
        let year = digits.fixed::<4>().ok_or(&NO_STAMP)?;
        Ok(Self {
            first,
            second,
            year,
        })
    }

    /// The order that the numbers themselves prove.
    pub(super) const fn order(self) -> Option<DateOrder> {
        match (self.first > 12, self.second > 12) {
            (true, false) => Some(DateOrder::DayFirst),
            (false, true) => Some(DateOrder::MonthFirst),
            _ => None,
        }
    }
}

/// `9/13/2013`, `13.09.2013 17:00:00`.
fn day_and_month(text: &[u8], order: Option<DateOrder>) -> Parsed {
    let mut digits = Digits::new(text);
    let date = NumericDate::read(&mut digits)?;
    let alike = date.first == date.second;
    let (day, month, shape) = match order.or(date.order()) {
        Some(DateOrder::DayFirst) => (date.first, date.second, StampShape::DayFirst),
        Some(DateOrder::MonthFirst) => (date.second, date.first, StampShape::MonthFirst),
        Some(DateOrder::YearFirst) => return Err(&NOT_YEAR_FIRST),
        None if alike => (date.first, date.second, StampShape::DayAndMonthAlike),
        None if date.first > 12 => return Err(&BAD_DATE),
        None => return Err(&DAY_OR_MONTH),
    };
    if month > 12 && day <= 12 {
        return Err(if shape == StampShape::DayFirst {
            &NOT_DAY_FIRST
        } else {
            &NOT_MONTH_FIRST
        });
    }
    let days = days_since_epoch(date.year, month, day)?;
    date_and_rest(days, digits, shape)
}

/// `05 Nov 2023`, `5-Nov-2023 17:00`, `Nov 5, 2023`.
fn month_named(text: &[u8]) -> Parsed {
    let mut digits = Digits::new(text);
    let mut day = digits.one_or_two();
    if day.is_some() {
        digits.one_of(b" -/.");
    }
    let letters = digits
        .rest()
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic());
    let name = digits.rest().get(..letters.count()).ok_or(&NO_STAMP)?;
    let month = month_number(name).ok_or(&NO_STAMP)?;
    digits.skip(name.len());
    if day.is_none() {
        digits.one_of(b".");
        digits.one_of(b" ").ok_or(&NO_STAMP)?;
        day = digits.one_or_two();
        digits.one_of(b",");
    }
    digits.one_of(b" -/.").ok_or(&NO_STAMP)?;
    match digits.run() {
        2 => return Err(&SHORT_YEAR),
        5.. => return Err(&LONG_YEAR),
        _ => {}
    }
    let year = digits.fixed::<4>().ok_or(&NO_STAMP)?;
    let days = days_since_epoch(year, month, day.ok_or(&NO_STAMP)?)?;
    digits.one_of(b",");
    date_and_rest(days, digits, StampShape::MonthName)
}

#[cfg(test)]
mod tests;
