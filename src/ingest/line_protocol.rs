//! The line protocol of InfluxDB: a text of lines to ticks, each with its own symbol and stamp.
//!
//! `ticks,symbol=ES price=1641.5,volume=8i 1378203780074000000`: measurement and tags, fields, stamp.
//! A text is taken as a whole: the first line that breaks a rule refuses it, by its number. Fields
//! have the names of feeds; an unknown one is refused, as a misspelt value would be lost. It knows
//! no database: who the symbols are, [`store`] finds out.

mod store;
mod syntax;
#[cfg(test)]
mod tests;
mod values;

use std::collections::HashMap;
use std::fmt;

use foldhash::fast::RandomState;
use memchr::{memchr, memchr_iter};

use crate::domain::tick::{RawTick, Tick};
use crate::domain::{DEFAULT_SOURCE_ID, Symbol};
use crate::error::Error;
use crate::ingest::field::{Field, NameMeaning};
use crate::timestamp::Timestamp;
pub(crate) use store::LineProtocolStore;
use syntax::{
    LineFault, LineFields, LineTags, head_and_rest, measurement_and_tags, shown, unescaped,
};
pub(crate) use values::LinePrecision;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The measurement of ticks.
const TICKS: &[u8] = b"ticks";
/// Names of fields that are remembered: more than a tick has are misspelt, and refused anyway.
const NAMES_MAX: usize = 32;

/// Why a text is not read.
#[derive(Debug)]
pub(crate) enum LineProtocolError {
    /// It has more lines than this.
    TooManyLines(usize),
    /// A line breaks a rule: [`Error::Line`].
    Refused(Error),
}

impl fmt::Display for LineProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyLines(limit) => write!(
                f,
                "it has too many lines; send at most {limit} lines at a time"
            ),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

/// The ticks of a text, whose instruments and sources are still names.
#[derive(Debug, Default)]
pub(crate) struct LineProtocolBatch {
    ticks: Vec<Tick>,
    /// The line of each tick, from 1.
    lines: Vec<u32>,
    /// The owner of each tick, as an index of `owners`.
    owner_of: Vec<u32>,
    owners: Vec<LineOwner>,
    /// Lines without a timestamp.
    without_stamp: usize,
    /// Lines without a sequence.
    without_sequence: usize,
    /// Lines without either.
    without_both: usize,
}

/// The instrument and the source of lines.
#[derive(Debug, PartialEq)]
struct LineOwner {
    symbol: Symbol,
    /// The default one when it is absent.
    source: Option<String>,
    /// The first line that names them.
    line: u64,
}

impl LineProtocolBatch {
    /// Reads a text of at most `lines_max` lines of ticks. Lines without a stamp are of the moment
    /// `now`.
    ///
    /// # Errors
    /// [`LineProtocolError`].
    pub(crate) fn read(
        text: &[u8],
        precision: LinePrecision,
        now: Timestamp,
        lines_max: usize,
    ) -> Result<Self, LineProtocolError> {
        let mut reader = LineReader::new(precision, now);
        let (mut rest, mut number) = (text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text), 0);
        while !rest.is_empty() {
            let end = memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
            number += 1;
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if reader.batch.ticks.len() == lines_max {
                return Err(LineProtocolError::TooManyLines(lines_max));
            }
            let read = reader.line(line, number);
            read.map_err(|fault| LineProtocolError::Refused(fault.at(number)))?;
        }
        Ok(reader.batch)
    }

    /// Bounds the number of ticks in a text: the exact number takes reading it.
    pub(crate) fn ticks_max(text: &[u8], lines_max: usize) -> usize {
        // The last line may have no end.
        let lines = memchr_iter(b'\n', text).count() + usize::from(!text.is_empty());
        lines.min(lines_max)
    }

    /// The number of ticks read.
    pub(crate) fn len(&self) -> usize {
        self.ticks.len()
    }

    /// True when the text has no ticks.
    pub(crate) fn is_empty(&self) -> bool {
        self.ticks.is_empty()
    }

    /// True when only its key tells that a text is sent again. Lines with a stamp and a sequence are
    /// known by these; lines with neither are new ticks each time.
    pub(crate) fn needs_key(&self) -> bool {
        self.without_both == 0 && self.without_stamp + self.without_sequence > 0
    }
}

