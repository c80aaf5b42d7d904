//! A feed: an input, what its text means, and its records in batches.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::columns::COLUMNS_MAX;
use super::field::Field;
use super::input::{Input, file_error};
use super::json::Keys;
use super::layout::{Layout, NameRules};
use super::lines::{LINE_BYTES_MAX, Line, Lines};
use super::options::{FeedFormat, FeedOptions};
use super::record::{Cells, FeedRecord, LayoutView, Memory, RecordView, Target};
use super::{csv, input};
use crate::error::{Error, Result};
use crate::timestamp::StampReader;

/// Rows, stored or rejected, that one batch holds at most.
pub const BATCH_ROWS_MAX: usize = 10_000;

/// A row that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRejection {
    /// The line of the (unpacked) text, from 1.
    pub line: u64,
    /// The rule that it breaks, and what would be read.
    pub reason: String,
}

/// Some records of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<T> {
    /// The records, in the order of the file.
    pub rows: Vec<T>,
    /// The line of each record.
    pub lines: Vec<u64>,
    /// The rows in between that were rejected.
    pub rejected: Vec<LineRejection>,
    /// Records whose stamp lost digits finer than a microsecond.
    pub stamps_cut: u64,
}

enum Shape {
    Csv { delimiter: u8, layout: Layout },
    Ndjson(Keys),
}

/// Reads a feed's records; it holds one batch and one line in memory, and a few bytes per
/// distinct stamp.
pub struct Feed {
    name: String,
    gzip: bool,
    lines: Lines,
    shape: Shape,
    /// A first line that is data.
    first: Option<(u64, Vec<u8>)>,
    memory: Memory,
    size: Option<u64>,
    read: Arc<AtomicU64>,
}

impl Feed {
    /// Reads the first line and finds out what the columns are; `T` is what the records shall
    /// be, [`Tick`](crate::domain::tick::Tick) or [`Bar`](crate::domain::bar::Bar).
    ///
    /// # Errors
    /// [`Error::File`] when the text is not a feed, lacks a column that `T` needs, or does not
    /// have what the options name.
    pub fn open<T: FeedRecord>(input: Input, options: &FeedOptions) -> Result<Self> {
        let (size, read) = (input.size_bytes(), input.bytes_read());
        let Input {
            name, reader, gzip, ..
        } = input;
        let mut lines = Lines::new(reader);
        let first = first_line(&mut lines, &name, gzip)?;
        let number = lines.number();
        let refuse = |reason: String| {
            file_error(
                &name,
                format!("line {number}: {reason}"),
                "check the file, or --columns",
            )
        };
        if let Some(what) = not_text(&first) {
            return Err(file_error(
                &name,
                format!("is not a CSV: {what}"),
                "give CSV or NDJSON",
            ));
        }
        let json = first.trim_ascii_start().starts_with(b"{");
        let (shape, layout, is_data) = if options.format == FeedFormat::Ndjson
            || (options.format == FeedFormat::Auto && json)
        {
            let mut keys = Keys::new(&options.columns).map_err(refuse)?;
            let layout = keys.layout(&first).map_err(refuse)?;
            (Shape::Ndjson(keys), layout, true)
        } else {
            let (delimiter, layout, is_data) = csv_layout(&first, options).map_err(refuse)?;
            (
                Shape::Csv {
                    delimiter,
                    layout: layout.clone(),
                },
                layout,
                is_data,
            )
        };
        T::check(&LayoutView(&layout)).map_err(refuse)?;
        let memory = Memory {
            stamps: StampReader::new(options.timestamp_format.clone(), None),
            numbered: layout.has(Field::Sequence),
            ..Memory::default()
        };
        let first = is_data.then_some((number, first));
        Ok(Self {
            name,
            gzip,
            lines,
            shape,
            first,
            memory,
            size,
            read,
        })
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the file, as it lies on disk, if that is known.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.size
    }

    /// Counts the bytes read so far, as they lie on disk; for progress.
    #[must_use]
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// The next records; `None` at the end.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read on: it names the line reached.
    pub fn next_batch<T: FeedRecord>(&mut self, target: &Target) -> Result<Option<Batch<T>>> {
        let mut batch = Batch {
            rows: Vec::with_capacity(BATCH_ROWS_MAX),
            lines: Vec::with_capacity(BATCH_ROWS_MAX),
            rejected: Vec::new(),
            stamps_cut: 0,
        };
        let cut_before = self.memory.stamps_cut;
        if let Some((number, line)) = self.first.take() {
            read_line(
                &line,
                number,
                &mut self.shape,
                &mut self.memory,
                target,
                &mut batch,
            );
        }
        while batch.rows.len() + batch.rejected.len() < BATCH_ROWS_MAX {
            // The number and the bytes before the line, for the message when it cannot be read.
            let (number, bytes) = (self.lines.number() + 1, self.lines.bytes());
            match self.lines.next() {
                Ok(None) => break,
                Ok(Some(Line::Text(line))) => {
                    read_line(
                        line,
                        number,
                        &mut self.shape,
                        &mut self.memory,
                        target,
                        &mut batch,
                    );
                }
                Ok(Some(Line::TooLong)) => {
                    let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
                    batch.rejected.push(LineRejection {
                        line: number,
                        reason,
                    });
                }
                Err(error) => return Err(broken(&self.name, self.gzip, number - 1, bytes, &error)),
            }
        }
        batch.stamps_cut = self.memory.stamps_cut - cut_before;
        Ok((!batch.rows.is_empty() || !batch.rejected.is_empty()).then_some(batch))
    }
}

