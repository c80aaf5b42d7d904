//! Which thresholds a tick matches: the one place where a value is compared with a threshold.
//!
//! A condition and a tick give a [`ThresholdRange`], a stretch of the line of thresholds. A lone threshold
//! is asked whether it is within; sorted thresholds are cut at its ends. Thresholds are exact
//! decimals, compared as the nearest doubles: a price that a feed writes as `0.3` is the double
//! nearest to 0.3, and so is the threshold.

use std::cmp::Ordering;
use std::ops::Range;

use bigdecimal::BigDecimal;

use crate::decimal::Decimal;
use crate::domain::{PriceDecimals, Trigger};

/// The sort key of a threshold: `equals` matches between `low` and `high`, both excluded; every
/// other condition compares with `low` alone, and `high` is the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ThresholdKey {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl ThresholdKey {
    /// `decimals` are those of the instrument, which say how near `equals` is: half a unit of the
    /// last place that is shown. Without them prices are shown with all of their digits, and only
    /// the threshold itself is equal to it.
    pub(super) fn new(
        trigger: Trigger,
        threshold: Option<&Decimal>,
        decimals: Option<PriceDecimals>,
    ) -> Self {
        let at = threshold.map_or(0.0, Decimal::to_f64);
        let Some(threshold) = threshold.filter(|_| trigger == Trigger::Equals) else {
            return Self { low: at, high: at };
        };
        // Neighbours, for where doubles lie further apart than the places.
        let (below, above) = (at.next_down(), at.next_up());
        let Some(decimals) = decimals else {
            return Self {
                low: below,
                high: above,
            };
        };
        // The bounds are exact before they are rounded: 1650.25005 is not nearer than 0.00005 to
        // 1650.25, whatever the difference of the doubles is.
        let half = BigDecimal::new(5.into(), i64::from(decimals.places()) + 1);
        let exact = threshold.as_big_decimal();
        let nearest = |bound: BigDecimal| bound.to_plain_string().parse().unwrap_or(at);
        Self {
            low: nearest(exact - &half).min(below),
            high: nearest(exact + &half).max(above),
        }
    }
}

impl ThresholdKey {
    /// The order of the thresholds; both bounds rise with them.
    pub(super) fn by_threshold(&self, other: &Self) -> Ordering {
        let low = self.low.total_cmp(&other.low);
        low.then(self.high.total_cmp(&other.high))
    }
}

/// The thresholds that a tick matches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ThresholdRange {
    Nothing,
    Everything,
    /// Thresholds below the value.
    Under(f64),
    /// Thresholds not above the value.
    UpTo(f64),
    /// Thresholds above the value.
    Over(f64),
    /// Thresholds whose neighbourhood has the value.
    Around(f64),
    /// Thresholds that the price passed on its way up: between the two, `from` itself when the
    /// price came to it from below.
    Up {
        from: f64,
        with_from: bool,
        to: f64,
    },
    /// Thresholds that the price passed on its way down.
    Down {
        from: f64,
        with_from: bool,
        to: f64,
    },
}

