//! Parses the part of a stamp after its date: the time of day and the offset from UTC.

use super::digits::Digits;
use super::form::StampShape;
use super::reading::{
    BAD_OFFSET, BAD_TIME, MICROS_PER_SECOND, NO_STAMP, Parsed, SECONDS_PER_DAY, StampReading,
    TRAILING,
};

/// `17:00`, `17:00:00`, `17:00:00.083`, `5:00 PM`, with an offset or without.
#[inline]
pub(super) fn time_and_zone(days: i64, mut digits: Digits<'_>, shape: StampShape) -> Parsed {
    let hour = digits.one_or_two().ok_or(&NO_STAMP)?;
    digits.one_of(b":").ok_or(&NO_STAMP)?;
    let minute = digits.fixed::<2>().ok_or(&NO_STAMP)?;
    let mut second = 0;
    let mut fraction = (0, false);
    if digits.one_of(b":").is_some() {
        second = digits.fixed::<2>().ok_or(&NO_STAMP)?;
        if digits.one_of(b".,").is_some() {
            fraction = digits.fraction().ok_or(&NO_STAMP)?;
        }
    }
    reading(days, (hour, minute, second), fraction, digits, shape)
}

/// `1700`, `170000`, `170000083`, `170000.083`, with an offset or without.
pub(super) fn time_without_colons(days: i64, mut digits: Digits<'_>, shape: StampShape) -> Parsed {
    let run = digits.run();
    if run != 4 && run < 6 {
        return Err(&NO_STAMP);
    }
    let hour = digits.fixed::<2>().ok_or(&NO_STAMP)?;
    let minute = digits.fixed::<2>().ok_or(&NO_STAMP)?;
    let mut second = 0;
    let mut fraction = (0, false);
    if run >= 6 {
        second = digits.fixed::<2>().ok_or(&NO_STAMP)?;
        digits.one_of(b".,");
        fraction = digits.fraction().unwrap_or_default();
    }
    reading(days, (hour, minute, second), fraction, digits, shape)
}

#[inline]
fn reading(
    days: i64,
    (hour, minute, second): (i64, i64, i64),
    (micros, truncated): (i64, bool),
    mut digits: Digits<'_>,
    shape: StampShape,
) -> Parsed {
    let mut hour = hour;
    let offset_seconds = match digits.rest() {
        [] => None,
        b"Z" => Some(0),
        _ => {
            if let Some(noon) = half_of_day(&mut digits) {
                if !(1..=12).contains(&hour) {
                    return Err(&BAD_TIME);
                }
                hour = hour % 12 + noon;
            }
            offset(digits)?
        }
    };
    if hour > 23 || minute > 59 || second > 60 {
        return Err(&BAD_TIME);
    }
    let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Ok(StampReading {
        local_micros: seconds * MICROS_PER_SECOND + micros,
        offset_seconds,
        truncated,
        leap: second == 60,
        date_alone: false,
        shape,
    })
}

/// Reads ` AM` or ` PM`: the hours to add to those of a 12-hour clock.
fn half_of_day(digits: &mut Digits<'_>) -> Option<i64> {
    let rest = digits.rest().trim_ascii_start();
    let (half, after) = rest.split_first_chunk::<2>()?;
    let hours = match half {
        [b'A' | b'a', b'M' | b'm'] => 0,
        [b'P' | b'p', b'M' | b'm'] => 12,
        _ => return None,
    };
    // `America/New_York` is no half of a day.
    if after.first().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    digits.skip(digits.rest().len() - after.len());
    Some(hours)
}

/// Seconds east of UTC of what is left of a stamp; `None` when nothing is left.
fn offset(mut digits: Digits<'_>) -> Parsed<Option<i32>> {
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.peek() == Some(b' ') {
        digits.skip(1);
    }
    match digits.rest() {
        b"Z" | b"z" | b"UTC" | b"GMT" => return Ok(Some(0)),
        [b'U', b'T', b'C', b'+' | b'-', ..] | [b'G', b'M', b'T', b'+' | b'-', ..] => digits.skip(3),
        _ => {}
    }
    numeric_offset(digits).map(Some)
}

/// `+05:30`, `-0500`, `+02`.
pub(super) fn numeric_offset(mut digits: Digits<'_>) -> Parsed<i32> {
    let sign: i32 = match digits.one_of(b"+-") {
        Some(b'-') => -1,
        Some(_) => 1,
        None if digits.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) => {
            return Err(&BAD_OFFSET);
        }
        None => return Err(&TRAILING),
    };
    let hours = digits.fixed::<2>().ok_or(&BAD_OFFSET)?;
    let minutes = if digits.is_empty() {
        0
    } else {
        digits.one_of(b":");
        digits.fixed::<2>().ok_or(&BAD_OFFSET)?
    };
    if !digits.is_empty() || hours > 23 || minutes > 59 {
        return Err(&BAD_OFFSET);
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).map_err(|_| &BAD_OFFSET)?;
    Ok(sign * seconds)
}
