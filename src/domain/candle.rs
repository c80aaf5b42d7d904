//! A bar in floating point, for what computes and what draws. It checks and stores nothing.

use crate::timestamp::Timestamp;

/// Open, high, low, close and volume of a period as doubles.
///
/// Prices are kept as exact decimals ([`Bar`](crate::domain::Bar)); indicators, statistics and
/// pictures work with these.
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
