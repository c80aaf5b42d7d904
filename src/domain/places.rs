//! The places after the point that prices are shown with. What shows prices to people asks here, so
//! that a text, an axis and a list never differ in it.

use super::PriceDecimals;

/// The places to show prices with: those of their instrument, or without a setting as many as the
/// prices are written with, up to 15 significant digits; and never fewer than tell distinct
/// prices, and a price from 0, apart.
#[must_use]
pub fn price_places(decimals: Option<PriceDecimals>, prices: &[f64]) -> usize {
    let places = match decimals {
        None => {
            let written = prices.iter().copied().map(written_places).max();
            written.unwrap_or(0).min(true_places(prices))
        }
        Some(set) => set.places_shown(),
    };
    places.max(places_apart(prices))
}

/// The places up to which the digits of doubles are those of the decimals that they were read
/// from: further ones may be what arithmetic left.
fn true_places(prices: &[f64]) -> usize {
    /// Every decimal of so many digits has a double of its own.
    const TRUE_DIGITS: f64 = 15.0;
    let sizes = prices.iter().copied().filter(|price| price.is_finite());
    let largest = sizes.map(f64::abs).fold(0.0, f64::max);
    if largest == 0.0 {
        return 0;
    }
    (TRUE_DIGITS - 1.0 - largest.log10().floor()).max(0.0) as usize
}

/// The places for means beside the prices that they are made of: two more than the prices have,
/// or those of the instrument; and never fewer than tell a mean from a price.
#[must_use]
pub fn mean_places(decimals: Option<PriceDecimals>, prices: &[f64], means: &[f64]) -> usize {
    /// A mean of prices lies between them.
    const MORE_FOR_MEANS: usize = 2;
    let places = match decimals {
        None => price_places(None, prices) + MORE_FOR_MEANS,
        Some(set) => set.places_shown(),
    };
    places.max(places_apart(&[prices, means].concat()))
}

/// A price with exactly so many places, rounded half even; never in the form `4.2e-9`.
#[must_use]
pub fn price_text(price: f64, places: usize) -> String {
    // The shortest text that is this double, and zeros: more binary digits would be noise.
    let mut text = price.to_string();
    let written = places_of(&text);
    if written > places || !price.is_finite() {
        return format!("{price:.places$}");
    }
    if written == 0 && places > 0 {
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', places - written));
    text
}

/// The places of the shortest text that is this double.
#[must_use]
pub fn written_places(price: f64) -> usize {
    places_of(&price.to_string())
}

fn places_of(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, places)| places.len())
}

/// The fewest places that tell distinct values, and each from 0, apart.
fn places_apart(values: &[f64]) -> usize {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|it| it.is_finite()).collect();
    sorted.push(0.0);
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    let gap = |pair: &[f64]| pair[1] - pair[0];
    let Some(least) = sorted.windows(2).map(gap).min_by(f64::total_cmp) else {
        return 0;
    };
    // A gap of one unit of the last place is enough, and half a unit may be: the texts decide.
    let mut places = (-least.log10() - 1.0).ceil().max(0.0) as usize;
    let is_close = |pair: &[f64], places: usize| gap(pair) < 2.0 * 10_f64.powi(-(places as i32));
    let are_same = |pair: &[f64], places: usize| {
        let is_zero = |text: &str| !text.contains(|c: char| ('1'..='9').contains(&c));
        let [low, high] = [pair[0], pair[1]].map(|value| price_text(value, places));
        low == high || (is_zero(&low) && is_zero(&high))
    };
    while sorted
        .windows(2)
        .any(|pair| is_close(pair, places) && are_same(pair, places))
    {
        places += 1;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(places: i32) -> Option<PriceDecimals> {
        Some(PriceDecimals::new(places).unwrap())
    }

    #[test]
    fn prices_without_a_setting_have_the_places_that_they_are_written_with() {
        assert_eq!(price_places(None, &[1.07127, 1.0]), 5);
        assert_eq!(price_places(None, &[4.2155e-9, 4.2987e-9]), 13);
        assert_eq!(price_places(None, &[1650.0, -7.0]), 0);
        assert_eq!(price_places(None, &[]), 0);
        // Noise of arithmetic is shown where nothing else tells two prices apart.
        assert_eq!(price_places(None, &[0.1 + 0.2]), 15);
        assert_eq!(price_text(0.1 + 0.2, 15), "0.300000000000000");
        assert_eq!(price_places(None, &[0.1 + 0.2, 0.3]), 17);
    }

    #[test]
    fn a_setting_holds_unless_prices_would_look_the_same() {
        assert_eq!(price_places(set(4), &[1650.25, 1650.5]), 4);
        assert_eq!(price_places(set(2), &[1.07127, 1.07128]), 5);
        assert_eq!(price_places(set(4), &[4.2155e-9]), 9);
        assert_eq!(price_places(set(0), &[0.5]), 1);
        assert_eq!(price_places(set(0), &[1650.5]), 0);
    }

    #[test]
    fn a_mean_is_told_from_its_price() {
        assert_eq!(mean_places(None, &[1.5], &[1.75]), 3);
        assert_eq!(mean_places(set(4), &[1.5], &[1.75]), 4);
        assert_eq!(mean_places(set(2), &[1.500_01], &[1.500_02]), 5);
    }

    #[test]
    fn texts_are_decimal_and_without_noise() {
        assert_eq!(price_text(4.2155e-9, 13), "0.0000000042155");
        assert_eq!(price_text(0.1, 25), format!("0.1{}", "0".repeat(24)));
        assert_eq!(price_text(1650.0, 2), "1650.00");
        assert_eq!(price_text(0.125, 2), "0.12");
        assert_eq!(price_text(1e22, 0), "10000000000000000000000");
    }

    proptest! {
        #[test]
        fn distinct_prices_stay_apart_and_none_looks_like_zero(
            base in -9_i32..7,
            digits in prop::collection::vec(-100_000_i64..100_000, 1..12),
            setting in prop::option::of(0..=PriceDecimals::MAX),
        ) {
            let price = |digits: &i64| format!("{digits}e{base}").parse::<f64>().unwrap();
            let mut prices: Vec<f64> = digits.iter().map(price).collect();
            let places = price_places(setting.and_then(set), &prices);
            prices.sort_by(f64::total_cmp);
            prices.dedup();
            let texts: Vec<String> = prices.iter().map(|price| price_text(*price, places)).collect();
            for (pair, text) in prices.windows(2).zip(texts.windows(2)) {
                prop_assert!(pair[0] == pair[1] || text[0] != text[1], "{:?} {:?}", pair, text);
            }
            for (price, text) in prices.iter().zip(&texts) {
                prop_assert!(*price == 0.0 || text.contains(|c: char| ('1'..='9').contains(&c)));
            }
        }

        #[test]
        fn doubles_of_any_magnitude_have_places(prices: Vec<f64>) {
            prop_assert!(price_places(set(4), &prices) <= 1_100);
        }
    }
}
