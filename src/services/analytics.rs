//! Formulas over bars: indicators, levels, returns, risk. Pure: no database, no clock, no state.
//!
//! The reasons are in docs/decisions/0025.
//!
//! It owns the formulas, each with its source, and what stands in their place when there is no
//! number: [`Missing`]. It reads no bars and serialises nothing.
//!
//! Indicators are [TA-Lib](https://ta-lib.org)'s, by its official port; everything is held to
//! values that the C library, pandas, numpy and scipy compute from real prices.
//!
//! Begin with [`indicators`] and [`returns`], which take closes as a slice; [`PriceColumns`] is for what
//! needs highs, lows and volumes, too. With a database,
//! [`AnalyticsEngine`](super::AnalyticsEngine) reads the bars and answers.
//!
//! ```
//! use tickbase::services::analytics::{Missing, LookbackPeriod, indicators};
//! # fn main() -> tickbase::Result<()> {
//!
//! let closes: Vec<f64> = (0..40).map(|n| 100.0 + f64::from(n % 7)).collect();
//! let rsi = indicators::rsi(&closes, LookbackPeriod::new(14)?).map(|line| line.last());
//! assert!(rsi.is_ok_and(|rsi| (0.0..=100.0).contains(&rsi)));
//!
//! let too_few = indicators::rsi(&closes[..9], LookbackPeriod::new(14)?);
//! assert_eq!(too_few, Err(Missing::NotEnough { needed: 15, given: 9 }));
//! # Ok(())
//! # }
//! ```

mod columns;
mod distribution;
mod downside;
mod drawdown;
mod eigenvalues;
pub mod indicators;
mod levels;
mod microstructure;
mod missing;
mod normal;
mod outliers;
mod parameters;
#[cfg(test)]
mod properties;
pub mod returns;
mod signals;
mod stress;
#[cfg(test)]
mod tests;
mod together;
mod trend_line;
mod value_at_risk;
mod volume_profile;

pub use columns::PriceColumns;
pub use distribution::{kurtosis, skewness};
pub use downside::{calmar, downside_deviation, sortino};
pub use drawdown::{Drawdown, max_drawdown};
pub use eigenvalues::{condition_number, eigenvalues};
pub use levels::{Levels, PIVOT_BARS, PriceLevel, levels};
pub use microstructure::{Microstructure, QuotedTrade, microstructure};
pub use missing::{Measured, Missing};
pub use normal::{normal_density, normal_quantile};
pub use outliers::{OUTLIER_SCORE_MIN, OutlyingBar, modified_z_scores, outliers};
pub use parameters::{Buckets, Confidence, Horizon, LookbackPeriod, PerYear, Simulation};
pub use signals::{
    Cross, CrossKind, LONG, MIDDLE, SHORT, TREND_ADX_MIN, Trend, cross, trend, trend_of,
};
pub use stress::{Shock, StressedPrice, recovery_days, stressed};
pub use together::{
    Beta, Correlation, Correlations, beta, correlations, in_common, tracking_error,
};
pub use trend_line::{TrendLine, trend_line};
pub use value_at_risk::{RiskMethod, ValueAtRisk, value_at_risk};
pub use volume_profile::{Bucket, VALUE_AREA, VolumeProfile, volume_profile};
