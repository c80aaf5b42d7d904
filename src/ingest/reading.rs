//! How a file was read: which column became which field, the form of its stamps, its zone and kind.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::field::{Field, NameMeaning};
use super::import_kind::ImportKind;
use crate::domain::Frequency;

/// How a file was read. Its text form is one line for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct FileReading {
    /// The file's name.
    pub file: String,
    /// The kind of its rows: `ticks` or `bars`.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub kind: ImportKind,
    /// The period of bars; `None` for ticks.
    #[serde(serialize_with = "frequency", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub frequency: Option<Frequency>,
    /// The fields, with the names of their columns.
    #[serde(serialize_with = "columns")]
    #[cfg_attr(feature = "server", schema(value_type = std::collections::HashMap<String, String>))]
    pub columns: Vec<(Field, String)>,
    /// The columns that were not used.
    pub unused: Vec<String>,
    /// The form of the stamps; `None` when there was none.
    pub timestamp_form: Option<String>,
    /// The zone of stamps without an offset.
    pub timezone: String,
    /// True when the zone was named; else it is UTC because nothing else was said.
    pub timezone_named: bool,
    /// The rows run from the newest to the oldest; those of one stamp were numbered from the
    /// bottom.
    pub newest_first: bool,
    /// Lines with text that stand before the header, and were passed over.
    pub lines_before_header: u64,
    /// Rows with a price of 0.
    #[serde(skip)]
    pub zero_prices: u64,
    /// Rows whose key an earlier row of the file has.
    #[serde(skip)]
    pub repeated_keys: u64,
    /// Other symbols than the one that was asked for, with their rows, which were not stored.
    #[serde(skip)]
    pub other_symbols: Vec<(String, u64)>,
}

impl FileReading {
    /// A column that was not used, and whose name says that it has ids of trades.
    #[must_use]
    pub fn id_column(&self) -> Option<&str> {
        let mut unused = self.unused.iter();
        let is_id = |name: &&String| {
            NameMeaning::of(name).is_some_and(|meaning| meaning.field == Field::Sequence)
        };
        unused.find(is_id).map(String::as_str)
    }
}

fn columns<S: Serializer>(columns: &[(Field, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(columns.len()))?;
    for (field, column) in columns {
        map.serialize_entry(field.as_str(), column)?;
    }
    map.end()
}

fn frequency<S: Serializer>(
    frequency: &Option<Frequency>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&frequency.map_or("", Frequency::as_str))
}

/// Unused columns that the line names.
const UNUSED_SHOWN_MAX: usize = 12;

impl fmt::Display for FileReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.frequency) {
            (ImportKind::Ticks, _) => f.write_str("ticks")?,
            (ImportKind::Bars, None) => f.write_str("bars")?,
            (ImportKind::Bars, Some(frequency)) => write!(f, "bars of {frequency}")?,
        }
        for (index, (field, column)) in self.columns.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            write!(f, "{}={column}", field.as_str())?;
        }
        if !self.unused.is_empty() {
            let shown = self.unused.iter().take(UNUSED_SHOWN_MAX);
            let shown: Vec<&str> = shown.map(String::as_str).collect();
            write!(f, "; not used: {}", shown.join(", "))?;
            if self.unused.len() > UNUSED_SHOWN_MAX {
                write!(f, " and {} more", self.unused.len() - UNUSED_SHOWN_MAX)?;
            }
        }
        if let Some(form) = &self.timestamp_form {
            write!(f, "; timestamps: {form}, {}", self.timezone)?;
            // Counts since 1970 are in UTC, whatever is said.
            if !self.timezone_named && !form.starts_with("Unix") {
                f.write_str(" where none is written")?;
            }
        }
        if self.newest_first {
            f.write_str("; newest row first")?;
        }
        match self.lines_before_header {
            0 => Ok(()),
            1 => f.write_str("; 1 line before the header"),
            lines => write!(f, "; {lines} lines before the header"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_what_became_of_each_column() {
        let mut reading = FileReading {
            file: "x.csv".to_owned(),
            kind: ImportKind::Ticks,
            frequency: None,
            columns: vec![
                (Field::Timestamp, "time".to_owned()),
                (Field::Volume, "amount".to_owned()),
            ],
            unused: vec!["side".to_owned()],
            timestamp_form: Some("ISO 8601".to_owned()),
            timezone: "UTC".to_owned(),
            timezone_named: false,
            newest_first: true,
            lines_before_header: 1,
            zero_prices: 0,
            repeated_keys: 0,
            other_symbols: Vec::new(),
        };
        assert_eq!(
            reading.to_string(),
            "ticks: timestamp=time, volume=amount; not used: side; timestamps: ISO 8601, UTC \
             where none is written; newest row first; 1 line before the header"
        );
        let json = serde_json::to_value(&reading).unwrap();
        assert_eq!(json["columns"]["volume"], "amount");
        assert_eq!(json["kind"], "ticks");
        reading.kind = ImportKind::Bars;
        reading.frequency = Some(Frequency::OneDay);
        reading.unused = vec!["x".to_owned(); 14];
        let line = reading.to_string();
        assert!(
            line.starts_with("bars of 1d: ") && line.contains("and 2 more"),
            "{line}"
        );
        assert_eq!(serde_json::to_value(&reading).unwrap()["frequency"], "1d");
    }
}
