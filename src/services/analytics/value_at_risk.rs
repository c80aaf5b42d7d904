//! Value at risk and expected shortfall, in three ways.

use super::missing::{Measured, enough, finite};
use super::normal::{Deviates, normal_density, normal_quantile};
use super::parameters::{Confidence, Horizon, Simulation};
use super::returns;

/// The method that estimates a value at risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RiskMethod {
    /// By the returns that were.
    Historical,
    /// By the returns that were, however few: where none of them is expected in the tail, the value
    /// lies between the two worst.
    HistoricalOfFew,
    /// By a normal distribution with their mean and deviation.
    Parametric,
    /// By simulated prices.
    MonteCarlo(Simulation),
}

/// The loss that may come of one unit of value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueAtRisk {
    /// The loss that is not exceeded with the confidence's probability, as a share of the value:
    /// 0.02 for 2 %. Negative when even that outcome is a gain.
    pub value_at_risk: f64,
    /// The mean loss in the outcomes beyond it, as a share of the value.
    pub expected_shortfall: f64,
    /// Returns that it was estimated from.
    pub observations: usize,
}

/// Value at risk and expected shortfall of a long position over a horizon of h bars, with the
/// confidence c. With simple returns r of mean m and deviation s, z the normal quantile of 1 - c:
///
/// - historical: -Q * sqrt(h), with Q the quantile of r at 1 - c, interpolated between the two
///   nearest returns (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996:
///   numpy's default); the shortfall is the mean of the returns up to Q, likewise scaled. The
///   root-of-time rule is that of the Basel Committee, *Amendment to the Capital Accord to
///   Incorporate Market Risks* (1996), B.4. It needs as many returns that one of them is expected
///   in the tail: 1 / (1 - c).
/// - parametric: -(m h + z s sqrt(h)); the shortfall is -(m h) + s sqrt(h) f(z) / (1 - c) with the
///   normal density f.
/// - Monte Carlo: as the historical one, of simulated returns exp(M h + S sqrt(h) Z) - 1 over the
///   whole horizon, with mean M and deviation S of the logarithmic returns and normal Z (geometric
///   Brownian motion).
///
/// P. Jorion, *Value at Risk* (2007); for the shortfall A. J. McNeil, R. Frey, P. Embrechts,
/// *Quantitative Risk Management* (2005), section 2.2.
///
/// # Errors
/// [`Missing`](super::Missing) for too few prices or a price that is not above zero.
pub fn value_at_risk(
    prices: &[f64],
    method: RiskMethod,
    confidence: Confidence,
    horizon: Horizon,
) -> Measured<ValueAtRisk> {
    enough(prices.len(), needed(method, confidence) + 1)?;
    let observations = prices.len() - 1;
    let (value_at_risk, expected_shortfall) = match method {
        RiskMethod::Historical | RiskMethod::HistoricalOfFew => {
            let (value, shortfall) = of_sample(returns::simple(prices)?, confidence);
            let scale = horizon.length().sqrt();
            (value * scale, shortfall * scale)
        }
        RiskMethod::Parametric => of_normal(&returns::simple(prices)?, confidence, horizon)?,
        RiskMethod::MonteCarlo(simulation) => {
            let simulated = simulated(&returns::logarithmic(prices)?, simulation, horizon)?;
            of_sample(simulated, confidence)
        }
    };
    Ok(ValueAtRisk {
        value_at_risk: finite(value_at_risk)?,
        expected_shortfall: finite(expected_shortfall)?,
        observations,
    })
}

/// Returns that a method needs.
fn needed(method: RiskMethod, confidence: Confidence) -> usize {
    match method {
        // 1 / (1 - 0.95) is a little above 20 in doubles.
        RiskMethod::Historical => ((1.0 / confidence.tail()) - 1e-9).ceil().max(2.0) as usize,
        RiskMethod::HistoricalOfFew | RiskMethod::Parametric | RiskMethod::MonteCarlo(_) => 2,
    }
}

/// Value at risk and shortfall of outcomes, of which there is at least one.
fn of_sample(mut outcomes: Vec<f64>, confidence: Confidence) -> (f64, f64) {
    outcomes.sort_unstable_by(f64::total_cmp);
    let place = confidence.tail() * (outcomes.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(outcomes.len() - 1);
    let quantile = outcomes[below] + (outcomes[above] - outcomes[below]) * place.fract();
    // The quantile lies at or above the outcome below it, so the tail is not empty.
    let tail = &outcomes[..=below];
    (-quantile, -tail.iter().sum::<f64>() / tail.len() as f64)
}

fn of_normal(returns: &[f64], confidence: Confidence, horizon: Horizon) -> Measured<(f64, f64)> {
    let drift = returns::mean(returns)? * horizon.length();
    let spread = returns::deviation(returns)? * horizon.length().sqrt();
    let z = normal_quantile(confidence.tail());
    let value = -(drift + z * spread);
    Ok((
        value,
        spread * normal_density(z) / confidence.tail() - drift,
    ))
}

fn simulated(logarithmic: &[f64], simulation: Simulation, horizon: Horizon) -> Measured<Vec<f64>> {
    let drift = returns::mean(logarithmic)? * horizon.length();
    let spread = returns::deviation(logarithmic)? * horizon.length().sqrt();
    // One draw for the whole horizon: the sum of normal returns is normal, so steps in between
    // would only cost time.
    let deviates = Deviates::new(simulation.seed).take(simulation.paths() as usize);
    Ok(deviates.map(|z| (drift + spread * z).exp_m1()).collect())
}
