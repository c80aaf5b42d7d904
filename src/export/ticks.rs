//! The ticks of some instruments as a table: by instrument, oldest first.

use std::sync::Arc;

use super::columns::{
    Column, ColumnKind, RowBatch, RowColumn, SelectedColumns, Selection, moment_column,
    number_column, required, symbol_column, whole_column,
};
use super::place::{ExportedInstrument, RowKey, TableTime, place_of};
use crate::database::{BackendConnection, Cursor};
use crate::error::Result;
use crate::models::MarketData;
use crate::repository::RangeQuery;
use crate::repository::market_data::{self, TickKey, TickRange};

/// The columns, by the names that an import knows.
static COLUMNS: [RowColumn<MarketData>; 13] = [
    symbol_column!(),
    moment_column!(),
    whole_column!(required("source_id", ColumnKind::Whole), |row| Some(
        row.source_id
    )),
    whole_column!(required("sequence", ColumnKind::Whole), |row| Some(
        row.sequence
    )),
    number_column!("price", |row| row.price),
    number_column!("volume", |row| row.volume),
    number_column!("bid", |row| row.bid),
    number_column!("ask", |row| row.ask),
    number_column!("bid_size", |row| row.bid_size),
    number_column!("ask_size", |row| row.ask_size),
    number_column!("open", |row| row.open_price),
    number_column!("high", |row| row.high_price),
    number_column!("low", |row| row.low_price),
];

/// The active ticks of some instruments, from a place on.
#[derive(Clone)]
pub struct TickTable {
    instruments: Arc<[ExportedInstrument]>,
    /// The instrument that is read, by its place in the list.
    at: usize,
    time: TableTime,
    /// The tick of the instrument behind which it goes on.
    after: Option<TickKey>,
    columns: SelectedColumns<MarketData>,
}

impl TickTable {
    pub(super) fn new(
        instruments: Vec<ExportedInstrument>,
        time: TableTime,
        selection: Selection<'_>,
    ) -> Result<Self> {
        Ok(Self {
            instruments: instruments.into(),
            at: 0,
            time,
            after: None,
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
            let range = TickRange {
                instrument_id: instrument.id,
                start: self.time.start,
                end: self.time.end,
            };
            let query = RangeQuery {
                cursor: rest.after.map(Cursor::After),
                ..RangeQuery::new(range, rows_max)
            };
            let page = market_data::range(conn, &query)?;
            rest.after = match page.next {
                Some(Cursor::After(key) | Cursor::Before(key)) => Some(key),
                None => {
                    rest.at += 1;
                    None
                }
            };
            if !page.rows.is_empty() {
                let batch = self.columns.batch(&page.rows, &instrument.word());
                let is_more = rest.at < self.instruments.len();
                return Ok((batch, is_more.then_some(rest)));
            }
        }
        Ok((self.columns.batch(&[], &Arc::from("")), None))
    }

    /// The place from which it goes on.
    pub(super) fn key(&self) -> Option<RowKey> {
        let instrument = self.instruments.get(self.at)?;
        Some(match self.after {
            Some(key) => RowKey::Tick(key),
            None => RowKey::Instrument(instrument.id),
        })
    }

    /// The table from a place of it on; none when it has no such place.
    pub(super) fn resumed_at(mut self, key: RowKey) -> Option<Self> {
        self.at = place_of(&self.instruments, key.instrument_id())?;
        self.after = match key {
            RowKey::Instrument(_) => None,
            RowKey::Tick(key) => Some(key),
            RowKey::Bar { .. } => return None,
        };
        Some(self)
    }
}
