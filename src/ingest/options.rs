//! Options of a feed: how its text, its stamps and its numbers are written.

use std::str::FromStr;

use super::columns::ColumnMap;
use super::number::NumberFormat;
use super::preset::Preset;
use crate::domain::Symbol;
use crate::error::{Error, Result};
use crate::timestamp::{DateOrder, FeedZone, TimestampFormat};

/// The format of a feed's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedFormat {
    /// NDJSON when the first line begins with `{`, else CSV.
    #[default]
    Auto,
    /// Fields between commas, tabs, semicolons or bars; which, the first line tells.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

impl FromStr for FeedFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err(Error::invalid(
                "format",
                format!("{text:?} is none"),
                "auto, csv or ndjson",
            )),
        }
    }
}

/// The end of its period that names a bar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BarStamps {
    /// The moment at which the period starts.
    #[default]
    Start,
    /// The moment at which the period ends.
    End,
}

impl FromStr for BarStamps {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "start" => Ok(Self::Start),
            "end" => Ok(Self::End),
            _ => Err(Error::invalid(
                "stamps-are",
                format!("{text:?} is neither"),
                "start or end",
            )),
        }
    }
}

/// Options of a feed, known before it is read.
#[derive(Debug, Clone, Default)]
pub struct FeedOptions {
    /// The format of the text.
    pub format: FeedFormat,
    /// The delimiter of fields; `None` detects it.
    pub delimiter: Option<u8>,
    /// True when the file has a line of column names; `None` detects it.
    pub header: Option<bool>,
    /// Lines that are passed over before anything is looked at.
    pub skip_lines: u64,
    /// The user's map of columns; the header's names map the rest.
    pub columns: ColumnMap,
    /// The only symbol whose rows are read, of a file that has a column of symbols.
    pub symbol: Option<Symbol>,
    /// The form of the stamps.
    pub timestamp_format: TimestampFormat,
    /// The first part of dates like `01/02/2024`; `None` detects it over the whole file.
    pub date_order: Option<DateOrder>,
    /// The zone of stamps without an offset; `None` is UTC.
    pub timezone: Option<FeedZone>,
    /// The form of the numbers.
    pub numbers: NumberFormat,
    /// The end of its period that names a bar.
    pub bar_stamps: BarStamps,
    /// The preset that gave these options; messages name it.
    pub preset: Option<&'static Preset>,
}
