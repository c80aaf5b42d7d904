//! Counts since 1970: with a unit that was named, or with one that the size of the number tells.

use super::Timestamp;
use super::compact::compact;
use super::digits::Digits;
use super::form::StampShape;
use super::reading::{NO_STAMP, OUT_OF_RANGE, Parsed, StampReading, StampRefusal, in_range};

/// The unit of a count since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CountUnit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// 1900-01-01T00:00:00Z.
const AUTOMATIC_MIN: Timestamp = Timestamp(-2_208_988_800_000_000);
/// The last microsecond of 2100.
const AUTOMATIC_MAX: Timestamp = Timestamp(4_133_980_799_999_999);

/// The least distance from 1970 of a number whose unit is told from its size. Smaller numbers can
/// be times of day: 235959999 is 23:59:59.999 as HHMMSS and milliseconds, 86399999 the last
/// millisecond of a day. As seconds this is 1977-08-09.
const COUNT_MIN_MICROS: u64 = 240_000_000_000_000;

static UNKNOWN_UNIT: StampRefusal = StampRefusal::with_remedy(
    "is a number, but not a stamp of 1900 to 2100 in a unit that its size shows",
    "name what it is: --timestamp-format unix_s, unix_ms, unix_us, unix_ns or a pattern like \
     %Y%m%d",
);

/// True when a moment is one that a stamp without a named form may have.
pub(super) fn is_automatic(at: Timestamp) -> bool {
    (AUTOMATIC_MIN..=AUTOMATIC_MAX).contains(&at)
}

/// A text that begins with so many digits, perhaps behind a minus, and has at most a fraction
/// behind them: a date without separators, or a count whose unit its size tells.
pub(super) fn bare_number(text: &[u8], run: usize) -> Parsed {
    let whole = run == text.len();
    let unit = match run {
        8 | 14 | 17 | 20 | 23 if whole => return compact_date(text),
        // Twelve digits are a date with hours and minutes when they begin with a year of this time,
        // else milliseconds.
        12 if whole && matches!(text, [b'1', b'9', ..] | [b'2', b'0' | b'1', ..]) => {
            return compact_date(text);
        }
        9 | 10 => CountUnit::Seconds,
        12 | 13 => CountUnit::Millis,
        15 | 16 => CountUnit::Micros,
        18 | 19 => CountUnit::Nanos,
        0 => return Err(&NO_STAMP),
        _ => return Err(&UNKNOWN_UNIT),
    };
    let reading = unix(text, unit)?;
    let known = reading.local_micros.unsigned_abs() >= COUNT_MIN_MICROS
        && is_automatic(Timestamp(reading.local_micros));
    known.then_some(reading).ok_or(&UNKNOWN_UNIT)
}

/// Digits that are a date are one of 1900 to 2100, else any number would be.
fn compact_date(text: &[u8]) -> Parsed {
    let reading = compact(text).map_err(|_| &UNKNOWN_UNIT)?;
    // Any eight digits with a month and a day in them would be a date.
    let known = is_automatic(Timestamp(reading.local_micros));
    known.then_some(reading).ok_or(&UNKNOWN_UNIT)
}

/// A count since 1970; a fraction of the unit is read and cut to microseconds, towards the past.
pub(super) fn unix(text: &[u8], unit: CountUnit) -> Parsed {
    let mut digits = Digits::new(text);
    let negative = digits.one_of(b"+-") == Some(b'-');
    let (per_unit, divisor, shape) = match unit {
        CountUnit::Seconds => (1_000_000, 1, StampShape::UnixSeconds),
        CountUnit::Millis => (1_000, 1, StampShape::UnixMillis),
        CountUnit::Micros => (1, 1, StampShape::UnixMicros),
        CountUnit::Nanos => (1, 1_000, StampShape::UnixNanos),
    };
    let run = digits.run();
    if run == 0 || run > 19 {
        return Err(if run > 19 { &OUT_OF_RANGE } else { &NO_STAMP });
    }
    let mut whole: u64 = 0; // 19 digits fit.
    for byte in digits.rest().iter().take(run) {
        whole = whole * 10 + u64::from(byte - b'0');
    }
    digits.skip(run);
    if digits.is_empty()
        && !negative
        && let Some(exact) = i64::try_from(whole)
            .ok()
            .and_then(|it| it.checked_mul(per_unit))
    {
        // Nearly every count of a feed: no wide arithmetic.
        return count(exact / divisor, exact % divisor != 0, shape);
    }
    let mut millionths = 0;
    let mut cut = false;
    if digits.one_of(b".").is_some() {
        (millionths, cut) = digits.fraction().ok_or(&NO_STAMP)?;
    }
    if !digits.is_empty() {
        return Err(&NO_STAMP);
    }
    // Millionths of the unit, so that one division serves every unit.
    let exact = (i128::from(whole) * 1_000_000 + i128::from(millionths)) * i128::from(per_unit);
    let exact = if negative {
        // Before 1970 a cut fraction would move the moment towards the future.
        -exact - i128::from(cut)
    } else {
        exact
    };
    let scale = 1_000_000 * i128::from(divisor);
    let cut = cut || exact.rem_euclid(scale) != 0;
    let micros = i64::try_from(exact.div_euclid(scale)).map_err(|_| &OUT_OF_RANGE)?;
    count(micros, cut, shape)
}

fn count(micros: i64, truncated: bool, shape: StampShape) -> Parsed {
    Ok(StampReading {
        local_micros: in_range(micros)?.0,
        offset_seconds: Some(0),
        truncated,
        leap: false,
        date_alone: false,
        shape,
    })
}
