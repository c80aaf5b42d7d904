//! Turns the fields of one record into a tick or a bar.

use super::cells::{Cell, Cells};
use super::field::Field;
use super::import_kind::ImportKind;
use super::number::NumberFormat;
use super::options::{BarStamps, FeedOptions};
use super::series::{FeedSeries, Numbering};
use super::spacing;
use crate::domain::bar::{Bar, Frequency, RawBar};
use crate::domain::tick::{RawTick, Tick};
use crate::error::{Error, Result};
use crate::timestamp::{FeedZone, StampForm, StampReader, Timestamp, WrittenStamp};

/// The instrument and source of rows that do not name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedTarget {
    /// The instrument's id.
    pub instrument_id: i64,
    /// The data source's id; see [`DEFAULT_SOURCE_ID`](crate::domain::tick::DEFAULT_SOURCE_ID).
    pub source_id: i64,
    /// The period of bars; ticks have none.
    pub frequency: Option<Frequency>,
}

/// A record that a feed can be read as: [`Tick`] or [`Bar`].
pub trait FeedRecord: Sized + Send + sealed::Sealed {
    /// The kind of the rows.
    #[doc(hidden)]
    const KIND: ImportKind;
    /// Reads a record of the series with this index.
    #[doc(hidden)]
    fn read(
        record: &RecordView<'_>,
        target: &FeedTarget,
        series: u32,
        reader: &mut RowReader,
    ) -> Result<Self>;
    /// The record, of another instrument and source.
    #[doc(hidden)]
    fn of(self, instrument_id: i64, source_id: i64) -> Self;
}

/// A record, closed to other crates.
#[derive(Debug)]
pub struct RecordView<'a>(pub(super) &'a Cells<'a>);

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::domain::tick::Tick {}
    impl Sealed for crate::domain::bar::Bar {}
}

/// Reads records, and remembers what must be known of those before.
#[derive(Debug)]
pub struct RowReader {
    stamps: StampReader,
    /// Local times mean what the row before in their series tells: series are read apart.
    zoned: Vec<StampReader>,
    zone: Option<FeedZone>,
    numbers: NumberFormat,
    numbering: Numbering,
    bar_stamps: BarStamps,
    series: Vec<FeedSeries>,
    /// True when messages name the options of imports.
    names_options: bool,
    unread_number: Option<Error>,
    /// Stamps that lost digits finer than a microsecond.
    pub(super) stamps_cut: u64,
    /// Rows with a price of 0.
    pub(super) zero_prices: u64,
    /// Rows whose key an earlier row of the feed has.
    pub(super) repeated_keys: u64,
}

impl RowReader {
    pub(super) fn new(options: &FeedOptions, numbering: Numbering) -> Self {
        let mut stamps =
            StampReader::new(options.timestamp_format.clone(), options.timezone.clone());
        if let Some(order) = options.date_order {
            stamps.set_date_order(order);
        }
        stamps.set_downward(numbering.is_upwards());
        Self {
            stamps,
            zoned: Vec::new(),
            zone: options.timezone.clone(),
            numbers: options.numbers,
            numbering,
            bar_stamps: options.bar_stamps,
            series: Vec::new(),
            names_options: true,
            unread_number: None,
            stamps_cut: 0,
            zero_prices: 0,
            repeated_keys: 0,
        }
    }

    /// A reader of posted rows.
    pub(super) fn posted() -> Self {
        Self {
            names_options: false,
            ..Self::new(&FeedOptions::default(), Numbering::Optional)
        }
    }

    /// The rows are bars, of which each stamp has one.
    pub(super) fn set_bars(&mut self, downward: bool) {
        self.stamps.set_one_row_per_stamp(true);
        self.stamps.set_downward(downward);
    }

    /// Returns the form of the stamps.
    pub(super) fn form(&self) -> Option<StampForm> {
        self.zoned.first().unwrap_or(&self.stamps).form()
    }

    /// Takes the refusal of a number that an option would read: all numbers of a feed are written
    /// alike, so that such a number refuses the feed.
    pub(super) fn take_unread_number(&mut self) -> Option<Error> {
        self.unread_number.take()
    }

