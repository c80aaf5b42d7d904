//! Stored values of the old file as values of tickbase: numbers that are texts, words in either
//! case, naive stamps, which are UTC.

use std::str::FromStr;

use crate::decimal::Decimal;
use crate::error::{Error, Result};
use crate::repository::tradeassist::StoredValue;
use crate::timestamp::Timestamp;

/// A column, and what it holds.
#[derive(Clone, Copy)]
pub(super) struct OldColumn<'a> {
    pub(super) name: &'static str,
    pub(super) value: Option<&'a StoredValue>,
}

/// The column of a row by its name.
macro_rules! old {
    ($row:expr, $column:ident) => {
        $crate::ingest::adopt::convert::OldColumn {
            name: stringify!($column),
            value: $row.$column.as_ref(),
        }
    };
}
pub(super) use old;

impl OldColumn<'_> {
    /// The text of a value.
    pub(super) fn text(&self) -> Option<String> {
        Some(match self.value? {
            StoredValue::Integer(number) => number.to_string(),
            StoredValue::Double(number) => number.to_string(),
            StoredValue::Text(text) => text.clone(),
            StoredValue::Blob => return None,
        })
    }

    /// The number of a value.
    pub(super) fn number(&self) -> Result<Option<f64>> {
        match self.value {
            None => Ok(None),
            Some(StoredValue::Integer(number)) => Ok(Some(*number as f64)),
            Some(StoredValue::Double(number)) => Ok(Some(*number)),
            Some(StoredValue::Text(text)) => {
                let number = text.trim().parse().map_err(|_| self.not("a number"));
                number.map(Some)
            }
            Some(StoredValue::Blob) => Err(self.not("a number")),
        }
    }

    /// The number that the old file's own sum counts for the value.
    pub(super) fn counted(&self) -> f64 {
        let number = self.number().ok().flatten();
        number.filter(|number| number.is_finite()).unwrap_or(0.0)
    }

    /// The whole number of a value, of a size that the column here takes.
    pub(super) fn whole<T: TryFrom<i64>>(&self) -> Result<Option<T>> {
        let whole = match self.number()? {
            None => return Ok(None),
            Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => number as i64,
            Some(_) => return Err(self.not("a whole number")),
        };
        let narrow = T::try_from(whole).map_err(|_| self.not("a number of this column"));
        narrow.map(Some)
    }

    /// The exact decimal of a value.
    pub(super) fn decimal(&self) -> Result<Option<Decimal>> {
        let text = self.text();
        let decimal = text.map(|text| text.trim().parse::<Decimal>());
        decimal.transpose().map_err(|_| self.not("a decimal"))
    }

    /// True or false.
    pub(super) fn flag(&self) -> Result<bool> {
        match self.text().unwrap_or_default().to_lowercase().as_str() {
            "1" | "true" | "t" => Ok(true),
            "0" | "false" | "f" => Ok(false),
            _ => Err(self.not("true or false")),
        }
    }

    /// A moment; without an offset it is UTC.
    pub(super) fn stamp(&self) -> Result<Option<Timestamp>> {
        let Some(text) = self.text() else {
            return Ok(None);
        };
        let read = text.parse::<Timestamp>();
        read.map(Some).map_err(|_| self.not("a moment"))
    }

    /// One of a list of words, in either case, and also as Python writes a member: `A.FIRED`.
    pub(super) fn word<T: FromStr<Err = Error>>(&self) -> Result<T> {
        let text = self.text().unwrap_or_default();
        let word = text.rsplit('.').next().unwrap_or_default();
        let read = word.trim().to_lowercase().parse::<T>();
        read.map_err(|_| self.not("a word that tickbase knows"))
    }

    /// What is there; an error when nothing is.
    pub(super) fn required<T>(&self, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| Error::invalid(self.name, "it is NULL", "give it a value"))
    }

    fn not(&self, what: &str) -> Error {
        let shown: String = self.text().unwrap_or_default().chars().take(40).collect();
        let remedy = "mend it in the old file, and adopt again";
        Error::invalid(self.name, format!("{shown:?} is not {what}"), remedy)
    }
}
