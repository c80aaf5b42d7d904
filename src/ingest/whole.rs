//! Whole numbers of JSON. `7.0` is one, too: JSON Schema counts it as an integer, and dataframes
//! write ids that way as soon as one of a column is missing.

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Reads a whole number that fits `T`.
pub(crate) fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let number = deserializer.deserialize_any(Whole)?;
    T::try_from(number).map_err(|_| Error::invalid_value(Unexpected::Signed(number), &Whole))
}

/// Reads a whole number that fits `T`, or null.
pub(crate) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let number = deserializer.deserialize_option(MaybeWhole)?;
    let fits = |number| {
        T::try_from(number).map_err(|_| Error::invalid_value(Unexpected::Signed(number), &Whole))
    };
    number.map(fits).transpose()
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number within its range")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        /// Up to here every whole number has a double of its own.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
            return Ok(number as i64);
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }
}

struct MaybeWhole;

impl<'de> Visitor<'de> for MaybeWhole {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Whole.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Option<i64>, D::Error> {
        inner.deserialize_any(Whole).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        #[serde(deserialize_with = "super::number")]
        id: i64,
        #[serde(default, deserialize_with = "super::optional")]
        places: Option<i32>,
    }

    fn row(text: &str) -> Result<(i64, Option<i32>), String> {
        let row = serde_json::from_str::<Row>(text);
        row.map(|row| (row.id, row.places))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_number_may_have_a_point() {
        assert_eq!(row(r#"{"id": 7.0, "places": 2.0}"#), Ok((7, Some(2))));
        assert_eq!(row(r#"{"id": -7, "places": null}"#), Ok((-7, None)));
        assert_eq!(row(r#"{"id": 9223372036854775807}"#), Ok((i64::MAX, None)));
    }

    #[test]
    fn what_is_not_whole_or_does_not_fit_is_refused() {
        for wrong in [
            r#"{"id": 7.5}"#,
            r#"{"id": 9223372036854775808}"#,
            r#"{"id": 9007199254740994.0}"#,
            r#"{"id": 1e300}"#,
            r#"{"id": "7"}"#,
            r#"{"id": null}"#,
            r#"{"id": true}"#,
            r#"{"id": 1, "places": 2147483648}"#,
            r#"{"id": 1, "places": 0.5}"#,
        ] {
            assert!(row(wrong).unwrap_err().contains("whole number"), "{wrong}");
        }
    }
}