    /// The moment of a row of this series.
    pub(super) fn stamp(&mut self, cells: &Cells<'_>, series: u32) -> Result<WrittenStamp> {
        let reader = if self.zone.is_some() {
            let index = series as usize;
            if index >= self.zoned.len() {
                self.zoned.resize(index + 1, self.stamps.clone());
            }
            &mut self.zoned[index]
        } else {
            &mut self.stamps
        };
        let mut stamp = match cells.get(Field::Timestamp) {
            Cell::Text(text) => reader.read(text),
            _ => match cells.stamp() {
                Some(text) => reader.read(&text),
                None => Err(Error::invalid(
                    "timestamp",
                    "it is missing",
                    "every row needs one",
                )),
            },
        }?;
        // What is written in UTC has the calendar of the zone that was named: vendors write days
        // that begin at midnight in New York as 05:00 UTC.
        if let Some(zone) = &self.zone
            && stamp.local_micros == stamp.at.micros()
        {
            stamp.local_micros = zone.local_micros(stamp.at);
        }
        Ok(stamp)
    }

    /// The moment at which the row's period ends, where it says so.
    pub(super) fn end_of_period(&self, cells: &Cells<'_>) -> Option<Timestamp> {
        let cell = cells.get(Field::CloseTime);
        if *cell == Cell::Absent {
            return None;
        }
        // A reader of its own: this moment is none of the series that the others run in.
        let read = self.stamps.clone().read(&cell.bytes());
        read.ok().map(|stamp| stamp.at)
    }

    /// The row's number among those of its stamp.
    fn sequence(&mut self, cells: &Cells<'_>, at: Timestamp, series: u32) -> Result<Option<i64>> {
        match &self.numbering {
            Numbering::Column => own_sequence(cells)?.map(Some).ok_or_else(|| {
                Error::invalid(
                    "sequence",
                    "it is missing",
                    "every row of a numbered file needs one",
                )
            }),
            Numbering::Optional => own_sequence(cells),
            Numbering::Downwards => Ok(Some(one_of(&mut self.series, series).rows.next(at))),
            Numbering::Upwards(survey) => {
                let rows = survey.rows.get(series as usize);
                let total = rows.map_or(0, |rows| rows.count(at));
                // The file falls: its first row of a stamp is the last in time, so numbers count
                // down.
                let before = one_of(&mut self.series, series).rows.next(at);
                Ok(Some((total - 1 - before).max(0)))
            }
        }
    }

    /// A tick whose instrument and source are those of the target.
    pub(super) fn tick(
        &mut self,
        cells: &Cells<'_>,
        target: &FeedTarget,
        series: u32,
    ) -> Result<Tick> {
        let stamp = self.stamp(cells, series)?;
        // Counted before anything can be rejected: a row that is mended later and imported again
        // must not shift the numbers of the others.
        let sequence = self.sequence(cells, stamp.at, series)?;
        let price = if cells.has(Field::Price) {
            Field::Price
        } else {
            Field::Close
        };
        let tick = Tick::try_from(RawTick {
            instrument_id: Some(target.instrument_id),
            timestamp: Some(stamp.at),
            source_id: Some(target.source_id),
            sequence,
            price: self.number(cells, price)?,
            volume: self.number(cells, Field::Volume)?,
            bid: self.number(cells, Field::Bid)?,
            ask: self.number(cells, Field::Ask)?,
            bid_size: self.number(cells, Field::BidSize)?,
            ask_size: self.number(cells, Field::AskSize)?,
            open_price: self.number(cells, Field::Open)?,
            high_price: self.number(cells, Field::High)?,
            low_price: self.number(cells, Field::Low)?,
        })?;
        self.stamps_cut += u64::from(stamp.truncated);
        self.zero_prices += u64::from(tick.price() == Some(0.0));
        if let (Numbering::Column, Some(sequence)) = (&self.numbering, sequence) {
            let repeats = one_of(&mut self.series, series).repeats(stamp.at, sequence);
            self.repeated_keys += u64::from(repeats);
        }
        Ok(tick)
    }

