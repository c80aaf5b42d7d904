//! The sum of a sliding window, which depends on nothing but the values in the window.
//!
//! A running sum of doubles drifts with everything that ever passed through it, so that a restart
//! would give other means than the process before it. Here the values are summed as integers:
//! adding and removing are exact, whatever the order.

use std::ops::Range;

/// Values of at least 2^20 in size count in units of 2^-40, smaller ones in units of 2^-90: every
/// double from 2^-38 (4e-12) to 2^75 (4e22) in size counts exactly. Smaller ones are cut to the
/// unit, larger ones count as 2^75.
const COARSE_FROM: f64 = 1_048_576.0;
const COARSE_UNITS: f64 = exp2(40);
const FINE_UNITS: f64 = exp2(90);
const SIZE_UNITS: f64 = exp2(64);
const COARSE_TO_FINE_BITS: u32 = 50;
/// A window holds at most 1,000 values, so its sum stays below 2^125.
const UNITS_MAX: i128 = 1 << 115;

/// What decimals lose when they are read as doubles, relative to them, with a margin of two.
const DOUBLE_ERROR: f64 = f64::EPSILON;

const fn exp2(power: u64) -> f64 {
    f64::from_bits((1023 + power) << 52)
}

/// A double in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Units {
    coarse: i128,
    fine: i128,
    /// Its size, in units of 2^-64: what the error of the values is measured by.
    size: i128,
}

/// A sum of doubles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    coarse: i128,
    fine: i128,
    sizes: i128,
}

impl Sum {
    pub(super) fn of(values: impl Iterator<Item = Units>) -> Self {
        let mut sum = Self::default();
        values.for_each(|value| sum.add(value));
        sum
    }

    pub(super) fn add(&mut self, value: Units) {
        self.coarse += value.coarse;
        self.fine += value.fine;
        self.sizes += value.size;
    }

    pub(super) fn remove(&mut self, value: Units) {
        self.coarse -= value.coarse;
        self.fine -= value.fine;
        self.sizes -= value.size;
    }

    /// The nearest double.
    pub(super) fn to_f64(self) -> f64 {
        nearest(self.coarse, self.fine)
    }

    /// The mean, when it sums `count` values.
    #[allow(clippy::cast_precision_loss)] // A count is at most 1,000.
    pub(super) fn mean(self, count: usize) -> f64 {
        self.to_f64() / count as f64
    }

    /// `value * count` minus the sum: positive when the value is above the mean of `count`
    /// values. Zero also when the difference is no more than what decimals lose as doubles: the
    /// mean of 0.1, 0.2 and 0.3 is 0.2.
    #[allow(clippy::cast_precision_loss)] // A count is at most 1,000; the sizes are an estimate.
    pub(super) fn excess_of(self, value: Units, count: usize) -> f64 {
        let times = count as i128;
        let coarse = value.coarse * times - self.coarse;
        let excess = nearest(coarse, value.fine * times - self.fine);
        let sizes = (value.size * times + self.sizes) as f64 / SIZE_UNITS;
        if excess.abs() <= sizes * DOUBLE_ERROR {
            0.0
        } else {
            excess
        }
    }
}

impl Units {
    #[allow(clippy::cast_possible_truncation)] // Saturates, and is cut, as documented.
    pub(super) fn of(value: f64) -> Self {
        let limited = |units: f64| (units as i128).clamp(-UNITS_MAX, UNITS_MAX);
        let size = limited(value.abs() * SIZE_UNITS);
        let (coarse, fine) = if value.abs() >= COARSE_FROM {
            (limited(value * COARSE_UNITS), 0)
        } else {
            (0, (value * FINE_UNITS) as i128)
        };
        Self { coarse, fine, size }
    }
}

/// The nearest double of a sum in both units.
#[allow(clippy::cast_precision_loss)] // It is rounded once, which is the purpose.
fn nearest(coarse: i128, fine: i128) -> f64 {
    const EXACT: Range<i128> = -(1 << 75)..1 << 75;
    if EXACT.contains(&coarse) {
        ((coarse << COARSE_TO_FINE_BITS) + fine) as f64 / FINE_UNITS
    } else {
        coarse as f64 / COARSE_UNITS + fine as f64 / FINE_UNITS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum_of(values: &[f64]) -> Sum {
        Sum::of(values.iter().map(|value| Units::of(*value)))
    }

    #[test]
    fn a_mean_of_decimals_is_the_decimal_that_it_is() {
        let sum = sum_of(&[0.1, 0.2, 0.3]);
        assert_eq!(sum.excess_of(Units::of(0.2), 3), 0.0);
        assert!(sum.excess_of(Units::of(0.200_000_000_000_01), 3) > 0.0);
        let spread = sum_of(&[0.1, 0.2, -0.3]);
        assert_eq!(spread.excess_of(Units::of(0.0), 3), 0.0);
        assert!(spread.excess_of(Units::of(-1e-12), 3) < 0.0);
    }

    #[test]
    fn large_and_small_values_are_summed_together() {
        let sum = sum_of(&[1_048_576.25, 1_048_575.75, 1e-9]);
        assert_eq!(sum.mean(2), 1_048_576.000_000_000_5);
        assert_eq!(sum_of(&[1e-9; 4]).mean(4), 1e-9);
        assert_eq!(sum_of(&[3e15, 1.0]).to_f64(), 3e15 + 1.0);
    }

    #[test]
    fn values_out_of_range_leave_no_trace_when_they_are_gone() {
        let mut sum = sum_of(&[1650.25, 1650.5]);
        let before = sum;
        for _ in 0..998 {
            sum.add(Units::of(f64::MAX));
        }
        sum.add(Units::of(f64::MIN_POSITIVE));
        for _ in 0..998 {
            sum.remove(Units::of(f64::MAX));
        }
        sum.remove(Units::of(f64::MIN_POSITIVE));
        assert_eq!(sum, before);
    }

    proptest! {
        #[test]
        fn a_window_has_the_same_sum_whatever_passed_before(
            values in prop::collection::vec(-1e12_f64..1e12, 1..50),
            passed in prop::collection::vec(-1e12_f64..1e12, 0..50),
        ) {
            let mut sum = Sum::of(passed.iter().chain(&values).map(|value| Units::of(*value)));
            passed.iter().for_each(|value| sum.remove(Units::of(*value)));
            prop_assert_eq!(sum, sum_of(&values));
        }
    }
}
