//! The form of stamps that a user names: a unit since 1970, or a strftime pattern.
//!
//! A pattern is checked when it is named, before any row is read. The forms that need no name
//! are in `parse` and `unix`.

use std::str::FromStr;
use std::sync::Arc;

use jiff::fmt::strtime::BrokenDownTime;

use super::date_order::DateOrder;
use super::form::StampShape;
use super::parse::{automatic, iso};
use super::reading::{StampReading, WRITE_LIKE, refuse};
use super::unix::{CountUnit, unix};
use crate::error::{Error, Result};

/// The form of the stamps of a feed. Its text is one of
///
/// - `auto`: any form that cannot be mistaken, of the years 1900 to 2100, see
///   [`Timestamp::parse`](super::Timestamp::parse);
/// - `iso`: ISO 8601 of the years 1 to 9999;
/// - `unix_s`, `unix_ms`, `unix_us`, `unix_ns`: a count since 1970;
/// - a strftime pattern such as `%Y%m%d %H%M%S%3f`. Without a time it is midnight, without an
///   offset it is in the feed's zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimestampFormat(Form);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Auto,
    Iso,
    Unix(CountUnit),
    Pattern(Arc<str>),
}

impl TimestampFormat {
    /// Reads a stamp without blanks around it; dates that begin with a day or a month have this
    /// order.
    #[inline]
    pub(super) fn read(&self, text: &[u8], order: Option<DateOrder>) -> Result<StampReading> {
        match &self.0 {
            Form::Auto => automatic(text, order),
            Form::Iso => iso(text),
            Form::Unix(unit) => unix(text, *unit),
            Form::Pattern(pattern) => {
                return by_pattern(pattern, text)
                    .map_err(|reason| refuse(text, reason, WRITE_LIKE));
            }
        }
        .map_err(|refusal| refusal.error(text))
    }

    /// True when the form is told from the text.
    pub(super) const fn is_automatic(&self) -> bool {
        matches!(self.0, Form::Auto)
    }

    pub(super) fn pattern(&self) -> Option<Arc<str>> {
        match &self.0 {
            Form::Pattern(pattern) => Some(Arc::clone(pattern)),
            _ => None,
        }
    }
}

impl FromStr for TimestampFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self(match text {
            "auto" => Form::Auto,
            "iso" => Form::Iso,
            "unix_s" => Form::Unix(CountUnit::Seconds),
            "unix_ms" => Form::Unix(CountUnit::Millis),
            "unix_us" => Form::Unix(CountUnit::Micros),
            "unix_ns" => Form::Unix(CountUnit::Nanos),
            pattern => {
                check(pattern).map_err(|reason| {
                    let reason = format!("{pattern:?} {reason}");
                    Error::invalid("timestamp format", reason, REMEDY)
                })?;
                Form::Pattern(Arc::from(pattern))
            }
        }))
    }
}

const REMEDY: &str = "name auto, iso, unix_s, unix_ms, unix_us, unix_ns or a strftime pattern like \
                      %Y-%m-%d %H:%M:%S%.f";

/// A pattern works when a stamp written with it can be read back with it.
fn check(pattern: &str) -> Result<(), String> {
    if !pattern.contains('%') {
        return Err("is neither a known form nor a pattern (it has no %)".to_owned());
    }
    let sample = jiff::civil::date(2013, 9, 1)
        .at(17, 0, 0, 83_000_000)
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        .map_err(|error| error.to_string())?;
    let written = jiff::fmt::strtime::format(pattern, &sample)
        .map_err(|error| format!("is not a pattern: {error}"))?;
    by_pattern(pattern, written.as_bytes())
        .map(|_| ())
        .map_err(|reason| format!("does not name a moment: {reason}"))
}

