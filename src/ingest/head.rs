//! The first lines of a file: where its header is, what stands before it, and which column is
//! which field.

use super::cells::Cell;
use super::columns::{COLUMNS_MAX, ColumnMap};
use super::csv;
use super::field::Field;
use super::import_kind::ImportKind;
use super::input::file_error;
use super::json::{self, Keys};
use super::layout::{Layout, NameRules};
use super::lines::LINE_BYTES_MAX;
use super::options::{FeedFormat, FeedOptions};
use super::shape::RowFormat;
use super::text::FeedText;
use crate::domain::Symbol;
use crate::error::Result;
use crate::timestamp::{DateOrderSurvey, StampReader};

/// Lines among which a header is looked for.
const HEAD_LINES: usize = 25;

/// The layout that the first lines of a file show.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) shape: RowFormat,
    pub(super) kind: ImportKind,
    /// Lines with text that were passed over, as they stand before the header.
    pub(super) lines_before: u64,
    /// The number of the last line that is no row.
    pub(super) header_line: u64,
}

/// Looks at the first lines.
///
/// # Errors
/// [`Error::File`](crate::error::Error::File) when the text is not a feed, lacks a column that its rows need, or does not
/// have what the options name.
pub(super) fn read(
    text: &mut FeedText,
    options: &FeedOptions,
    kind: Option<ImportKind>,
) -> Result<Head> {
    text.skip_to(options.skip_lines)?;
    while text.ahead().len() < HEAD_LINES && text.look_ahead()? {}
    let refuse = |number: u64, reason: String| {
        let remedy = match options.preset {
            Some(preset) => format!("check the file, or whether it is of preset {preset}"),
            None => "check the file, or --columns".to_owned(),
        };
        file_error(text.name(), format!("line {number}: {reason}"), remedy)
    };
    let (first, line) = first_line(text)?;
    let is_json = line.trim_ascii_start().starts_with(b"{");
    let head = if options.format == FeedFormat::Ndjson
        || (options.format == FeedFormat::Auto && is_json)
    {
        read_json(first, line, options, kind).map_err(|reason| (first, reason))
    } else {
        read_csv(first, text, options, kind)
    };
    head.map_err(|(number, reason)| refuse(number, reason))
}

/// The first line with text.
fn first_line(text: &FeedText) -> Result<(u64, &[u8])> {
    let name = text.name();
    let lines = text.ahead().iter();
    let mut lines = lines.map(|(number, line)| (*number, line.as_deref()));
    let first = lines.find(|(_, line)| line.is_none_or(|line| !line.trim_ascii().is_empty()));
    match first {
        None => Err(file_error(name, "has no text", "check where it came from")),
        Some((_, None)) => {
            let reason = format!("is not a CSV: no line end in {LINE_BYTES_MAX} bytes");
            Err(file_error(name, reason, "give CSV or NDJSON"))
        }
        Some((number, Some(line))) => match not_text(line) {
            None => Ok((number, line)),
            Some(what) => {
                let reason = format!("is not a CSV: {what}");
                Err(file_error(name, reason, "give CSV or NDJSON"))
            }
        },
    }
}

fn read_json(
    number: u64,
    line: &[u8],
    options: &FeedOptions,
    kind: Option<ImportKind>,
) -> std::result::Result<Head, String> {
    let map = &options.columns;
    let (layout, values) = json::first_layout(line, map, NameRules::OfFiles)?;
    let (layout, kind) = settle(layout, Some(&values), kind, options)?;
    Ok(Head {
        shape: RowFormat::Json(Keys::new(layout, map, NameRules::OfFiles)),
        kind,
        lines_before: 0,
        header_line: number - 1,
    })
}

/// A line of the head that can be a header or a row.
struct HeadLine<'t> {
    number: u64,
    line: &'t [u8],
    delimiter: Option<u8>,
}

impl HeadLine<'_> {
    fn cells(&self) -> Vec<String> {
        let delimiter = self.delimiter.unwrap_or(b',');
        csv::names(self.line, delimiter).unwrap_or_default()
    }
}

