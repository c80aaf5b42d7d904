//! A posted batch: ticks of many instruments in one text (a JSON array, NDJSON or CSV), each row
//! with its own symbol or instrument id. Rows are read as those of files are, but by the names of
//! this program alone.
//!
//! A text that is not what it says is an error of the whole; a row that breaks a rule is kept with
//! its reason at its index, and costs nobody else. It knows no database: who the symbols are, the
//! caller finds out.

mod array;
mod rejected;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use super::cells::Cells;
use super::columns::ColumnMap;
use super::csv;
use super::json::Keys;
use super::layout::{Layout, NameRules};
use super::lines::{LINE_BYTES_MAX, Line, Lines};
use super::owners::{InstrumentName, OwnerOfRow, Owners, RowOwner, SourceName};
use super::record::{FeedTarget, RowReader};
use super::shape::RowFormat;
use crate::domain::tick::Tick;
use crate::domain::{DEFAULT_SOURCE_ID, Symbol};
pub use rejected::RejectedRows;

/// The format of a posted body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostedFormat {
    /// An array of objects, or `{"ticks": [..]}`.
    Json,
    /// One object per line.
    Ndjson,
    /// A header, then a row per line.
    Csv,
}

/// Why a posted text is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostedError {
    /// It has more rows than this.
    TooManyRows(usize),
    /// It is not what its format says, or its header names no columns of ticks.
    NotTicks(String),
}

impl fmt::Display for PostedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRows(limit) => {
                write!(
                    f,
                    "it has too many rows; send at most {limit} rows at a time"
                )
            }
            Self::NotTicks(reason) => write!(
                f,
                "{reason}; send a JSON array of ticks or {{\"ticks\": [..]}} as application/json, \
                 one object per line as application/x-ndjson, or a header and rows as text/csv"
            ),
        }
    }
}

impl std::error::Error for PostedError {}

/// The rows of a posted text, whose instruments are still names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PostedBatch {
    ticks: Vec<Tick>,
    /// The owner of each tick, as an index of `owners`.
    owner_of: Vec<u32>,
    owners: Vec<RowOwner>,
    /// The place in the text of each tick, from 0.
    indexes: Vec<usize>,
    rejected: RejectedRows,
    stamps_cut: u64,
}

/// The rows of a posted text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResolvedTicks {
    /// The ticks that break no rule.
    pub ticks: Vec<Tick>,
    /// The place in the text of each tick, from 0.
    pub indexes: Vec<usize>,
    /// The other rows, which break a rule.
    pub rejected: RejectedRows,
    /// Rows whose stamp lost digits finer than a microsecond.
    pub stamps_cut: u64,
}

impl PostedBatch {
    /// Reads a text of at most `rows_max` rows.
    ///
    /// # Errors
    /// [`PostedError`] when the text is not what `format` says, has more rows, or a CSV header
    /// that names no column of ticks.
    pub fn read(text: &[u8], format: PostedFormat, rows_max: usize) -> Result<Self, PostedError> {
        match format {
            PostedFormat::Json => {
                let rows = array::rows(text, rows_max)?;
                // Counted before a row is read: a refusal must not cost what storing would.
                refuse_too_many(rows.len(), rows_max)?;
                let mut posted = Posted::new(posted_keys(), rows.len());
                for row in rows {
                    posted.row(row.get().as_bytes());
                }
                Ok(posted.end())
            }
            PostedFormat::Ndjson => {
                let mut posted = Posted::new(posted_keys(), 0);
                posted.lines(&mut Lines::new(text), rows_max)?;
                Ok(posted.end())
            }
            PostedFormat::Csv => {
                let mut lines = Lines::new(text);
                let Some(shape) = posted_header(&mut lines)? else {
                    return Ok(Self::default());
                };
                let mut posted = Posted::new(shape, 0);
                posted.lines(&mut lines, rows_max)?;
                Ok(posted.end())
            }
        }
    }

    /// Bounds the number of ticks in a text by its size and shape: the exact number takes reading
    /// it.
    #[must_use]
    pub fn ticks_max(text: &[u8], format: PostedFormat, rows_max: usize) -> usize {
        let sign = match format {
            PostedFormat::Json => b'{',
            PostedFormat::Ndjson | PostedFormat::Csv => b'\n',
        };
        // The last line may have no end.
        let rows = memchr::memchr_iter(sign, text).count() + usize::from(!text.is_empty());
        rows.min(rows_max)
    }

    /// The number of ticks read.
    #[must_use]
    pub fn ticks(&self) -> usize {
        self.ticks.len()
    }

