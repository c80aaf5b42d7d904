//! Beta and correlation of two series, at the moments that both have.

#[allow(unused_imports)] // The documentation links to it.
use super::missing::Missing;
use super::missing::{Measured, enough, finite};
use super::parameters::PerYear;
use super::returns;
use crate::domain::Candle;

/// Beta: how much a series moves with another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beta {
    /// The change that comes with a change of 1 of the other series.
    pub beta: f64,
    /// Returns that both series have.
    pub observations: usize,
}

/// The correlation of two series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// Pearson's coefficient, -1 to 1, or why there is none.
    pub coefficient: Measured<f64>,
    /// Returns that both series have.
    pub observations: usize,
}

/// Correlations of each series with each: row and column in the order of the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlations {
    /// Rows of columns; the same read either way.
    pub rows: Vec<Vec<Correlation>>,
}

/// Beta of a series against a market: covariance of the simple returns of both, divided by the
/// variance of the market's. Returns are those between moments that both series have.
///
/// W. F. Sharpe, "Capital asset prices", *Journal of Finance* 19 (1964).
///
/// # Errors
/// [`Missing::NotEnough`] below three common moments; [`Missing::PriceNotPositive`];
/// [`Missing::NoVariance`] where the market's returns are all the same.
pub fn beta(of: &[Candle], market: &[Candle]) -> Measured<Beta> {
    let (own, other) = common_returns(of, market)?;
    let spread = returns::deviation_above_noise(&other)?;
    let beta = finite(covariance(&own, &other)? / (spread * spread))?;
    Ok(Beta {
        beta,
        observations: own.len(),
    })
}

/// Pearson correlations of simple returns between moments that both of a pair have; each pair by
/// itself, so that a gap in one series takes nothing from the others.
///
/// K. Pearson, "Regression, Heredity and Panmixia", *Philosophical Transactions* 187 (1896).
#[must_use]
pub fn correlations(series: &[&[Candle]]) -> Correlations {
    let mut rows: Vec<Vec<Correlation>> = Vec::with_capacity(series.len());
    for (row, a) in series.iter().enumerate() {
        let mut columns = Vec::with_capacity(series.len());
        for (column, b) in series.iter().enumerate() {
            columns.push(match rows.get(column) {
                // The matrix is symmetric: the lower half is copied, bit by bit the same.
                Some(above) => above[row],
                None => correlation(a, b),
            });
        }
        rows.push(columns);
    }
    Correlations { rows }
}

/// Tracking error of a year: the deviation of the differences between the simple returns of a series
/// and a market, between moments that both have, times the root of the bars of a year.
///
/// R. C. Grinold, R. N. Kahn, *Active Portfolio Management* (1999), "active risk".
///
/// # Errors
/// [`Missing::NotEnough`] below three common moments; [`Missing::PriceNotPositive`].
pub fn tracking_error(of: &[Candle], market: &[Candle], year: PerYear) -> Measured<f64> {
    let (own, other) = common_returns(of, market)?;
    let differences: Vec<f64> = own.iter().zip(other).map(|(a, b)| a - b).collect();
    finite(returns::deviation(&differences)? * year.bars().sqrt())
}

/// The candles of each series at the moments that all of them have. Correlations of these stand on
/// the same returns for every pair, so that their matrix has no negative eigenvalue.
#[must_use]
pub fn in_common(series: &[&[Candle]]) -> Vec<Vec<Candle>> {
    let has = |candles: &[Candle], candle: &Candle| {
        let found = candles.binary_search_by_key(&candle.timestamp, |it| it.timestamp);
        found.is_ok()
    };
    let of_all = |candle: &&Candle| series.iter().all(|candles| has(candles, candle));
    let common = series.iter().map(|candles| candles.iter().filter(of_all));
    common.map(|candles| candles.copied().collect()).collect()
}

