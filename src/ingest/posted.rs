//! A posted batch: ticks of many instruments in one text (a JSON array, NDJSON or CSV), each row
//! with its own symbol or instrument id.
//!
//! A text that is not what it says is an error of the whole; a row that breaks a rule is kept with
//! its reason at its index, and costs nobody else. It knows no database: who the symbols are, the
//! caller finds out.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::columns::ColumnMap;
use super::csv;
use super::field::Field;
use super::layout::{Layout, NameRules};
use super::record::{self, Cell, Cells, Memory, Target};
use super::whole;
use crate::domain::Symbol;
use crate::domain::tick::RawTick;
use crate::error::{Error, Result};
use crate::timestamp::{StampReader, Timestamp};

/// How a posted text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostedFormat {
    /// An array of objects, or `{"ticks": [..]}`.
    Json,
    /// One object per line.
    Ndjson,
    /// A header, then a row per line.
    Csv,
}

/// The instrument of a row, as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstrumentName {
    /// By id.
    Id(i64),
    /// By symbol.
    Symbol(Symbol),
}

/// A row that can become a tick once its instrument is known.
#[derive(Debug, Clone, PartialEq)]
pub struct PostedTick {
    /// Whose tick it is.
    pub instrument: InstrumentName,
    /// The rest, with nothing checked.
    pub raw: RawTick,
}

/// The rows of a posted text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PostedBatch {
    /// Each row, or why it is none; in the order of the text.
    pub rows: Vec<Result<PostedTick, String>>,
    /// Rows whose stamp lost digits finer than a microsecond.
    pub stamps_cut: u64,
}

impl PostedBatch {
    /// Reads a text of at most `rows_max` rows.
    ///
    /// # Errors
    /// [`Error::Invalid`] named `body` when the text is not what `format` says, has more rows, or
    /// a CSV header that names no column of ticks.
    pub fn read(text: &[u8], format: PostedFormat, rows_max: usize) -> Result<Self> {
        let mut batch = Self::default();
        match format {
            PostedFormat::Json => batch.json(text, rows_max)?,
            PostedFormat::Ndjson => batch.ndjson(text, rows_max)?,
            PostedFormat::Csv => batch.csv(text, rows_max)?,
        }
        Ok(batch)
    }

    fn json(&mut self, text: &[u8], rows_max: usize) -> Result<()> {
        let rows = json_rows(text)?;
        refuse_too_many(rows.len(), rows_max)?;
        self.rows.reserve(rows.len());
        for row in rows {
            self.object(row.get().as_bytes());
        }
        Ok(())
    }

    fn ndjson(&mut self, text: &[u8], rows_max: usize) -> Result<()> {
        for line in lines(text) {
            refuse_too_many(self.rows.len() + 1, rows_max)?;
            self.object(line);
        }
        Ok(())
    }

    fn object(&mut self, text: &[u8]) {
        // Serde takes an array for the object, too: its values would mean what their order says.
        let object = match text.first() {
            Some(b'{') => Ok(text),
            _ => Err("it is no tick: a tick is an object".to_owned()),
        };
        let row = object
            .and_then(|text| {
                serde_json::from_slice::<Row<'_>>(text)
                    .map_err(|error| format!("it is no tick: {error}"))
            })
            .and_then(|row| row.tick(&mut self.stamps_cut));
        self.rows.push(row);
    }

    fn csv(&mut self, text: &[u8], rows_max: usize) -> Result<()> {
        let mut lines = lines(text);
        let Some(header) = lines.next() else {
            return Ok(());
        };
        let columns = Columns::of_header(header).map_err(not_what_it_says)?;
        let mut memory = Memory::default();
        for line in lines {
            refuse_too_many(self.rows.len() + 1, rows_max)?;
            self.rows.push(columns.row(line, &mut memory));
        }
        self.stamps_cut = memory.stamps_cut;
        Ok(())
    }
}

/// The lines that are not blank.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
}

fn refuse_too_many(rows: usize, rows_max: usize) -> Result<()> {
    if rows <= rows_max {
        return Ok(());
    }
    let remedy = format!("send at most {rows_max} rows at a time");
    Err(Error::invalid("body", "it has too many rows", remedy))
}

fn not_what_it_says(reason: impl std::fmt::Display) -> Error {
    Error::invalid(
        "body",
        reason.to_string(),
        "send a JSON array of ticks or {\"ticks\": [..]} as application/json, one object per \
         line as application/x-ndjson, or a header and rows as text/csv",
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    ticks: Vec<&'a RawValue>,
}

/// The rows as text: what is inside one is its own affair.
fn json_rows(text: &[u8]) -> Result<Vec<&RawValue>> {
    let start = text.trim_ascii_start().first();
    let rows = match start {
        Some(b'[') => serde_json::from_slice(text),
        Some(b'{') => serde_json::from_slice::<Envelope<'_>>(text).map(|batch| batch.ticks),
        Some(_) => return Err(not_what_it_says("it is neither an array nor an object")),
        None => return Err(not_what_it_says("it is empty")),
    };
    rows.map_err(|error| not_what_it_says(format_args!("it is no JSON of ticks: {error}")))
}

/// One object. A name that no tick has is refused: a misspelt one would be lost in silence.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Row<'a> {
    #[serde(borrow)]
    symbol: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "whole::optional")]
    instrument_id: Option<i64>,
    #[serde(borrow)]
    timestamp: Option<Moment<'a>>,
    #[serde(deserialize_with = "whole::optional")]
    source_id: Option<i64>,
    #[serde(deserialize_with = "whole::optional")]
    sequence: Option<i64>,
    price: Option<f64>,
    volume: Option<f64>,
    bid: Option<f64>,
    ask: Option<f64>,
    bid_size: Option<f64>,
    ask_size: Option<f64>,
    open_price: Option<f64>,
    high_price: Option<f64>,
    low_price: Option<f64>,
}

