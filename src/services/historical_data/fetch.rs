//! The bars of a symbol from async code, and from memory when they were read a moment ago and nothing
//! has changed. It keeps nothing itself, and knows no versions: that is the cache's.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::alternative::{Alternative, alternative};
use super::query::{BarHistory, BarQuery, HistoryBar};
use super::read::bars;
use crate::database::{BackendConnection, Database};
use crate::domain::{PriceDecimals, Symbol};
use crate::error::{Error, Result};
use crate::models::Instrument;
use crate::repository::instrument;
use crate::services::cache::{Cache, CacheSize, Cached};

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

/// Symbols that [`fetch_many`] reads at a time: well below the 20 connections that the pool keeps
/// open, so that one caller leaves most of them to others.
pub(super) const READS_AT_ONCE_MAX: usize = 4;

/// [`fetch_cached`] of many symbols, a few at a time. The answers are in the order of the symbols;
/// each is of a snapshot of its own. A symbol that is there twice is answered twice, and of a text
/// that is no symbol its answer says so.
///
/// # Errors
/// As [`fetch_cached`]: that of the first symbol that has one. The others are lost with it.
pub async fn fetch_many(
    db: &Database,
    cache: &Cache,
    symbols: &[impl AsRef<str>],
    query: BarQuery,
) -> Result<Vec<Cached<SymbolHistory>>> {
    let read = |text| fetch_text(db, cache, text, query);
    let reads: Vec<_> = symbols.iter().map(AsRef::as_ref).map(read).collect();
    let in_order = stream::iter(reads).buffered(READS_AT_ONCE_MAX);
    in_order.try_collect().await
}

async fn fetch_text(
    db: &Database,
    cache: &Cache,
    text: &str,
    query: BarQuery,
) -> Result<Cached<SymbolHistory>> {
    match Symbol::new(text) {
        Ok(symbol) => fetch_cached(db, cache, symbol, query).await,
        Err(error) => Ok(fresh(SymbolHistory::refused(error.to_string()))),
    }
}

/// What [`fetch`] answers, by a cache of the same database.
///
/// The answer is kept by instrument and question, and says which name the instrument has in its
/// snapshot. So the name that was looked up before it only tells where to look: when it has gone
/// to another instrument in between, the answer is read by the symbol, in one snapshot.
///
/// # Errors
/// As [`fetch`].
pub async fn fetch_cached(
    db: &Database,
    cache: &Cache,
    symbol: Symbol,
    query: BarQuery,
) -> Result<Cached<SymbolHistory>> {
    let Some(instrument_id) = cache.instrument_id(symbol.clone()).await? else {
        return Ok(fresh(SymbolHistory::unknown(&symbol)));
    };
    let of = BarQuery {
        instrument_id,
        ..query
    };
    let by_id = move |conn: &mut BackendConnection<'_>| match instrument::get(conn, instrument_id) {
        Err(Error::NotFound { .. }) => Ok(None),
        found => found.map(Some),
    };
    let read = || read(db, symbol.clone(), of, by_id);
    let answer = cache
        .bars(instrument_id, format!("history {of:?}"), read)
        .await?;
    if answer.value.symbol.as_ref() == Some(&symbol) {
        return Ok(answer);
    }
    Ok(fresh(fetch(db, symbol, query).await?))
}

fn fresh(found: SymbolHistory) -> Cached<SymbolHistory> {
    Cached {
        value: Arc::new(found),
        cached: false,
    }
}

/// The bars of a symbol, by the asynchronous door, in one snapshot; `query.instrument_id` is found
/// by the symbol. An unknown symbol and ticks that make no bar are told in the answer.
///
/// # Errors
/// Those of [`Database::read_async`].
pub async fn fetch(db: &Database, symbol: Symbol, query: BarQuery) -> Result<SymbolHistory> {
    let named = symbol.clone();
    let by_symbol = move |conn: &mut BackendConnection<'_>| instrument::by_symbol(conn, &named);
    read(db, symbol, query, by_symbol).await
}

async fn read(
    db: &Database,
    symbol: Symbol,
    query: BarQuery,
    find: impl Fn(&mut BackendConnection<'_>) -> Result<Option<Instrument>> + Send + 'static,
) -> Result<SymbolHistory> {
    let read = db.read_async("history.fetch", move |conn| {
        conn.snapshot(|conn| match find(conn)? {
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

impl CacheSize for SymbolHistory {
    fn heap_bytes(&self) -> usize {
        self.symbol.heap_bytes() + self.problem.heap_bytes() + self.history.heap_bytes()
    }
}

impl CacheSize for BarHistory {
    fn heap_bytes(&self) -> usize {
        self.bars.heap_bytes() + self.sources.data_sources.heap_bytes()
    }
}

impl CacheSize for HistoryBar {
    fn heap_bytes(&self) -> usize {
        0
    }
}
