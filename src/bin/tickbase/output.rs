//! Where results go: text for people, one JSON value with `--json`, and when the reader goes away.

mod file;

use std::io::{self, Write};

use serde::Serialize;

use super::CommandFailure;
pub(super) use file::to_file;
use tickbase::error::Error;

/// Standard output, in the form that the caller chose.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a result: as one line of JSON, or as the text that `for_people` makes of it.
    pub(super) fn result<T: Serialize>(
        &self,
        value: &T,
        for_people: impl FnOnce(&T) -> String,
    ) -> Result<(), CommandFailure> {
        let text = if self.json {
            serde_json::to_string(value).map_err(|error| {
                Error::invalid("result", error.to_string(), "report this as a defect")
            })?
        } else {
            for_people(value)
        };
        to_stdout(&text)
    }
}

/// Writes a text and a line end to standard output.
pub(super) fn to_stdout(text: &str) -> Result<(), CommandFailure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())
        .and_then(|()| out.flush())
        .map_err(|error| cannot_write("standard output", &error))
}

/// Writes a line to standard error; nothing is left to do when that fails.
pub(super) fn to_stderr(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What a failed write of output means.
pub(super) fn cannot_write(name: &str, error: &io::Error) -> CommandFailure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return CommandFailure::ReaderGone;
    }
    CommandFailure::Error(Error::File {
        path: name.to_owned(),
        reason: error.to_string(),
        remedy: "check its directory, permissions and free space".to_owned(),
    })
}

/// A whole number with its thousands apart: `500 000` is hard to misread.
pub(super) fn grouped(number: impl TryInto<i128>) -> String {
    let Ok(number) = number.try_into() else {
        return "?".to_owned();
    };
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2 files`.
pub(super) fn counted(number: impl TryInto<i128>, one: &str) -> String {
    let number = grouped(number);
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {one}{plural}")
}

/// Bytes in the unit that fits: `12.3 MB`, thousands as the field counts them.
pub(super) fn bytes(count: i64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value.abs() < 1_000.0 {
            break;
        }
        value /= 1_000.0;
        unit = next;
    }
    if unit == "B" {
        return format!("{count} B");
    }
    format!("{value:.1} {unit}")
}

/// A time of microseconds in the unit that fits.
pub(super) fn micros(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} us"),
        1_000..1_000_000 => format!("{:.1} ms", count as f64 / 1e3),
        _ => format!("{:.2} s", count as f64 / 1e6),
    }
}

/// Lines of columns: the first to the left, the others to the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            if column == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(500_000), "500,000");
        assert_eq!(grouped(-1_234_567_i64), "-1,234,567");
    }

    #[test]
    fn bytes_and_times_have_the_unit_that_fits() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(micros(999), "999 us");
        assert_eq!(micros(1_500), "1.5 ms");
        assert_eq!(micros(2_340_000), "2.34 s");
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [
            vec!["a".to_owned(), "1".to_owned()],
            vec!["long".to_owned(), "100".to_owned()],
        ];
        assert_eq!(table(&rows), "a       1\nlong  100\n");
    }
}
