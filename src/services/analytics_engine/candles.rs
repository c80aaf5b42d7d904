//! Where the engine's bars come from: the one place that knows. It computes nothing.

use crate::database::{BackendConnection, Cursor};
use crate::domain::{Candle, Frequency};
use crate::error::Result;
use crate::models::MarketDataBar;
use crate::repository::bar::{self, BarRange, RangeQuery};
use crate::repository::market_data::Order;
use crate::repository::rows::Recorded;

/// The newest `limit` bars of an instrument, oldest first. Of a period with bars of several sources
/// the bar of the source that was added first stands.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub(super) fn newest(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    frequency: Frequency,
    limit: usize,
) -> Result<Vec<Candle>> {
    let mut query = RangeQuery {
        order: Order::Descending,
        ..RangeQuery::new(
            BarRange::all(instrument_id, frequency),
            limit.clamp(1, RangeQuery::LIMIT_MAX),
        )
    };
    let mut candles: Vec<Candle> = Vec::new();
    while candles.len() <= limit {
        let page = bar::range(conn, &query).recorded(conn)?;
        for candle in page.rows.iter().map(candle) {
            // Of a period the sources come in falling order.
            match candles.last_mut() {
                Some(last) if last.timestamp == candle.timestamp => *last = candle,
                _ => candles.push(candle),
            }
        }
        match page.next {
            Some(Cursor::After(key)) => query.cursor = Some(Cursor::After(key)),
            _ => break,
        }
    }
    candles.truncate(limit);
    candles.reverse();
    Ok(candles)
}

fn candle(bar: &MarketDataBar) -> Candle {
    Candle {
        timestamp: bar.timestamp,
        open: bar.open_price.to_f64(),
        high: bar.high_price.to_f64(),
        low: bar.low_price.to_f64(),
        close: bar.close_price.to_f64(),
        volume: bar.volume,
    }
}
