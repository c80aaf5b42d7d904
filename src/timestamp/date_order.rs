//! The order of day, month and year in the dates of a file.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The order of the numbers in the dates of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `2024/02/01`.
    YearFirst,
    /// `02/01/2024` is 1 February.
    MonthFirst,
    /// `02/01/2024` is 2 January.
    DayFirst,
}

impl fmt::Display for DateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::YearFirst => "year/month/day",
            Self::MonthFirst => "month/day/year",
            Self::DayFirst => "day/month/year",
        })
    }
}

impl FromStr for DateOrder {
    type Err = Error;

    /// `year`, `month` or `day`: what comes first.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "year" => Ok(Self::YearFirst),
            "month" => Ok(Self::MonthFirst),
            "day" => Ok(Self::DayFirst),
            _ => Err(Error::invalid(
                "date order",
                format!("{text:?} is none"),
                "name what comes first: year, month or day",
            )),
        }
    }
}