fn correlation(a: &[Candle], b: &[Candle]) -> Correlation {
    let returns = common_returns(a, b);
    let observations = match &returns {
        Ok((own, _)) => own.len(),
        Err(_) => common(a, b).0.len().saturating_sub(1),
    };
    Correlation {
        coefficient: returns.and_then(|(a, b)| coefficient(&a, &b)),
        observations,
    }
}

fn coefficient(a: &[f64], b: &[f64]) -> Measured<f64> {
    let spreads = returns::deviation_above_noise(a)? * returns::deviation_above_noise(b)?;
    // The last digits may lead past what it can be.
    Ok(finite(covariance(a, b)? / spreads)?.clamp(-1.0, 1.0))
}

fn covariance(a: &[f64], b: &[f64]) -> Measured<f64> {
    enough(a.len(), 2)?;
    let (mean_a, mean_b) = (returns::mean(a)?, returns::mean(b)?);
    let products = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b));
    finite(products.sum::<f64>() / (a.len() - 1) as f64)
}

fn common_returns(a: &[Candle], b: &[Candle]) -> Measured<(Vec<f64>, Vec<f64>)> {
    let (a, b) = common(a, b);
    enough(a.len(), 3)?;
    Ok((returns::simple(&a)?, returns::simple(&b)?))
}

/// Closes at the moments that both have; each series is ordered by time.
fn common(a: &[Candle], b: &[Candle]) -> (Vec<f64>, Vec<f64>) {
    let mut others = b.iter().peekable();
    let mut both = (Vec::new(), Vec::new());
    for candle in a {
        while others
            .next_if(|other| other.timestamp < candle.timestamp)
            .is_some()
        {}
        if let Some(other) = others.next_if(|other| other.timestamp == candle.timestamp) {
            both.0.push(candle.close);
            both.1.push(other.close);
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn series(of: &[(i64, f64)]) -> Vec<Candle> {
        let candle = |(micros, close): &(i64, f64)| Candle {
            timestamp: Timestamp::from_micros(*micros).unwrap(),
            open: *close,
            high: *close,
            low: *close,
            close: *close,
            volume: 1.0,
        };
        of.iter().map(candle).collect()
    }

    #[test]
    fn only_moments_that_both_have_count() {
        let a = series(&[(1, 100.0), (2, 110.0), (3, 99.0), (5, 108.9)]);
        let b = series(&[(1, 50.0), (3, 49.5), (4, 7.0), (5, 54.45)]);
        // 1 to 3: -1 % both; 3 to 5: +10 % both.
        let beta = beta(&a, &b).unwrap();
        assert_eq!(beta.observations, 2);
        assert!((beta.beta - 1.0).abs() < 1e-12, "{beta:?}");
        let found = correlations(&[&a, &b]);
        assert_eq!(found.rows[0][1].observations, 2);
        assert_eq!(found.rows[0][0].observations, 3);
        assert_eq!(found.rows[0][1], found.rows[1][0]);
        assert!((found.rows[0][1].coefficient.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_told_says_why() {
        let flat = series(&[(1, 5.0), (2, 5.0), (3, 5.0)]);
        let moving = series(&[(1, 5.0), (2, 6.0), (3, 5.5)]);
        assert_eq!(beta(&moving, &flat), Err(Missing::NoVariance));
        assert_eq!(beta(&flat, &moving).unwrap().beta, 0.0);
        let found = correlations(&[&flat, &moving]);
        assert_eq!(found.rows[0][0].coefficient, Err(Missing::NoVariance));
        let apart = series(&[(7, 5.0), (8, 6.0)]);
        let needed = Missing::NotEnough {
            needed: 3,
            given: 0,
        };
        assert_eq!(beta(&apart, &moving), Err(needed));
        let below = series(&[(1, 5.0), (2, -1.0), (3, 5.0)]);
        assert_eq!(beta(&below, &moving), Err(Missing::PriceNotPositive));
        assert_eq!(correlations(&[&below, &moving]).rows[0][1].observations, 2);
    }
}