/// Reads lines, and remembers what those before were made of: most lines of a text begin alike.
struct LineReader<'t> {
    precision: LinePrecision,
    now: Timestamp,
    /// The owner of each head that was met, which is its measurement and its tags.
    owners: HashMap<&'t [u8], u32, RandomState>,
    last_head: Option<(&'t [u8], u32)>,
    /// The fields by their names as they are written.
    names: Vec<(&'t [u8], Field)>,
    batch: LineProtocolBatch,
}

impl<'t> LineReader<'t> {
    fn new(precision: LinePrecision, now: Timestamp) -> Self {
        Self {
            precision,
            now,
            owners: HashMap::default(),
            last_head: None,
            names: Vec::new(),
            batch: LineProtocolBatch::default(),
        }
    }

    fn line(&mut self, line: &'t [u8], number: u64) -> Result<(), LineFault> {
        let (head, rest) = head_and_rest(line)?;
        let owner = self.owner(head, number)?;
        let mut tick = RawTick {
            instrument_id: Some(0), // The store's to fill in.
            source_id: Some(DEFAULT_SOURCE_ID),
            ..RawTick::default()
        };
        let mut fields = LineFields::new(rest);
        let (mut seen, mut place) = (0_u32, 0);
        while let Some((name, value)) = fields.next()? {
            let field = self.field(name, place)?;
            let bit = 1 << field as u32;
            if seen & bit != 0 {
                let reason = format!("{} gives the {} twice", shown(name), field.as_str());
                return Err(LineFault::new(reason, "send it once"));
            }
            seen |= bit;
            place += 1;
            values::set(&mut tick, field, value)?;
        }
        let stamp = fields.stamp();
        tick.timestamp = Some(match stamp {
            Some(text) => self.precision.moment(text)?,
            None => self.now,
        });
        let (stamped, numbered) = (stamp.is_some(), tick.sequence.is_some());
        self.batch.without_stamp += usize::from(!stamped);
        self.batch.without_sequence += usize::from(!numbered);
        self.batch.without_both += usize::from(!stamped && !numbered);
        let tick = Tick::try_from(tick).map_err(values::no_tick)?;
        self.batch.ticks.push(tick);
        self.batch.owner_of.push(owner);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.batch.lines.push(number);
        Ok(())
    }

    /// The field of a name; `place` is that of the field in its line, where it mostly stood before.
    fn field(&mut self, name: &'t [u8], place: usize) -> Result<Field, LineFault> {
        if let Some((known, field)) = self.names.get(place)
            && *known == name
        {
            return Ok(*field);
        }
        if let Some((_, field)) = self.names.iter().find(|(known, _)| *known == name) {
            return Ok(*field);
        }
        let field = values::field_of(&unescaped(name))?;
        if self.names.len() < NAMES_MAX {
            self.names.push((name, field));
        }
        Ok(field)
    }

    /// The owner that a head names.
    fn owner(&mut self, head: &'t [u8], number: u64) -> Result<u32, LineFault> {
        if let Some((last, owner)) = self.last_head
            && last == head
        {
            return Ok(owner);
        }
        let owner = match self.owners.get(head) {
            Some(owner) => *owner,
            None => {
                let (measurement, tags) = measurement_and_tags(head);
                if *unescaped(measurement) != *TICKS {
                    let reason = format!("the measurement {} is unknown", shown(measurement));
                    return Err(LineFault::new(reason, "send ticks, under that name"));
                }
                let owner = owner_of(tags, number)?;
                let index = u32::try_from(self.batch.owners.len()).unwrap_or(u32::MAX);
                self.batch.owners.push(owner);
                self.owners.insert(head, index);
                index
            }
        };
        self.last_head = Some((head, owner));
        Ok(owner)
    }
}

/// The owner that tags name.
fn owner_of(tags: LineTags<'_>, line: u64) -> Result<LineOwner, LineFault> {
    let (mut symbol, mut source) = (None, None);
    for tag in tags {
        let (name, value) = tag?;
        let plain = unescaped(name);
        let meaning = std::str::from_utf8(&plain).ok().and_then(NameMeaning::of);
        let slot = match meaning.map(|meaning| meaning.field) {
            Some(Field::Symbol) => &mut symbol,
            Some(Field::Source) => &mut source,
            _ => {
                let reason = format!("the tag {} is none of a tick's", shown(name));
                let remedy = "send symbol and source as tags, and numbers as fields";
                return Err(LineFault::new(reason, remedy));
            }
        };
        if slot.is_some() {
            let reason = format!("the tag {} names a second one", shown(name));
            return Err(LineFault::new(reason, "send one symbol and one source"));
        }
        let Ok(text) = String::from_utf8(unescaped(value).into_owned()) else {
            let reason = format!("the tag {} is not UTF-8", shown(name));
            return Err(LineFault::new(reason, "send it in UTF-8"));
        };
        *slot = Some(text);
    }
    let Some(symbol) = symbol else {
        return Err(LineFault::new(
            "it has no tag symbol",
            "write ticks,symbol=ES before the fields",
        ));
    };
    Ok(LineOwner {
        symbol: Symbol::new(&symbol).map_err(values::no_tick)?,
        source,
        line,
    })
}
