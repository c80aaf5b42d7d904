//! Where the candles of a chart come from: stored bars, else the ticks.

use crate::database::BackendConnection;
use crate::domain::{Candle, Frequency};
use crate::error::Result;
use crate::models::{MarketData, MarketDataBar};
use crate::repository::bar::{self, BarRange};
use crate::repository::market_data::{self, Order, TickRange};
use crate::timestamp::Timestamp;

/// The most bars of a chart.
pub(super) const BARS_MAX: usize = 10_000;

const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 1_440 * MINUTE_MICROS;

/// Which bars a chart wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) instrument_id: i64,
    pub(super) frequency: Frequency,
    /// The first moment that is drawn.
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    /// The newest so many are drawn.
    pub(super) bars: usize,
    /// So many from before them are read for moving averages.
    pub(super) before: usize,
}

impl Wanted {
    /// Whether the range begins before what is drawn.
    pub(super) fn is_cut(&self, candles: &[Candle], before: usize) -> bool {
        let last_before = before.checked_sub(1).map(|index| candles[index].timestamp);
        last_before.is_some_and(|at| self.start.is_none_or(|start| at >= start))
    }

    /// Where a candle's period ends, or the range if that is earlier.
    pub(super) fn end_of(&self, candle: &Candle) -> Timestamp {
        let end = candle
            .timestamp
            .saturating_add_micros(length_micros(self.frequency));
        self.end.map_or(end, |of_range| end.min(of_range))
    }
}

/// The candles, oldest first, and how many of them are from before what is drawn.
pub(super) fn candles(
    conn: &mut BackendConnection<'_>,
    wanted: &Wanted,
) -> Result<(Vec<Candle>, usize)> {
    let mut candles = stored(conn, wanted)?;
    if candles.is_empty() {
        candles = from_ticks(conn, wanted)?;
    }
    let of_range = match wanted.start {
        Some(start) => candles.partition_point(|candle| candle.timestamp < start),
        None => 0,
    };
    let before = of_range.max(candles.len().saturating_sub(wanted.bars));
    Ok((candles, before))
}

/// The newest stored bars before the end; of one period that of the least source.
fn stored(conn: &mut BackendConnection<'_>, wanted: &Wanted) -> Result<Vec<Candle>> {
    let range = BarRange {
        instrument_id: wanted.instrument_id,
        frequency: wanted.frequency,
        data_source_id: None,
        start: None,
        end: wanted.end,
    };
    let mut query = bar::RangeQuery::new(range, bar::RangeQuery::LIMIT_MAX);
    query.order = Order::Descending;
    let mut newest_first: Vec<Candle> = Vec::new();
    loop {
        let page = bar::range(conn, &query)?;
        for bar in &page.rows {
            match newest_first.last_mut() {
                Some(last) if last.timestamp == bar.timestamp => *last = candle(bar),
                _ => newest_first.push(candle(bar)),
            }
        }
        query.cursor = page.next;
        if query.cursor.is_none() || is_enough(&newest_first, wanted) {
            break;
        }
    }
    newest_first.truncate(wanted.bars + wanted.before);
    newest_first.reverse();
    Ok(newest_first)
}

/// Whether all that is drawn is there, and what moving averages need before it.
fn is_enough(newest_first: &[Candle], wanted: &Wanted) -> bool {
    let drawn = match wanted.start {
        Some(start) => newest_first.partition_point(|candle| candle.timestamp >= start),
        None => newest_first.len(),
    };
    // One more: the oldest may be incomplete yet.
    newest_first.len() > drawn.min(wanted.bars) + wanted.before
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

/// What a candle needs of a tick.
pub(in crate::cli) type Trade = (Timestamp, f64, f64);

/// Candles of the newest ticks before the end. Weeks and months are not made of ticks here.
fn from_ticks(conn: &mut BackendConnection<'_>, wanted: &Wanted) -> Result<Vec<Candle>> {
    let length = length_micros(wanted.frequency);
    if length > DAY_MICROS {
        return Ok(Vec::new());
    }
    let range = TickRange {
        instrument_id: wanted.instrument_id,
        start: None,
        end: wanted.end,
    };
    let mut query = market_data::RangeQuery::new(range, market_data::RangeQuery::LIMIT_MAX);
    query.order = Order::Descending;
    let mut newest_first: Vec<Trade> = Vec::new();
    let mut candles = loop {
        let page = market_data::range(conn, &query)?;
        newest_first.extend(page.rows.iter().filter_map(trade));
        query.cursor = page.next;
        // A period that is cut by the page is completed by the next one.
        let candles = folded(newest_first.iter().rev().copied(), length);
        let drawn: Vec<Candle> = candles.iter().rev().copied().collect();
        if query.cursor.is_none() || is_enough(&drawn, wanted) {
            break candles;
        }
    };
    let surplus = candles.len().saturating_sub(wanted.bars + wanted.before);
    candles.drain(..surplus);
    Ok(candles)
}

pub(in crate::cli) fn trade(tick: &MarketData) -> Option<Trade> {
    tick.price
        .map(|price| (tick.timestamp, price, tick.volume.unwrap_or(0.0)))
}

/// Candles of trades in the order of time; a period without a trade has none.
pub(in crate::cli) fn folded(
    trades: impl Iterator<Item = Trade>,
    length_micros: i64,
) -> Vec<Candle> {
    let mut candles: Vec<Candle> = Vec::new();
    for (at, price, volume) in trades {
        let start = at.saturating_add_micros(-at.micros().rem_euclid(length_micros));
        match candles.last_mut() {
            Some(candle) if candle.timestamp == start => {
                candle.high = candle.high.max(price);
                candle.low = candle.low.min(price);
                candle.close = price;
                candle.volume += volume;
            }
            _ => candles.push(Candle {
                timestamp: start,
                open: price,
                high: price,
                low: price,
                close: price,
                volume,
            }),
        }
    }
    candles
}

/// The length of a period; of a month, the longest.
fn length_micros(frequency: Frequency) -> i64 {
    match frequency {
        Frequency::OneMinute => MINUTE_MICROS,
        Frequency::FiveMinutes => 5 * MINUTE_MICROS,
        Frequency::FifteenMinutes => 15 * MINUTE_MICROS,
        Frequency::ThirtyMinutes => 30 * MINUTE_MICROS,
        Frequency::OneHour => 60 * MINUTE_MICROS,
        Frequency::FourHours => 240 * MINUTE_MICROS,
        Frequency::OneDay => DAY_MICROS,
        Frequency::OneWeek => 7 * DAY_MICROS,
        Frequency::OneMonth => 31 * DAY_MICROS,
    }
}
