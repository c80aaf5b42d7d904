//! Reads the engine's bars: the one place that knows their source. It computes nothing.

use crate::database::BackendConnection;
use crate::domain::{Candle, Frequency};
use crate::error::Result;
use crate::services::historical_data::{BarQuery, HistoryBar, bars};
use crate::timestamp::Timestamp;

/// The newest `limit` bars of an instrument that start before `end`, at least one, oldest first:
/// stored ones, and those that ticks or finer bars make.
///
/// # Errors
/// Those of [`bars`].
pub(super) fn newest(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    frequency: Frequency,
    end: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<Candle>> {
    let query = BarQuery {
        end,
        max_records: Some(limit.max(1)),
        ..BarQuery::all(instrument_id, frequency)
    };
    let found = bars(conn, &query)?;
    Ok(found.bars.iter().filter_map(HistoryBar::candle).collect())
}
