//! Exact decimals of any magnitude that a price may have: thresholds.
//!
//! Owns the bounds, the one text of each value, and the form in both databases.
//!
//! The reasons are in docs/decisions/0007.

use std::fmt;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
#[cfg(feature = "sqlite")]
use diesel::serialize::IsNull;
use diesel::serialize::{self, Output, ToSql};
#[cfg(feature = "sqlite")]
use diesel::sqlite::Sqlite;

use crate::error::{Error, Result};
use crate::sql_types;

/// The most significant digits: a decimal is then short enough for an error message, and longer
/// than any price that a double tells from its neighbours.
const DIGITS_MAX: u64 = 64;
/// The power of ten of the first digit, from the least to the greatest double.
const MAGNITUDES: std::ops::RangeInclusive<i64> = -324..=308;
/// The longest text: a sign, a point and zeros beside the digits of the least number.
const TEXT_BYTES_MAX: usize = 512;

/// An exact decimal: at most 64 significant digits, as large and as small as doubles are. Decimals
/// are equal and ordered by their values: 1.0 is 1.00.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Decimal)]
pub struct Decimal(BigDecimal);

impl Decimal {
    /// The exact value.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it has more than 64 significant digits, or is larger or smaller
    /// than any double but 0.
    pub fn new(value: &BigDecimal) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::invalid("decimal", reason, "check the value"));
        // A hostile number of digits is refused before anything is computed with them.
        let digits = value.digits();
        if digits > TEXT_BYTES_MAX as u64 {
            return refuse("it has more than 64 significant digits");
        }
        if value.sign() == bigdecimal::num_bigint::Sign::NoSign {
            return Ok(Self(BigDecimal::default()));
        }
        let magnitude = i64::try_from(digits)
            .ok()
            .and_then(|digits| (digits - 1).checked_sub(value.fractional_digit_count()));
        if !magnitude.is_some_and(|magnitude| MAGNITUDES.contains(&magnitude)) {
            return refuse("it has an exponent out of range: no price is so large or so small");
        }
        let value = Self(value.normalized());
        if value.0.digits() > DIGITS_MAX {
            return refuse("it has more than 64 significant digits");
        }
        if value.to_f64().is_infinite() {
            return refuse("it is larger than any price");
        }
        Ok(value)
    }

    /// Reads the text of a JSON number, or of a JSON string that holds one, digit by digit: not by
    /// way of a double, which would lose what it cannot hold.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other JSON, and as [`str::parse`].
    pub fn from_json(json: &str) -> Result<Self> {
        let json = json.trim();
        if json.starts_with('"') {
            let text: String = serde_json::from_str(json)
                .map_err(|error| Error::invalid("decimal", error.to_string(), "write a number"))?;
            return text.parse();
        }
        if json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return json.parse();
        }
        let remedy = "write a number, or its digits as text";
        Err(Error::invalid("decimal", "not a number", remedy))
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        // Reading a text rounds once; arithmetic with powers of ten would round twice.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The value, for arithmetic of any precision.
    #[must_use]
    pub const fn as_big_decimal(&self) -> &BigDecimal {
        &self.0
    }
}

impl fmt::Display for Decimal {
    /// All digits, without an exponent and without trailing zeros: `1650.25`, `0.0000000042`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_plain_string(f)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

impl FromStr for Decimal {
    type Err = Error;

    /// Reads an exact decimal, with or without an exponent.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: String| Error::invalid("decimal", reason, "write it like 1650.25");
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            let reason = format!("it is longer than {TEXT_BYTES_MAX} characters");
            return Err(refuse(reason));
        }
        // The underscores that BigDecimal reads are Rust's, not those of a number in a file.
        let is_number = |byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let value = BigDecimal::from_str(text).ok();
        let value = value.filter(|_| text.bytes().all(is_number));
        Self::new(&value.ok_or_else(|| refuse(format!("{text:?} is not a number")))?)
    }
}

