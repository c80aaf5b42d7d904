//! History: the bars of an instrument in any frequency, from what is stored (bars that came in,
//! bars that were built, ticks), read in one snapshot.
//!
//! Of a period the answer holds the bar that came in, else the bar that was built and is not stale,
//! else what its parts make: the periods of the next shorter frequency of which the instrument has
//! bars, each by the same rule, and below the shortest one the ticks. So a tick counts only where
//! no bar covers it. It writes nothing.
//!
//! Begin with [`bars`] and a [`BarQuery`], within [`Database::read`]; [`fetch`] is the same by symbol
//! and from async code. [`HistoricalDataService`] keeps series up to date that
//! [`bar_series`](crate::repository::bar_series) has built.

mod cached;
mod extent;
mod fill;
mod missing;
mod query;
mod read;
mod refresh;
#[cfg(test)]
mod tests;

pub use cached::{fetch_cached, fetch_many};
pub use extent::extent;
pub use missing::{Alternative, alternative};
pub use query::{
    BarBasis, BarHistory, BarOrigin, BarQuery, BarValues, Fill, HistoryBar, HistorySources,
};
pub use read::bars;
pub use refresh::{HistoricalDataService, RefreshReport};

use crate::database::{BackendConnection, Database};
use crate::domain::{PriceDecimals, Symbol};
use crate::error::{Error, Result};
use crate::models::Instrument;
use crate::repository::instrument;

/// The bars of a symbol.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SymbolHistory {
    /// The instrument's symbol; none when there is no such instrument.
    pub symbol: Option<Symbol>,
    /// The bars; without any when there is a problem.
    pub history: BarHistory,
    /// To how many places prices of the instrument are rounded; none where all are shown.
    pub price_decimals: Option<PriceDecimals>,
    /// Why there are no bars, when it is not that there are none.
    pub problem: Option<String>,
    /// What there is when there are none.
    pub alternative: Option<Alternative>,
}

impl SymbolHistory {
    /// Of a symbol that cannot be asked for.
    #[must_use]
    pub fn refused(problem: String) -> Self {
        Self {
            symbol: None,
            history: BarHistory::default(),
            price_decimals: None,
            problem: Some(problem),
            alternative: None,
        }
    }

    fn unknown(symbol: &Symbol) -> Self {
        Self::refused(format!("no active instrument is named {symbol}"))
    }
}

/// The bars of a symbol, by the asynchronous door, in one snapshot; `query.instrument_id` is found
/// by the symbol. An unknown symbol and ticks that make no bar are told in the answer.
///
/// # Errors
/// Those of [`Database::read_async`].
pub async fn fetch(db: &Database, symbol: Symbol, query: BarQuery) -> Result<SymbolHistory> {
    let read = db.read_async("history.fetch", move |conn| {
        conn.snapshot(|conn| match instrument::by_symbol(conn, &symbol)? {
            Some(instrument) => of_instrument(conn, instrument, query),
            None => Ok(SymbolHistory::unknown(&symbol)),
        })
    });
    read.await
}

/// The bars of an instrument, in the snapshot in which it was found.
fn of_instrument(
    conn: &mut BackendConnection<'_>,
    instrument: Instrument,
    query: BarQuery,
) -> Result<SymbolHistory> {
    let of = BarQuery {
        instrument_id: instrument.id,
        ..query
    };
    let (history, problem) = match bars(conn, &of) {
        Ok(history) => (history, None),
        Err(error @ Error::Invalid { .. }) => (BarHistory::default(), Some(error.to_string())),
        Err(error) => return Err(error),
    };
    let alternative = match (&problem, history.bars.is_empty()) {
        (None, true) => Some(alternative(conn, &of)?),
        _ => None,
    };
    Ok(SymbolHistory {
        symbol: Some(instrument.symbol),
        history,
        price_decimals: instrument.price_decimals,
        problem,
        alternative,
    })
}
