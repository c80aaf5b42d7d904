//! Moments as the original writes them: Python's `isoformat` of a moment without an offset, which
//! is UTC. The fraction has six digits, or is left out where it is 0.

mod reading;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::problem::Fault;
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

/// A day, alone or as its first moment in whatever offset: pydantic takes a moment for a date at
/// midnight.
///
/// Faults are those of pydantic's `date`.
pub(super) fn date(value: &Value) -> Result<Timestamp, Fault> {
    let read = match value {
        Value::String(text) => match reading::day_of_text(text) {
            Ok(day) => return Ok(day),
            Err(_) => reading::of_text(text),
        },
        Value::Number(number) => reading::of_number(number.as_f64().unwrap_or(f64::INFINITY)),
        _ => return Err(Fault::new("date_type", "Input should be a valid date")),
    };
    let read = read.map_err(|why| {
        let msg = format!("Input should be a valid date or datetime, {why}");
        Fault::new("date_from_datetime_parsing", msg).with("error", json!(why))
    })?;
    read.exact_day().ok_or_else(|| {
        let msg = "Datetimes provided to dates should have zero time - e.g. be exact dates";
        Fault::new("date_from_datetime_inexact", msg)
    })
}

/// A moment as a client wrote it.
#[derive(Debug, Clone, Copy)]
pub(super) struct WrittenMoment {
    pub(super) utc: Timestamp,
    /// Written with an offset: answers that repeat it write one, too.
    pub(super) has_offset: bool,
}

/// A moment: a date and a time, with an offset or without one (UTC), or a number since 1970.
///
/// Faults are those of pydantic's `datetime`.
pub(super) fn moment(value: &Value) -> Result<WrittenMoment, Fault> {
    let read = match value {
        Value::String(text) => reading::of_text(text),
        Value::Number(number) => reading::of_number(number.as_f64().unwrap_or(f64::INFINITY)),
        _ => {
            let msg = "Input should be a valid datetime";
            return Err(Fault::new("datetime_type", msg));
        }
    };
    let read = read.map_err(|why| {
        let msg = format!("Input should be a valid datetime, {why}");
        Fault::new("datetime_parsing", msg).with("error", json!(why))
    })?;
    Ok(WrittenMoment {
        utc: read.utc(),
        has_offset: read.has_offset(),
    })
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
