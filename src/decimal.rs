//! Exact decimals with 8 places: thresholds and bar prices.
//!
//! Owns the range, the rounding and the place in both databases.

use std::fmt;
use std::str::FromStr;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::pg::data_types::PgNumeric;
#[cfg(feature = "sqlite")]
use diesel::serialize::IsNull;
use diesel::serialize::{self, Output, ToSql};
#[cfg(feature = "sqlite")]
use diesel::sqlite::Sqlite;

use crate::error::{Error, Result};
use crate::sql_types;

/// Places after the point.
pub const DECIMAL_PLACES: u32 = 8;

/// An exact decimal with 8 places, from -92233720368.54775808 to 92233720368.54775807 (what a
/// 64-bit integer scaled by 10^8 holds, which is inside NUMERIC(20, 8)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Decimal)]
pub struct Decimal(i64);

/// `10^8`.
const SCALE: i64 = 10_i64.pow(DECIMAL_PLACES);

impl Decimal {
    /// `scaled` / 10^8.
    #[must_use]
    pub const fn from_scaled(scaled: i64) -> Self {
        Self(scaled)
    }

    /// The value times 10^8.
    #[must_use]
    pub const fn scaled(&self) -> i64 {
        self.0
    }

    /// The exact value.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it has more than 8 places or is out of range.
    pub fn exact(value: &BigDecimal) -> Result<Self> {
        let rounded = Self::rounded(value)?;
        if rounded.to_big_decimal() == *value {
            return Ok(rounded);
        }
        Err(Error::invalid(
            "decimal",
            format!("{value} has more than {DECIMAL_PLACES} places after the point"),
            "round it before it is stored",
        ))
    }

    /// The value rounded half even to 8 places.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is out of range.
    pub fn rounded(value: &BigDecimal) -> Result<Self> {
        let places = i64::from(DECIMAL_PLACES);
        let rounded = value.with_scale_round(places, RoundingMode::HalfEven);
        if let Some(scaled) = rounded.as_bigint_and_exponent().0.to_i64() {
            return Ok(Self(scaled));
        }
        Err(Error::invalid(
            "decimal",
            format!("{value} is outside -92233720368.54775808 to 92233720368.54775807"),
            "check the unit of the value",
        ))
    }

    /// The double, rounded half even to 8 places.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is out of range or not finite.
    pub fn from_f64(value: f64) -> Result<Self> {
        /// 2^52: below it the distance of a double to the next whole number is exact.
        const WHOLE_MIN: f64 = 4_503_599_627_370_496.0;
        const FACTOR: f64 = SCALE as f64;
        let scaled = value * FACTOR;
        if scaled.abs() < WHOLE_MIN {
            let mut whole = scaled.round_ties_even();
            // The product was rounded once: what it lost decides what only looks like a tie.
            if (scaled - whole).abs() == 0.5 {
                let lost = value.mul_add(FACTOR, -scaled);
                if (scaled - whole) * lost > 0.0 {
                    whole += lost.signum();
                }
            }
            return Ok(Self::from_scaled(whole as i64));
        }
        let exact = BigDecimal::try_from(value).map_err(|_| {
            Error::invalid("decimal", format!("{value} is no number"), "write a number")
        })?;
        Self::rounded(&exact)
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
        Err(Error::invalid("decimal", "it is no number", remedy))
    }

    /// The value as a float, for display and analytics.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        /// 2^53: up to here a double holds every integer.
        const WHOLE_MAX: u64 = 9_007_199_254_740_992;
        if self.0.unsigned_abs() <= WHOLE_MAX {
            // Both are exact, so the division, which is rounded once, gives the nearest double.
            return self.0 as f64 / SCALE as f64;
        }
        // Here a division would round twice; the text does not.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The value, for arithmetic of any precision.
    #[must_use]
    pub fn to_big_decimal(&self) -> BigDecimal {
        BigDecimal::new(BigInt::from(self.0), i64::from(DECIMAL_PLACES))
    }
}

impl fmt::Display for Decimal {
    /// Without trailing zeros: `1650.25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.unsigned_abs();
        let (whole, part) = (size / SCALE.unsigned_abs(), size % SCALE.unsigned_abs());
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:08}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

impl FromStr for Decimal {
    type Err = Error;

    /// Reads an exact decimal; more than 8 places are an error.
    fn from_str(text: &str) -> Result<Self> {
        Self::exact(&parse(text)?)
    }
}

impl TryFrom<&str> for Decimal {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

/// Reads a decimal of any number of places; the length limit keeps a hostile exponent from
/// asking for gigabytes.
pub(crate) fn parse(text: &str) -> Result<BigDecimal> {
    const DECIMAL_TEXT_BYTES_MAX: usize = 64;
    let refuse = |reason: String| Error::invalid("decimal", reason, "write it like 1650.25");
    let text = text.trim();
    if text.len() > DECIMAL_TEXT_BYTES_MAX {
        return Err(refuse(format!(
            "longer than {DECIMAL_TEXT_BYTES_MAX} characters"
        )));
    }
    let value = BigDecimal::from_str(text).map_err(|_| refuse(format!("{text:?} is no number")))?;
    if value.fractional_digit_count().abs() > 64 {
        return Err(refuse(format!("{text:?} has an exponent out of range")));
    }
    Ok(value)
}

#[cfg(feature = "sqlite")]
impl ToSql<sql_types::Decimal, Sqlite> for Decimal {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.scaled());
        Ok(IsNull::No)
    }
}

#[cfg(feature = "sqlite")]
impl FromSql<sql_types::Decimal, Sqlite> for Decimal {
    fn from_sql(bytes: diesel::sqlite::SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let scaled = <i64 as FromSql<diesel::sql_types::BigInt, Sqlite>>::from_sql(bytes)?;
        Ok(Self::from_scaled(scaled))
    }
}

