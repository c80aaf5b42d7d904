//! Moments as the original writes them: Python's `isoformat` of a moment without an offset, which
//! is UTC. The fraction has six digits, or is left out where it is 0.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::problem::Fault;
use super::values;
use crate::domain::Frequency;
use crate::timestamp::Timestamp;

/// A moment without an offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct NaiveMoment(pub(super) Timestamp);

impl std::fmt::Display for NaiveMoment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        let naive = text.trim_end_matches('Z');
        f.write_str(naive.strip_suffix(".000000").unwrap_or(naive))
    }
}

impl Serialize for NaiveMoment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A day in UTC, alone or as its first moment: pydantic takes a moment for a date at midnight.
///
/// Faults are those of pydantic's `date`.
pub(super) fn date(value: &Value) -> Result<Timestamp, Fault> {
    let text = values::text(value)?;
    let day = text.get(..10).unwrap_or(&text);
    let midnight = |day: &str| format!("{day}T00:00:00Z").parse::<Timestamp>();
    if let Ok(day) = midnight(day)
        && text.len() == 10
    {
        return Ok(day);
    }
    match moment(value) {
        Ok(moment) if Frequency::OneDay.period_start(moment.utc) == moment.utc => Ok(moment.utc),
        Ok(_) => Err(Fault::new(
            "date_from_datetime_inexact",
            "Datetimes provided to dates should have zero time - e.g. be exact dates",
        )),
        Err(_) => {
            let why = reason(&text);
            let msg = format!("Input should be a valid date or datetime, {why}");
            Err(Fault::new("date_from_datetime_parsing", msg).with("error", json!(why)))
        }
    }
}

/// A moment as a client wrote it.
#[derive(Debug, Clone, Copy)]
pub(super) struct WrittenMoment {
    pub(super) utc: Timestamp,
    /// Written with an offset: answers that repeat it write one, too.
    pub(super) has_offset: bool,
}

/// A moment: a date and a time, with an offset or without one (UTC).
///
/// Faults are those of pydantic's `datetime`.
pub(super) fn moment(value: &Value) -> Result<WrittenMoment, Fault> {
    let text = values::text(value)?;
    let fault = |why: &str| {
        let msg = format!("Input should be a valid datetime, {why}");
        Fault::new("datetime_parsing", msg).with("error", json!(why))
    };
    let is_separated = text.as_bytes().get(10).is_some_and(|b| b"Tt_ ".contains(b));
    if !is_separated {
        return Err(fault(reason(&text)));
    }
    let (day, time) = (&text[..10], &text[11..]);
    let has_offset = time.ends_with(['Z', 'z']) || time.contains(['+', '-']);
    let written = match has_offset {
        true => format!("{day}T{time}"),
        false => format!("{day}T{time}Z"),
    };
    let utc = written.parse().map_err(|_| fault(reason(&text)))?;
    Ok(WrittenMoment { utc, has_offset })
}

/// What pydantic says of a text that is no moment.
fn reason(text: &str) -> &'static str {
    let is_date = format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok();
    match text.len() {
        ..10 => "input is too short",
        _ if is_date => "invalid datetime separator, expected `T`, `t`, `_` or space",
        _ => "invalid character in year",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_has_six_digits_or_none() {
        for (utc, naive) in [
            ("2013-09-01T17:00:00Z", "2013-09-01T17:00:00"),
            ("2013-09-01T17:00:00.083Z", "2013-09-01T17:00:00.083000"),
        ] {
            let moment: Timestamp = utc.parse().unwrap();
            assert_eq!(NaiveMoment(moment).to_string(), naive);
        }
    }
}
