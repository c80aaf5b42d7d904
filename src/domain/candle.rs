//! A bar for what computes and what draws. It checks and stores nothing.

use crate::timestamp::Timestamp;

/// Open, high, low, close and volume of a period: what indicators, statistics and pictures take, so
/// that whoever has no more than these need not invent the rest of a stored bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candle {
    /// Start of the period.
    pub timestamp: Timestamp,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded size, in contracts, shares or coins.
    pub volume: f64,
}
