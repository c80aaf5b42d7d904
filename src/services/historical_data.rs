//! History: the bars of an instrument in any frequency, from what is stored (bars that came in,
//! bars that were built, ticks), read in one snapshot.
//!
//! Of a period the answer holds, in this order of precedence: the bar that came in, the bar that
//! was built from its ticks, the bar that its ticks make now, the bar that finer bars make that
//! came in. It writes nothing.

mod built;
mod extent;
mod fill;
mod newest;
mod query;
mod read;
mod refresh;
mod spans;
#[cfg(test)]
mod tests;

pub use extent::extent;
pub use query::{BarBasis, BarHistory, BarOrigin, BarQuery, BarValues, Fill, HistoryBar};
pub use read::bars;
pub use refresh::{HistoricalDataService, RefreshReport};

use crate::database::Database;
use crate::domain::{PriceDecimals, Symbol};
use crate::error::{Error, Result};
use crate::repository::instrument;

/// The bars of a symbol.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SymbolHistory {
    /// The bars; without any when there is a problem.
    pub history: BarHistory,
    /// To how many places prices of the instrument are rounded.
    pub price_decimals: PriceDecimals,
    /// Why there are no bars, when it is not that there are none.
    pub problem: Option<String>,
}

impl SymbolHistory {
    /// Of a symbol that cannot be asked for.
    #[must_use]
    pub fn refused(problem: String) -> Self {
        Self {
            history: BarHistory::default(),
            price_decimals: PriceDecimals::default(),
            problem: Some(problem),
        }
    }
}

/// The bars of a symbol, by the asynchronous door, in one snapshot; `query.instrument_id` is found
/// by the symbol. An unknown symbol and ticks that make no bar are told in the answer.
///
/// # Errors
/// Those of [`Database::read_async`].
pub async fn fetch(db: &Database, symbol: Symbol, query: BarQuery) -> Result<SymbolHistory> {
    let read = db.read_async("history.fetch", move |conn| {
        let Some(instrument) = instrument::by_symbol(conn, &symbol)? else {
            let unknown = format!("no active instrument is named {symbol}");
            return Ok(SymbolHistory::refused(unknown));
        };
        let of = BarQuery {
            instrument_id: instrument.id,
            ..query
        };
        Ok(SymbolHistory {
            history: bars(conn, &of)?,
            price_decimals: instrument.price_decimals,
            problem: None,
        })
    });
    match read.await {
        Err(error @ Error::Invalid { .. }) => Ok(SymbolHistory::refused(error.to_string())),
        other => other,
    }
}
