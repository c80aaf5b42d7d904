//! Charts as a whole: what is drawn where.

use super::*;

/// One-minute candles of 2013-09-03 from a minute after ten on, each a little higher.
pub(super) fn minutes(first: i64, count: i64) -> Vec<Candle> {
    let hour = Timestamp::parse(b"2013-09-03T10:00:00Z").unwrap().0;
    let candle = |index: i64| {
        let open = 1640.0 + index as f64 * 0.25;
        let close = open + if index % 3 == 2 { -0.5 } else { 0.5 };
        Candle {
            timestamp: hour.saturating_add_micros((first + index) * calendar::MINUTE),
            open,
            high: open.max(close) + 0.25,
            low: open.min(close) - 0.5,
            close,
            volume: 100.0 + (index % 7) as f64 * 50.0,
        }
    };
    (0..count).map(candle).collect()
}

pub(super) fn data(candles: &[Candle]) -> ChartData<'_> {
    ChartData {
        title: Title {
            symbol: "ES".to_owned(),
            name: "E-mini S&P 500".to_owned(),
            frequency: "1min".to_owned(),
        },
        price_decimals: 4,
        candles,
        averages: Vec::new(),
        alerts: Vec::new(),
    }
}
