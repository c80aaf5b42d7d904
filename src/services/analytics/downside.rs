//! Figures that count losses alone: downside deviation, Sortino and Calmar ratio.

use super::drawdown::max_drawdown;
use super::missing::{Measured, Missing, enough, finite};
use super::parameters::PerYear;
use super::returns;
use crate::domain::Candle;

/// Downside deviation of a year: the root of the mean square of the simple returns below zero, in
/// which every other return counts as zero, times the root of the bars of a year.
///
/// F. A. Sortino, R. van der Meer, "Downside risk", *Journal of Portfolio Management* 17 (1991), with
/// a target of zero.
///
/// # Errors
/// [`Missing::NotEnough`] below two prices; [`Missing::PriceNotPositive`].
pub fn downside_deviation(prices: &[f64], year: PerYear) -> Measured<f64> {
    let returns = returns::simple(prices)?;
    let squares: f64 = returns.iter().map(|it| it.min(0.0).powi(2)).sum();
    finite((squares / returns.len() as f64 * year.bars()).sqrt())
}

/// Sortino ratio of a year: the mean simple return times the bars of a year, over the
/// [`downside_deviation`].
///
/// F. A. Sortino, L. N. Price, "Performance measurement in a downside risk framework", *Journal of
/// Investing* 3 (1994), with a target of zero.
///
/// # Errors
/// As [`downside_deviation`]; [`Missing::NoVariance`] where no return is below zero.
pub fn sortino(prices: &[f64], year: PerYear) -> Measured<f64> {
    let downside = downside_deviation(prices, year)?;
    if downside <= 0.0 {
        return Err(Missing::NoVariance);
    }
    finite(returns::mean(&returns::simple(prices)?)? * year.bars() / downside)
}

/// Calmar ratio: the compound growth of a year, (last / first)^(bars of a year / returns) - 1, over
/// the depth of the [`max_drawdown`].
///
/// T. W. Young, "Calmar ratio: a smoother tool", *Futures* 20 (1991).
///
/// # Errors
/// [`Missing::NotEnough`] below two bars; [`Missing::PriceNotPositive`]; [`Missing::NoVariance`]
/// where prices never fell.
pub fn calmar(candles: &[Candle], year: PerYear) -> Measured<f64> {
    enough(candles.len(), 2)?;
    let closes: Vec<f64> = candles.iter().map(|candle| candle.close).collect();
    let depth = max_drawdown(candles)?.depth;
    if depth >= 0.0 {
        return Err(Missing::NoVariance);
    }
    let years = (candles.len() - 1) as f64 / year.bars();
    let growth = (1.0 + returns::total(&closes)?).powf(1.0 / years) - 1.0;
    finite(growth / -depth)
}
