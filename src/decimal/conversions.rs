//! Decimals from and to numbers, BigDecimal and serde's formats.

use std::fmt;

use bigdecimal::BigDecimal;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use super::Decimal;
use crate::error::{Error, Result};

impl TryFrom<BigDecimal> for Decimal {
    type Error = Error;

    /// # Errors
    /// Those of [`Decimal::new`].
    fn try_from(value: BigDecimal) -> Result<Self> {
        Self::new(&value)
    }
}

impl From<Decimal> for BigDecimal {
    fn from(value: Decimal) -> Self {
        value.0
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        // Nineteen digits at most.
        Self(BigDecimal::from(value).normalized())
    }
}

impl TryFrom<f64> for Decimal {
    type Error = Error;

    /// The shortest decimal that reads back as this double: 0.1 for 0.1.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an infinity and for what is not a number.
    fn try_from(value: f64) -> Result<Self> {
        format!("{value:?}").parse()
    }
}

impl Serialize for Decimal {
    /// The digits as text, for a number of most formats is a double to those who read it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    /// A text of digits, an integer, or a number with a fraction. Most formats read the last as a
    /// double, which keeps 15 digits; write text where there are more.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor)
    }
}

struct DecimalVisitor;

impl Visitor<'_> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or its digits as text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Decimal, E> {
        Decimal::try_from(value).map_err(E::custom)
    }
}

#[cfg(feature = "server")]
impl utoipa::PartialSchema for Decimal {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("An exact decimal: its digits"))
            .examples(["1650.25"])
            .into()
    }
}

#[cfg(feature = "server")]
impl utoipa::ToSchema for Decimal {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_keeps_each_digit_and_numbers_are_read_too() {
        let exact = "0.1234567890123456789012345678901";
        let value: Decimal = serde_json::from_str(&format!("{exact:?}")).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), format!("{exact:?}"));
        for (json, text) in [
            ("1650.25", "1650.25"),
            ("-3", "-3"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e3", "1000"),
        ] {
            let value: Decimal = serde_json::from_str(json).unwrap();
            assert_eq!(value.to_string(), text);
        }
        let value: Decimal = toml::Value::Float(0.1).try_into().unwrap();
        assert_eq!(value.to_string(), "0.1");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for json in ["\"x\"", "null", "true", "[]", "\"\""] {
            assert!(serde_json::from_str::<Decimal>(json).is_err(), "{json}");
        }
        assert!(Decimal::try_from(f64::NAN).is_err() && Decimal::try_from(f64::INFINITY).is_err());
    }

    proptest! {
        #[test]
        fn values_come_back(double in proptest::num::f64::NORMAL, integer: i64) {
            prop_assert_eq!(Decimal::try_from(double).unwrap().to_f64().to_bits(), double.to_bits());
            let value = Decimal::from(integer);
            prop_assert_eq!(value.to_string(), integer.to_string());
            let big = BigDecimal::from(value.clone());
            prop_assert_eq!(Decimal::try_from(big).unwrap(), value);
        }
    }
}
