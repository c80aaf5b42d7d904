//! The deepest fall from a high.

use super::missing::{Measured, Missing, enough};
use crate::domain::Candle;
use crate::timestamp::Timestamp;

/// A fall from a high of closes to the lowest close before that high was reached again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawdown {
    /// The low relative to the high, less one: 0 or below, -0.2 for a fall by 20 %.
    pub depth: f64,
    /// Start of the bar with the high.
    pub peak_at: Timestamp,
    /// Start of the bar with the low.
    pub trough_at: Timestamp,
    /// Start of the first later bar that closed at the high or above; `None` when none has.
    pub recovered_at: Option<Timestamp>,
}

/// The maximum drawdown of closes: the least of p(t) / max(p(s), s <= t) - 1. Of equally deep ones
/// the first; of equal highs before it the last; without any fall the first bar, three times.
///
/// M. Magdon-Ismail, A. F. Atiya, "Maximum drawdown", *Risk* 17 (2004).
///
/// # Errors
/// [`Missing::NotEnough`] without a bar; [`Missing::PriceNotPositive`]; [`Missing::NotFinite`].
pub fn max_drawdown(candles: &[Candle]) -> Measured<Drawdown> {
    enough(candles.len(), 1)?;
    let mut peak = 0;
    let mut deepest = (0.0, 0, 0);
    for (at, candle) in candles.iter().enumerate() {
        if !candle.close.is_finite() {
            return Err(Missing::NotFinite);
        }
        if candle.close <= 0.0 {
            return Err(Missing::PriceNotPositive);
        }
        if candle.close >= candles[peak].close {
            peak = at;
        }
        let depth = candle.close / candles[peak].close - 1.0;
        if depth < deepest.0 {
            deepest = (depth, peak, at);
        }
    }
    let (depth, peak, trough) = deepest;
    let high = candles[peak].close;
    let recovered = candles[trough..].iter().find(|candle| candle.close >= high);
    Ok(Drawdown {
        depth,
        peak_at: candles[peak].timestamp,
        trough_at: candles[trough].timestamp,
        recovered_at: recovered.map(|candle| candle.timestamp),
    })
}
