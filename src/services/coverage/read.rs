//! The survey of what is stored of an instrument, in one snapshot.

use super::{Coverage, CoverageScan, SurveyOptions};
use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::bar::{self, BarRange};
use crate::repository::bar_series::BuiltSources;
use crate::services::historical_data::{BarQuery, HistoryBar, bars};
use crate::timestamp::Timestamp;

/// Bars that are in memory at a time.
const BARS_PER_READ: usize = 50_000;

/// Surveys the bars of an instrument, whether they are stored or its ticks make them.
///
/// # Errors
/// Those of [`SurveyOptions::check`] and of [`bars`].
pub fn coverage(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    options: &SurveyOptions,
) -> Result<Coverage> {
    conn.snapshot(|conn| of_snapshot(conn, instrument_id, options))
}

fn of_snapshot(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    options: &SurveyOptions,
) -> Result<Coverage> {
    let mut survey = CoverageScan::new(*options)?;
    for (start, close) in closes(conn, instrument_id, options)?.into_iter().rev() {
        survey.add(start, close);
    }
    let mut coverage = survey.finish();
    let of = BarRange {
        start: options.start,
        end: options.end,
        ..BarRange::all(instrument_id, options.frequency)
    };
    let built = BuiltSources::load(conn)?;
    coverage.duplicates = bar::contested_periods(conn, &of, &built)?;
    Ok(coverage)
}

/// Start and close of every bar, newest first: a range is read from its end.
fn closes(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    options: &SurveyOptions,
) -> Result<Vec<(Timestamp, f64)>> {
    let mut closes = Vec::new();
    let mut query = BarQuery {
        start: options.start,
        end: options.end,
        max_records: Some(BARS_PER_READ),
        ..BarQuery::all(instrument_id, options.frequency)
    };
    loop {
        let read = bars(conn, &query)?;
        let close = |bar: &HistoryBar| {
            let values = bar.values.as_ref()?;
            Some((bar.timestamp, values.close))
        };
        closes.extend(read.bars.iter().rev().filter_map(close));
        match read.bars.first() {
            Some(oldest) if read.has_more => {
                query.end = Some(options.frequency.period_start(oldest.timestamp));
            }
            _ => return Ok(closes),
        }
    }
}
