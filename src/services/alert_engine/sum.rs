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

/// A sum of doubles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    coarse: i128,
    fine: i128,
    /// The sum of the sizes, in units of 2^-64: what the error of the values is measured by.
    sizes: i128,
}

impl Sum {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sum = Self::default();
        values.for_each(|value| sum.add(value));
        sum
    }

    pub(super) fn add(&mut self, value: f64) {
        let (coarse, fine, size) = units(value);
        self.coarse += coarse;
        self.fine += fine;
        self.sizes += size;
    }

    pub(super) fn remove(&mut self, value: f64) {
        let (coarse, fine, size) = units(value);
        self.coarse -= coarse;
        self.fine -= fine;
        self.sizes -= size;
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
    pub(super) fn excess_of(self, value: f64, count: usize) -> f64 {
        let (coarse, fine, _) = units(value);
        let times = count as i128;
        let excess = nearest(coarse * times - self.coarse, fine * times - self.fine);
        let sizes = value.abs() * count as f64 + self.sizes as f64 / SIZE_UNITS;
        if excess.abs() <= sizes * DOUBLE_ERROR {
            0.0
        } else {
            excess
        }
    }
}

/// A value in coarse and fine units, and its size.
#[allow(clippy::cast_possible_truncation)] // Saturates, and is cut to the unit, as documented.
fn units(value: f64) -> (i128, i128, i128) {
    let limited = |units: f64| (units as i128).clamp(-UNITS_MAX, UNITS_MAX);
    let size = limited(value.abs() * SIZE_UNITS);
    if value.abs() >= COARSE_FROM {
        (limited(value * COARSE_UNITS), 0, size)
    } else {
        (0, (value * FINE_UNITS) as i128, size)
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

    #[test]
    fn a_mean_of_decimals_is_the_decimal_that_it_is() {
        let sum = Sum::of([0.1, 0.2, 0.3].into_iter());
        assert_eq!(sum.excess_of(0.2, 3), 0.0);
        assert!(sum.excess_of(0.200_000_000_000_01, 3) > 0.0);
        let spread = Sum::of([0.1, 0.2, -0.3].into_iter());
        assert_eq!(spread.excess_of(0.0, 3), 0.0);
        assert!(spread.excess_of(-1e-12, 3) < 0.0);
    }

    #[test]
    fn large_and_small_values_are_summed_together() {
        let sum = Sum::of([1_048_576.25, 1_048_575.75, 1e-9].into_iter());
        assert_eq!(sum.mean(2), 1_048_576.000_000_000_5);
        assert_eq!(Sum::of([1e-9; 4].into_iter()).mean(4), 1e-9);
        assert_eq!(Sum::of([3e15, 1.0].into_iter()).to_f64(), 3e15 + 1.0);
    }

    #[test]
    fn values_out_of_range_leave_no_trace_when_they_are_gone() {
        let mut sum = Sum::of([1650.25, 1650.5].into_iter());
        let before = sum;
        for _ in 0..998 {
            sum.add(f64::MAX);
        }
        sum.add(f64::MIN_POSITIVE);
        for _ in 0..998 {
            sum.remove(f64::MAX);
        }
        sum.remove(f64::MIN_POSITIVE);
        assert_eq!(sum, before);
    }

    proptest! {
        #[test]
        fn a_window_has_the_same_sum_whatever_passed_before(
            values in prop::collection::vec(-1e12_f64..1e12, 1..50),
            passed in prop::collection::vec(-1e12_f64..1e12, 0..50),
        ) {
            let mut sum = Sum::of(passed.iter().chain(&values).copied());
            passed.iter().for_each(|value| sum.remove(*value));
            prop_assert_eq!(sum, Sum::of(values.into_iter()));
        }
    }
}
