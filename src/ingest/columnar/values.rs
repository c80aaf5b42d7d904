//! Rows of columns as lines of CSV, made when they are read.

use std::fmt::Write as _;
use std::io::{self, Read};

/// Bytes of text that are made at once, and a row more.
pub(super) const TEXT_AT_ONCE: usize = 1 << 20;

/// A file of rows: their names, and the next of them.
pub(super) trait ColumnarRows: Send {
    fn names(&self) -> Vec<String>;

    /// Appends some rows, each with its line feed; false at the end.
    fn append(&mut self, out: &mut String) -> Result<bool, String>;
}

/// The text of such a file.
pub(super) struct CsvText<R> {
    rows: R,
    text: String,
    /// Bytes of the text that were given.
    given: usize,
    is_over: bool,
}

impl<R: ColumnarRows> CsvText<R> {
    pub(super) fn of(rows: R) -> Self {
        let mut text = String::new();
        for (at, name) in rows.names().iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            append_field(name, &mut text);
        }
        text.push('\n');
        Self {
            rows,
            text,
            given: 0,
            is_over: false,
        }
    }
}

impl<R: ColumnarRows> Read for CsvText<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.is_over {
            self.text.clear();
            self.given = 0;
            let is_more = super::guarded(|| self.rows.append(&mut self.text));
            self.is_over = !is_more.map_err(io::Error::other)?;
        }
        let left = &self.text.as_bytes()[self.given..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.given += count;
        Ok(count)
    }
}

/// Bytes of a text: symbols and names are short.
const TEXT_BYTES_MAX: usize = 4_096;

/// A text as a field. A record is one line, so that line breaks within are spaces.
pub(super) fn append_text(text: &str, out: &mut String) -> Result<(), String> {
    if text.len() > TEXT_BYTES_MAX {
        let bytes = text.len();
        return Err(format!(
            "it holds a text of {bytes} bytes; at most {TEXT_BYTES_MAX} are read"
        ));
    }
    append_field(text, out);
    Ok(())
}

fn append_field(text: &str, out: &mut String) {
    if !text.contains([',', '"', '\n', '\r']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\"\""),
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends anything that is shown; a string takes all of it.
pub(super) fn append_shown(value: impl std::fmt::Display, out: &mut String) {
    let _never_full = write!(out, "{value}");
}

/// Units of a second in which moments are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MomentUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl MomentUnit {
    fn per_second(self) -> i64 {
        match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
        }
    }

    fn nanoseconds(self) -> i64 {
        1_000_000_000 / self.per_second()
    }
}

/// Moments of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MomentKind {
    pub(super) unit: MomentUnit,
    /// Whether they are of UTC; else they are what a clock on the wall shows, of the zone of the feed.
    pub(super) is_utc: bool,
}

/// A moment, to its last digit. One that has no date is the number that it is.
pub(super) fn append_moment(count: i64, kind: MomentKind, out: &mut String) {
    let MomentKind { unit, is_utc } = kind;
    let seconds = count.div_euclid(unit.per_second());
    let fraction = count.rem_euclid(unit.per_second()) * unit.nanoseconds();
    match jiff::Timestamp::new(seconds, fraction as i32) {
        Ok(moment) if is_utc => append_shown(moment, out),
        Ok(moment) => out.push_str(moment.to_string().trim_end_matches('Z')),
        Err(_) => append_shown(count, out),
    }
}

/// A time of day, counted from midnight.
pub(super) fn append_time(count: i64, unit: MomentUnit, out: &mut String) {
    let kind = MomentKind {
        unit,
        is_utc: false,
    };
    let mut moment = String::new();
    append_moment(count, kind, &mut moment);
    out.push_str(moment.split('T').nth(1).unwrap_or_default());
}

/// A day, counted from the first of 1970.
pub(super) fn append_day(days: i64, out: &mut String) {
    const SECONDS: i64 = 86_400;
    let midnight = days.checked_mul(SECONDS).map(jiff::Timestamp::from_second);
    match midnight {
        Some(Ok(moment)) => {
            let moment = moment.to_string();
            out.push_str(moment.split('T').next().unwrap_or_default());
        }
        _ => append_shown(days, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_days_are_written_as_dates() {
        let text_of = |count, kind| {
            let mut text = String::new();
            append_moment(count, kind, &mut text);
            text
        };
        let moment = |count, unit| text_of(count, MomentKind { unit, is_utc: true });
        let unit = MomentUnit::Microseconds;
        let local = text_of(
            1_500_000,
            MomentKind {
                unit,
                is_utc: false,
            },
        );
        assert_eq!(local, "1970-01-01T00:00:01.5");
        let mut time = String::new();
        append_time(34_200_250, MomentUnit::Milliseconds, &mut time);
        assert_eq!(time, "09:30:00.25");
        assert_eq!(moment(0, MomentUnit::Seconds), "1970-01-01T00:00:00Z");
        assert_eq!(
            moment(-1, MomentUnit::Milliseconds),
            "1969-12-31T23:59:59.999Z"
        );
        let nanos = moment(1_378_203_780_074_000_001, MomentUnit::Nanoseconds);
        assert_eq!(nanos, "2013-09-03T10:23:00.074000001Z");
        assert_eq!(moment(i64::MAX, MomentUnit::Seconds), i64::MAX.to_string());
        let mut day = String::new();
        append_day(15_951, &mut day);
        assert_eq!(day, "2013-09-03");
    }

    #[test]
    fn a_text_is_one_field_of_one_line() {
        let mut text = String::new();
        append_text("a,\"b\"\nc", &mut text).unwrap();
        assert_eq!(text, "\"a,\"\"b\"\" c\"");
    }
}
