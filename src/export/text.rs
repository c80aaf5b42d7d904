//! Tables as text: CSV, and JSON objects in a list or a line each.

use std::io::Write;

use super::columns::{Column, ColumnValues, RowBatch};

/// Up to here every whole double is exactly its integer.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Appends what `write!` makes; a vector takes every byte.
macro_rules! append {
    ($out:expr, $($text:tt)*) => {
        let _never_full = write!($out, $($text)*);
    };
}

/// RFC 4180 with line feeds, as `import` reads it.
pub(super) struct CsvEncoder;

impl CsvEncoder {
    pub(super) fn begin(columns: &[Column], out: &mut Vec<u8>) -> Self {
        for (at, column) in columns.iter().enumerate() {
            separate(at, out);
            out.extend_from_slice(column.name.as_bytes());
        }
        out.push(b'\n');
        Self
    }

    pub(super) fn write(&self, batch: &RowBatch, out: &mut Vec<u8>) {
        for row in 0..batch.rows() {
            for (at, values) in batch.columns().iter().enumerate() {
                separate(at, out);
                csv_cell(values, row, out);
            }
            out.push(b'\n');
        }
    }
}

fn separate(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

fn csv_cell(values: &ColumnValues, row: usize, out: &mut Vec<u8>) {
    match values {
        ColumnValues::Words(words) => csv_word(&words[row], out),
        ColumnValues::Moments(moments) => {
            append!(out, "{}", moments[row]);
        }
        ColumnValues::Wholes(wholes) => {
            if let Some(whole) = wholes[row] {
                append!(out, "{whole}");
            }
        }
        ColumnValues::Numbers(numbers) => {
            if let Some(number) = numbers[row] {
                append!(out, "{number}");
            }
        }
    }
}

fn csv_word(word: &str, out: &mut Vec<u8>) {
    if word.contains([',', '"', '\n', '\r']) {
        append!(out, "\"{}\"", word.replace('"', "\"\""));
    } else {
        out.extend_from_slice(word.as_bytes());
    }
}

/// Objects whose names are those of the columns.
pub(super) struct JsonEncoder {
    /// `"name":` of each column.
    names: Vec<String>,
    /// A list, whose rows have all names; else a line each, without what has no value.
    is_list: bool,
    is_empty: bool,
}

impl JsonEncoder {
    pub(super) fn list(columns: &[Column]) -> Self {
        Self {
            is_list: true,
            ..Self::lines(columns)
        }
    }

    pub(super) fn lines(columns: &[Column]) -> Self {
        let names = columns.iter().map(|column| format!("\"{}\":", column.name));
        Self {
            names: names.collect(),
            is_list: false,
            is_empty: true,
        }
    }

    pub(super) fn write(&mut self, batch: &RowBatch, out: &mut Vec<u8>) {
        for row in 0..batch.rows() {
            if self.is_list {
                out.push(if self.is_empty { b'[' } else { b',' });
            }
            self.is_empty = false;
            self.object(batch, row, out);
            if !self.is_list {
                out.push(b'\n');
            }
        }
    }

    fn object(&self, batch: &RowBatch, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut at = 0;
        for (name, values) in self.names.iter().zip(batch.columns()) {
            let before = out.len();
            separate(at, out);
            out.extend_from_slice(name.as_bytes());
            match json_value(values, row, out) {
                true => at += 1,
                false if self.is_list => {
                    out.extend_from_slice(b"null");
                    at += 1;
                }
                false => out.truncate(before),
            }
        }
        out.push(b'}');
    }

    pub(super) fn finish(self, out: &mut Vec<u8>) {
        if self.is_list {
            out.extend_from_slice(if self.is_empty { b"[]" } else { b"]" });
        }
    }
}

/// Writes a value; false when there is none.
fn json_value(values: &ColumnValues, row: usize, out: &mut Vec<u8>) -> bool {
    match values {
        // Texts and numbers of JSON, which a vector always takes.
        ColumnValues::Words(words) => serde_json::to_writer(out, &*words[row]).is_ok(),
        ColumnValues::Moments(moments) => {
            append!(out, "\"{}\"", moments[row]);
            true
        }
        ColumnValues::Wholes(wholes) => wholes[row].is_some_and(|whole| {
            append!(out, "{whole}");
            true
        }),
        ColumnValues::Numbers(numbers) => numbers[row].is_some_and(|number| {
            if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
                append!(out, "{}", number as i64);
                return true;
            }
            serde_json::to_writer(out, &number).is_ok()
        }),
    }
}
