//! What pydantic takes for a moment, and the reason that it gives when it takes it for none: ISO 8601
//! in its strict form, or seconds or milliseconds since 1970, as a number or as its digits.
//!
//! Forms, order of checks and reasons are those of its parser, speedate.

use jiff::civil::Date;

use crate::timestamp::Timestamp;

type MomentPart<T> = Result<T, &'static str>;

const SECOND_MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;
/// Numbers above it are milliseconds.
const SECONDS_MAX: f64 = 2e10;
/// 1600-01-01 and the last second of 9999, in seconds since 1970.
const NUMBERS: std::ops::RangeInclusive<f64> = -11_676_096_000.0..=253_402_300_799.0;
const TOO_SHORT: &str = "input is too short";

/// A moment in its own offset. All parts are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadMoment {
    /// The day's first moment, since 1970.
    day: i64,
    /// The time of that day.
    time: i64,
    /// What it is ahead of UTC; none when it does not say.
    offset: Option<i64>,
}

impl ReadMoment {
    /// The moment; the nearest that a database keeps. 9999-12-31 stands for no end.
    pub(super) fn utc(self) -> Timestamp {
        Timestamp::from_micros_clamped(self.day + self.time - self.offset.unwrap_or(0))
    }

    pub(super) const fn has_offset(self) -> bool {
        self.offset.is_some()
    }

    /// The day as it is written, when it has no time.
    pub(super) fn exact_day(self) -> Option<Timestamp> {
        (self.time == 0).then(|| Timestamp::from_micros_clamped(self.day))
    }
}

/// A day alone.
pub(super) fn day_of_text(text: &str) -> MomentPart<Timestamp> {
    let day = day(text.as_bytes())?;
    match text.len() {
        10 => Ok(Timestamp::from_micros_clamped(day)),
        _ => Err("unexpected extra characters at the end of the input"),
    }
}

/// A day and a time, or the digits of a number.
pub(super) fn of_text(text: &str) -> MomentPart<ReadMoment> {
    of_form(text.as_bytes()).or_else(|why| match digits_of_number(text) {
        Some(number) => of_number(number),
        None => Err(why),
    })
}

/// Seconds since 1970, or milliseconds where seconds would be far away.
pub(super) fn of_number(number: f64) -> MomentPart<ReadMoment> {
    let is_seconds = number.abs() <= SECONDS_MAX;
    let seconds = if is_seconds { number } else { number / 1e3 };
    if seconds < *NUMBERS.start() {
        return Err("dates before 1600 are not supported as unix timestamps");
    }
    if seconds > *NUMBERS.end() {
        return Err("dates after 9999 are not supported as unix timestamps");
    }
    let micros = (number * if is_seconds { 1e6 } else { 1e3 }).round() as i64;
    let time = micros.rem_euclid(DAY_SECONDS * SECOND_MICROS);
    Ok(ReadMoment {
        day: micros - time,
        time,
        offset: Some(0),
    })
}

/// `1767312000`, `-5`, `1767312000.25`.
fn digits_of_number(text: &str) -> Option<f64> {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = plain.starts_with(|first: char| first.is_ascii_digit())
        && plain.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse().ok().filter(|_| is_number)
}

fn of_form(text: &[u8]) -> MomentPart<ReadMoment> {
    let day = day(text)?;
    if !text.get(10).is_some_and(|b| b"Tt_ ".contains(b)) {
        return Err("invalid datetime separator, expected `T`, `t`, `_` or space");
    }
    let (time, rest) = time(&text[11..])?;
    let offset = offset(rest)?;
    Ok(ReadMoment { day, time, offset })
}

/// `2026-11-28`, and anything behind it.
fn day(text: &[u8]) -> MomentPart<i64> {
    const SEPARATOR: &str = "invalid date separator, expected `-`";
    if text.len() < 10 {
        return Err(TOO_SHORT);
    }
    let year = number(text, 0, 4, "invalid character in year")?;
    expect(text, 4, b'-', SEPARATOR)?;
    let month = number(text, 5, 2, "invalid character in month")?;
    expect(text, 7, b'-', SEPARATOR)?;
    let day = number(text, 8, 2, "invalid character in day")?;
    if !(1..=12).contains(&month) {
        return Err("month value is outside expected range of 1-12");
    }
    let narrow = || {
        Some((
            year.try_into().ok()?,
            month.try_into().ok()?,
            day.try_into().ok()?,
        ))
    };
    let date = narrow().and_then(|(year, month, day)| Date::new(year, month, day).ok());
    let date = date.ok_or("day value is outside expected range")?;
    Ok(date.duration_since(Date::constant(1970, 1, 1)).as_secs() * SECOND_MICROS)
}

/// `10:20`, `10:20:30`, `10:20:30.5`, and what stands behind it.
fn time(text: &[u8]) -> MomentPart<(i64, &[u8])> {
    if text.len() < 5 {
        return Err(TOO_SHORT);
    }
    let hour = number(text, 0, 2, "invalid character in hour")?;
    expect(text, 2, b':', "invalid time separator, expected `:`")?;
    let minute = number(text, 3, 2, "invalid character in minute")?;
    if hour > 23 {
        return Err("hour value is outside expected range of 0-23");
    }
    if minute > 59 {
        return Err("minute value is outside expected range of 0-59");
    }
    let minutes = (hour * 60 + minute) * 60 * SECOND_MICROS;
    if text.get(5) != Some(&b':') {
        return Ok((minutes, &text[5..]));
    }
    let second = number(text, 6, 2, "invalid character in second")?;
    if second > 59 {
        return Err("second value is outside expected range of 0-59");
    }
    let (fraction, rest) = fraction(&text[8..])?;
    Ok((minutes + second * SECOND_MICROS + fraction, rest))
}

