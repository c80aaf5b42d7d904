//! The sum of a sliding window, which depends on nothing but the values in the window.
//!
//! A running sum of doubles drifts with everything that ever passed through it, so that a restart
//! would give other means than the process before it. Here the values are summed as integers:
//! adding and removing are exact, whatever the order.

/// Values are counted in bands of 60 powers of two, each in units that every double of the band is
/// a multiple of: every double from 2^-280 (5e-85) to 2^200 (1.6e60) in size counts exactly,
/// whatever the magnitude of the prices. Smaller ones are cut to the least unit, larger ones
/// count as 2^200.
const BANDS: usize = 8;
const BAND_BITS: u32 = 60;
const LEAST_EXPONENT: i32 = -280;
/// The power of two of a band's unit is this much below that of its least value.
const MANTISSA_BITS: i32 = 52;
/// A value has less than 2^112 units; a window holds at most 1,000 values, and a sum is compared
/// with 1,000 times a value: all stay below 2^123.
const UNITS_MAX: i128 = 1 << (BAND_BITS as i32 + MANTISSA_BITS);

/// What decimals lose when they are read as doubles, relative to them, with a margin of two.
const DOUBLE_ERROR: f64 = f64::EPSILON;

/// The unit of each band, and how many of them 1 has.
const UNIT: [f64; BANDS] = powers_of_two(1);
const UNITS_OF_ONE: [f64; BANDS] = powers_of_two(-1);

const fn powers_of_two(sign: i32) -> [f64; BANDS] {
    let mut powers = [0.0; BANDS];
    let mut band = 0;
    while band < BANDS {
        let power = LEAST_EXPONENT + BAND_BITS as i32 * band as i32 - MANTISSA_BITS;
        powers[band] = f64::from_bits(((1023 + sign * power) as u64) << 52);
        band += 1;
    }
    powers
}

/// A double in units of its band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Units {
    band: usize,
    units: i128,
}

/// A sum of doubles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    sums: [i128; BANDS],
    /// The same of the sizes without signs: what the error of the values is measured by.
    sizes: [i128; BANDS],
}

impl Sum {
    pub(super) fn of(values: impl Iterator<Item = Units>) -> Self {
        let mut sum = Self::default();
        values.for_each(|value| sum.add(value));
        sum
    }

    pub(super) fn add(&mut self, value: Units) {
        self.sums[value.band] += value.units;
        self.sizes[value.band] += value.units.abs();
    }

    pub(super) fn remove(&mut self, value: Units) {
        self.sums[value.band] -= value.units;
        self.sizes[value.band] -= value.units.abs();
    }

    /// The nearest double.
    pub(super) fn to_f64(self) -> f64 {
        nearest(&self.sums)
    }

    /// The mean, when it sums `count` values.
    #[allow(clippy::cast_precision_loss)] // A count is at most 1,000.
    pub(super) fn mean(self, count: usize) -> f64 {
        self.to_f64() / count as f64
    }

    /// `value * count` minus the sum: positive when the value is above the mean of `count`
    /// values. Zero also when the difference is no more than what decimals lose as doubles: the
    /// mean of 0.1, 0.2 and 0.3 is 0.2.
    pub(super) fn excess_of(&self, value: Units, count: usize) -> f64 {
        let times = count as i128;
        let mut excess = self.sums.map(|sum| -sum);
        excess[value.band] += value.units * times;
        let excess = nearest(&excess);
        let mut sizes = self.sizes;
        sizes[value.band] += value.units.abs() * times;
        if excess.abs() <= nearest(&sizes) * DOUBLE_ERROR {
            0.0
        } else {
            excess
        }
    }
}

impl Units {
    #[allow(clippy::cast_possible_truncation)] // Cut to the unit, as documented.
    pub(super) fn of(value: f64) -> Self {
        let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
        let band = (exponent - LEAST_EXPONENT).max(0) as usize / BAND_BITS as usize;
        match UNITS_OF_ONE.get(band) {
            Some(units_of_one) => Self {
                band,
                units: (value * units_of_one) as i128,
            },
            None => Self {
                band: BANDS - 1,
                units: if value < 0.0 { -UNITS_MAX } else { UNITS_MAX },
            },
        }
    }
}

/// The nearest double of a sum in units of all bands.
#[allow(clippy::cast_precision_loss)] // It is rounded once, which is the purpose.
fn nearest(sums: &[i128; BANDS]) -> f64 {
    /// What can be written in units of the next band: 2^66 times 2^60, and the sum there.
    const SHIFTED_MAX: i128 = 1 << 66;
    let Some(mut band) = sums.iter().rposition(|sum| *sum != 0) else {
        return 0.0;
    };
    let mut sum = sums[band];
    while let Some(below) = sums[..band].iter().rposition(|sum| *sum != 0) {
        if sum.abs() >= SHIFTED_MAX {
            break;
        }
        band -= 1;
        sum = (sum << BAND_BITS) + if band == below { sums[band] } else { 0 };
    }
    // What is left is too small beside the sum to cancel it.
    let rest = sums[..band].iter().zip(UNIT);
    let rest: f64 = rest.map(|(sum, unit)| *sum as f64 * unit).sum();
    sum as f64 * UNIT[band] + rest
}

#[cfg(test)]
mod tests {
    use bigdecimal::BigDecimal;
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -1e12_f64..1e12,
            -1e-7_f64..1e-7,
            -1e-30_f64..1e-30,
            -1e40_f64..1e40
        ]
    }

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
    fn tiny_and_huge_prices_have_means_as_exact_as_others() {
        for scale in [1e-80, 1e-40, 1e-20, 4.2155e-9, 1.0, 1e20, 1e40] {
            let sum = sum_of(&[scale, 2.0 * scale, 3.0 * scale]);
            assert_eq!(sum.excess_of(Units::of(2.0 * scale), 3), 0.0, "{scale}");
            assert!(sum.excess_of(Units::of(2.000_000_000_01 * scale), 3) > 0.0);
            assert!(sum.excess_of(Units::of(1.999_999_999_99 * scale), 3) < 0.0);
            assert!((sum.mean(3) / (2.0 * scale) - 1.0).abs() < 1e-15, "{scale}");
        }
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
            values in prop::collection::vec(any_value(), 1..50),
            passed in prop::collection::vec(any_value(), 0..50),
        ) {
            let mut sum = Sum::of(passed.iter().chain(&values).map(|value| Units::of(*value)));
            passed.iter().for_each(|value| sum.remove(Units::of(*value)));
            prop_assert_eq!(sum, sum_of(&values));
        }

        #[test]
        fn a_sum_is_that_of_exact_decimals(
            values in prop::collection::vec(any_value(), 1..20),
        ) {
            let exact = |value: &f64| BigDecimal::try_from(*value).unwrap();
            let plain: BigDecimal = values.iter().map(exact).sum();
            let plain: f64 = plain.to_plain_string().parse().unwrap();
            let sum = sum_of(&values).to_f64();
            prop_assert!((sum - plain).abs() <= plain.abs() * f64::EPSILON, "{} {}", sum, plain);
        }
    }
}
