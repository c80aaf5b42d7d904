//! What a table is of, and the places at which it can go on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::Symbol;
use crate::error::{Error, Result};
use crate::repository::bounds;
use crate::repository::market_data::TickKey;
use crate::timestamp::Timestamp;

/// An instrument whose rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedInstrument {
    /// Its id.
    pub id: i64,
    /// The name that stands in its rows.
    pub symbol: Symbol,
}

impl ExportedInstrument {
    pub(super) fn word(&self) -> Arc<str> {
        Arc::from(self.symbol.as_str())
    }
}

pub(super) fn place_of(instruments: &[ExportedInstrument], id: i64) -> Option<usize> {
    instruments.iter().position(|of| of.id == id)
}

/// The moments of the rows of a table: from `start`, which is part of it, to `end`, which is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableTime {
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
}

impl TableTime {
    pub(super) fn new(start: Option<Timestamp>, end: Option<Timestamp>) -> Result<Self> {
        bounds::moments(start, end)?;
        Ok(Self { start, end })
    }
}

/// A place of a table: the beginning of an instrument, or behind a row. As text it is the numbers
/// of its key with points between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowKey {
    /// Before the first row of an instrument.
    Instrument(i64),
    /// Behind a tick.
    Tick(TickKey),
    /// Behind the bar of a period.
    Bar {
        /// The instrument.
        instrument_id: i64,
        /// The start of the bar.
        timestamp: Timestamp,
    },
}

impl RowKey {
    pub(super) fn instrument_id(self) -> i64 {
        match self {
            Self::Instrument(id) => id,
            Self::Tick(key) => key.instrument_id,
            Self::Bar { instrument_id, .. } => instrument_id,
        }
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instrument(id) => write!(out, "{id}"),
            Self::Bar {
                instrument_id,
                timestamp,
            } => write!(out, "{instrument_id}.{}", timestamp.micros()),
            Self::Tick(key) => write!(
                out,
                "{}.{}.{}.{}",
                key.instrument_id,
                key.timestamp.micros(),
                key.source_id,
                key.sequence
            ),
        }
    }
}

impl FromStr for RowKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let foreign = || {
            let remedy = "take it from the answer before, or leave it out";
            Error::invalid("cursor", "it is no place of a table", remedy)
        };
        let numbers = text.split('.').map(str::parse::<i64>);
        let numbers: Vec<i64> = numbers
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| foreign())?;
        Ok(match numbers[..] {
            [id] => Self::Instrument(id),
            [instrument_id, micros] => Self::Bar {
                instrument_id,
                timestamp: Timestamp::from_micros(micros)?,
            },
            [instrument_id, micros, source_id, sequence] => Self::Tick(TickKey {
                instrument_id,
                timestamp: Timestamp::from_micros(micros)?,
                source_id,
                sequence,
            }),
            _ => return Err(foreign()),
        })
    }
}
