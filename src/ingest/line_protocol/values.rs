//! The values of fields and stamps: numbers as the line protocol writes them.

use super::syntax::{LineFault, shown};
use crate::domain::tick::RawTick;
use crate::error::Error;
use crate::ingest::field::{Field, NameMeaning};
use crate::ingest::number::NumberFormat;
use crate::timestamp::Timestamp;

/// The unit of the stamps of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LinePrecision {
    /// Nanoseconds; digits finer than a microsecond are cut, towards the past.
    #[default]
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl LinePrecision {
    /// The moment of a stamp in this unit.
    pub(super) fn moment(self, text: &[u8]) -> Result<Timestamp, LineFault> {
        let written = std::str::from_utf8(text).ok();
        let Some(count) = written.and_then(|text| text.parse::<i64>().ok()) else {
            let reason = format!("the timestamp {} is not a whole number", shown(text));
            let remedy = "end the line with the unit's number since 1970, in digits alone, or \
                          leave it out for the server's clock";
            return Err(LineFault::new(reason, remedy));
        };
        let micros = match self {
            // Towards the past, before 1970, too: as every other feed is cut.
            Self::Nanoseconds => Some(count.div_euclid(1_000)),
            Self::Microseconds => Some(count),
            Self::Milliseconds => count.checked_mul(1_000),
            Self::Seconds => count.checked_mul(1_000_000),
            Self::Minutes => count.checked_mul(60_000_000),
            Self::Hours => count.checked_mul(3_600_000_000),
        };
        let moment = micros.and_then(|micros| Timestamp::from_micros(micros).ok());
        moment.ok_or_else(|| {
            let unit = self.unit();
            LineFault::new(
                format!("the timestamp {count} as {unit} is outside the years 1 to 9999"),
                "name its unit, like precision=ms",
            )
        })
    }

    /// The unit in words.
    const fn unit(self) -> &'static str {
        match self {
            Self::Nanoseconds => "nanoseconds",
            Self::Microseconds => "microseconds",
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }

    /// The word in a query, as the second version of the protocol writes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Minutes => "m",
            Self::Hours => "h",
        }
    }
}

/// The field of a tick that a name means. A close is the price of its tick.
pub(super) fn field_of(name: &[u8]) -> Result<Field, LineFault> {
    let text = std::str::from_utf8(name).ok();
    match text.and_then(NameMeaning::of).map(|meaning| meaning.field) {
        Some(Field::Close) => Ok(Field::Price),
        Some(
            field @ (Field::Price
            | Field::Volume
            | Field::Bid
            | Field::Ask
            | Field::BidSize
            | Field::AskSize
            | Field::Open
            | Field::High
            | Field::Low
            | Field::Sequence),
        ) => Ok(field),
        Some(Field::Symbol | Field::Source) => Err(LineFault::new(
            format!("{} is a field", shown(name)),
            "send it as a tag, before the first space of the line",
        )),
        Some(Field::Timestamp | Field::Date | Field::Time) => Err(LineFault::new(
            format!("{} is a field", shown(name)),
            "write the timestamp at the end of the line, after a space",
        )),
        _ => Err(LineFault::new(
            format!("no tick has a field {}", shown(name)),
            "send price, volume, bid, ask, bid_size, ask_size, open, high, low, sequence",
        )),
    }
}

/// Puts a value into its field; one that is not a number (NaN) is no value.
pub(super) fn set(tick: &mut RawTick, field: Field, text: &[u8]) -> Result<(), LineFault> {
    if field == Field::Sequence {
        tick.sequence = sequence(text)?;
        return Ok(());
    }
    let number = number(field, text)?;
    let slot = match field {
        Field::Volume => &mut tick.volume,
        Field::Bid => &mut tick.bid,
        Field::Ask => &mut tick.ask,
        Field::BidSize => &mut tick.bid_size,
        Field::AskSize => &mut tick.ask_size,
        Field::Open => &mut tick.open_price,
        Field::High => &mut tick.high_price,
        Field::Low => &mut tick.low_price,
        _ => &mut tick.price,
    };
    *slot = number;
    Ok(())
}

/// A double, `8i` or `8u`.
fn number(field: Field, text: &[u8]) -> Result<Option<f64>, LineFault> {
    let read = match text.split_last() {
        Some((b'i', digits)) => whole::<i64>(digits).map(|number| number as f64),
        Some((b'u', digits)) => whole::<u64>(digits).map(|number| number as f64),
        _ if is_not_a_number(text) => return Ok(None),
        _ => NumberFormat::default().read(text),
    };
    read.map(Some).ok_or_else(|| refused(field, text))
}

/// The number of a tick within its stamp. Dataframes write it with a point as soon as one of its
/// column is missing.
fn sequence(text: &[u8]) -> Result<Option<i64>, LineFault> {
    /// Up to here every whole number has a double of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let read = match text.split_last() {
        Some((b'i', digits)) => whole::<i64>(digits),
        Some((b'u', digits)) => whole::<u64>(digits).and_then(|number| number.try_into().ok()),
        _ if is_not_a_number(text) => return Ok(None),
        _ => {
            let number = NumberFormat::default().read(text);
            let exact = number.filter(|it| it.fract() == 0.0 && it.abs() <= EXACT_MAX);
            exact.map(|number| number as i64)
        }
    };
    read.map(Some).ok_or_else(|| {
        let reason = format!("sequence {} is not a whole number of 64 bits", shown(text));
        LineFault::new(reason, "write it like 7i")
    })
}

fn whole<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// True for a missing value of a dataframe.
fn is_not_a_number(text: &[u8]) -> bool {
    let plain = text.strip_prefix(b"-").unwrap_or(text);
    plain.eq_ignore_ascii_case(b"nan")
}

#[cold]
fn refused(field: Field, text: &[u8]) -> LineFault {
    const BOOLEANS: [&[u8]; 4] = [b"t", b"f", b"true", b"false"];
    let name = field.as_str();
    if BOOLEANS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        let reason = format!("{name} {} is a boolean", shown(text));
        return LineFault::new(reason, "ticks have numbers alone");
    }
    let reason = format!("{name} {} is not a finite number", shown(text));
    LineFault::new(reason, "write it like 1641.5 or 8i, or leave it out")
}

/// Why the parts of a line make no tick.
#[cold]
pub(super) fn no_tick(error: Error) -> LineFault {
    match error {
        Error::Invalid {
            name,
            reason,
            remedy,
        } => LineFault::new(format!("{name}: {reason}"), remedy),
        other => LineFault::new(other.to_string(), "mend the line"),
    }
}
