//! Where the candles of a chart come from: the history of an instrument.

use crate::named;
use tickbase::database::BackendConnection;
use tickbase::domain::{BarPrice, Candle, Frequency};
use tickbase::error::Result;
use tickbase::services::historical_data::{BarQuery, HistoryBar, bars};
use tickbase::timestamp::Timestamp;

/// The most bars of a chart.
pub(super) const BARS_MAX: usize = 10_000;

/// Which bars a chart wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) instrument_id: i64,
    pub(super) frequency: Frequency,
    pub(super) price: BarPrice,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    /// The newest so many of the range are drawn.
    pub(super) bars: usize,
    /// So many from before them are read for moving averages.
    pub(super) before: usize,
}

/// What there is of it, in one snapshot.
pub(super) struct ChartSource {
    /// Oldest first.
    pub(super) candles: Vec<Candle>,
    /// How many of them are from before what is drawn.
    pub(super) before: usize,
    /// Whether the range has older bars than are drawn.
    pub(super) is_cut: bool,
    /// What there is when no bar is drawn.
    pub(super) alternative: Option<String>,
}

/// Reads the bars of a chart.
pub(super) fn candles(conn: &mut BackendConnection<'_>, wanted: &Wanted) -> Result<ChartSource> {
    let query = BarQuery {
        start: wanted.start,
        end: wanted.end,
        max_records: Some(wanted.bars),
        price: wanted.price,
        ..BarQuery::all(wanted.instrument_id, wanted.frequency)
    };
    let drawn = bars(conn, &query)?;
    let mut candles = Vec::new();
    if let (Some(first), 1..) = (drawn.bars.first(), wanted.before) {
        let query = BarQuery {
            start: None,
            end: Some(wanted.frequency.period_start(first.timestamp)),
            max_records: Some(wanted.before),
            ..query
        };
        candles.extend(
            bars(conn, &query)?
                .bars
                .iter()
                .filter_map(HistoryBar::candle),
        );
    }
    let before = candles.len();
    candles.extend(drawn.bars.iter().filter_map(HistoryBar::candle));
    Ok(ChartSource {
        candles,
        before,
        is_cut: drawn.has_more,
        alternative: match drawn.bars.is_empty() {
            true => Some(named::alternative(conn, &query)?),
            false => None,
        },
    })
}
