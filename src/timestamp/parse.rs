//! Text to event time: RFC 3339 and the forms that market-data feeds write, by hand, because
//! every imported row passes here.
//!
//! A stamp without a zone is UTC; an offset is converted, never dropped. Digits finer than a
//! microsecond are cut off (towards the past) and the caller is told. A leap second, 23:59:60
//! UTC, is the first second of the next day, as databases have it; a second 60 anywhere else is
//! refused. Patterns of the user's own are in `pattern`.

use super::Timestamp;
use super::digits::Digits;
use crate::error::{Error, Result};

/// A moment, and whether digits finer than a microsecond were cut off.
pub(super) type Stamp = (Timestamp, bool);

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Longer texts are no stamp; keeps error messages and scans short.
const STAMP_BYTES_MAX: usize = 64;

impl Timestamp {
    /// Reads a stamp in any form that cannot be mistaken:
    ///
    /// - RFC 3339 and its relatives: `2013-09-01T17:00:00.083Z`, `2013-09-01 17:00:00.083`,
    ///   `2013/09/01 17:00`, offsets `+00:00`, `-0500`, `+02`, a word `UTC` or `GMT`;
    /// - a date alone (midnight): `2013-09-01`, `20130901`, `9/1/2013` (month first);
    /// - `20200101 170000065` (`YYYYMMDD HHMMSS`, with or without fraction, with or without the
    ///   space) and `9/1/2013 17:00:00`;
    /// - seconds since 1970 with 10 digits (and an optional fraction), milliseconds with 13,
    ///   microseconds with 16, nanoseconds with 19, all from 2001 to 2286. For other moments
    ///   name the unit with a [`TimestampFormat`](super::TimestampFormat).
    ///
    /// The second value says that digits finer than a microsecond were cut off.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the text, what is wrong with it, and what would be read.
    pub fn parse(text: &[u8]) -> Result<(Self, bool)> {
        let text = text.trim_ascii();
        if text.len() > STAMP_BYTES_MAX {
            return Err(refuse(text, "is too long for a stamp"));
        }
        // The usual form first.
        match text {
            [_, b'0'..=b'9', b'0'..=b'9', _, b'-' | b'/', ..] => iso(text),
            _ => by_shape(text),
        }
        .map_err(|reason| refuse(text, reason))
    }
}

impl std::str::FromStr for Timestamp {
    type Err = Error;

    /// [`Timestamp::parse`], without the word on finer digits.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text.as_bytes()).map(|(timestamp, _)| timestamp)
    }
}

/// The error for a stamp that cannot be read.
#[cold]
pub(super) fn refuse(text: &[u8], reason: impl std::fmt::Display) -> Error {
    let shown = String::from_utf8_lossy(text.get(..STAMP_BYTES_MAX).unwrap_or(text));
    Error::invalid(
        "timestamp",
        format!("{shown:?} {reason}"),
        "write it like 2013-09-01T17:00:00.083Z",
    )
}

const NO_STAMP: &str = "is no date and time";
const TRAILING: &str = "has text after the time";
const OUT_OF_RANGE: &str =
    "is outside the years 1 to 9999, of which the last moment is 9999-12-30T22:00:00.999999Z";
const BAD_DATE: &str = "is not in the calendar";
const BAD_TIME: &str = "has no such time of day";
const BAD_OFFSET: &str = "has an offset that cannot be read (write Z, +00:00 or -0500)";
const BAD_LEAP: &str = "has a second 60 that is not 23:59:60 UTC";
const LONG_YEAR: &str = "has a year of more than four digits: outside the years 1 to 9999";
const DIGITS_UNKNOWN: &str = "is a number whose unit cannot be told from its length";

type Parsed<T = Stamp> = std::result::Result<T, &'static str>;

/// Seconds into the day, microseconds, whether digits were cut off.
#[derive(Debug, Clone, Copy, Default)]
struct TimeOfDay {
    seconds: i64,
    micros: i64,
    cut: bool,
    leap: bool,
}

