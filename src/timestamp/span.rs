//! Lengths of time as people write them: `30d`, `12h`, `90m`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::error::{Error, Result};

/// Reads a length of time: weeks, days of 24 hours, hours, minutes, seconds and parts of them, each
/// with its unit (`1w`, `30d`, `12h`, `90m`, `1h 30m`).
///
/// # Errors
/// [`Error::Invalid`] for what is none, is negative, or has months or years, which differ in length.
pub fn parse_span(text: &str) -> Result<Duration> {
    let refuse =
        |reason: String| Error::invalid("span of time", reason, "write it like 30d, 12h or 90m");
    let span: Span = text
        .parse()
        .map_err(|_| refuse(format!("{text:?} is not a span of time")))?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| {
            refuse(format!(
                "{text:?} has months or years, which differ in length"
            ))
        })?;
    if length.is_negative() {
        return Err(refuse(format!("{text:?} is negative")));
    }
    let micros =
        u64::try_from(length.as_micros()).map_err(|_| refuse(format!("{text:?} is too long")))?;
    Ok(Duration::from_micros(micros))
}

/// A length of time in whole seconds as [`parse_span`] reads it, in its greatest unit up to a day that
/// leaves nothing over: `30d`, `90m`.
#[must_use]
pub fn format_span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole = units
        .iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{seconds}s"),
        |(unit, name)| format!("{}{name}", seconds / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in 0_u64..=365_000 * 86_400, unit in 0_usize..4) {
            let span = Duration::from_secs(seconds / [1, 60, 3_600, 86_400][unit] * [1, 60, 3_600, 86_400][unit]);
            proptest::prop_assert_eq!(parse_span(&format_span(span)).unwrap(), span);
        }
    }

    #[test]
    fn a_span_has_a_unit_and_one_length() {
        let seconds = |text: &str| parse_span(text).map(|span| span.as_secs());
        assert_eq!(seconds("30d").unwrap(), 30 * 86_400);
        assert_eq!(seconds("1h 30m").unwrap(), 5_400);
        assert_eq!(seconds("1w").unwrap(), 604_800);
        for wrong in ["", "5", "1mo", "1y", "-1d", "x"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
