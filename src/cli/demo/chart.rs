//! The chart of the demo: its trades as candles of five seconds, and its alerts.

use std::path::Path;

use crate::chart::{self, AlertMark, Average, ChartData, PictureSize, Title};
use crate::cli::Outcome;
use crate::cli::chart::{
    ColorChoice, PictureKind, folded, marks, places, terminal_size, trade, write_picture,
};
use crate::database::{BackendConnection, Database};
use crate::domain::Candle;
use crate::error::Result;
use crate::models::Instrument;
use crate::repository::market_data::{RangeQuery, TickRange, range};
use crate::timestamp::Timestamp;

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
    let mut query = RangeQuery::new(TickRange::all(instrument_id), RangeQuery::LIMIT_MAX);
    let mut trades = Vec::new();
    loop {
        let page = range(conn, &query)?;
        trades.extend(page.rows.iter().filter_map(trade));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(folded(trades.into_iter(), CANDLE_MICROS));
        }
    }
}

impl Chart<'_> {
    /// As text, in the colours of a terminal only on one.
    pub(super) fn text(&self) -> Result<String> {
        chart::terminal(&self.data(), terminal_size(ColorChoice::Auto, None))
    }

    /// As a picture of the default size.
    pub(super) fn write(&self, kind: PictureKind, path: &Path) -> Outcome {
        write_picture(&self.data(), kind, PictureSize::default(), path)
    }

    fn data(&self) -> ChartData<'_> {
        ChartData {
            title: Title {
                symbol: self.instrument.symbol.to_string(),
                name: self.instrument.name.clone(),
                frequency: "5s".to_owned(),
            },
            price_decimals: places(self.instrument),
            candles: &self.candles,
            averages: vec![Average::simple(&self.candles, AVERAGE_CANDLES)],
            alerts: self.alerts.clone(),
        }
    }
}
