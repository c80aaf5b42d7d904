//! The straight line that lies nearest to values in their order.

use super::missing::{Measured, all_finite, enough, finite};

/// A line of least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrendLine {
    /// What it rises from one value to the next.
    pub slope: f64,
    /// The coefficient of determination, 0 to 1: the share of the values' variance that the line
    /// explains. Of values that never vary it is 0.
    pub r_squared: f64,
}

/// The line of least squares through values at 0, 1, 2 and so on. Its slope is TA-Lib's
/// `LINEARREG_SLOPE`.
///
/// N. R. Draper, H. Smith, *Applied Regression Analysis* (1998), chapter 1.
///
/// # Errors
/// [`Missing::NotEnough`](super::Missing) below two values; [`Missing::NotFinite`](super::Missing).
pub fn trend_line(values: &[f64]) -> Measured<TrendLine> {
    enough(values.len(), 2)?;
    all_finite(values)?;
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let (x, y) = (at as f64 - middle, value - mean);
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    let r_squared = if yy > 0.0 { xy * xy / (xx * yy) } else { 0.0 };
    Ok(TrendLine {
        slope: finite(xy / xx)?,
        r_squared: finite(r_squared)?.clamp(0.0, 1.0),
    })
}
