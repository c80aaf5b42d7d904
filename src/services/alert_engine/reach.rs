//! Which thresholds a tick matches: the one place where a value is compared with a threshold.
//!
//! A condition and a tick give a [`Reach`], a stretch of the line of thresholds. A lone threshold
//! is asked whether it is within; sorted thresholds are cut at its ends. Thresholds are exact
//! decimals, compared as the nearest doubles: a price that a feed writes as `0.3` is the double
//! nearest to 0.3, and so is the threshold.

use std::cmp::Ordering;
use std::ops::Range;

use crate::decimal::Decimal;
use crate::domain::{Condition, RuleShape};

/// The sort key of a threshold: `equals` matches between `low` and `high`, both excluded; every
/// other condition compares with `low` alone, and `high` is the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Key {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Key {
    pub(super) fn new(condition: Condition, threshold: Option<&Decimal>) -> Self {
        let Some(threshold) = threshold else {
            return Self {
                low: 0.0,
                high: 0.0,
            };
        };
        if condition != Condition::Equals {
            let at = threshold.to_f64();
            return Self { low: at, high: at };
        }
        // The bounds are exact before they are rounded: 1650.26 is not nearer than 0.01 to
        // 1650.25, though the difference of the doubles is less than 0.01.
        let within = i128::from(RuleShape::EQUALS_WITHIN_SCALED);
        let at = i128::from(threshold.scaled());
        Self {
            low: nearest_double(at - within),
            high: nearest_double(at + within),
        }
    }
}

impl Key {
    /// The order of the thresholds; both bounds rise with them.
    pub(super) fn by_threshold(&self, other: &Self) -> Ordering {
        let low = self.low.total_cmp(&other.low);
        low.then(self.high.total_cmp(&other.high))
    }
}

/// The double nearest to `scaled` / 10^8.
fn nearest_double(scaled: i128) -> f64 {
    // Reading a text rounds once; a division of doubles would round twice.
    format!("{scaled}e-8").parse().unwrap_or(f64::NAN)
}

/// The thresholds that a tick matches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reach {
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

impl Reach {
    /// Whether a threshold is within.
    pub(super) fn holds(self, key: Key) -> bool {
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

    fn equals(threshold: &str, price: f64) -> bool {
        let threshold = threshold.parse().unwrap();
        Reach::Around(price).holds(Key::new(Condition::Equals, Some(&threshold)))
    }

    #[test]
    fn equals_is_nearer_than_a_hundredth_by_decimals_not_by_doubles() {
        // The difference of the doubles is 0.009999999999990905.
        assert!(!equals("1650.25", 1650.26));
        assert!(!equals("1650.25", 1650.24));
        assert!(equals("1650.25", 1_650.259_999_99));
        assert!(equals("1650.25", 1_650.240_000_01));
        assert!(equals("-92233720368.54775808", -92_233_720_368.547_76));
    }

    #[test]
    fn a_threshold_is_the_double_that_a_feed_writes_with_the_same_digits() {
        let key = Key::new(Condition::Above, Some(&"0.3".parse().unwrap()));
        assert!(!Reach::Under(0.3).holds(key));
        assert!(!Reach::Over(0.3).holds(key));
        // This sum is not 0.3 but the next double.
        assert!(Reach::Under(0.1 + 0.2).holds(key));
    }

    fn any_reach() -> impl Strategy<Value = Reach> {
        let value = || (-5..6).prop_map(f64::from);
        prop_oneof![
            Just(Reach::Nothing),
            Just(Reach::Everything),
            value().prop_map(Reach::Under),
            value().prop_map(Reach::UpTo),
            value().prop_map(Reach::Over),
            value().prop_map(Reach::Around),
            (value(), any::<bool>(), 1..4).prop_map(|(from, with_from, way)| Reach::Up {
                from,
                with_from,
                to: from + f64::from(way)
            }),
            (value(), any::<bool>(), 1..4).prop_map(|(from, with_from, way)| Reach::Down {
                from,
                with_from,
                to: from - f64::from(way)
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
                let key = Key { low: *low, high: *high };
                prop_assert_eq!(range.contains(&rank), reach.holds(key), "{:?} {}", reach, low);
            }
        }
    }
}