/// ISO 8601, or a number since the epoch in seconds, milli-, micro- or nanoseconds.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a timestamp is an ISO 8601 text or a number since 1970"
)]
enum Moment<'a> {
    Number(#[serde(deserialize_with = "whole::number")] i64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Row<'_> {
    fn tick(self, stamps_cut: &mut u64) -> Result<PostedTick, String> {
        let instrument = instrument(self.instrument_id, self.symbol.as_deref())?;
        let timestamp = match &self.timestamp {
            None => return Err("timestamp: it is missing; every row needs one".to_owned()),
            Some(Moment::Number(number)) => stamp(number.to_string().as_bytes(), stamps_cut)?,
            Some(Moment::Text(text)) => stamp(text.as_bytes(), stamps_cut)?,
        };
        let raw = RawTick {
            instrument_id: None,
            timestamp: Some(timestamp),
            source_id: self.source_id,
            sequence: self.sequence,
            price: self.price,
            volume: self.volume,
            bid: self.bid,
            ask: self.ask,
            bid_size: self.bid_size,
            ask_size: self.ask_size,
            open_price: self.open_price,
            high_price: self.high_price,
            low_price: self.low_price,
        };
        Ok(PostedTick { instrument, raw })
    }
}

fn stamp(text: &[u8], stamps_cut: &mut u64) -> Result<Timestamp, String> {
    let stamp = StampReader::default()
        .read(text)
        .map_err(|error| error.to_string())?;
    *stamps_cut += u64::from(stamp.truncated);
    Ok(stamp.at)
}

fn instrument(id: Option<i64>, symbol: Option<&str>) -> Result<InstrumentName, String> {
    match (id, symbol) {
        (Some(id), None) => Ok(InstrumentName::Id(id)),
        (None, Some(symbol)) => Symbol::new(symbol)
            .map(InstrumentName::Symbol)
            .map_err(|error| error.to_string()),
        (None, None) => {
            Err("symbol: it is missing; name the symbol or the instrument_id".to_owned())
        }
        (Some(_), Some(_)) => {
            Err("symbol: it is given beside instrument_id; give one of them".to_owned())
        }
    }
}

/// What a column of a posted CSV is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Symbol,
    InstrumentId,
    SourceId,
    Of(Field),
}

/// The columns of a posted CSV.
struct Columns {
    delimiter: u8,
    columns: Vec<Column>,
}

impl Columns {
    fn of_header(line: &[u8]) -> Result<Self, String> {
        let delimiter = csv::delimiter_of(line)
            .ok_or("it is no CSV: the first line has one field, a header of ticks has more")?;
        let names = csv::names(line, delimiter).map_err(|reason| format!("the header {reason}"))?;
        let mut columns = Vec::with_capacity(names.len());
        for name in &names {
            let column = Column::of_name(name)
                .ok_or_else(|| format!("the header names {name:?}, which no tick has"))?;
            if columns.contains(&column) {
                return Err(format!("the header names {name:?} twice"));
            }
            columns.push(column);
        }
        Layout::of_names(names, &ColumnMap::default(), NameRules::OfPosts)?.check_ticks()?;
        Ok(Self { delimiter, columns })
    }

    fn row(&self, line: &[u8], memory: &mut Memory) -> Result<PostedTick, String> {
        let mut cells = Cells::default();
        let (mut symbol, mut id, mut source) = (None, None, None);
        let count = csv::split(line, self.delimiter, |index, text| {
            let text = text.trim_ascii();
            if text.is_empty() {
                return;
            }
            match self.columns.get(index) {
                Some(Column::Symbol) => symbol = Some(text),
                Some(Column::InstrumentId) => id = Some(text),
                Some(Column::SourceId) => source = Some(text),
                Some(Column::Of(field)) => cells.set_text(*field, text),
                None => {}
            }
        })?;
        if count != self.columns.len() {
            return Err(format!("it has {count} fields, not {}", self.columns.len()));
        }
        let symbol = symbol.map(String::from_utf8_lossy);
        let instrument = instrument(whole("instrument_id", id)?, symbol.as_deref())?;
        let target = Target {
            instrument_id: 0, // The caller's to fill in.
            source_id: whole("source_id", source)?.unwrap_or(crate::domain::DEFAULT_SOURCE_ID),
            frequency: None,
        };
        let sequence = match cells.get(Field::Sequence) {
            Cell::Absent => None,
            _ => record::sequence(&cells).map_err(|error| error.to_string())?,
        };
        let tick = |memory: &mut Memory| {
            let timestamp = record::stamp(&cells, memory)?;
            record::raw_tick(&cells, &target, timestamp, sequence)
        };
        let raw = RawTick {
            instrument_id: None,
            ..tick(memory).map_err(|error| error.to_string())?
        };
        Ok(PostedTick { instrument, raw })
    }
}

impl Column {
    fn of_name(name: &str) -> Option<Self> {
        let plain: String = name
            .chars()
            .filter(|c| !matches!(c, ' ' | '_' | '-'))
            .flat_map(char::to_lowercase)
            .collect();
        match plain.as_str() {
            "symbol" => Some(Self::Symbol),
            "instrumentid" => Some(Self::InstrumentId),
            "sourceid" => Some(Self::SourceId),
            _ => Field::of_name(name).map(Self::Of),
        }
    }
}

fn whole(name: &str, text: Option<&[u8]>) -> Result<Option<i64>, String> {
    let Some(text) = text else {
        return Ok(None);
    };
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        let shown = String::from_utf8_lossy(text.get(..40).unwrap_or(text));
        format!("{name}: {shown:?} is no whole number")
    })
}
