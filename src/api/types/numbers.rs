//! How numbers are written: prices rounded, sizes whole where they are.

use serde::Serializer;

use crate::domain::PriceDecimals;

/// The places to which one instrument's prices are rounded; without any they stay as they are.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::api) struct Rounding(Option<PriceDecimals>);

impl From<Option<PriceDecimals>> for Rounding {
    fn from(places: Option<PriceDecimals>) -> Self {
        Self(places)
    }
}

impl Rounding {
    /// A price as it is shown.
    pub(in crate::api) fn price(self, price: Option<f64>) -> Option<f64> {
        match self.0 {
            Some(decimals) => price.map(|price| rounded(price, decimals.places().unsigned_abs())),
            None => price,
        }
    }
}

/// The nearest number of so many places; of two that are as near, the even one. The decimal
/// digits of a double are exact when they are formatted, so only true ties are ties. What is
/// rounded to nothing is 0, never -0.
pub(in crate::api) fn rounded(value: f64, places: u32) -> f64 {
    let text = format!("{value:.*}", places as usize);
    text.parse().unwrap_or(value) + 0.0
}

/// Serialises a size: without a point when it is whole.
#[allow(clippy::ref_option)] // The form that serde calls.
pub(in crate::api) fn quantity<S: Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    /// Above it doubles are whole anyway, and their digits are not all true.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        None => serializer.serialize_none(),
        Some(value) if value.fract() == 0.0 && value.abs() <= WHOLE_MAX => {
            serializer.serialize_i64(*value as i64)
        }
        Some(value) => serializer.serialize_f64(*value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_rounded_half_to_even() {
        for (value, places, expected) in [
            (123.456789, 4, 123.4568),
            (0.5, 0, 0.0),
            (1.5, 0, 2.0),
            (2.5, 0, 2.0),
            (0.125, 2, 0.12),
            (0.375, 2, 0.38),
            (-0.125, 2, -0.12),
            (1650.25, 4, 1650.25),
            (1e300, 4, 1e300),
        ] {
            assert_eq!(rounded(value, places), expected, "{value} to {places}");
        }
    }

    #[test]
    fn no_zero_has_a_sign() {
        for value in [-0.0, -0.00001, -1e-300] {
            assert_eq!(rounded(value, 4).to_bits(), 0.0_f64.to_bits(), "{value}");
        }
    }

    #[test]
    fn whole_sizes_have_no_point() {
        #[derive(serde::Serialize)]
        struct Size(#[serde(serialize_with = "quantity")] Option<f64>);
        for (size, text) in [
            (Some(8.0), "8"),
            (Some(0.0), "0"),
            (Some(0.25), "0.25"),
            (Some(1e20), "1e+20"),
            (None, "null"),
        ] {
            assert_eq!(serde_json::to_string(&Size(size)).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn a_rounded_price_is_near_and_stays(value in -1e9..1e9_f64, places in 0_u32..=8) {
            let once = rounded(value, places);
            prop_assert!((once - value).abs() <= 0.5 * 10_f64.powi(-(places as i32)) + 1e-6);
            prop_assert_eq!(rounded(once, places), once);
        }
    }
}
