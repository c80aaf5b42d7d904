//! The fields of one record, and how they become a tick or a bar.

use std::fmt::Display;

use super::field::{FIELDS, Field};
use super::layout::Layout;
use super::number::NumberFormat;
use super::occurrence::Occurrences;
use crate::domain::bar::{Bar, Frequency, RawBar};
use crate::domain::tick::{RawTick, Tick};
use crate::error::{Error, Result};
use crate::timestamp::{StampReader, Timestamp};

/// One field of a record, as it came.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Cell<'a> {
    #[default]
    Absent,
    Text(&'a [u8]),
    Owned(String),
    Integer(i64),
    Float(f64),
}

/// The fields of one record.
#[derive(Debug, Default)]
pub(super) struct Cells<'a>([Cell<'a>; FIELDS]);

impl<'a> Cells<'a> {
    pub(super) fn set(&mut self, field: Field, cell: Cell<'a>) {
        self.0[field as usize] = cell;
    }

    pub(super) fn get(&self, field: Field) -> &Cell<'a> {
        &self.0[field as usize]
    }

    /// Stores a text; one of blanks alone is absent.
    pub(super) fn set_text(&mut self, field: Field, text: &'a [u8]) {
        let text = text.trim_ascii();
        if !text.is_empty() {
            self.set(field, Cell::Text(text));
        }
    }

    fn has(&self, field: Field) -> bool {
        *self.get(field) != Cell::Absent
    }
}

/// What the rows of a feed belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The instrument's id.
    pub instrument_id: i64,
    /// The data source's id; see [`DEFAULT_SOURCE_ID`](crate::domain::tick::DEFAULT_SOURCE_ID).
    pub source_id: i64,
    /// The period of bars; ticks have none.
    pub frequency: Option<Frequency>,
}

/// What is remembered from row to row.
#[derive(Debug, Default)]
pub struct Memory {
    pub(super) stamps: StampReader,
    pub(super) occurrences: Occurrences,
    /// Whether the layout has a sequence column, so that no occurrences are counted.
    pub(super) numbered: bool,
    /// Stamps that lost digits finer than a microsecond.
    pub(super) stamps_cut: u64,
}

/// What a feed can be read as: [`Tick`] or [`Bar`].
pub trait FeedRecord: Sized + Send + sealed::Sealed {
    /// What the fields of a file must have, and why its layout cannot do.
    #[doc(hidden)]
    fn check(layout: &LayoutView<'_>) -> std::result::Result<(), String>;
    /// Reads a record.
    #[doc(hidden)]
    fn read(record: &RecordView<'_>, target: &Target, memory: &mut Memory) -> Result<Self>;
}

/// A layout, closed to other crates.
#[derive(Debug)]
pub struct LayoutView<'a>(pub(super) &'a Layout);

/// A record, closed to other crates.
#[derive(Debug)]
pub struct RecordView<'a>(pub(super) &'a Cells<'a>);

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::domain::tick::Tick {}
    impl Sealed for crate::domain::bar::Bar {}
}

impl FeedRecord for Tick {
    fn check(layout: &LayoutView<'_>) -> std::result::Result<(), String> {
        layout.0.check_ticks()
    }

    fn read(record: &RecordView<'_>, target: &Target, memory: &mut Memory) -> Result<Self> {
        let timestamp = stamp(record.0, memory)?;
        let sequence = if memory.numbered {
            sequence(record.0)?
        } else {
            // Counted before anything can be rejected: a row that is mended later and imported
            // again must not shift the numbers of the others.
            Some(memory.occurrences.next(timestamp))
        };
        Self::try_from(raw_tick(record.0, target, timestamp, sequence)?)
    }
}

/// The values of a tick whose moment and number are known.
pub(super) fn raw_tick(
    cells: &Cells<'_>,
    target: &Target,
    timestamp: Timestamp,
    sequence: Option<i64>,
) -> Result<RawTick> {
    let price = if cells.has(Field::Price) {
        Field::Price
    } else {
        Field::Close
    };
    Ok(RawTick {
        instrument_id: Some(target.instrument_id),
        timestamp: Some(timestamp),
        source_id: Some(target.source_id),
        sequence,
        price: number(cells, price)?,
        volume: number(cells, Field::Volume)?,
        bid: number(cells, Field::Bid)?,
        ask: number(cells, Field::Ask)?,
        bid_size: number(cells, Field::BidSize)?,
        ask_size: number(cells, Field::AskSize)?,
        open_price: number(cells, Field::Open)?,
        high_price: number(cells, Field::High)?,
        low_price: number(cells, Field::Low)?,
    })
}

