//! A table of ticks or bars, read page by page.

use super::bars::{BarTable, ExportedBars};
use super::columns::{Column, RowBatch, Selection};
use super::place::{ExportedInstrument, RowKey, TableTime};
use super::ticks::TickTable;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::timestamp::Timestamp;

/// Ticks or bars of some instruments, instrument by instrument, each oldest first.
#[derive(Clone)]
#[non_exhaustive]
pub enum Table {
    /// Ticks.
    Ticks(TickTable),
    /// Bars.
    Bars(BarTable),
}

impl Table {
    /// The active ticks from `start`, which is part of it, to `end`, which is not.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a start after the end and for columns that there are not.
    pub fn ticks(
        instruments: Vec<ExportedInstrument>,
        start: Option<Timestamp>,
        end: Option<Timestamp>,
        selection: Selection<'_>,
    ) -> Result<Self> {
        let time = TableTime::new(start, end)?;
        Ok(Self::Ticks(TickTable::new(instruments, time, selection)?))
    }

    /// The bars that start from `start` on and before `end`, as
    /// [`historical_data::bars`](crate::services::historical_data::bars) has them.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a start after the end and for columns that there are not.
    pub fn bars(
        instruments: Vec<ExportedInstrument>,
        start: Option<Timestamp>,
        end: Option<Timestamp>,
        of: ExportedBars,
        selection: Selection<'_>,
    ) -> Result<Self> {
        let time = TableTime::new(start, end)?;
        let table = BarTable::new(instruments, time, of, selection)?;
        Ok(Self::Bars(table))
    }

    /// The columns, in their order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::Ticks(ticks) => ticks.columns(),
            Self::Bars(bars) => bars.columns(),
        }
    }

    /// The name of the operation by which its pages are read.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Ticks(_) => "export.ticks",
            Self::Bars(_) => "export.bars",
        }
    }

    /// The next rows, up to so many, and the table behind them; none at its end. What lies behind
    /// may have no rows.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query); [`Error::Invalid`](crate::Error::Invalid) for a price that no bar can hold.
    pub fn read(
        &self,
        conn: &mut BackendConnection<'_>,
        rows_max: usize,
    ) -> Result<(RowBatch, Option<Self>)> {
        Ok(match self {
            Self::Ticks(ticks) => {
                let (batch, rest) = ticks.read(conn, rows_max)?;
                (batch, rest.map(Self::Ticks))
            }
            Self::Bars(bars) => {
                let (batch, rest) = bars.read(conn, rows_max)?;
                (batch, rest.map(Self::Bars))
            }
        })
    }

    /// The place from which it goes on, for a text that [`Table::resumed_at`] takes; none behind its
    /// last instrument.
    #[must_use]
    pub fn key(&self) -> Option<RowKey> {
        match self {
            Self::Ticks(ticks) => ticks.key(),
            Self::Bars(bars) => bars.key(),
        }
    }

    /// The table from a place of it on; none when it has no such place.
    #[must_use]
    pub fn resumed_at(self, key: RowKey) -> Option<Self> {
        match self {
            Self::Ticks(ticks) => ticks.resumed_at(key).map(Self::Ticks),
            Self::Bars(bars) => bars.resumed_at(key).map(Self::Bars),
        }
    }
}
