//! The file of rows that were not brought over, one JSON object a line, and their number by reason.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::report::RejectedRowCount;
use crate::error::{Error, Result};
use crate::repository::tradeassist::{OldRow, StoredValue};

/// Why a row was not brought over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    /// What such rows have in common: a column, or `orphan`.
    class: String,
    reason: String,
}

impl Rejection {
    /// A rejection.
    pub(super) fn new(class: impl Into<String>, reason: impl Into<String>) -> Self {
        let (class, reason) = (class.into(), reason.into());
        Self { class, reason }
    }

    /// The reason of a repository: `price: ..`, or a sentence about what the row refers to.
    pub(super) fn stored(reason: &str) -> Self {
        let column = reason.split_once(": ").map(|(column, _)| column);
        let column = column.filter(|column| !column.contains(' '));
        Self::new(column.unwrap_or("reference"), reason)
    }

    /// The row refers to one that is not there.
    pub(super) fn orphan(what: &str, id: Option<i64>) -> Self {
        let id = id.map_or_else(|| "NULL".to_owned(), |id| id.to_string());
        Self::new(
            "orphan",
            format!("{what} {id} is not in the file, or was not brought over"),
        )
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            Error::Invalid { name, .. } => Self::new(name, reason),
            _ => Self::new("other", reason),
        }
    }
}

/// The file; it is made with its first row.
pub(super) struct RejectFile {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    counts: BTreeMap<(String, String), RejectedRowCount>,
}

impl RejectFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            counts: BTreeMap::new(),
        }
    }

    /// Writes a row, and counts it.
    pub(super) fn add<R: OldRow>(
        &mut self,
        table: &str,
        row: &R,
        rejection: &Rejection,
    ) -> Result<()> {
        let Rejection { class, reason } = rejection;
        let key = (table.to_owned(), class.clone());
        let count = self.counts.entry(key).or_insert_with(|| RejectedRowCount {
            table: table.to_owned(),
            reason: class.clone(),
            example: format!("row {}: {reason}", row.id()),
            rows: 0,
        });
        count.rows += 1;
        let mut values = Map::new();
        values.insert("id".to_owned(), row.id().into());
        for (name, value) in row.values() {
            values.insert(name.to_owned(), json_of(value));
        }
        let line = json!({ "table": table, "reason": reason, "row": values });
        let failed = |error: std::io::Error| Error::File {
            path: self.path.display().to_string(),
            reason: error.to_string(),
            remedy: "give a file that may be written with --rejects".to_owned(),
        };
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let made = File::create(&self.path).map_err(failed)?;
                self.file.insert(BufWriter::new(made))
            }
        };
        writeln!(file, "{line}").map_err(failed)
    }

    /// What is in the file by now; its name, when there is one.
    pub(super) fn end(mut self) -> Result<(Vec<RejectedRowCount>, Option<String>)> {
        let name = self.path.display().to_string();
        let flushed = self.file.as_mut().map(Write::flush).transpose();
        flushed.map_err(|error| Error::File {
            path: name.clone(),
            reason: error.to_string(),
            remedy: "give a file that may be written with --rejects".to_owned(),
        })?;
        let counts = self.counts.into_values().collect();
        Ok((counts, self.file.map(|_| name)))
    }
}

fn json_of(value: Option<&StoredValue>) -> Value {
    match value {
        None => Value::Null,
        Some(StoredValue::Integer(number)) => json!(number),
        Some(StoredValue::Double(number)) => json!(number),
        Some(StoredValue::Text(text)) => json!(text),
        Some(StoredValue::Blob) => json!("bytes"),
    }
}
