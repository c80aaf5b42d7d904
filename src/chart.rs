//! Candlestick charts: text for a terminal, SVG and PNG, from candles in memory.
//!
//! The reasons are in docs/decisions/0026.
//!
//! It owns what a chart shows and where. It reads no database, no file and no time of day, and
//! the same data give the same bytes on every machine: letters of a PNG come from the font that
//! is compiled in.
//!
//! Begin with [`ChartData`], and give it to [`terminal()`], [`svg()`] or [`png()`].
//!
//! ```
//! use tickbase::chart::{AverageLine, ChartData, PictureSize, Title, svg};
//! use tickbase::domain::Candle;
//! # fn main() -> tickbase::Result<()> {
//!
//! fn candle(minute: i64, open: f64, close: f64) -> tickbase::Result<Candle> {
//!     Ok(Candle {
//!         timestamp: tickbase::Timestamp::from_micros(minute * 60_000_000)?,
//!         open,
//!         high: open.max(close) + 0.25,
//!         low: open.min(close) - 0.25,
//!         close,
//!         volume: 100.0,
//!     })
//! }
//! let candles = [candle(0, 1641.5, 1640.75)?, candle(1, 1640.5, 1641.0)?];
//! let title = Title {
//!     symbol: "ES".to_owned(),
//!     name: "E-mini S&P 500".to_owned(),
//!     frequency: "1min".to_owned(),
//! };
//! let averages = vec![AverageLine::simple(&candles, 2)];
//! let data = ChartData { title, price_decimals: None, candles: &candles, averages, alerts: vec![] };
//! assert!(svg(&data, PictureSize::new(800, 400)?)?.starts_with("<svg"));
//! # Ok(())
//! # }
//! ```

mod alerts;
mod calendar;
mod candles;
mod figures;
mod font;
mod frame;
mod header;
mod merge;
mod picture;
mod png;
mod price_axis;
mod scene;
mod svg;
mod terminal;
#[cfg(test)]
mod tests;
mod time_axis;

use crate::domain::{Candle, PriceDecimals, price_places};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

pub use picture::PictureSize;
pub use terminal::TerminalSize;

/// The data of a chart.
#[derive(Debug, Clone)]
pub struct ChartData<'a> {
    /// The title and range of the chart.
    pub title: Title,
    /// Places to which prices are written, at least; none to write as many as the prices have.
    pub price_decimals: Option<PriceDecimals>,
    /// The candles, oldest first.
    pub candles: &'a [Candle],
    /// Lines over the candles.
    pub averages: Vec<AverageLine>,
    /// Moments to mark. One before the first candle is counted in the legend, not drawn.
    pub alerts: Vec<AlertMark>,
}

impl ChartData<'_> {
    /// The places that prices are written with, the same in all of the chart.
    fn places(&self) -> usize {
        let prices = |of: &Candle| [of.open, of.high, of.low, of.close];
        let prices: Vec<f64> = self.candles.iter().flat_map(prices).collect();
        price_places(self.price_decimals, &prices)
    }
}

/// The title of a chart: what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title {
    /// The instrument's symbol.
    pub symbol: String,
    /// Its full name.
    pub name: String,
    /// The length of a candle's period, like `5min`.
    pub frequency: String,
}

/// A line of values, one for each candle.
#[derive(Debug, Clone, PartialEq)]
pub struct AverageLine {
    /// Its name in the legend.
    pub label: String,
    /// The values; `None` where there is none yet.
    pub values: Vec<Option<f64>>,
}

impl AverageLine {
    /// The simple moving average of `period` closes, where there are as many.
    #[must_use]
    pub fn simple(candles: &[Candle], period: usize) -> Self {
        let mean = |end: usize| {
            let start = (period > 0 && end >= period).then(|| end - period)?;
            let sum: f64 = candles[start..end].iter().map(|candle| candle.close).sum();
            Some(sum / period as f64)
        };
        Self {
            label: format!("MA {period}"),
            values: (1..=candles.len()).map(mean).collect(),
        }
    }
}

/// An alert to mark.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertMark {
    /// When it fired.
    pub timestamp: Timestamp,
    /// The price at which it fired; without one it is marked above its candle.
    pub price: Option<f64>,
    /// Its rule in a few words.
    pub label: String,
    /// The whole message.
    pub message: String,
}

/// Draws candles and volume with the characters of a terminal.
///
/// # Errors
/// [`Error::Invalid`] when there are no candles, when they are not in the order of time, when a
/// number is not finite or a price beyond 10^15, or when a line has not one value for each candle.
pub fn terminal(data: &ChartData<'_>, size: TerminalSize) -> Result<String> {
    check(data)?;
    Ok(terminal::draw(data, size))
}

/// Draws an SVG.
///
/// # Errors
/// Those of [`terminal()`], and [`Error::Invalid`] for a size out of [`PictureSize`]'s range.
pub fn svg(data: &ChartData<'_>, size: PictureSize) -> Result<String> {
    check(data)?;
    svg::write(&picture::scene(data, size)?)
}

/// Draws a PNG.
///
/// # Errors
/// Those of [`svg()`].
pub fn png(data: &ChartData<'_>, size: PictureSize) -> Result<Vec<u8>> {
    check(data)?;
    png::write(&picture::scene(data, size)?)
}

/// Axes write numbers in full: beyond this they would have no room.
const PRICE_MAX: f64 = 1e15;
const VOLUME_MAX: f64 = 1e18;

fn is_price(value: f64) -> bool {
    value.abs() <= PRICE_MAX
}

fn check(data: &ChartData<'_>) -> Result<()> {
    let refused = |reason: String, remedy| Err(Error::invalid("chart", reason, remedy));
    if data.candles.is_empty() {
        let reason = "there are no candles to draw".to_owned();
        return refused(reason, "choose a range that has bars");
    }
    for pair in data.candles.windows(2) {
        if pair[0].timestamp >= pair[1].timestamp {
            let reason = format!(
                "{} does not come after {}",
                pair[1].timestamp, pair[0].timestamp
            );
            return refused(
                reason,
                "give candles in the order of time, one of each period",
            );
        }
    }
    let is_sound = |candle: &Candle| {
        let prices = [candle.open, candle.high, candle.low, candle.close];
        prices.into_iter().all(is_price) && candle.volume <= VOLUME_MAX
    };
    if let Some(candle) = data.candles.iter().find(|candle| !is_sound(candle)) {
        let at = candle.timestamp;
        let reason = format!("the candle of {at} has a number that is not finite, or too great");
        return refused(reason, "leave it out");
    }
    for average in &data.averages {
        if average.values.len() != data.candles.len() {
            let (values, candles) = (average.values.len(), data.candles.len());
            let reason = format!(
                "{} has {values} values for {candles} candles",
                average.label
            );
            return refused(reason, "give one for each candle");
        }
        if average
            .values
            .iter()
            .flatten()
            .any(|value| !is_price(*value))
        {
            let reason = format!(
                "{} has a value that is not finite, or too great",
                average.label
            );
            return refused(reason, "give none instead");
        }
    }
    if data
        .alerts
        .iter()
        .any(|alert| alert.price.is_some_and(|price| !is_price(price)))
    {
        let reason = "an alert has a price that is not finite, or too great".to_owned();
        return refused(reason, "give none instead");
    }
    Ok(())
}