    fn bar(&mut self, cells: &Cells<'_>, target: &FeedTarget, series: u32) -> Result<Bar> {
        let frequency = target.frequency.ok_or_else(|| {
            Error::invalid(
                "frequency",
                "bars need one",
                "name it, like --frequency 1min",
            )
        })?;
        let stamp = self.stamp(cells, series)?;
        let timestamp = spacing::start_of(frequency, &stamp, self.bar_stamps)
            .or_else(|| spacing::start_by_end(frequency, stamp.at, self.end_of_period(cells)?))
            .ok_or_else(|| spacing::no_period(frequency, stamp.at, self.bar_stamps))?;
        let prices = [
            self.number(cells, Field::Open)?,
            self.number(cells, Field::High)?,
            self.number(cells, Field::Low)?,
            self.number(cells, Field::Close)?,
        ];
        let bar = Bar::try_from(RawBar {
            instrument_id: target.instrument_id,
            timestamp,
            frequency,
            source_id: Some(target.source_id),
            open: prices[0],
            high: prices[1],
            low: prices[2],
            close: prices[3],
            volume: self.number(cells, Field::Volume)?,
            open_interest: self.number(cells, Field::OpenInterest)?,
        })?;
        self.stamps_cut += u64::from(stamp.truncated);
        self.zero_prices += u64::from(prices.contains(&Some(0.0)));
        let repeats = one_of(&mut self.series, series).repeats(timestamp, 0);
        self.repeated_keys += u64::from(repeats);
        Ok(bar)
    }

    fn number(&mut self, cells: &Cells<'_>, field: Field) -> Result<Option<f64>> {
        let cell = cells.get(field);
        match cell {
            Cell::Absent => Ok(None),
            Cell::Float(number) => Ok(Some(*number)),
            Cell::Integer(number) => Ok(Some(*number as f64)),
            Cell::Text(text) => match self.numbers.read(text) {
                Some(number) => Ok(Some(number)),
                None => Err(self.refuse_number(field, text)),
            },
            Cell::Owned(text) => match self.numbers.read(text.as_bytes()) {
                Some(number) => Ok(Some(number)),
                None => Err(self.refuse_number(field, text.as_bytes())),
            },
        }
    }

    #[cold]
    fn refuse_number(&mut self, field: Field, text: &[u8]) -> Error {
        if self.names_options
            && let Some(option) = self.numbers.option_for(text)
        {
            let refusal = || {
                refuse(
                    field,
                    text,
                    "is not a number",
                    &format!("read it with {option}"),
                )
            };
            self.unread_number = Some(refusal());
            return refusal();
        }
        refuse(field, text, "is not a number", "write it like 1650.25")
    }
}

impl FeedRecord for Tick {
    const KIND: ImportKind = ImportKind::Ticks;

    fn read(
        record: &RecordView<'_>,
        target: &FeedTarget,
        series: u32,
        reader: &mut RowReader,
    ) -> Result<Self> {
        reader.tick(record.0, target, series)
    }

    fn of(self, instrument_id: i64, source_id: i64) -> Self {
        self.moved_to(instrument_id, source_id)
    }
}

impl FeedRecord for Bar {
    const KIND: ImportKind = ImportKind::Bars;

    fn read(
        record: &RecordView<'_>,
        target: &FeedTarget,
        series: u32,
        reader: &mut RowReader,
    ) -> Result<Self> {
        reader.bar(record.0, target, series)
    }

    fn of(self, instrument_id: i64, source_id: i64) -> Self {
        self.moved_to(instrument_id, source_id)
    }
}

fn one_of(series: &mut Vec<FeedSeries>, index: u32) -> &mut FeedSeries {
    let index = index as usize;
    if index >= series.len() {
        series.resize_with(index + 1, FeedSeries::default);
    }
    &mut series[index]
}

/// The row's own number.
fn own_sequence(cells: &Cells<'_>) -> Result<Option<i64>> {
    match cells.get(Field::Sequence) {
        Cell::Absent => Ok(None),
        Cell::Integer(number) => Ok(Some(*number)),
        cell => {
            let refusal = || {
                refuse(
                    Field::Sequence,
                    &cell.bytes(),
                    "is not a whole number",
                    "write it like 7",
                )
            };
            cell.whole().map(Some).ok_or_else(refusal)
        }
    }
}

#[cold]
fn refuse(field: Field, text: &[u8], reason: &str, remedy: &str) -> Error {
    const SHOWN_BYTES_MAX: usize = 40;
    let shown = String::from_utf8_lossy(text.get(..SHOWN_BYTES_MAX).unwrap_or(text));
    Error::invalid(field.as_str(), format!("{shown:?} {reason}"), remedy)
}