/// PostgreSQL sends and takes digits in base 10,000: two of them are the 8 places.
const PG_BASE: i64 = 10_000;
const PG_PLACES: i16 = 2;

impl ToSql<sql_types::Decimal, Pg> for Decimal {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let (mut digits, mut left) = (Vec::with_capacity(5), self.0.unsigned_abs());
        while left > 0 {
            digits.push((left % PG_BASE.unsigned_abs()) as i16);
            left /= PG_BASE.unsigned_abs();
        }
        digits.reverse();
        let weight = digits.len() as i16 - PG_PLACES - 1;
        let scale = DECIMAL_PLACES as u16;
        let numeric = if self.0 < 0 {
            PgNumeric::Negative {
                weight,
                scale,
                digits,
            }
        } else {
            PgNumeric::Positive {
                weight,
                scale,
                digits,
            }
        };
        ToSql::<diesel::sql_types::Numeric, Pg>::to_sql(&numeric, &mut out.reborrow())
    }
}

impl FromSql<sql_types::Decimal, Pg> for Decimal {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> deserialize::Result<Self> {
        let numeric = <PgNumeric as FromSql<diesel::sql_types::Numeric, Pg>>::from_sql(bytes)?;
        let scaled = match &numeric {
            PgNumeric::Positive { weight, digits, .. } => scaled(*weight, digits),
            PgNumeric::Negative { weight, digits, .. } => scaled(*weight, digits).map(|n| -n),
            PgNumeric::NaN => None,
        };
        let held = scaled.and_then(|scaled| i64::try_from(scaled).ok());
        held.map(Self).ok_or_else(|| {
            format!("a NUMERIC that no decimal of {DECIMAL_PLACES} places holds: {numeric:?}")
                .into()
        })
    }
}

/// What digits in base 10,000 are, times 10^8; none when they have more places or are too many.
fn scaled(weight: i16, digits: &[i16]) -> Option<i128> {
    let mut sum = 0_i128;
    for (digit, place) in digits
        .iter()
        .zip((0..=weight.checked_add(PG_PLACES)?).rev())
    {
        let factor = i128::from(PG_BASE).checked_pow(u32::try_from(place).ok()?)?;
        sum = sum.checked_add(factor.checked_mul(i128::from(*digit))?)?;
    }
    let kept = usize::try_from(i32::from(weight) + i32::from(PG_PLACES) + 1).unwrap_or(0);
    let is_exact = digits.iter().skip(kept).all(|digit| *digit == 0);
    is_exact.then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_with_nine_places_is_refused_and_says_so() {
        let error = "0.123456789".parse::<Decimal>().unwrap_err();
        assert!(error.to_string().contains("more than 8 places"), "{error}");
    }

    #[test]
    fn rounding_is_half_even() {
        let round = |text: &str| Decimal::rounded(&parse(text).unwrap()).unwrap().to_string();
        assert_eq!(round("0.000000005"), "0");
        assert_eq!(round("0.000000015"), "0.00000002");
        assert_eq!(round("-0.000000025"), "-0.00000002");
    }

    #[test]
    fn out_of_range_and_hostile_exponents_are_refused() {
        for text in [
            "92233720368.54775808",
            "1e300",
            "1e-300",
            "1e999999999",
            "NaN",
            "inf",
            "",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
        assert_eq!(
            "92233720368.54775807".parse::<Decimal>().unwrap().scaled(),
            i64::MAX
        );
        assert_eq!(
            "-92233720368.54775808".parse::<Decimal>().unwrap().scaled(),
            i64::MIN
        );
    }

    #[test]
    fn doubles_beyond_the_range_are_refused() {
        for value in [f64::NAN, f64::INFINITY, 1e300, -1e11] {
            assert!(Decimal::from_f64(value).is_err(), "{value}");
        }
        assert_eq!(Decimal::from_f64(-37.63).unwrap().to_string(), "-37.63");
    }

    proptest! {
        #[test]
        fn a_double_is_rounded_as_its_exact_value_is(
            value in prop_oneof![
                -1e10..1e10_f64,
                -1e2..1e2_f64,
                // Halves of the last place, and their neighbours.
                (-1_000_000..1_000_000_i64).prop_map(|n| (n as f64 + 0.5) * 1e-8),
                (-1_000_000..1_000_000_i64).prop_map(|n| (n as f64 + 0.5) / 256.0),
            ],
        ) {
            let exact = Decimal::rounded(&BigDecimal::try_from(value).unwrap()).unwrap();
            prop_assert_eq!(Decimal::from_f64(value).unwrap(), exact);
        }

        #[test]
        fn the_double_is_the_nearest_one(scaled in prop_oneof![
            any::<i64>(),
            -(1_i64 << 54)..(1_i64 << 54),
            -1_000_000_000_000..1_000_000_000_000_i64,
        ]) {
            let decimal = Decimal::from_scaled(scaled);
            let nearest: f64 = decimal.to_big_decimal().to_string().parse().unwrap();
            prop_assert_eq!(decimal.to_f64().to_bits(), nearest.to_bits());
        }

        #[test]
        fn text_and_scaled_forms_round_trip(scaled: i64) {
            let value = Decimal::from_scaled(scaled);
            prop_assert_eq!(value.scaled(), scaled);
            prop_assert_eq!(value.to_string().parse::<Decimal>().unwrap(), value);
            let plain = value.to_big_decimal().normalized().to_plain_string();
            prop_assert_eq!(value.to_string(), plain);
        }

        #[test]
        fn order_is_the_order_of_the_scaled_integers(a: i64, b: i64) {
            prop_assert_eq!(Decimal::from_scaled(a).cmp(&Decimal::from_scaled(b)), a.cmp(&b));
        }
    }
}
