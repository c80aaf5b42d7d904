//! The bars of a symbol from memory, when they were read a moment ago and nothing has changed. It
//! keeps nothing itself, and knows no versions: that is the cache's.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::query::{BarHistory, BarQuery, HistoryBar};
use super::{SymbolHistory, fetch, of_instrument};
use crate::database::Database;
use crate::domain::Symbol;
use crate::error::{Error, Result};
use crate::repository::instrument;
use crate::services::cache::{Cache, CacheSize, Cached};

/// Symbols that [`fetch_many`] reads at a time: well below the 20 connections that the pool keeps
/// open, so that one caller leaves most of them to others.
const READS_AT_ONCE_MAX: usize = 4;

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
    let text = format!("history {of:?}");
    let answer = cache.bars(instrument_id, text, || by_id(db, of)).await?;
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

async fn by_id(db: &Database, query: BarQuery) -> Result<SymbolHistory> {
    let read = db.read_async("history.fetch", move |conn| {
        conn.snapshot(|conn| match instrument::get(conn, query.instrument_id) {
            Ok(instrument) => of_instrument(conn, instrument, query),
            Err(gone @ Error::NotFound { .. }) => Ok(SymbolHistory::refused(gone.to_string())),
            Err(error) => Err(error),
        })
    });
    read.await
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
