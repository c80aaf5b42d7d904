//! The form of a distribution of returns: skewness and kurtosis.

use super::missing::{Measured, enough, finite};
use super::returns;

/// Skewness of a sample, corrected for its size: n / ((n - 1) (n - 2)) times the sum of the cubes of
/// (x - mean) / deviation. Below 0 when losses reach further than gains. pandas `Series.skew`.
///
/// D. N. Joanes, C. A. Gill, "Comparing measures of sample skewness and kurtosis", *The Statistician*
/// 47 (1998): G1.
///
/// # Errors
/// [`Missing::NotEnough`](super::Missing) below three values; [`Missing::NoVariance`](super::Missing).
pub fn skewness(values: &[f64]) -> Measured<f64> {
    enough(values.len(), 3)?;
    let n = values.len() as f64;
    let cubes = standardised(values)?.map(|z| z.powi(3)).sum::<f64>();
    finite(n / ((n - 1.0) * (n - 2.0)) * cubes)
}

/// Kurtosis of a sample above that of the normal distribution, corrected for the sample's size:
/// n (n + 1) / ((n - 1) (n - 2) (n - 3)) times the sum of the fourth powers of
/// (x - mean) / deviation, less 3 (n - 1)^2 / ((n - 2) (n - 3)). Above 0 when far returns are more
/// frequent than a normal distribution has them. pandas `Series.kurt`.
///
/// Joanes and Gill, as for [`skewness`]: G2.
///
/// # Errors
/// [`Missing::NotEnough`](super::Missing) below four values; [`Missing::NoVariance`](super::Missing).
pub fn kurtosis(values: &[f64]) -> Measured<f64> {
    enough(values.len(), 4)?;
    let n = values.len() as f64;
    let fourths = standardised(values)?.map(|z| z.powi(4)).sum::<f64>();
    let scale = n * (n + 1.0) / ((n - 1.0) * (n - 2.0) * (n - 3.0));
    let of_normal = 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0));
    finite(scale * fourths - of_normal)
}

fn standardised(values: &[f64]) -> Measured<impl Iterator<Item = f64>> {
    let (mean, deviation) = (
        returns::mean(values)?,
        returns::deviation_above_noise(values)?,
    );
    Ok(values.iter().map(move |value| (value - mean) / deviation))
}
