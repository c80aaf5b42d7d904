//! The formats of tables.

use crate::domain::text_enum;
#[cfg(any(feature = "arrow", feature = "parquet"))]
use crate::error::Error;

text_enum! {
    /// The form in which a table is written.
    #[derive(Default)]
    pub enum TableFormat = "format" {
        /// A list of objects, `null` where there is no value.
        #[default]
        Json = "json",
        /// An object a line; what has no value is left out.
        Ndjson = "ndjson",
        /// Comma-separated values with a line of names; empty where there is no value.
        Csv = "csv",
        /// The stream of Arrow's IPC: `timestamp[us, UTC]`, doubles, `int64`, symbols as a dictionary.
        Arrow = "arrow",
        /// A Parquet file with zstd: the same types, row groups of 131,072 rows.
        Parquet = "parquet",
    }
}

impl TableFormat {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The usual end of the names of its files, without a point.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Arrow => "arrows",
            Self::Parquet => "parquet",
        }
    }
}

/// A format that cannot hold what it was given.
#[cfg(any(feature = "arrow", feature = "parquet"))]
pub(super) fn cannot_hold(format: TableFormat, error: &dyn std::error::Error) -> Error {
    let reason = format!("the rows cannot be written as {format}: {error}");
    Error::invalid("format", reason, "write them as csv, and report this")
}
