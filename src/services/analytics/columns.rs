//! Candles turned into one slice per field, as formulas take them.

use crate::domain::Candle;

/// The fields of a series of candles, each of the same length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceColumns {
    /// Highest prices.
    pub high: Vec<f64>,
    /// Lowest prices.
    pub low: Vec<f64>,
    /// Last prices.
    pub close: Vec<f64>,
}

impl PriceColumns {
    /// Splits candles, oldest first, into columns.
    #[must_use]
    pub fn of(candles: &[Candle]) -> Self {
        Self {
            high: candles.iter().map(|candle| candle.high).collect(),
            low: candles.iter().map(|candle| candle.low).collect(),
            close: candles.iter().map(|candle| candle.close).collect(),
        }
    }
}