/// The lines that are neither blank nor a comment, and not the line `sep=;` of spreadsheets.
fn candidates<'t>(text: &'t FeedText, options: &FeedOptions) -> Vec<HeadLine<'t>> {
    let mut separator = options.delimiter;
    let mut candidates = Vec::new();
    for (number, line) in text.ahead() {
        let line = line.as_deref().unwrap_or_default();
        let plain = line.trim_ascii();
        if plain.is_empty() || plain.starts_with(b"#") {
            continue;
        }
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] = plain {
            separator = separator.or(Some(*delimiter));
            continue;
        }
        candidates.push(HeadLine {
            number: *number,
            line,
            delimiter: separator.or_else(|| csv::delimiter_of(line)),
        });
    }
    candidates
}

type HeadRefusal = (u64, String);

/// Takes the first line that is a header of rows; without one, the file's first line is a row.
fn read_csv(
    first: u64,
    text: &FeedText,
    options: &FeedOptions,
    kind: Option<ImportKind>,
) -> std::result::Result<Head, HeadRefusal> {
    let candidates = candidates(text, options);
    let Some(top) = candidates.first() else {
        return Err((first, "there are only comments".to_owned()));
    };
    // Columns that are named by position alone belong to a file without a header, unless its
    // first line is one: rows are never taken for lines before a header.
    let by_position = options.columns.is_by_position();
    let lines = if by_position || options.header == Some(true) {
        1
    } else {
        candidates.len()
    };
    let mut refusal = None;
    let searched = if options.header == Some(false) {
        0
    } else {
        lines
    };
    for (index, candidate) in candidates.iter().take(searched).enumerate() {
        let is_header = options.header == Some(true)
            || candidate.delimiter.is_some_and(|byte| {
                csv::is_header(candidate.line, byte, &options.timestamp_format)
            });
        if !is_header {
            continue;
        }
        match with_header(&candidates, index, options, kind) {
            Ok(head) => return Ok(head),
            // The refusal of the first line is the one to show: lines below it are seldom a header.
            Err(reason) if index == 0 => refusal = Some((candidate.number, reason)),
            Err(_) => {}
        }
    }
    match refusal {
        Some(refusal) => Err(refusal),
        None => without_header(top, options, kind).map_err(|reason| (top.number, reason)),
    }
}