    /// The symbols that the rows name.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.owners
            .iter()
            .filter_map(|owner| match &owner.instrument {
                Some(InstrumentName::Symbol(symbol)) => Some(symbol),
                _ => None,
            })
    }

    /// The ticks of the instruments that the symbols name; rows of others are rejected.
    #[must_use]
    pub fn resolve(self, ids: &HashMap<Symbol, i64>) -> ResolvedTicks {
        let of = |owner: &RowOwner| {
            let instrument = match &owner.instrument {
                Some(InstrumentName::Id(id)) => Some(*id),
                Some(InstrumentName::Symbol(symbol)) => ids.get(symbol).copied(),
                None => None,
            };
            let source = match &owner.source {
                Some(SourceName::Id(id)) => *id,
                _ => DEFAULT_SOURCE_ID,
            };
            instrument.map(|instrument| (instrument, source))
        };
        let known: Vec<Option<(i64, i64)>> = self.owners.iter().map(of).collect();
        let mut posted = ResolvedTicks {
            ticks: Vec::with_capacity(self.ticks.len()),
            indexes: Vec::with_capacity(self.ticks.len()),
            rejected: self.rejected,
            stamps_cut: self.stamps_cut,
        };
        for ((tick, owner), index) in self.ticks.into_iter().zip(self.owner_of).zip(self.indexes) {
            match known.get(owner as usize).copied().flatten() {
                Some((instrument, source)) => {
                    posted.ticks.push(tick.moved_to(instrument, source));
                    posted.indexes.push(index);
                }
                None => {
                    let owner = self.owners.get(owner as usize);
                    let name = owner.and_then(|owner| match &owner.instrument {
                        Some(InstrumentName::Symbol(symbol)) => Some(symbol.as_str()),
                        _ => None,
                    });
                    let name = name.unwrap_or_default();
                    posted.rejected.push(index, || {
                        format!("symbol: no active instrument is named {name}; add it first")
                    });
                }
            }
        }
        posted
    }
}

/// A text on its way.
struct Posted {
    shape: RowFormat,
    owners: Owners,
    reader: RowReader,
    count: usize,
    batch: PostedBatch,
}

impl Posted {
    fn new(shape: RowFormat, rows: usize) -> Self {
        Self {
            shape,
            owners: Owners::posted(),
            reader: RowReader::posted(),
            count: 0,
            batch: PostedBatch {
                ticks: Vec::with_capacity(rows),
                owner_of: Vec::with_capacity(rows),
                indexes: Vec::with_capacity(rows),
                ..PostedBatch::default()
            },
        }
    }

    fn lines(&mut self, lines: &mut Lines<&[u8]>, rows_max: usize) -> Result<(), PostedError> {
        while let Some(line) = lines.next().map_err(not_read)? {
            if let Line::Text(line) = line
                && line.trim_ascii().is_empty()
            {
                continue;
            }
            refuse_too_many(self.count + 1, rows_max)?;
            match line {
                Line::Text(line) => self.row(line),
                Line::TooLong => self.reject(format!("it is longer than {LINE_BYTES_MAX} bytes")),
            }
        }
        Ok(())
    }

    fn row(&mut self, text: &[u8]) {
        /// The caller's to fill in.
        const NOBODY: FeedTarget = FeedTarget {
            instrument_id: 0,
            source_id: DEFAULT_SOURCE_ID,
            frequency: None,
        };
        let mut cells = Cells::default();
        let owner = match self.shape.split(text, &mut cells) {
            Ok(()) => self.owners.of(&cells),
            Err(reason) => Err(format!("it {reason}")),
        };
        let tick = owner.and_then(|owner| match owner {
            OwnerOfRow::Known(owner) => {
                let tick = self.reader.tick(&cells, &NOBODY, owner);
                tick.map(|tick| (tick, owner))
                    .map_err(|error| error.to_string())
            }
            OwnerOfRow::OtherSymbol => Err("symbol: it is another one".to_owned()),
        });
        match tick {
            Ok((tick, owner)) => {
                self.batch.ticks.push(tick);
                self.batch.owner_of.push(owner);
                self.batch.indexes.push(self.count);
                self.count += 1;
            }
            Err(reason) => self.reject(reason),
        }
    }

    fn reject(&mut self, reason: String) {
        self.batch.rejected.push(self.count, || reason);
        self.count += 1;
    }

    fn end(self) -> PostedBatch {
        PostedBatch {
            owners: self.owners.into_all(),
            stamps_cut: self.reader.stamps_cut,
            ..self.batch
        }
    }
}

fn posted_keys() -> RowFormat {
    let rules = NameRules::OfPosts;
    RowFormat::Json(Keys::new(Layout::default(), &ColumnMap::default(), rules))
}

/// The columns of a posted CSV; `None` when there is no line.
fn posted_header(lines: &mut Lines<&[u8]>) -> Result<Option<RowFormat>, PostedError> {
    let layout = |line: &[u8]| {
        let delimiter = csv::delimiter_of(line)
            .ok_or("not a CSV: the first line has one field, a header of ticks has more")?;
        let names = csv::names(line, delimiter).map_err(|reason| format!("the header {reason}"))?;
        let layout = Layout::of_names(names, &ColumnMap::default(), NameRules::OfPosts)?;
        layout.check_ticks()?;
        Ok(RowFormat::Csv { delimiter, layout })
    };
    while let Some(line) = lines.next().map_err(not_read)? {
        match line {
            Line::Text(line) if line.trim_ascii().is_empty() => {}
            Line::Text(line) => return layout(line).map(Some).map_err(PostedError::NotTicks),
            Line::TooLong => {
                return Err(PostedError::NotTicks("its header is too long".to_owned()));
            }
        }
    }
    Ok(None)
}

fn not_read(error: std::io::Error) -> PostedError {
    PostedError::NotTicks(error.to_string())
}

fn refuse_too_many(rows: usize, rows_max: usize) -> Result<(), PostedError> {
    if rows <= rows_max {
        return Ok(());
    }
    Err(PostedError::TooManyRows(rows_max))
}
