//! The bars of some instruments as a table: the history's answer, window by window, so that memory
//! stays flat however long the range is.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::columns::{
    Column, ColumnKind, RowBatch, RowColumn, SelectedColumns, Selection, moment_column,
    number_column, optional, symbol_column, whole_column,
};
use super::place::{ExportedInstrument, RowKey, TableTime, place_of};
use crate::database::BackendConnection;
use crate::domain::{BarPrice, Frequency, PeriodBar};
use crate::error::Result;
use crate::services::historical_data::{BarQuery, Fill, HistoryBar, bars, extent, standing};
use crate::timestamp::Timestamp;

/// Periods of one window: about as many as there are rows to give.
const WINDOW_PERIODS: RangeInclusive<usize> = 1_000..=10_000;

/// A value of a bar, if it has any.
fn of(bar: &HistoryBar, value: fn(&PeriodBar) -> Option<f64>) -> Option<f64> {
    bar.values.as_ref().and_then(value)
}

/// The columns, by the names that an import knows.
static COLUMNS: [RowColumn<HistoryBar>; 10] = [
    symbol_column!(),
    moment_column!(),
    number_column!("open", |bar| of(bar, |values| Some(values.open))),
    number_column!("high", |bar| of(bar, |values| Some(values.high))),
    number_column!("low", |bar| of(bar, |values| Some(values.low))),
    number_column!("close", |bar| of(bar, |values| Some(values.close))),
    number_column!("volume", |bar| of(bar, |values| Some(values.volume))),
    number_column!("open_interest", |bar| of(bar, |values| values
        .open_interest)),
    number_column!("vwap", |bar| of(bar, PeriodBar::vwap)),
    whole_column!(optional("tick_count", ColumnKind::Whole), |bar| {
        bar.values.as_ref().and_then(|values| values.tick_count)
    }),
];

/// Which bars are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportedBars {
    /// The length of their periods.
    pub frequency: Frequency,
    /// The price of ticks that they are made of.
    pub price: BarPrice,
    /// What stands for a period without a bar between two that have one.
    pub fill: Fill,
}

impl ExportedBars {
    /// Bars of trades, and nothing between them.
    #[must_use]
    pub fn of_trades(frequency: Frequency) -> Self {
        Self {
            frequency,
            price: BarPrice::Last,
            fill: Fill::None,
        }
    }
}

/// The bars of some instruments, from a place on.
#[derive(Clone)]
pub struct BarTable {
    instruments: Arc<[ExportedInstrument]>,
    /// The instrument that is read, by its place in the list.
    at: usize,
    time: TableTime,
    bars: ExportedBars,
    /// The last row of the instrument that was read.
    last: Option<LastRow>,
    /// Bars behind it that were read with it.
    found: Arc<[HistoryBar]>,
    columns: SelectedColumns<HistoryBar>,
}

/// The row behind which a table goes on.
#[derive(Debug, Clone, PartialEq)]
enum LastRow {
    /// It was read before.
    Read(HistoryBar),
    /// Its start alone is known.
    Named(Timestamp),
}

impl LastRow {
    fn timestamp(&self) -> Timestamp {
        match self {
            Self::Read(bar) => bar.timestamp,
            Self::Named(at) => *at,
        }
    }
}

impl BarTable {
    pub(super) fn new(
        instruments: Vec<ExportedInstrument>,
        time: TableTime,
        bars: ExportedBars,
        selection: Selection<'_>,
    ) -> Result<Self> {
        Ok(Self {
            instruments: instruments.into(),
            at: 0,
            time,
            bars,
            last: None,
            found: Arc::default(),
            columns: SelectedColumns::new(&COLUMNS, selection)?,
        })
    }

    pub(super) fn columns(&self) -> &[Column] {
        self.columns.columns()
    }

    /// The next rows, and what there is behind them; see [`Table::read`](super::Table::read).
    pub(super) fn read(
        &self,
        conn: &mut BackendConnection<'_>,
        rows_max: usize,
    ) -> Result<(RowBatch, Option<Self>)> {
        let mut rest = self.clone();
        while let Some(instrument) = self.instruments.get(rest.at) {
            let of = instrument.id;
            let (rows, found) = conn.snapshot(|conn| rest.rows(conn, of, rows_max))?;
            rest.found = found;
            let Some(last) = rows.last() else {
                rest.at += 1;
                rest.last = None;
                continue;
            };
            rest.last = Some(LastRow::Read(last.clone()));
            let batch = self.columns.batch(&rows, &instrument.word());
            return Ok((batch, Some(rest)));
        }
        Ok((self.columns.batch(&[], &Arc::from("")), None))
    }