fn with_header(
    candidates: &[HeadLine<'_>],
    index: usize,
    options: &FeedOptions,
    kind: Option<ImportKind>,
) -> std::result::Result<Head, String> {
    let header = &candidates[index];
    let delimiter = header.delimiter.ok_or(NO_DELIMITER)?;
    let names = csv::names(header.line, delimiter).map_err(|why| format!("the header {why}"))?;
    refuse_many(names.len())?;
    // The row is split by the delimiter of its header, whatever stands more often in the row
    // itself.
    let row = candidates.get(index + 1).map(|row| {
        let row = HeadLine {
            delimiter: header.delimiter,
            ..*row
        };
        row.cells()
    });
    let layout = Layout::of_names(names, &options.columns, NameRules::OfFiles)?;
    let columns = layout.fields.len();
    let (layout, kind) = settle(layout, row.as_deref(), kind, options)?;
    let above = candidates.iter().take(index);
    // A row above the header would be dropped in silence: two files were joined, or the header is a
    // row.
    if let Some(row) = above.into_iter().find(|line| is_row(line, columns)) {
        return Err(format!(
            "line {} looks like a row above the header",
            row.number
        ));
    }
    Ok(Head {
        shape: RowFormat::Csv { delimiter, layout },
        kind,
        lines_before: index as u64,
        header_line: header.number,
    })
}

/// True when a line has as many cells as a row, and one of them is a stamp.
fn is_row(line: &HeadLine<'_>, columns: usize) -> bool {
    let cells = line.cells();
    cells.len() == columns && cells.iter().any(|cell| is_stamp(cell))
}

fn without_header(
    row: &HeadLine<'_>,
    options: &FeedOptions,
    kind: Option<ImportKind>,
) -> std::result::Result<Head, String> {
    let delimiter = row.delimiter.ok_or(NO_DELIMITER)?;
    let cells = csv::names(row.line, delimiter).map_err(|why| format!("the line {why}"))?;
    refuse_many(cells.len())?;
    if options.columns == ColumnMap::default() {
        return Err(
            "there is no header: name the columns by position, like --columns timestamp=1,price=2, \
             or the vendor with --preset"
                .to_owned(),
        );
    }
    if let Some(preset) = options.preset {
        preset.check_width(cells.len())?;
    }
    let layout = Layout::of_positions(cells.len(), &options.columns)?;
    let (layout, kind) = settle(layout, Some(&cells), kind, options)?;
    Ok(Head {
        shape: RowFormat::Csv { delimiter, layout },
        kind,
        lines_before: 0,
        header_line: row.number - 1,
    })
}

const NO_DELIMITER: &str = "not a CSV: there is no comma, tab, semicolon or bar between fields";

fn refuse_many(columns: usize) -> std::result::Result<(), String> {
    if columns <= COLUMNS_MAX {
        return Ok(());
    }
    Err(format!(
        "not a CSV: {columns} columns, the limit is {COLUMNS_MAX}"
    ))
}

/// Decides with the cells of the first row what names alone do not tell, and what the rows are.
fn settle(
    mut layout: Layout,
    row: Option<&[String]>,
    kind: Option<ImportKind>,
    options: &FeedOptions,
) -> std::result::Result<(Layout, ImportKind), String> {
    let map = &options.columns;
    let cell = |index: usize| row.and_then(|row| row.get(index)).map(|cell| cell.trim());
    // Dataframes write the dates of their index under no name.
    if layout.check_stamp().is_err()
        && map.get(Field::Timestamp).is_none()
        && matches!(layout.name(0).as_str(), "column 1" | "Unnamed: 0" | "index")
        && cell(0).is_some_and(is_stamp)
    {
        layout.assign(0, Field::Timestamp);
    }
    // A column of names of companies is none of symbols.
    if map.get(Field::Symbol).is_none()
        && let Some(index) = layout.column_of(Field::Symbol)
        && !matches!(
            layout.name(index).to_ascii_lowercase().as_str(),
            "symbol" | "ticker"
        )
        && cell(index).is_some_and(|text| Symbol::new(text).is_err())
    {
        layout.drop(Field::Symbol);
    }
    // Ids that are no numbers (hashes, UUIDs) cannot be sequences: rows are counted instead.
    if map.get(Field::Sequence).is_none()
        && let Some(index) = layout.column_of(Field::Sequence)
        && layout.name(index).to_ascii_lowercase().ends_with("id")
        && cell(index).is_some_and(|id| Cell::Text(id.as_bytes()).whole().is_none())
    {
        layout.drop(Field::Sequence);
    }
    if let (Some(preset), Some(row)) = (options.preset, row) {
        preset.check_prices(&layout.fields, row)?;
    }
    let kind = match kind {
        Some(kind) => kind,
        None if layout.is_of_bars() => ImportKind::Bars,
        None => ImportKind::Ticks,
    };
    match kind {
        ImportKind::Ticks => layout.check_ticks()?,
        ImportKind::Bars => {
            layout.check_bars()?;
            layout.close_is_price();
        }
    }
    // What the rows cannot hold is told as not used.
    let foreign: &[Field] = match kind {
        ImportKind::Ticks if layout.has(Field::Price) => {
            &[Field::Close, Field::OpenInterest, Field::CloseTime]
        }
        ImportKind::Ticks => &[Field::OpenInterest, Field::CloseTime],
        ImportKind::Bars => &[
            Field::Price,
            Field::Bid,
            Field::Ask,
            Field::BidSize,
            Field::AskSize,
            Field::Sequence,
        ],
    };
    for field in foreign {
        layout.drop(*field);
    }
    Ok((layout, kind))
}

/// True when a text is a date or a moment, even where the order of its day and month is not known.
fn is_stamp(text: &str) -> bool {
    let text = text.trim().as_bytes();
    DateOrderSurvey::is_needed_for(text) || StampReader::default().read(text).is_ok()
}

/// Names the format of bytes that are no text.
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
