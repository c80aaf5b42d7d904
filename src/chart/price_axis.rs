//! The axis of prices and of volumes: its range, its round ticks, and numbers as text.

use crate::domain;

/// A range of prices that is not empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PriceRange {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl PriceRange {
    /// The range of some prices; around a single one, a thousandth of it to each side.
    pub(super) fn of(prices: impl Iterator<Item = f64>) -> Self {
        let (low, high) = prices.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), price| {
            (low.min(price), high.max(price))
        });
        // Less apart than this, a double cannot tell ticks from each other.
        let least = low.abs().max(high.abs()) * 1e-9;
        if high - low > least {
            return Self { low, high };
        }
        let around = if low == 0.0 { 1e-6 } else { low.abs() * 1e-3 };
        Self {
            low: low - around,
            high: high + around,
        }
    }

    /// With a share of its height added at both ends.
    pub(super) fn padded(self, share: f64) -> Self {
        let more = (self.high - self.low) * share;
        Self {
            low: self.low - more,
            high: self.high + more,
        }
    }

    /// The place of a price: 0 at the top, 1 at the bottom.
    pub(super) fn share_from_top(self, price: f64) -> f64 {
        // Halves: the difference of two large doubles may not be a double.
        (self.high / 2.0 - price / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }
}

/// Round numbers in a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AxisTicks {
    pub(super) values: Vec<f64>,
    /// Places that tell each from its neighbours.
    pub(super) places: usize,
}

impl AxisTicks {
    /// At most `max` multiples of 1, 2, 2.5 or 5 times a power of ten, as many as fit.
    pub(super) fn of(range: PriceRange, max: usize) -> Self {
        const STEPS: [(f64, i32); 4] = [(1.0, 0), (2.0, 0), (2.5, 1), (5.0, 0)];
        let span = range.high - range.low;
        let first = (span / max.max(1) as f64).log10().floor() as i32;
        for exponent in first..first + 3 {
            for (step, more) in STEPS {
                let place = |number: f64| scaled(number * step, exponent);
                let size = place(1.0);
                let from = nearly_whole(range.low / size).ceil();
                let to = nearly_whole(range.high / size).floor();
                if to - from + 1.0 > max as f64 {
                    continue;
                }
                let count = (to - from + 1.0).max(0.0) as usize;
                // Adding 0 makes a zero of a minus zero.
                let values = (0..count).map(|tick| place(from + tick as f64) + 0.0);
                // The first or last may be rounded out of the range.
                let within = |tick: &f64| (range.low..=range.high).contains(tick);
                return Self {
                    values: values.filter(within).collect(),
                    places: usize::try_from(more - exponent).unwrap_or(0),
                };
            }
        }
        Self {
            values: Vec::new(),
            places: 0,
        }
    }
}

/// The whole number that a ratio is but for what division loses: 421 of 4.21e-9 / 1e-11.
fn nearly_whole(ratio: f64) -> f64 {
    let whole = ratio.round();
    if (ratio - whole).abs() <= ratio.abs() * 1e-12 {
        whole
    } else {
        ratio
    }
}

impl AxisTicks {
    /// The number at a tick.
    pub(super) fn text(&self, tick: f64) -> String {
        domain::price_text(tick, self.places)
    }
}

/// The double nearest to `number` times a power of ten, so that ticks are as they are written.
fn scaled(number: f64, exponent: i32) -> f64 {
    // By text: multiplying by a power of ten rounds twice, and 0.1 would be 0.1000000000000001.
    let text = format!("{number}e{exponent}");
    text.parse().unwrap_or(f64::NAN)
}

/// A price with at most `most` places and no zeros at its end, but for `least` places.
pub(super) fn price_text(price: f64, most: usize, least: usize) -> String {
    let text = domain::price_text(price, most);
    let Some((whole, fraction)) = text.split_once('.') else {
        return unsigned_zero(text);
    };
    let kept = fraction.trim_end_matches('0').len().max(least.min(most));
    if kept == 0 {
        return unsigned_zero(whole.to_owned());
    }
    unsigned_zero(format!("{whole}.{}", &fraction[..kept]))
}

fn unsigned_zero(text: String) -> String {
    if text.starts_with('-') && !text.contains(|c: char| ('1'..='9').contains(&c)) {
        return text[1..].to_owned();
    }
    text
}

