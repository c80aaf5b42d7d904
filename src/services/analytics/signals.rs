//! Signals of several lines together: golden and death cross, and the trend.

use super::columns::PriceColumns;
use super::indicators::{self, IndicatorLine};
use super::missing::{Measured, Missing, enough};
use super::parameters::LookbackPeriod;

/// The short moving average of trends: 20 bars.
pub const SHORT: LookbackPeriod = LookbackPeriod::known(20);
/// The middle one, of trends and crosses: 50 bars.
pub const MIDDLE: LookbackPeriod = LookbackPeriod::known(50);
/// The long one of crosses: 200 bars.
pub const LONG: LookbackPeriod = LookbackPeriod::known(200);

/// The ADX(14) from which a market trends.
pub const TREND_ADX_MIN: f64 = 25.0;

/// The direction in which the shorter average crossed the longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, utoipa::ToSchema))]
#[cfg_attr(feature = "server", serde(rename_all = "lowercase"))]
pub enum CrossKind {
    /// From below to above.
    Golden,
    /// From above to below.
    Death,
}

/// The last crossing of two averages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cross {
    /// The direction.
    pub kind: CrossKind,
    /// Index of the bar whose close completed it.
    pub bar: usize,
}

/// The last golden or death cross: where SMA(50) came from one side of SMA(200) to the other.
/// Being equal keeps the side. `None` when it stayed on one side as far as the bars go.
///
/// J. J. Murphy, *Technical Analysis of the Financial Markets* (1999), chapter 9, "How to use two
/// averages to generate signals".
///
/// # Errors
/// [`Missing::NotEnough`](super::Missing) below 201 closes: one bar has no side before it.
pub fn cross(closes: &[f64]) -> Measured<Option<Cross>> {
    enough(closes.len(), usize::from(LONG.bars()) + 1)?;
    Ok(crossing(
        &indicators::sma(closes, MIDDLE)?,
        &indicators::sma(closes, LONG)?,
    ))
}

fn crossing(shorter: &IndicatorLine, longer: &IndicatorLine) -> Option<Cross> {
    let mut above = None;
    let mut last = None;
    for (at, long) in longer.values().iter().enumerate() {
        let bar = longer.start() + at;
        let Some(short) = shorter.at(bar).filter(|short| short != long) else {
            continue;
        };
        let is_above = short > *long;
        if above.is_some_and(|was| was != is_above) {
            let kind = if is_above {
                CrossKind::Golden
            } else {
                CrossKind::Death
            };
            last = Some(Cross { kind, bar });
        }
        above = Some(is_above);
    }
    last
}

/// The direction of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, utoipa::ToSchema))]
#[cfg_attr(feature = "server", serde(rename_all = "lowercase"))]
pub enum Trend {
    /// Up.
    Up,
    /// Down.
    Down,
    /// Neither.
    Sideways,
}

impl Trend {
    /// The word for it: `up`, `down` or `sideways`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Sideways => "sideways",
        }
    }
}

/// The trend at the last bar: up when close > SMA(20) > SMA(50) and ADX(14) is at least
/// [`TREND_ADX_MIN`], down when close < SMA(20) < SMA(50) and it is, else sideways.
///
/// The order of averages: Murphy (1999), chapter 9; a strength of 25 as the mark of a trend:
/// Wilder, *New Concepts in Technical Trading Systems* (1978), as commonly read.
///
/// # Errors
/// [`Missing::NotEnough`](super::Missing) below 50 bars.
pub fn trend(of: &PriceColumns) -> Measured<Trend> {
    let short = indicators::sma(&of.close, SHORT);
    let middle = indicators::sma(&of.close, MIDDLE)?;
    let adx = match indicators::adx(of, LookbackPeriod::known(14)) {
        Ok(line) => line.last(),
        // What never moves has no direction.
        Err(Missing::NoVariance) => return Ok(Trend::Sideways),
        Err(missing) => return Err(missing),
    };
    let close = of.close.last().copied().unwrap_or_default();
    Ok(trend_of(close, short?.last(), middle.last(), adx))
}

/// [`trend`] of values that are known: the close, SMA(20), SMA(50) and ADX(14).
#[must_use]
pub fn trend_of(close: f64, short: f64, middle: f64, adx: f64) -> Trend {
    if adx < TREND_ADX_MIN {
        Trend::Sideways
    } else if close > short && short > middle {
        Trend::Up
    } else if close < short && short < middle {
        Trend::Down
    } else {
        Trend::Sideways
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::analytics::Missing;

    #[test]
    fn a_fall_after_a_rise_is_a_death_cross_and_the_next_rise_a_golden_one() {
        let rise: Vec<f64> = (0..250).map(|at| 100.0 + f64::from(at)).collect();
        assert_eq!(cross(&rise).unwrap(), None);
        let fall = (0..150).map(|at| 349.0 - 2.0 * f64::from(at));
        let fallen: Vec<f64> = rise.into_iter().chain(fall).collect();
        let death = cross(&fallen).unwrap().unwrap();
        assert_eq!(death.kind, CrossKind::Death);
        let again = (0..250).map(|at| 50.0 + 3.0 * f64::from(at));
        let risen: Vec<f64> = fallen.into_iter().chain(again).collect();
        let golden = cross(&risen).unwrap().unwrap();
        assert_eq!(golden.kind, CrossKind::Golden);
        assert!(golden.bar > death.bar);
        // The bar before had the averages the other way round.
        let side = |bar: usize| {
            let mean = |n: usize| risen[bar + 1 - n..=bar].iter().sum::<f64>() / n as f64;
            mean(50) > mean(200)
        };
        assert!(side(golden.bar) && !side(golden.bar - 1));
        assert!(!side(death.bar) && side(death.bar - 1));
    }

    #[test]
    fn a_cross_needs_a_bar_before_it() {
        let needed = Missing::NotEnough {
            needed: 201,
            given: 200,
        };
        assert_eq!(cross(&[1.0; 200]), Err(needed));
        assert_eq!(cross(&[1.0; 201]), Ok(None));
    }

    #[test]
    fn a_steady_rise_is_an_uptrend_its_mirror_a_downtrend_and_a_swing_neither() {
        let of = |close: Vec<f64>| PriceColumns {
            high: close.iter().map(|close| close + 0.5).collect(),
            low: close.iter().map(|close| close - 0.5).collect(),
            close,
        };
        let rise: Vec<f64> = (0..60).map(|at| 100.0 + f64::from(at)).collect();
        assert_eq!(trend(&of(rise.clone())), Ok(Trend::Up));
        let fall = rise.iter().map(|close| 300.0 - close).collect();
        assert_eq!(trend(&of(fall)), Ok(Trend::Down));
        let swing = (0..60).map(|at| 100.0 + f64::from(at % 2)).collect();
        assert_eq!(trend(&of(swing)), Ok(Trend::Sideways));
        let few = Missing::NotEnough {
            needed: 50,
            given: 49,
        };
        assert_eq!(trend(&of(rise[..49].to_vec())), Err(few));
    }
}
