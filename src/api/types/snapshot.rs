//! Where instruments stand, as the API writes it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Rounding, quantity, rounded};
use crate::domain::{BarPrice, InstrumentStatus, InstrumentType};
use crate::services::historical_data::{DaySummary, InstrumentDay};
use crate::timestamp::Timestamp;

/// Decimals of percentages.
const PERCENT_PLACES: u32 = 4;

/// Where each instrument stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PriceSnapshots {
    /// By instrument.
    pub(in crate::api) snapshots: Vec<PriceSnapshot>,
}

/// The newest price of an instrument, and its day.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PriceSnapshot {
    instrument_id: i64,
    symbol: String,
    name: String,
    r#type: InstrumentType,
    status: InstrumentStatus,
    /// Places to which prices are rounded; null where they are shown as they are stored.
    price_decimals: Option<i32>,
    /// Event time of the newest tick; null without ticks.
    #[schema(format = DateTime)]
    timestamp: Option<String>,
    /// Of the newest tick, as the next two; the close of the day where that tick has none.
    price: Option<f64>,
    bid: Option<f64>,
    ask: Option<f64>,
    /// The day of the newest tick, without ticks of the newest bar; null without both.
    day: Option<SnapshotDay>,
    /// The closes of the day's bars of 15 minutes, oldest first.
    closes: Vec<f64>,
}

/// A day of UTC as one bar.
#[derive(Debug, Serialize, ToSchema)]
struct SnapshotDay {
    #[schema(format = Date)]
    date: String,
    /// Of trades (`last`), or of quotes where nothing was traded (`mid`).
    of: BarPrice,
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    close: Option<f64>,
    #[serde(serialize_with = "quantity")]
    volume: Option<f64>,
    /// The close less the open.
    change: Option<f64>,
    /// That in percent of the open; null where the open is 0.
    change_percent: Option<f64>,
}

impl SnapshotDay {
    fn new(day: &DaySummary, rounding: Rounding) -> Self {
        let bar = &day.bar;
        let change = bar.close - bar.open;
        let percent = (bar.open != 0.0).then(|| change / bar.open.abs() * 100.0);
        Self {
            date: date(bar.timestamp),
            of: day.price,
            open: rounding.price(Some(bar.open)),
            high: rounding.price(Some(bar.high)),
            low: rounding.price(Some(bar.low)),
            close: rounding.price(Some(bar.close)),
            volume: Some(bar.volume),
            change: rounding.price(Some(change)),
            change_percent: percent.map(|percent| rounded(percent, PERCENT_PLACES)),
        }
    }
}

/// The day of a moment, in UTC.
fn date(moment: Timestamp) -> String {
    let text = moment.to_string();
    text.split_once('T')
        .map_or(text.clone(), |(date, _)| date.to_owned())
}

impl PriceSnapshot {
    pub(in crate::api) fn new(of: &InstrumentDay) -> Self {
        let instrument = &of.instrument;
        let rounding = Rounding::from(instrument.price_decimals);
        let tick = of.latest.as_ref().map(|latest| &latest.tick);
        let close = of.day.as_ref().map(|day| day.bar.close);
        let closes = of.day.iter().flat_map(|day| &day.closes);
        Self {
            instrument_id: instrument.id,
            symbol: instrument.symbol.to_string(),
            name: instrument.name.clone(),
            r#type: instrument.instrument_type,
            status: instrument.status,
            price_decimals: instrument.price_decimals.map(|places| places.places()),
            timestamp: tick.map(|tick| tick.timestamp.to_string()),
            price: rounding.price(tick.and_then(|tick| tick.price).or(close)),
            bid: rounding.price(tick.and_then(|tick| tick.bid)),
            ask: rounding.price(tick.and_then(|tick| tick.ask)),
            day: of.day.as_ref().map(|day| SnapshotDay::new(day, rounding)),
            closes: closes
                .filter_map(|close| rounding.price(Some(*close)))
                .collect(),
        }
    }
}