fn read_line<T: FeedRecord>(
    line: &[u8],
    number: u64,
    shape: &mut Shape,
    memory: &mut Memory,
    target: &Target,
    batch: &mut Batch<T>,
) {
    if line.trim_ascii().is_empty() {
        return;
    }
    let mut cells = Cells::default();
    let split = match shape {
        Shape::Csv { delimiter, layout } => split_csv(line, *delimiter, layout, &mut cells),
        Shape::Ndjson(keys) => keys.read(line, &mut cells),
    };
    let record = match split {
        Ok(()) => T::read(&RecordView(&cells), target, memory).map_err(|error| error.to_string()),
        Err(reason) => Err(format!("the line {reason}")),
    };
    match record {
        Ok(record) => {
            batch.rows.push(record);
            batch.lines.push(number);
        }
        Err(reason) => batch.rejected.push(LineRejection {
            line: number,
            reason,
        }),
    }
}

fn split_csv<'a>(
    line: &'a [u8],
    delimiter: u8,
    layout: &Layout,
    cells: &mut Cells<'a>,
) -> Result<(), String> {
    let mut beyond = false;
    let count = csv::split(line, delimiter, |index, text| {
        match layout.fields.get(index) {
            Some(Some(field)) => cells.set_text(*field, text),
            Some(None) => {}
            None => beyond |= !text.trim_ascii().is_empty(),
        }
    })?;
    // Delimiters too many at the end are common and harmless; too few mean a row cut short.
    if beyond || count < layout.fields.len() {
        return Err(format!("has {count} fields, not {}", layout.fields.len()));
    }
    Ok(())
}

/// The first line that is not blank.
fn first_line(lines: &mut Lines, name: &str, gzip: bool) -> Result<Vec<u8>> {
    loop {
        let (number, bytes) = (lines.number(), lines.bytes());
        match lines
            .next()
            .map_err(|error| broken(name, gzip, number, bytes, &error))?
        {
            None => {
                return Err(file_error(name, "has no text", "check where it came from"));
            }
            Some(Line::TooLong) => {
                let reason = format!("is not a CSV: no line end in {LINE_BYTES_MAX} bytes");
                return Err(file_error(name, reason, "give CSV or NDJSON"));
            }
            Some(Line::Text(line)) if line.trim_ascii().is_empty() => {}
            Some(Line::Text(line)) => return Ok(line.to_vec()),
        }
    }
}

/// Delimiter, layout, and whether the line itself is data.
fn csv_layout(line: &[u8], options: &FeedOptions) -> Result<(u8, Layout, bool), String> {
    let delimiter = csv::delimiter_of(line)
        .ok_or("not a CSV: there is no comma, tab, semicolon or bar between fields")?;
    let names = csv::names(line, delimiter).map_err(|reason| format!("the header {reason}"))?;
    if names.len() > COLUMNS_MAX {
        return Err(format!(
            "not a CSV: {} columns, the limit is {COLUMNS_MAX}",
            names.len()
        ));
    }
    if csv::is_header(line, delimiter, &options.timestamp_format) {
        let layout = Layout::of_names(names, &options.columns, NameRules::OfFiles)?;
        return Ok((delimiter, layout, false));
    }
    if options.columns.iter().next().is_none() {
        return Err(
            "there is no header: name the columns by position, like --columns timestamp=1,price=2"
                .to_owned(),
        );
    }
    Ok((
        delimiter,
        Layout::of_positions(names.len(), &options.columns)?,
        true,
    ))
}

/// What the bytes are, if they are no text.
fn not_text(line: &[u8]) -> Option<String> {
    const MAGICS: [(&[u8], &str); 8] = [
        (b"PK\x03\x04", "a zip archive (unpack it first)"),
        (b"\x28\xb5\x2f\xfd", "zstd data (unpack it first)"),
        (b"BZh", "bzip2 data (unpack it first)"),
        (b"\xfd7zXZ", "xz data (unpack it first)"),
        (b"PAR1", "a Parquet file"),
        (b"SQLite format 3", "a SQLite database"),
        (b"\xff\xfe", "UTF-16 text (convert it to UTF-8)"),
        (b"\xfe\xff", "UTF-16 text (convert it to UTF-8)"),
    ];
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| line.starts_with(magic)) {
        return Some((*what).to_owned());
    }
    let start = line.trim_ascii_start();
    if start == b"[" || start.starts_with(b"[{") {
        return Some("a JSON array (write one object per line, NDJSON)".to_owned());
    }
    let binary = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    if let Some(at) = line.iter().position(binary) {
        return Some(format!("binary data (byte {:#04x} at {at})", line[at]));
    }
    let invalid = std::str::from_utf8(line).err()?;
    Some(format!("no UTF-8 text (at byte {})", invalid.valid_up_to()))
}

/// The file ended or broke in the middle.
fn broken(name: &str, gzip: bool, line: u64, bytes: u64, error: &io::Error) -> Error {
    let place = format!("after line {line} ({bytes} bytes of text)");
    if !gzip {
        return input::file_error(
            name,
            format!("cannot be read {place}: {error}"),
            "check the disk",
        );
    }
    let reason = if error.kind() == io::ErrorKind::UnexpectedEof {
        format!("the gzip data ends too early, {place}")
    } else {
        format!("the gzip data is damaged {place}: {error}")
    };
    file_error(name, reason, "fetch the file again")
}

#[cfg(test)]
mod tests;
