//! What arguments name: an instrument by its symbol, a moment by its text.

use crate::database::{BackendConnection, Database};
use crate::domain::Symbol;
use crate::error::{Error, Result};
use crate::models::Instrument;
use crate::repository::instrument::{self, InstrumentRepository};
use crate::timestamp::Timestamp;

/// The active instrument with this symbol.
pub(super) fn instrument(database: &Database, symbol: &Symbol) -> Result<Instrument> {
    let found = InstrumentRepository::new(database).by_symbol(symbol)?;
    found.ok_or_else(|| unknown(symbol, CHECK))
}

/// [`instrument`] on a connection.
pub(super) fn instrument_on(
    conn: &mut BackendConnection<'_>,
    symbol: &Symbol,
) -> Result<Instrument> {
    let found = instrument::by_symbol(conn, symbol)?;
    found.ok_or_else(|| unknown(symbol, CHECK))
}

const CHECK: &str = "check the symbol; `tickbase stats` lists those with ticks";

/// No active instrument has this symbol.
pub(super) fn unknown(symbol: &Symbol, remedy: &str) -> Error {
    Error::not_found(format!("instrument {symbol}"), remedy)
}

/// Reads a moment of the command line: `2013-09-01`, `2013-09-01T17:00:00Z`, ..
pub(super) fn moment(text: &str) -> Result<Timestamp, Error> {
    Timestamp::parse(text.as_bytes()).map(|(moment, _)| moment)
}