/// The forms that do not begin with `YYYY-` or `YYYY/`.
fn by_shape(text: &[u8]) -> Parsed {
    let digits = Digits::new(text);
    let run = digits.run();
    match (run, text.get(run)) {
        (1 | 2, Some(b'/')) => month_first(text),
        (5.., Some(b'-' | b'/')) => Err(LONG_YEAR),
        (8, Some(b' ' | b'T' | b't')) => compact(text),
        (8 | 14 | 17, None) | (14, Some(b'.' | b',')) => compact(text),
        (10, None | Some(b'.')) => unix(text, Unit::Seconds),
        (13, None) => unix(text, Unit::Millis),
        (16, None) => unix(text, Unit::Micros),
        (19, None) => unix(text, Unit::Nanos),
        (1.., None) => Err(DIGITS_UNKNOWN),
        _ => Err(NO_STAMP),
    }
}

/// `2013-09-01T17:00:00.083-05:00`, and all that leaves out from the right.
fn iso(text: &[u8]) -> Parsed {
    let mut digits = Digits::new(text);
    let year = digits.fixed::<4>().ok_or(NO_STAMP)?;
    let separator = digits.one_of(b"-/").ok_or(NO_STAMP)?;
    let month = digits.one_or_two().ok_or(NO_STAMP)?;
    digits.one_of(&[separator]).ok_or(NO_STAMP)?;
    let day = digits.one_or_two().ok_or(NO_STAMP)?;
    let days = days_since_epoch(year, month, day)?;
    date_and_rest(days, digits)
}

/// `9/1/2013`, `9/1/2013 17:00:00`.
fn month_first(text: &[u8]) -> Parsed {
    let mut digits = Digits::new(text);
    let month = digits.one_or_two().ok_or(NO_STAMP)?;
    digits.one_of(b"/").ok_or(NO_STAMP)?;
    let day = digits.one_or_two().ok_or(NO_STAMP)?;
    digits.one_of(b"/").ok_or(NO_STAMP)?;
    if digits.run() > 4 {
        return Err(LONG_YEAR);
    }
    let year = digits.fixed::<4>().ok_or(NO_STAMP)?;
    if month > 12 && day <= 12 {
        return Err("has no such month (M/D/YYYY is read; for D/M/YYYY name %d/%m/%Y)");
    }
    let days = days_since_epoch(year, month, day)?;
    date_and_rest(days, digits)
}

/// `20200101 170000065`, `20200101T170000.065`, `20200101170000065`, `20200101`.
fn compact(text: &[u8]) -> Parsed {
    let mut digits = Digits::new(text);
    let year = digits.fixed::<4>().ok_or(NO_STAMP)?;
    let month = digits.fixed::<2>().ok_or(NO_STAMP)?;
    let day = digits.fixed::<2>().ok_or(NO_STAMP)?;
    let days = days_since_epoch(year, month, day)?;
    if digits.is_empty() {
        return moment(days, TimeOfDay::default(), 0);
    }
    digits.one_of(b" Tt");
    if digits.rest().contains(&b':') {
        return time_and_zone(days, digits);
    }
    let hour = digits.fixed::<2>().ok_or(NO_STAMP)?;
    let minute = digits.fixed::<2>().ok_or(NO_STAMP)?;
    let second = digits.fixed::<2>().ok_or(NO_STAMP)?;
    digits.one_of(b".,");
    let time = time_of_day(hour, minute, second, optional_fraction(&mut digits))?;
    let offset = zone(digits)?;
    moment(days, time, offset)
}

fn date_and_rest(days: i64, mut digits: Digits<'_>) -> Parsed {
    if digits.is_empty() {
        return moment(days, TimeOfDay::default(), 0);
    }
    digits.one_of(b"Tt ").ok_or(NO_STAMP)?;
    time_and_zone(days, digits)
}

/// `17:00`, `17:00:00`, `17:00:00.083`, with a zone or without.
fn time_and_zone(days: i64, mut digits: Digits<'_>) -> Parsed {
    let hour = digits.one_or_two().ok_or(NO_STAMP)?;
    digits.one_of(b":").ok_or(NO_STAMP)?;
    let minute = digits.fixed::<2>().ok_or(NO_STAMP)?;
    let mut second = 0;
    let mut fraction = (0, false);
    if digits.one_of(b":").is_some() {
        second = digits.fixed::<2>().ok_or(NO_STAMP)?;
        if digits.one_of(b".,").is_some() {
            fraction = digits.fraction().ok_or(NO_STAMP)?;
        }
    }
    let time = time_of_day(hour, minute, second, fraction)?;
    let offset = zone(digits)?;
    moment(days, time, offset)
}