/// Microseconds; what is finer is cut off.
fn fraction(text: &[u8]) -> MomentPart<(i64, &[u8])> {
    let Some((b'.' | b',', digits)) = text.split_first() else {
        return Ok((0, text));
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return Err("second fraction digits missing after `.`");
    }
    let six = digits[..count].iter().copied();
    let six = six.chain(std::iter::repeat(b'0')).take(6);
    let micros = six.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Ok((micros, &digits[count..]))
}

/// `Z`, `+05:30`, `-0530`, or nothing.
fn offset(text: &[u8]) -> MomentPart<Option<i64>> {
    const MINUTE: &str = "invalid timezone minute";
    let (sign, rest) = match text.split_first() {
        None => return Ok(None),
        Some((b'Z' | b'z', rest)) => (0, rest),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        Some(_) => return Err("invalid timezone sign"),
    };
    let (minutes, rest) = if sign == 0 {
        (0, rest)
    } else {
        let hours = number(rest, 0, 2, "invalid timezone hour")?;
        let at = if rest.get(2) == Some(&b':') { 3 } else { 2 };
        let minutes = number(rest, at, 2, MINUTE)?;
        if minutes > 59 {
            return Err("timezone minute value is outside expected range of 0-59");
        }
        (hours * 60 + minutes, &rest[at + 2..])
    };
    if minutes >= 24 * 60 {
        return Err("timezone offset must be less than 24 hours");
    }
    if !rest.is_empty() {
        return Err("unexpected extra characters at the end of the input");
    }
    Ok(Some(sign * minutes * 60 * SECOND_MICROS))
}

/// So many digits.
fn number(text: &[u8], at: usize, count: usize, why: &'static str) -> MomentPart<i64> {
    let digits = text.get(at..at + count).ok_or(why)?;
    digits.iter().try_fold(0, |sum, digit| match digit {
        b'0'..=b'9' => Ok(sum * 10 + i64::from(digit - b'0')),
        _ => Err(why),
    })
}

fn expect(text: &[u8], at: usize, byte: u8, why: &'static str) -> MomentPart<()> {
    if text.get(at) == Some(&byte) {
        return Ok(());
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_numbers_are_read_as_pydantic_reads_them() {
        for (text, utc) in [
            ("1767312000", "2026-01-02T00:00:00.000000Z"),
            ("1767312000.25", "2026-01-02T00:00:00.250000Z"),
            ("1767312000000", "2026-01-02T00:00:00.000000Z"),
            ("20000000001", "1970-08-20T11:33:20.001000Z"),
            ("-5", "1969-12-31T23:59:55.000000Z"),
            ("+5", "1970-01-01T00:00:05.000000Z"),
            ("2026-11-28 10:20", "2026-11-28T10:20:00.000000Z"),
            ("2026-11-28t10:20:30.1234567", "2026-11-28T10:20:30.123456Z"),
            ("2026-11-28T10:20:30+0530", "2026-11-28T04:50:30.000000Z"),
            ("2026-11-28T10:20-05:00", "2026-11-28T15:20:00.000000Z"),
            ("9999-12-31T23:59:59", "9999-12-30T22:00:00.999999Z"),
        ] {
            let read = of_text(text).map(|read| read.utc().to_string());
            assert_eq!(read.as_deref(), Ok(utc), "{text}");
        }
    }

    #[test]
    fn reasons_are_those_of_pydantic() {
        for (text, why) in [
            ("", "input is too short"),
            ("1_000", "input is too short"),
            ("2026-01-01T00", "input is too short"),
            ("yesterday at", "invalid character in year"),
            ("2026-1-1T00:00", "invalid character in month"),
            ("2026/11/28", "invalid date separator, expected `-`"),
            (
                "2026-13-01T00:00",
                "month value is outside expected range of 1-12",
            ),
            ("2026-02-30T00:00", "day value is outside expected range"),
            (
                "2026-01-01",
                "invalid datetime separator, expected `T`, `t`, `_` or space",
            ),
            ("2026-11-28T0:00:00", "invalid character in hour"),
            (
                "2026-11-28T24:00:00",
                "hour value is outside expected range of 0-23",
            ),
            (
                "2026-11-28T00-00:00",
                "invalid time separator, expected `:`",
            ),
            (
                "2026-01-01T00:61",
                "minute value is outside expected range of 0-59",
            ),
            (
                "2026-01-01T00:00:60",
                "second value is outside expected range of 0-59",
            ),
            (
                "2026-01-01T00:00:00.",
                "second fraction digits missing after `.`",
            ),
            ("2026-01-01T00:00:00 Z", "invalid timezone sign"),
            ("2026-01-01T00:00:00+05", "invalid timezone minute"),
            (
                "2026-01-01T00:00:00+25:00",
                "timezone offset must be less than 24 hours",
            ),
            (
                "253402300800000",
                "dates after 9999 are not supported as unix timestamps",
            ),
        ] {
            assert_eq!(of_text(text), Err(why), "{text}");
        }
    }
}
