//! Bars whose return or volume stands far from those of the others.

use super::missing::{Measured, Missing, all_finite, enough};
use super::normal::normal_quantile;
use super::returns;
use crate::domain::Candle;

/// The modified z-score from which a value is an outlier.
pub const OUTLIER_SCORE_MIN: f64 = 3.5;

/// Bars below which a median says too little.
const OUTLIER_BARS_MIN: usize = 20;

/// A bar that stands apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlyingBar {
    /// Its index.
    pub bar: usize,
    /// The larger of the two modified z-scores, of its return and of its volume, without a sign.
    pub score: f64,
}

/// Modified z-scores: z(0.75) (x - median) / MAD, with the median absolute deviation MAD from the
/// median and the normal quantile z. Unlike mean and deviation, neither is moved by the outliers
/// that are looked for. Where more than half of the values are the same, MAD is zero, and the mean
/// absolute deviation stands in for it: (x - median) / (1.2533 of it), with the root of pi / 2.
///
/// B. Iglewicz, D. C. Hoaglin, *How to Detect and Handle Outliers* (1993), section 3.2; the case of
/// zero as in IBM SPSS, "Modified z score".
///
/// # Errors
/// [`Missing::NotEnough`] without a value; [`Missing::NoVariance`]; [`Missing::NotFinite`].
pub fn modified_z_scores(values: &[f64]) -> Measured<Vec<f64>> {
    enough(values.len(), 1)?;
    all_finite(values)?;
    let center = median(values);
    let distances: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
    let mut scale = median(&distances) / normal_quantile(0.75);
    if scale <= 0.0 {
        scale = returns::mean(&distances)? * (std::f64::consts::PI / 2.0).sqrt();
    }
    if scale <= 0.0 {
        return Err(Missing::NoVariance);
    }
    let scores: Vec<f64> = values.iter().map(|it| (it - center) / scale).collect();
    all_finite(&scores)?;
    Ok(scores)
}

/// Bars whose logarithmic return, or the logarithm of one more than their volume, has a
/// [modified z-score](modified_z_scores) of [`OUTLIER_SCORE_MIN`] or beyond; the farthest first, of
/// equal ones the newest. Logarithms, because returns add up and volumes are skewed: B. B. Ajinkya,
/// P. C. Jain, "The behavior of daily stock market trading volume", *Journal of Accounting and
/// Economics* 11 (1989).
///
/// A series whose returns, or volumes, have no score is judged by the other alone.
///
/// # Errors
/// [`Missing::NotEnough`] below 20 bars.
pub fn outliers(candles: &[Candle]) -> Measured<Vec<OutlyingBar>> {
    enough(candles.len(), OUTLIER_BARS_MIN)?;
    let closes: Vec<f64> = candles.iter().map(|candle| candle.close).collect();
    let volumes: Vec<f64> = candles.iter().map(|it| it.volume.ln_1p()).collect();
    let of_returns = returns::logarithmic(&closes).and_then(|it| modified_z_scores(&it));
    let of_volumes = modified_z_scores(&volumes);
    let score = |scores: &Measured<Vec<f64>>, at: Option<usize>| {
        let found = at.and_then(|at| scores.as_ref().ok()?.get(at).copied());
        found.map_or(0.0, f64::abs)
    };
    let bars = (0..candles.len()).map(|bar| OutlyingBar {
        bar,
        // The first bar has no return.
        score: score(&of_returns, bar.checked_sub(1)).max(score(&of_volumes, Some(bar))),
    });
    let mut found: Vec<OutlyingBar> = bars.filter(|it| it.score >= OUTLIER_SCORE_MIN).collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.bar.cmp(&a.bar)));
    Ok(found)
}

/// The middle one, or the mean of the two in the middle; of at least one value.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn bar(at: i64, close: f64, volume: f64) -> Candle {
        Candle {
            timestamp: Timestamp::from_micros(at).unwrap(),
            open: close,
            high: close,
            low: close,
            close,
            volume,
        }
    }

    #[test]
    fn a_jump_and_a_burst_of_volume_stand_out_of_a_calm_series() {
        let calm =
            |at: i64| 100.0 + (at as f64 * 1.7).sin() * 0.05 + (at as f64 * 0.9).cos() * 0.03;
        let mut bars: Vec<Candle> = (0..60)
            .map(|at| bar(at, calm(at), 50.0 + (at % 5) as f64))
            .collect();
        assert_eq!(outliers(&bars), Ok(vec![]));
        bars[30].close *= 1.02;
        bars[45].volume = 5_000.0;
        let found = outliers(&bars).unwrap();
        let at: Vec<usize> = found.iter().map(|it| it.bar).collect();
        // The jump, the way back, and the burst.
        assert!(
            at.len() == 3 && [30, 31, 45].iter().all(|bar| at.contains(bar)),
            "{found:?}"
        );
        assert!(found.is_sorted_by(|a, b| a.score >= b.score));
        let few = Missing::NotEnough {
            needed: 20,
            given: 19,
        };
        assert_eq!(outliers(&bars[..19]), Err(few));
    }

    #[test]
    fn a_series_that_hardly_ever_moves_is_judged_by_the_mean_distance() {
        let mut values = vec![5.0; 99];
        assert_eq!(modified_z_scores(&values), Err(Missing::NoVariance));
        values.push(6.0);
        let scores = modified_z_scores(&values).unwrap();
        let expected = 1.0 / (0.01 * (std::f64::consts::PI / 2.0).sqrt());
        assert!((scores[99] - expected).abs() < 1e-9, "{}", scores[99]);
        assert_eq!(scores[0], 0.0);
    }
}