    /// The next rows of an instrument, none when there are no more, and bars behind them that were
    /// read, too.
    fn rows(
        &self,
        conn: &mut BackendConnection<'_>,
        instrument_id: i64,
        rows_max: usize,
    ) -> Result<(Vec<HistoryBar>, Arc<[HistoryBar]>)> {
        if !self.found.is_empty() {
            let before = self.last_bar(conn, instrument_id)?;
            return Ok(self.filled(before, &self.found, rows_max));
        }
        let ExportedBars {
            frequency, price, ..
        } = self.bars;
        let Some((oldest, newest)) = extent(conn, instrument_id, frequency, price)? else {
            return Ok((Vec::new(), Arc::default()));
        };
        let first = frequency.period_start(oldest);
        let mut start = self.time.start.map_or(first, |start| start.max(first));
        if let Some(last) = &self.last {
            start = start.max(self.next_start(last.timestamp()));
        }
        let end = self.time.end.unwrap_or(Timestamp::MAX);
        while start <= newest && start < end {
            let window = window_end(frequency, start, rows_max).min(end);
            let query = BarQuery {
                start: Some(start),
                end: Some(window),
                price,
                ..BarQuery::all(instrument_id, frequency)
            };
            let found = bars(conn, &query)?.bars;
            if !found.is_empty() {
                let before = self.last_bar(conn, instrument_id)?;
                return Ok(self.filled(before, &found, rows_max));
            }
            start = window;
        }
        Ok((Vec::new(), Arc::default()))
    }

    /// The start of the period behind that of a moment.
    fn next_start(&self, at: Timestamp) -> Timestamp {
        let next = self.bars.frequency.period_micros(at.micros()).1;
        Timestamp::from_micros_clamped(next)
    }

    /// The row that was read last, with the values of the bar that stands there.
    fn last_bar(
        &self,
        conn: &mut BackendConnection<'_>,
        instrument_id: i64,
    ) -> Result<Option<HistoryBar>> {
        let at = match &self.last {
            None => return Ok(None),
            Some(LastRow::Read(bar)) => return Ok(Some(bar.clone())),
            Some(LastRow::Named(at)) => *at,
        };
        if self.bars.fill == Fill::None {
            return Ok(None);
        }
        let query = BarQuery {
            start: self.time.start,
            end: Some(self.next_start(at)),
            max_records: Some(1),
            price: self.bars.price,
            ..BarQuery::all(instrument_id, self.bars.frequency)
        };
        let bar = bars(conn, &query)?.bars.pop();
        Ok(bar.map(|bar| match bar.timestamp < at {
            true => standing(&bar, self.bars.fill, at),
            false => bar,
        }))
    }

    /// The bars, with what stands for periods between them and before the first: the first so many
    /// rows of that, and the bars behind them.
    fn filled(
        &self,
        before: Option<HistoryBar>,
        found: &[HistoryBar],
        rows_max: usize,
    ) -> (Vec<HistoryBar>, Arc<[HistoryBar]>) {
        let mut rows: Vec<HistoryBar> = Vec::with_capacity(found.len().min(rows_max));
        let fill = self.bars.fill;
        let period = |bar: &HistoryBar| self.bars.frequency.period_start(bar.timestamp);
        let mut left = found;
        while let Some((bar, behind)) = left.split_first() {
            while fill != Fill::None && rows.len() < rows_max {
                let Some(last) = rows.last().or(before.as_ref()) else {
                    break;
                };
                let next = self.next_start(last.timestamp);
                if next >= period(bar) {
                    break;
                }
                let standing = standing(last, fill, next);
                rows.push(standing);
            }
            if rows.len() == rows_max {
                break;
            }
            rows.push(bar.clone());
            left = behind;
        }
        (rows, left.into())
    }

    /// The place from which it goes on.
    pub(super) fn key(&self) -> Option<RowKey> {
        let instrument_id = self.instruments.get(self.at)?.id;
        Some(match &self.last {
            None => RowKey::Instrument(instrument_id),
            Some(last) => RowKey::Bar {
                instrument_id,
                timestamp: last.timestamp(),
            },
        })
    }

    /// The table from a place of it on; none when it has no such place.
    pub(super) fn resumed_at(mut self, key: RowKey) -> Option<Self> {
        self.at = place_of(&self.instruments, key.instrument_id())?;
        self.last = match key {
            RowKey::Instrument(_) => None,
            RowKey::Bar { timestamp, .. } => Some(LastRow::Named(timestamp)),
            RowKey::Tick(_) => return None,
        };
        Some(self)
    }
}

/// Months are few: all of them are one window.
fn window_end(frequency: Frequency, start: Timestamp, rows_max: usize) -> Timestamp {
    let periods = rows_max.clamp(*WINDOW_PERIODS.start(), *WINDOW_PERIODS.end()) as i64;
    match frequency.length_micros() {
        Some(length) => start.saturating_add_micros(periods * length),
        None => Timestamp::MAX,
    }
}
