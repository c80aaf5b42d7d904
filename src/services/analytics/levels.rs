//! Support and resistance: prices at which the market has turned before.

use super::columns::PriceColumns;
use super::indicators;
use super::missing::{Measured, Missing, enough};
use super::parameters::LookbackPeriod;

/// Bars on each side of a pivot that it exceeds.
pub const PIVOT_BARS: usize = 5;

/// The greatest distance between pivots of one level, in average true ranges.
const LEVEL_WIDTH_ATR: f64 = 1.0;

/// A price at which the market has turned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceLevel {
    /// The mean of its pivots.
    pub price: f64,
    /// The number of its pivots: how often the market has turned there.
    pub touches: usize,
}

/// The levels below and above the last close.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Levels {
    /// Below the close, nearest first.
    pub support: Vec<PriceLevel>,
    /// Above it, nearest first.
    pub resistance: Vec<PriceLevel>,
}

/// Support and resistance from pivots. A bar is a pivot high when its high is above those of the
/// [`PIVOT_BARS`] bars before it and not below those of as many after it; a pivot low likewise.
/// Pivots, highs and lows together (broken resistance becomes support), are sorted by price; those
/// less than one average true range (14) above the lowest of a level belong to it, so that no level
/// is wider than a usual bar. Its price is the mean of its pivots; below the last close it is
/// support, above it resistance.
///
/// Pivots: Bill Williams, *Trading Chaos* (1995), "fractals", with five bars instead of two on each
/// side. Support, resistance and their change of roles: J. J. Murphy, *Technical Analysis of the
/// Financial Markets* (1999), chapter 4.
///
/// # Errors
/// [`Missing::NotEnough`] below 15 bars (ATR) or two sides of a pivot; [`Missing::NotFinite`].
pub fn levels(of: &PriceColumns) -> Measured<Levels> {
    let Some(close) = of.close.last() else {
        return Err(Missing::NotEnough {
            needed: 2 * PIVOT_BARS + 1,
            given: 0,
        });
    };
    enough(of.close.len(), 2 * PIVOT_BARS + 1)?;
    let width = LEVEL_WIDTH_ATR * indicators::atr(of, LookbackPeriod::known(14))?.last();
    let mut pivots: Vec<f64> = pivots(&of.high, |a, b| a > b);
    pivots.extend(self::pivots(&of.low, |a, b| a < b));
    // Highs and lows together: a broken resistance becomes support.
    pivots.sort_unstable_by(f64::total_cmp);
    let levels = clusters(&pivots, width).into_iter().map(level);
    let (mut support, resistance): (Vec<_>, Vec<_>) = levels
        .filter(|level| level.price != *close)
        .partition(|level| level.price < *close);
    support.reverse();
    Ok(Levels {
        support,
        resistance,
    })
}

/// Sorted pivots, cut where one is too far above the first of its cluster.
fn clusters(mut pivots: &[f64], width: f64) -> Vec<&[f64]> {
    let mut clusters = Vec::new();
    while let Some(lowest) = pivots.first() {
        let near = pivots
            .partition_point(|pivot| pivot - lowest < width)
            .max(1);
        let (cluster, rest) = pivots.split_at(near);
        clusters.push(cluster);
        pivots = rest;
    }
    clusters
}

fn level(pivots: &[f64]) -> PriceLevel {
    PriceLevel {
        price: pivots.iter().sum::<f64>() / pivots.len() as f64,
        touches: pivots.len(),
    }
}

/// Values that are beyond all before them and that none after them is beyond, near them.
fn pivots(values: &[f64], beyond: impl Fn(f64, f64) -> bool) -> Vec<f64> {
    let turns = |window: &&[f64]| {
        let middle = window[PIVOT_BARS];
        let before = window[..PIVOT_BARS]
            .iter()
            .all(|value| beyond(middle, *value));
        before
            && !window[PIVOT_BARS + 1..]
                .iter()
                .any(|value| beyond(*value, middle))
    };
    let windows = values.windows(2 * PIVOT_BARS + 1).filter(turns);
    windows.map(|window| window[PIVOT_BARS]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bars of a range of 2 around these prices.
    fn around(closes: &[f64]) -> PriceColumns {
        PriceColumns {
            high: closes.iter().map(|close| close + 1.0).collect(),
            low: closes.iter().map(|close| close - 1.0).collect(),
            close: closes.to_vec(),
        }
    }

    #[test]
    fn a_swing_between_two_prices_has_two_levels_touched_at_each_turn() {
        // 100, 101, .. 106, 105, .. 100, 101, ..: turns at 100 and 106.
        let swing = |at: i32| 100.0 + f64::from(6 - (at.rem_euclid(12) - 6).abs());
        let closes: Vec<f64> = (0..40).map(swing).collect();
        let found = levels(&around(&closes)).unwrap();
        assert_eq!(closes.last(), Some(&103.0));
        assert_eq!(
            found.resistance,
            [PriceLevel {
                price: 107.0,
                touches: 3
            }]
        );
        assert_eq!(
            found.support,
            [PriceLevel {
                price: 99.0,
                touches: 2
            }]
        );
    }

    #[test]
    fn a_plateau_is_one_pivot_and_a_straight_line_has_none() {
        let mut closes = vec![100.0; 30];
        (0..30).for_each(|at| closes[at] += if at == 12 || at == 13 { 9.0 } else { 0.0 });
        let found = levels(&around(&closes)).unwrap();
        assert_eq!(
            found.resistance,
            [PriceLevel {
                price: 110.0,
                touches: 1
            }]
        );
        let line: Vec<f64> = (0..30).map(f64::from).collect();
        assert_eq!(levels(&around(&line)).unwrap(), Levels::default());
        let few = Missing::NotEnough {
            needed: 11,
            given: 4,
        };
        assert_eq!(levels(&around(&line[..4])), Err(few));
        assert!(matches!(
            levels(&around(&line[..12])),
            Err(Missing::NotEnough { needed: 15, .. })
        ));
    }
}