fn optional_fraction(digits: &mut Digits<'_>) -> (i64, bool) {
    digits.fraction().unwrap_or_default()
}

fn time_of_day(
    hour: i64,
    minute: i64,
    second: i64,
    (micros, cut): (i64, bool),
) -> Parsed<TimeOfDay> {
    if hour > 23 || minute > 59 || second > 60 {
        return Err(BAD_TIME);
    }
    let seconds = hour * 3600 + minute * 60 + second;
    Ok(TimeOfDay {
        seconds,
        micros,
        cut,
        leap: second == 60,
    })
}

/// Seconds east of UTC of what is left of a stamp.
fn zone(mut digits: Digits<'_>) -> Parsed<i64> {
    if digits.is_empty() {
        return Ok(0);
    }
    if digits.peek() == Some(b' ') {
        digits.skip(1);
    }
    if matches!(digits.rest(), b"Z" | b"z" | b"UTC" | b"GMT") {
        return Ok(0);
    }
    let sign = match digits.one_of(b"+-") {
        Some(b'-') => -1,
        Some(_) => 1,
        None if digits.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) => {
            return Err(BAD_OFFSET);
        }
        None => return Err(TRAILING),
    };
    let hours = digits.fixed::<2>().ok_or(BAD_OFFSET)?;
    let minutes = if digits.is_empty() {
        0
    } else {
        digits.one_of(b":");
        digits.fixed::<2>().ok_or(BAD_OFFSET)?
    };
    if !digits.is_empty() || hours > 23 || minutes > 59 {
        return Err(BAD_OFFSET);
    }
    Ok(sign * (hours * 3600 + minutes * 60))
}

fn moment(days: i64, time: TimeOfDay, offset_seconds: i64) -> Parsed {
    let seconds = days * SECONDS_PER_DAY + time.seconds - offset_seconds;
    if time.leap && seconds.rem_euclid(SECONDS_PER_DAY) != 0 {
        return Err(BAD_LEAP);
    }
    in_range(seconds * MICROS_PER_SECOND + time.micros, time.cut)
}

pub(super) fn in_range(micros: i64, cut: bool) -> Parsed {
    if !(Timestamp::MIN.0..=Timestamp::MAX.0).contains(&micros) {
        return Err(OUT_OF_RANGE);
    }
    Ok((Timestamp(micros), cut))
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", days_from_civil).
fn days_since_epoch(year: i64, month: i64, day: i64) -> Parsed<i64> {
    if year == 0 {
        return Err(OUT_OF_RANGE);
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return Err(BAD_DATE);
    }
    // The year begins in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Ok(era * 146_097 + day_of_era - 719_468)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The unit of a count since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// A count since 1970; a fraction of the unit is read and cut to microseconds, towards the past.
pub(super) fn unix(text: &[u8], unit: Unit) -> Parsed {
    let mut digits = Digits::new(text);
    let negative = digits.one_of(b"+-") == Some(b'-');
    let (per_unit, divisor) = match unit {
        Unit::Seconds => (1_000_000, 1),
        Unit::Millis => (1_000, 1),
        Unit::Micros => (1, 1),
        Unit::Nanos => (1, 1_000),
    };
    let run = digits.run();
    if run == 0 || run > 19 {
        return Err(if run > 19 { OUT_OF_RANGE } else { NO_STAMP });
    }
    let mut whole: i128 = 0;
    for byte in digits.rest().iter().take(run) {
        whole = whole * 10 + i128::from(byte - b'0');
    }
    digits.skip(run);
    let mut millionths = 0;
    let mut cut = false;
    if digits.one_of(b".").is_some() {
        (millionths, cut) = digits.fraction().ok_or(NO_STAMP)?;
    }
    if !digits.is_empty() {
        return Err("is no number");
    }
    // Millionths of the unit, so that one division serves every unit.
    let exact = (whole * 1_000_000 + i128::from(millionths)) * per_unit;
    let exact = if negative {
        -exact - i128::from(cut)
    } else {
        exact
    };
    let scale = 1_000_000 * divisor;
    let cut = cut || exact.rem_euclid(scale) != 0;
    let micros = i64::try_from(exact.div_euclid(scale)).map_err(|_| OUT_OF_RANGE)?;
    in_range(micros, cut)
}

#[cfg(test)]
mod tests;
