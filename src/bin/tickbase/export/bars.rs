//! The bars of an export: the history's answer, window by window, so that memory stays flat.

use std::io::Write;

use serde::Serialize;

use super::{Format, plain};
use crate::CommandFailure;
use crate::output::cannot_write;
use tickbase::database::Database;
use tickbase::domain::{Frequency, PeriodBar};
use tickbase::error::Error;
use tickbase::services::historical_data::{BarQuery, HistoryBar, bars, extent};
use tickbase::timestamp::Timestamp;

/// Periods of one window.
const WINDOW_PERIODS: i64 = 10_000;

/// The names of the columns, as `import --kind bars` knows them.
const COLUMNS: &str = "timestamp,open,high,low,close,volume,open_interest";

/// Which bars are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bars {
    pub(super) instrument_id: i64,
    pub(super) frequency: Frequency,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
}

/// Writes the bars, oldest first; returns how many there were.
pub(super) fn write(
    database: &Database,
    of: &Bars,
    format: Format,
    out: &mut dyn Write,
    name: &str,
) -> Result<u64, CommandFailure> {
    refuse_crossed(of)?;
    let failed = |error| cannot_write(name, &error);
    if format == Format::Csv {
        writeln!(out, "{COLUMNS}").map_err(failed)?;
    }
    let mut rows = 0;
    let (id, frequency) = (of.instrument_id, of.frequency);
    let held = database.read("export.extent", |conn| extent(conn, id, frequency))?;
    let Some((oldest, newest)) = held else {
        return out.flush().map(|()| rows).map_err(failed);
    };
    let first = frequency.period_start(oldest);
    let mut query = BarQuery {
        start: Some(of.start.map_or(first, |start| start.max(first))),
        ..BarQuery::all(id, frequency)
    };
    let end = of.end.unwrap_or(Timestamp::MAX);
    while query.start.is_some_and(|start| start <= newest) && query.start < Some(end) {
        query.end = query
            .start
            .map(|start| window_end(frequency, start).min(end));
        let history = database.read("export.bars", |conn| bars(conn, &query))?;
        for bar in &history.bars {
            line(out, format, bar).map_err(failed)?;
        }
        rows += history.bars.len() as u64;
        query.start = query.end;
    }
    out.flush().map_err(failed)?;
    Ok(rows)
}

fn refuse_crossed(of: &Bars) -> Result<(), CommandFailure> {
    match (of.start, of.end) {
        (Some(start), Some(end)) if start > end => {
            let reason = format!("{start} is after end, {end}");
            Err(Error::invalid("start", reason, "give a start that is not after the end").into())
        }
        _ => Ok(()),
    }
}

/// Months are few: all of them are one window.
fn window_end(frequency: Frequency, start: Timestamp) -> Timestamp {
    match frequency.length_micros() {
        Some(length) => start.saturating_add_micros(WINDOW_PERIODS * length),
        None => Timestamp::MAX,
    }
}

/// A bar as one object; absent values are left out.
#[derive(Serialize)]
struct BarLine {
    timestamp: String,
    #[serde(serialize_with = "plain")]
    open: Option<f64>,
    #[serde(serialize_with = "plain")]
    high: Option<f64>,
    #[serde(serialize_with = "plain")]
    low: Option<f64>,
    #[serde(serialize_with = "plain")]
    close: Option<f64>,
    #[serde(serialize_with = "plain")]
    volume: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain")]
    open_interest: Option<f64>,
}

fn line(out: &mut dyn Write, format: Format, bar: &HistoryBar) -> std::io::Result<()> {
    let Some(values) = &bar.values else {
        return Ok(()); // Nothing is filled in an export.
    };
    match format {
        Format::Csv => csv_line(out, bar.timestamp, values),
        Format::Ndjson => json_line(out, bar.timestamp, values),
    }
}

fn csv_line(out: &mut dyn Write, start: Timestamp, bar: &PeriodBar) -> std::io::Result<()> {
    let PeriodBar {
        open,
        high,
        low,
        close,
        volume,
        ..
    } = bar;
    write!(out, "{start},{open},{high},{low},{close},{volume},")?;
    if let Some(interest) = bar.open_interest {
        write!(out, "{interest}")?;
    }
    writeln!(out)
}

fn json_line(out: &mut dyn Write, start: Timestamp, bar: &PeriodBar) -> std::io::Result<()> {
    let line = BarLine {
        timestamp: start.to_string(),
        open: Some(bar.open),
        high: Some(bar.high),
        low: Some(bar.low),
        close: Some(bar.close),
        volume: Some(bar.volume),
        open_interest: bar.open_interest,
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}