/// A volume in the unit that fits, with three digits.
pub(super) fn volume_text(volume: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")];
    // What would be written as 1000 of a unit is 1 of the next.
    let unit = UNITS.iter().find(|(size, _)| volume >= size * 0.9995);
    let (value, unit) = unit.map_or((volume, ""), |(size, unit)| (volume / size, *unit));
    let places = match value {
        0.0 => 0,
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        value if value >= 1.0 => 2,
        value => (2 - value.log10().floor() as i32).clamp(2, 8) as usize,
    };
    let text = format!("{value:.places$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(low: f64, high: f64, max: usize) -> (Vec<f64>, usize) {
        let ticks = AxisTicks::of(PriceRange { low, high }, max);
        (ticks.values, ticks.places)
    }

    #[test]
    fn ticks_are_round_and_as_many_as_fit() {
        assert_eq!(
            ticks(1637.25, 1642.0, 5),
            (vec![1638.0, 1639.0, 1640.0, 1641.0, 1642.0], 0)
        );
        assert_eq!(ticks(0.0, 1.0, 5), (vec![0.0, 0.25, 0.5, 0.75, 1.0], 2));
        assert_eq!(
            ticks(-37.63, 12.0, 6),
            (vec![-30.0, -20.0, -10.0, 0.0, 10.0], 0)
        );
        assert_eq!(
            ticks(4.21e-9, 4.25e-9, 5),
            (vec![4.21e-9, 4.22e-9, 4.23e-9, 4.24e-9, 4.25e-9], 11)
        );
        assert_eq!(
            ticks(1.1, 1.1003, 4),
            (vec![1.1, 1.1001, 1.1002, 1.1003], 4)
        );
        assert_eq!(
            ticks(0.0, 30_000.0, 4),
            (vec![0.0, 10_000.0, 20_000.0, 30_000.0], 0)
        );
    }

    #[test]
    fn ticks_stay_in_the_range_and_below_the_limit_for_any_range() {
        for low in [-1e9, -5.0, 0.0, 4.2e-9, 1e-7, 0.3, 99.99, 12_345.678, 9e11] {
            for span in [8.3e-11, 2e-6, 0.01, 0.5, 3.0, 77.7, 1e6] {
                let range = PriceRange::of([low, low + span].into_iter());
                for max in [2, 4, 9, 20] {
                    let AxisTicks { values, places } = AxisTicks::of(range, max);
                    assert!(values.len() <= max, "{range:?} {max}: {values:?}");
                    assert!(
                        max < 9 || values.len() >= max / 3,
                        "{range:?} {max}: {values:?}"
                    );
                    assert!(
                        values
                            .iter()
                            .all(|tick| (range.low..=range.high).contains(tick))
                    );
                    let texts: Vec<_> = values
                        .iter()
                        .map(|tick| format!("{tick:.places$}"))
                        .collect();
                    assert!(texts.windows(2).all(|pair| pair[0] != pair[1]), "{texts:?}");
                }
            }
        }
    }

    #[test]
    fn a_single_price_has_a_range_around_it() {
        for price in [0.0, 4.2155e-9, -1e-30, 5.0, -37.63, 1e12] {
            let range = PriceRange::of([price].into_iter());
            assert!(range.low < price && price < range.high);
            assert!((range.share_from_top(price) - 0.5).abs() < 1e-6);
        }
    }

    #[test]
    fn prices_and_volumes_are_short_and_exact() {
        assert_eq!(price_text(1650.25, 4, 0), "1650.25");
        assert_eq!(price_text(1650.0, 4, 2), "1650.00");
        assert_eq!(price_text(-0.00001, 4, 0), "0");
        assert_eq!(price_text(-37.63, 2, 0), "-37.63");
        assert_eq!(price_text(1650.0, 0, 2), "1650");
        assert_eq!(price_text(100.0, 0, 0), "100");
        assert_eq!(price_text(4.2155e-9, 13, 0), "0.0000000042155");
        let texts = [0.0, 7.0, 999.0, 1_000.0, 12_345.0, 999_999.0, 2.5e9, 0.0375];
        let texts = texts.map(volume_text);
        assert_eq!(
            texts,
            ["0", "7", "999", "1K", "12.3K", "1M", "2.5B", "0.0375"]
        );
    }
}
