//! The chart of the demo: its trades as candles of five seconds, and its alerts.

use std::path::Path;

use crate::CommandResult;
use crate::chart::{ColorChoice, PictureKind, marks, terminal_size, write_picture};
use tickbase::chart::{self, AlertMark, AverageLine, ChartData, PictureSize, Title};
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::Candle;
use tickbase::error::Result;
use tickbase::models::{Instrument, MarketData};
use tickbase::repository::market_data::{TickRange, range};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};
use tickbase::timestamp::Timestamp;

const CANDLE_MICROS: i64 = 5_000_000;
const AVERAGE_CANDLES: usize = 12;

/// What the demo has to draw.
pub(super) struct Chart<'a> {
    instrument: &'a Instrument,
    candles: Vec<Candle>,
    alerts: Vec<AlertMark>,
}

/// Reads the trades of an instrument and its alerts.
pub(super) fn of<'a>(database: &Database, instrument: &'a Instrument) -> Result<Chart<'a>> {
    let id = instrument.id;
    let (candles, alerts) = database.read("demo.chart", |conn| {
        let alerts = marks(conn, id, Timestamp::MIN, Timestamp::MAX)?;
        Ok((candles(conn, id)?, alerts))
    })?;
    Ok(Chart {
        instrument,
        candles,
        alerts,
    })
}

fn candles(conn: &mut BackendConnection<'_>, instrument_id: i64) -> Result<Vec<Candle>> {
    let mut query = RangeQuery::new(TickRange::all(instrument_id), PAGE_ROWS_MAX);
    let mut trades = Vec::new();
    loop {
        let page = range(conn, &query)?;
        trades.extend(page.rows);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(folded(&trades));
        }
    }
}

/// Candles of trades in the order of time, shorter than bars are.
fn folded(trades: &[MarketData]) -> Vec<Candle> {
    let mut candles: Vec<Candle> = Vec::new();
    for (trade, price) in trades
        .iter()
        .filter_map(|trade| Some((trade, trade.price?)))
    {
        let past = trade.timestamp.micros().rem_euclid(CANDLE_MICROS);
        let start = trade.timestamp.saturating_add_micros(-past);
        let volume = trade.volume.unwrap_or(0.0);
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

impl Chart<'_> {
    /// As text, in the colours of a terminal only on one.
    pub(super) fn text(&self) -> Result<String> {
        chart::terminal(&self.data(), terminal_size(ColorChoice::Auto, None))
    }

    /// As a picture of the default size.
    pub(super) fn write(&self, kind: PictureKind, path: &Path) -> CommandResult {
        write_picture(&self.data(), kind, PictureSize::default(), path)
    }

    fn data(&self) -> ChartData<'_> {
        ChartData {
            title: Title {
                symbol: self.instrument.symbol.to_string(),
                name: self.instrument.name.clone(),
                frequency: "5s".to_owned(),
            },
            price_decimals: self.instrument.price_decimals,
            candles: &self.candles,
            averages: vec![AverageLine::simple(&self.candles, AVERAGE_CANDLES)],
            alerts: self.alerts.clone(),
        }
    }
}