impl FeedRecord for Bar {
    fn check(layout: &LayoutView<'_>) -> std::result::Result<(), String> {
        layout.0.check_bars()
    }

    fn read(record: &RecordView<'_>, target: &Target, memory: &mut Memory) -> Result<Self> {
        let cells = record.0;
        let frequency = target.frequency.ok_or_else(|| {
            Error::invalid(
                "frequency",
                "bars need one",
                "name it, like --frequency 1min",
            )
        })?;
        Self::try_from(RawBar {
            instrument_id: target.instrument_id,
            timestamp: stamp(cells, memory)?,
            frequency,
            source_id: Some(target.source_id),
            open: number(cells, Field::Open)?,
            high: number(cells, Field::High)?,
            low: number(cells, Field::Low)?,
            close: number(cells, Field::Close)?,
            volume: number(cells, Field::Volume)?,
            open_interest: number(cells, Field::OpenInterest)?,
        })
    }
}

pub(super) fn stamp(cells: &Cells<'_>, memory: &mut Memory) -> Result<Timestamp> {
    let stamp = match stamp_cells(cells) {
        (Cell::Text(text), Cell::Absent) => memory.stamps.read(text)?,
        (Cell::Absent, _) => {
            return Err(Error::invalid(
                "timestamp",
                "it is missing",
                "every row needs one",
            ));
        }
        (one, Cell::Absent) => memory.stamps.read(&bytes(one))?,
        (date, time) => {
            let joined = [&*bytes(date), b" ", &*bytes(time)].concat();
            memory.stamps.read(&joined)?
        }
    };
    memory.stamps_cut += u64::from(stamp.truncated);
    Ok(stamp.at)
}

/// The cells that make the moment: one, or a date and a time.
fn stamp_cells<'c, 'a>(cells: &'c Cells<'a>) -> (&'c Cell<'a>, &'c Cell<'a>) {
    const ABSENT: &Cell<'_> = &Cell::Absent;
    if cells.has(Field::Timestamp) {
        (cells.get(Field::Timestamp), ABSENT)
    } else if cells.has(Field::Date) {
        (cells.get(Field::Date), cells.get(Field::Time))
    } else {
        (cells.get(Field::Time), ABSENT)
    }
}

fn bytes<'c>(cell: &'c Cell<'_>) -> std::borrow::Cow<'c, [u8]> {
    match cell {
        Cell::Absent => (&[][..]).into(),
        Cell::Text(text) => (*text).into(),
        Cell::Owned(text) => text.as_bytes().into(),
        Cell::Integer(number) => number.to_string().into_bytes().into(),
        Cell::Float(number) => number.to_string().into_bytes().into(),
    }
}

pub(super) fn sequence(cells: &Cells<'_>) -> Result<Option<i64>> {
    match cells.get(Field::Sequence) {
        Cell::Absent => Err(Error::invalid(
            "sequence",
            "it is missing",
            "every row of a numbered file needs one",
        )),
        Cell::Integer(number) => Ok(Some(*number)),
        cell => {
            let text = bytes(cell);
            let number = std::str::from_utf8(&text)
                .ok()
                .and_then(|text| text.parse().ok());
            number
                .map(Some)
                .ok_or_else(|| refuse(Field::Sequence, &text, "is no whole number"))
        }
    }
}

fn number(cells: &Cells<'_>, field: Field) -> Result<Option<f64>> {
    match cells.get(field) {
        Cell::Absent => Ok(None),
        Cell::Float(number) => Ok(Some(*number)),
        Cell::Text(text) => match NumberFormat::default().read(text) {
            Some(number) => Ok(Some(number)),
            None => Err(refuse(field, text, "is no number")),
        },
        cell => {
            let text = bytes(cell);
            NumberFormat::default()
                .read(&text)
                .map(Some)
                .ok_or_else(|| refuse(field, &text, "is no number"))
        }
    }
}

#[cold]
fn refuse(field: Field, text: &[u8], reason: impl Display) -> Error {
    const SHOWN_BYTES_MAX: usize = 40;
    let shown = String::from_utf8_lossy(text.get(..SHOWN_BYTES_MAX).unwrap_or(text));
    Error::invalid(
        field.as_str(),
        format!("{shown:?} {reason}"),
        "write it like 1650.25",
    )
}