impl TryFrom<&str> for Decimal {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

#[cfg(feature = "sqlite")]
impl ToSql<sql_types::Decimal, Sqlite> for Decimal {
    /// One text for each value, so that SQL compares values when it compares texts for equality.
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.to_string());
        Ok(IsNull::No)
    }
}

#[cfg(feature = "sqlite")]
impl FromSql<sql_types::Decimal, Sqlite> for Decimal {
    fn from_sql(bytes: diesel::sqlite::SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<diesel::sql_types::Text, Sqlite>>::from_sql(bytes)?;
        Ok(text.parse()?)
    }
}

impl ToSql<sql_types::Decimal, Pg> for Decimal {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<diesel::sql_types::Numeric, Pg>::to_sql(&self.0, &mut out.reborrow())
    }
}

impl FromSql<sql_types::Decimal, Pg> for Decimal {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> deserialize::Result<Self> {
        let value = <BigDecimal as FromSql<diesel::sql_types::Numeric, Pg>>::from_sql(bytes)?;
        Ok(Self::new(&value)?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn decimals_of_any_magnitude_are_written_digit_by_digit() {
        for (text, written) in [
            ("0.0000000042", "0.0000000042"),
            ("4.2155e-9", "0.0000000042155"),
            ("1650.250", "1650.25"),
            ("-0.0", "0"),
            ("+7", "7"),
            ("1e20", "100000000000000000000"),
            ("92233720368.54775808", "92233720368.54775808"),
            (
                "0.123456789012345678901234567890",
                "0.12345678901234567890123456789",
            ),
        ] {
            assert_eq!(decimal(text).to_string(), written);
            assert_eq!(decimal(written), decimal(text));
        }
        assert_eq!(decimal("5e-324").to_f64(), 5e-324);
        assert_eq!(decimal("1.7976931348623157e308").to_f64(), f64::MAX);
    }

    #[test]
    fn what_no_price_can_be_is_refused_and_so_are_hostile_texts() {
        for (text, reason) in [
            ("1e309", "exponent out of range"),
            ("1.8e308", "larger than any price"),
            ("1e-325", "exponent out of range"),
            ("1e999999999", "exponent out of range"),
            ("1e-9223372036854775807", "exponent out of range"),
            (&"1".repeat(65), "64 significant digits"),
            (&"0".repeat(600), "longer than 512"),
            ("1_000", "not a number"),
            ("NaN", "not a number"),
            ("inf", "not a number"),
            ("1,5", "not a number"),
            ("", "not a number"),
        ] {
            let error = text.parse::<Decimal>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert_eq!(decimal(&format!("1{}", "0".repeat(300))).to_f64(), 1e300);
    }

    #[test]
    fn equal_values_are_equal_and_hash_alike() {
        let values = ["1.0", "1.00", "1", "10e-1", "0.1e1"].map(decimal);
        assert_eq!(values.iter().collect::<HashSet<_>>().len(), 1);
        assert!(decimal("1e-300") < decimal("1e300"));
    }

    proptest! {
        #[test]
        fn text_round_trips_at_any_magnitude(digits in "[1-9][0-9]{0,30}", exponent in -290..270_i32) {
            let value = decimal(&format!("-{digits}e{exponent}"));
            prop_assert_eq!(value.to_string().parse::<Decimal>().unwrap(), value.clone());
            prop_assert_eq!(Decimal::from_json(&value.to_string()).unwrap(), value);
        }

        #[test]
        fn the_double_is_the_nearest_one(number in proptest::num::f64::NORMAL) {
            prop_assert_eq!(decimal(&number.to_string()).to_f64().to_bits(), (number + 0.0).to_bits());
        }

        #[test]
        fn arbitrary_text_never_panics(text: String, json in "[0-9eE+.-]{0,40}") {
            let _ = text.parse::<Decimal>();
            if let Ok(value) = json.parse::<Decimal>() {
                prop_assert_eq!(value.to_string().parse::<Decimal>().unwrap(), value);
            }
        }
    }
}
