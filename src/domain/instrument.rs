//! Words of instruments: what they are, whether they are fed, how they are named and rounded.

use std::fmt;
use std::str::FromStr;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{Integer, Text};

use crate::domain::{text_enum, text_in_sql};
use crate::error::{Error, Result};

text_enum! {
    /// The type of an instrument.
    pub enum InstrumentType = "instrument_type" {
        /// A futures contract or its continuous series.
        Future = "future",
        /// An index.
        Index = "index",
        /// A market internal, such as breadth or volatility.
        Internal = "internal",
        /// A share.
        Equity = "equity",
        /// A currency pair.
        Fx = "fx",
        /// A crypto-currency pair.
        Crypto = "crypto",
    }
}

text_enum! {
    /// The state of an instrument: fed or not.
    pub enum InstrumentStatus = "status" {
        /// Ticks are taken and rules are evaluated.
        Active = "active",
        /// Kept, but not watched.
        Inactive = "inactive",
        /// Its feed fails.
        Error = "error",
    }
}

/// The longest symbol, in characters.
pub const SYMBOL_LENGTH_MAX: usize = 32;

/// The name under which an instrument trades: 1 to 32 printable ASCII characters in upper case. Its
/// words have one space between them, as brokers write classes of shares (`BRK B`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Symbol(String);

impl Symbol {
    /// Checks a symbol and turns it into upper case.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is empty, longer than 32 characters, begins or ends with a space, has
    /// two in a row, or a character that is not printable ASCII.
    pub fn new(text: &str) -> Result<Self> {
        let refuse = |reason: String| {
            let remedy = format!(
                "use 1 to {SYMBOL_LENGTH_MAX} printable ASCII characters, single spaces within"
            );
            Err(Error::invalid("symbol", reason, remedy))
        };
        if text.is_empty() {
            return refuse("it is empty".to_owned());
        }
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
            return refuse(format!("it holds {odd:?}"));
        }
        if text.split(' ').any(str::is_empty) {
            return refuse("it has a space at an end, or two in a row".to_owned());
        }
        if text.len() > SYMBOL_LENGTH_MAX {
            return refuse(format!("it has {} characters", text.len()));
        }
        Ok(Self(text.to_ascii_uppercase()))
    }

    /// The symbol, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Symbol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

text_in_sql!(Symbol, "symbol", |symbol| symbol.as_str());

/// The places after the point to which an instrument's prices are rounded when they are shown,
/// 0 to 15. An instrument without them shows what is stored, digit by digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Integer)]
pub struct PriceDecimals(i32);

impl PriceDecimals {
    /// The most places: a double of about 1 tells this many apart.
    pub const MAX: i32 = 15;

    /// Checks a number of places.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not 0 to 15.
    pub fn new(places: i32) -> Result<Self> {
        if (0..=Self::MAX).contains(&places) {
            return Ok(Self(places));
        }
        Err(Error::invalid(
            "price_decimals",
            format!("{places} is not 0 to {}", Self::MAX),
            "leave it out to show what is stored, or use 5 for currency pairs",
        ))
    }

    /// The number of places.
    #[must_use]
    pub const fn places(self) -> i32 {
        self.0
    }

    /// The number of places, as a width for `format!`.
    #[must_use]
    pub const fn places_shown(self) -> usize {
        self.0.unsigned_abs() as usize
    }
}

impl<DB> ToSql<Integer, DB> for PriceDecimals
where
    DB: diesel::backend::Backend,
    i32: ToSql<Integer, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB> FromSql<Integer, DB> for PriceDecimals
where
    DB: diesel::backend::Backend,
    i32: FromSql<Integer, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let places = i32::from_sql(bytes)?;
        Self::new(places).map_err(|error| {
            crate::domain::corrupt("price_decimals", places.to_string(), &error).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_kept_in_upper_case() {
        assert_eq!(Symbol::new("brk.b").unwrap().as_str(), "BRK.B");
        assert_eq!(Symbol::new("brk b").unwrap().as_str(), "BRK B");
        assert_eq!(
            Symbol::new(&"a".repeat(32)).unwrap().to_string(),
            "A".repeat(32)
        );
    }

    #[test]
    fn a_symbol_that_is_empty_long_spaced_or_not_ascii_says_why() {
        for (text, reason) in [
            ("", "empty"),
            (&*"a".repeat(33), "33 characters"),
            ("A  B", "two in a row"),
            (" A", "a space at an end"),
            ("A ", "a space at an end"),
            ("A\n", "'\\n'"),
            ("ÉS", "'É'"),
            ("\0", "'\\0'"),
        ] {
            let error = Symbol::new(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn places_are_0_to_15() {
        assert_eq!(PriceDecimals::new(0).unwrap().places(), 0);
        assert_eq!(PriceDecimals::new(15).unwrap().places_shown(), 15);
        for wrong in [-1, 16, 256, i32::MAX] {
            assert!(PriceDecimals::new(wrong).is_err(), "{wrong}");
        }
    }
}