impl ThresholdRange {
    /// Whether a threshold is within.
    pub(super) fn holds(self, key: ThresholdKey) -> bool {
        let at = key.low;
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Under(value) => at < value,
            Self::UpTo(value) => at <= value,
            Self::Over(value) => at > value,
            Self::Around(value) => at < value && value < key.high,
            Self::Up {
                from,
                with_from,
                to,
            } => at < to && (at > from || (with_from && at == from)),
            Self::Down {
                from,
                with_from,
                to,
            } => at > to && (at < from || (with_from && at == from)),
        }
    }

    /// The ranks of the thresholds that are within, of sorted ones.
    pub(super) fn of_sorted(self, lows: &[f64], highs: &[f64]) -> Range<usize> {
        let below = |value: f64| lows.partition_point(|low| *low < value);
        let up_to = |value: f64| lows.partition_point(|low| *low <= value);
        match self {
            Self::Nothing => 0..0,
            Self::Everything => 0..lows.len(),
            Self::Under(value) => 0..below(value),
            Self::UpTo(value) => 0..up_to(value),
            Self::Over(value) => up_to(value)..lows.len(),
            Self::Around(value) => highs.partition_point(|high| *high <= value)..below(value),
            Self::Up {
                from,
                with_from,
                to,
            } => (if with_from { below(from) } else { up_to(from) })..below(to),
            Self::Down {
                from,
                with_from,
                to,
            } => up_to(to)..(if with_from { up_to(from) } else { below(from) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn equals(decimals: Option<i32>, threshold: &str, price: f64) -> bool {
        let threshold = threshold.parse().unwrap();
        let decimals = decimals.map(|places| PriceDecimals::new(places).unwrap());
        ThresholdRange::Around(price).holds(ThresholdKey::new(
            Trigger::Equals,
            Some(&threshold),
            decimals,
        ))
    }

    #[test]
    fn equals_is_half_a_place_of_what_is_shown_by_decimals_not_by_doubles() {
        let in_cents = |threshold, price| equals(Some(2), threshold, price);
        assert!(!in_cents("1650.25", 1_650.255));
        assert!(!in_cents("1650.25", 1_650.245));
        assert!(in_cents("1650.25", 1_650.254_999_99));
        assert!(in_cents("1650.25", 1_650.245_000_01));
        assert!(equals(Some(4), "1650.25", 1_650.250_049));
        assert!(!equals(Some(4), "1650.25", 1_650.250_05));
        // Here doubles lie further apart than the places.
        assert!(equals(
            Some(8),
            "-92233720368.54775808",
            -92_233_720_368.547_76
        ));
        assert!(equals(Some(8), "1e300", 1e300));
    }

    #[test]
    fn without_places_only_the_threshold_is_equal_to_it() {
        assert!(equals(None, "0.0000000042155", 4.2155e-9));
        assert!(!equals(None, "0.0000000042155", 4.2155e-9_f64.next_up()));
        assert!(equals(None, "1.07127", 1.07127));
        assert!(!equals(None, "1.07127", 1.07128));
        assert!(equals(None, "0", 0.0));
    }

    #[test]
    fn a_threshold_is_the_double_that_a_feed_writes_with_the_same_digits() {
        let key = ThresholdKey::new(Trigger::Above, Some(&"0.3".parse().unwrap()), None);
        assert!(!ThresholdRange::Under(0.3).holds(key));
        assert!(!ThresholdRange::Over(0.3).holds(key));
        // This sum is not 0.3 but the next double.
        assert!(ThresholdRange::Under(0.1 + 0.2).holds(key));
    }

    fn any_reach() -> impl Strategy<Value = ThresholdRange> {
        let value = || (-5..6).prop_map(f64::from);
        prop_oneof![
            Just(ThresholdRange::Nothing),
            Just(ThresholdRange::Everything),
            value().prop_map(ThresholdRange::Under),
            value().prop_map(ThresholdRange::UpTo),
            value().prop_map(ThresholdRange::Over),
            value().prop_map(ThresholdRange::Around),
            (value(), any::<bool>(), 1..4).prop_map(|(from, with_from, way)| ThresholdRange::Up {
                from,
                with_from,
                to: from + f64::from(way)
            }),
            (value(), any::<bool>(), 1..4).prop_map(|(from, with_from, way)| {
                ThresholdRange::Down {
                    from,
                    with_from,
                    to: from - f64::from(way),
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn sorted_thresholds_are_cut_where_each_of_them_says(
            reach in any_reach(),
            mut lows in prop::collection::vec((-6..7).prop_map(f64::from), 0..20),
            width in 0..3,
        ) {
            lows.sort_by(f64::total_cmp);
            let highs: Vec<f64> = lows.iter().map(|low| low + f64::from(width)).collect();
            let range = reach.of_sorted(&lows, &highs);
            for (rank, (low, high)) in lows.iter().zip(&highs).enumerate() {
                let key = ThresholdKey { low: *low, high: *high };
                prop_assert_eq!(range.contains(&rank), reach.holds(key), "{:?} {}", reach, low);
            }
        }
    }
}
