//! Returns of prices, and what their mean and deviation say.

use super::missing::{Measured, Missing, all_finite, enough, finite};
use super::parameters::PerYear;

/// Below this a standard deviation of returns is what rounding leaves of none.
const DEVIATION_NOISE: f64 = 1e-14;

/// Simple returns: p(t) / p(t-1) - 1, one fewer than there are prices.
///
/// # Errors
/// [`Missing::NotEnough`] below two prices; [`Missing::PriceNotPositive`].
pub fn simple(prices: &[f64]) -> Measured<Vec<f64>> {
    of_pairs(prices, |before, after| after / before - 1.0)
}

/// Logarithmic returns: ln(p(t) / p(t-1)); they add up over time. J. C. Hull, *Options, Futures,
/// and Other Derivatives*, "Estimating volatility from historical data".
///
/// # Errors
/// [`Missing::NotEnough`] below two prices; [`Missing::PriceNotPositive`].
pub fn logarithmic(prices: &[f64]) -> Measured<Vec<f64>> {
    of_pairs(prices, |before, after| (after / before).ln())
}

fn of_pairs(prices: &[f64], of: impl Fn(f64, f64) -> f64) -> Measured<Vec<f64>> {
    enough(prices.len(), 2)?;
    all_finite(prices)?;
    if prices.iter().any(|price| *price <= 0.0) {
        return Err(Missing::PriceNotPositive);
    }
    let returns: Vec<f64> = prices.windows(2).map(|pair| of(pair[0], pair[1])).collect();
    all_finite(&returns)?;
    Ok(returns)
}

/// The return over the whole series: last / first - 1.
///
/// # Errors
/// [`Missing::NotEnough`] below two prices; [`Missing::PriceNotPositive`].
pub fn total(prices: &[f64]) -> Measured<f64> {
    let (first, last) = match prices {
        [first, .., last] => (*first, *last),
        _ => {
            return Err(Missing::NotEnough {
                needed: 2,
                given: prices.len(),
            });
        }
    };
    if first <= 0.0 {
        return Err(Missing::PriceNotPositive);
    }
    finite(last / first - 1.0)
}

/// The arithmetic mean.
///
/// # Errors
/// [`Missing::NotEnough`] without a value.
pub fn mean(values: &[f64]) -> Measured<f64> {
    enough(values.len(), 1)?;
    finite(values.iter().sum::<f64>() / values.len() as f64)
}

/// The standard deviation of a sample: the root of the sum of squared differences from the mean,
/// divided by n - 1.
///
/// # Errors
/// [`Missing::NotEnough`] below two values.
pub fn deviation(values: &[f64]) -> Measured<f64> {
    enough(values.len(), 2)?;
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    finite((squares / (values.len() - 1) as f64).sqrt())
}

/// [`deviation`], where it is more than rounding leaves.
pub(super) fn deviation_above_noise(returns: &[f64]) -> Measured<f64> {
    match deviation(returns)? {
        deviation if deviation > DEVIATION_NOISE => Ok(deviation),
        _ => Err(Missing::NoVariance),
    }
}

/// Volatility of a year: the deviation of logarithmic returns times the root of the bars of a
/// year. Hull, as for [`logarithmic`]; bars of a year as [`PerYear`] says.
///
/// # Errors
/// [`Missing::NotEnough`] below three prices; [`Missing::PriceNotPositive`].
pub fn volatility(prices: &[f64], year: PerYear) -> Measured<f64> {
    enough(prices.len(), 3)?;
    finite(deviation(&logarithmic(prices)?)? * year.bars().sqrt())
}

/// Sharpe ratio of a year: mean over deviation of the simple returns above the risk-free one,
/// times the root of the bars of a year. `risk_free` is the rate of a year, 0.02 for 2 %; a bar's
/// share of it is (1 + rate)^(1 / bars of a year) - 1.
///
/// W. F. Sharpe, "The Sharpe Ratio", *Journal of Portfolio Management* 21 (1994); scaled to a year
/// as if returns were independent (A. W. Lo, "The Statistics of Sharpe Ratios", 2002).
///
/// # Errors
/// [`Missing::NotEnough`] below three prices; [`Missing::PriceNotPositive`];
/// [`Missing::NoVariance`] where all returns are the same.
pub fn sharpe(prices: &[f64], risk_free: f64, year: PerYear) -> Measured<f64> {
    enough(prices.len(), 3)?;
    let returns = simple(prices)?;
    let deviation = deviation_above_noise(&returns)?;
    let share = (1.0 + risk_free).powf(1.0 / year.bars()) - 1.0;
    finite((mean(&returns)? - share) / deviation * year.bars().sqrt())
}
