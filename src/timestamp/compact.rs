//! Dates in digits alone, and what follows a date.

use super::calendar::days_since_epoch;
use super::digits::Digits;
use super::form::StampShape;
use super::reading::{MICROS_PER_SECOND, NO_STAMP, Parsed, SECONDS_PER_DAY, StampReading};
use super::time_of_day::{time_and_zone, time_without_colons};

/// `20200101 170000065`, `20200101T170000.065`, `20200101170000065`, `20200101`.
pub(super) fn compact(text: &[u8]) -> Parsed {
    let mut digits = Digits::new(text);
    let year = digits.fixed::<4>().ok_or(&NO_STAMP)?;
    let month = digits.fixed::<2>().ok_or(&NO_STAMP)?;
    let day = digits.fixed::<2>().ok_or(&NO_STAMP)?;
    let days = days_since_epoch(year, month, day)?;
    if digits.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        return time_without_colons(days, digits, StampShape::Compact);
    }
    date_and_rest(days, digits, StampShape::Compact)
}

#[inline]
pub(super) fn date_and_rest(days: i64, mut digits: Digits<'_>, shape: StampShape) -> Parsed {
    if digits.is_empty() {
        return Ok(StampReading {
            local_micros: days * SECONDS_PER_DAY * MICROS_PER_SECOND,
            offset_seconds: None,
            truncated: false,
            leap: false,
            date_alone: true,
            shape,
        });
    }
    digits.one_of(b"Tt D").ok_or(&NO_STAMP)?;
    match digits.rest() {
        [_, b':', ..] | [_, _, b':', ..] => time_and_zone(days, digits, shape),
        _ => time_without_colons(days, digits, shape),
    }
}