fn by_pattern(pattern: &str, text: &[u8]) -> Result<StampReading, String> {
    let parts = BrokenDownTime::parse(pattern, text)
        .map_err(|error| format!("does not fit the pattern {pattern:?}: {error}"))?;
    if parts.iana_time_zone().is_some() {
        return Err("has the name of a zone: name the zone of the file with --timezone".to_owned());
    }
    let no_moment = |error: jiff::Error| format!("is not a moment: {error}");
    let (nanos, offset_seconds) = match (parts.timestamp(), parts.offset()) {
        (None, None) => (civil_nanos(&parts).map_err(no_moment)?, None),
        (_, offset) => {
            let moment = parts.to_timestamp().map_err(no_moment)?.as_nanosecond();
            let seconds = offset.map_or(0, jiff::tz::Offset::seconds);
            (moment + i128::from(seconds) * 1_000_000_000, Some(seconds))
        }
    };
    Ok(StampReading {
        local_micros: i64::try_from(nanos.div_euclid(1_000)).map_err(|_| "is out of range")?,
        offset_seconds,
        truncated: nanos.rem_euclid(1_000) != 0,
        leap: false,
        date_alone: false,
        shape: StampShape::Pattern,
    })
}

/// The wall clock of a stamp without an offset; without a time, midnight.
fn civil_nanos(parts: &BrokenDownTime) -> Result<i128, jiff::Error> {
    let date = parts.to_date()?;
    let time = if parts.hour().is_none() && parts.minute().is_none() && parts.second().is_none() {
        jiff::civil::Time::midnight()
    } else {
        parts.to_time()?
    };
    let moment = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(time))?;
    Ok(moment.as_nanosecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::StampReader;

    fn read(format: &str, text: &str) -> Result<String> {
        let mut reader = StampReader::new(format.parse()?, None);
        Ok(reader.read(text.as_bytes())?.at.to_string())
    }

    #[test]
    fn patterns_read_what_they_say() {
        for (format, text, expected) in [
            (
                "%Y%m%d %H%M%S%3f",
                "20200101 170000065",
                "2020-01-01T17:00:00.065000Z",
            ),
            ("%d/%m/%Y", "4/1/1999", "1999-01-04T00:00:00.000000Z"),
            (
                "%m/%d/%Y %I:%M %p",
                "01/04/1999 05:30 PM",
                "1999-01-04T17:30:00.000000Z",
            ),
            (
                "%d.%m.%Y %H:%M:%S%.f",
                "04.01.1999 17:30:00.5",
                "1999-01-04T17:30:00.500000Z",
            ),
            (
                "%Y-%m-%dT%H:%M:%S%z",
                "1999-01-04T12:30:00-0500",
                "1999-01-04T17:30:00.000000Z",
            ),
            ("%s", "1378054800", "2013-09-01T17:00:00.000000Z"),
            ("unix_s", "86400", "1970-01-02T00:00:00.000000Z"),
            ("unix_ms", "-1", "1969-12-31T23:59:59.999000Z"),
            ("unix_us", "1", "1970-01-01T00:00:00.000001Z"),
            ("unix_ns", "1999", "1970-01-01T00:00:00.000001Z"),
            ("auto", "2013-09-01", "2013-09-01T00:00:00.000000Z"),
            ("iso", "1850-09-01", "1850-09-01T00:00:00.000000Z"),
        ] {
            assert_eq!(read(format, text).unwrap(), expected, "{format}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_work_is_refused_before_any_row() {
        for (format, why) in [
            ("rfc", "no %"),
            ("%", "not a pattern"),
            ("%E", "not a pattern"),
            ("%H:%M", "does not name a moment"),
            ("%Y-%m", "does not name a moment"),
            ("%Y-%m-%d %H:%M %Q", "--timezone"),
        ] {
            let error = format.parse::<TimestampFormat>().unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains("strftime"),
                "{format}: {error}"
            );
        }
    }

    #[test]
    fn a_stamp_that_does_not_fit_the_pattern_names_both() {
        let error = read("%Y-%m-%d", "1/4/1999").unwrap_err().to_string();
        assert!(
            error.contains("1/4/1999") && error.contains("%Y-%m-%d"),
            "{error}"
        );
        assert!(
            read("unix_s", "99999999999999")
                .unwrap_err()
                .to_string()
                .contains("outside")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_patterns_and_texts_never_panic(pattern in "[%a-zA-Z0-9:. -]{0,12}", text: Vec<u8>) {
            if let Ok(format) = pattern.parse::<TimestampFormat>() {
                let _ = StampReader::new(format, None).read(&text);
            }
        }
    }
}
