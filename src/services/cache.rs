//! A cache of frequent reads: the newest tick of each instrument, instruments and their lists,
//! answers with bars, figures. Bounded in bytes over all of it, with a time to live per kind.
//!
//! **No read that begins after an acknowledged write returns an older answer.** A key holds the
//! version of its data, taken before the answer is read. A write raises the versions of what it
//! changed after its commit and before it is acknowledged. So nothing is invalidated: a slow read
//! stores its old answer under a key that nobody asks for any more. Writes of other processes show
//! when the time to live is over (docs/decisions/0016).
//!
//! Callers of the same key share one read (`flights`); `store` keeps answers. It writes no SQL.

mod flights;
mod size;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;

use std::any::{Any, TypeId};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

pub use size::CacheSize;
pub use snapshot::{CacheKind, CacheKindSnapshot, CacheSnapshot};

use crate::config::CacheConfig;
use crate::database::{BackendConnection, CacheTag, Database, Page};
use crate::domain::Symbol;
use crate::error::{Error, Result};
use crate::models::{Instrument, MarketData};
use crate::repository::instrument::{self, InstrumentLabel, InstrumentPage};
use crate::repository::market_data;
use flights::{Flights, Landed};
use size::CachedId;
use snapshot::LookupOutcome;
use store::{CacheEntry, CacheKey, CacheSubject, Store};

/// The cache of one database; clones share it.
///
/// ```
/// # async fn run() -> tickbase::Result<()> {
/// use tickbase::config::CacheConfig;
/// use tickbase::services::cache::Cache;
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
///
/// let cache = Cache::new(db.database().clone(), CacheConfig::default())?;
/// let newest = cache.latest(&[1, 2, 3]).await?; // Reads the database,
/// let again = cache.latest(&[1, 2, 3]).await?; // and the memory.
/// assert_eq!(newest.len(), again.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cache {
    inner: Arc<CacheInner>,
}

struct CacheInner {
    db: Database,
    store: Store,
    flights: Flights,
}

/// The newest tick of an instrument, and what is shown with it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LatestTick {
    /// The tick.
    pub tick: MarketData,
    /// Its instrument's name, and to how many places its prices are rounded.
    pub label: InstrumentLabel,
}

/// An answer, and where it came from.
#[derive(Debug)]
pub struct Cached<T> {
    /// The answer.
    pub value: Arc<T>,
    /// True when it was in memory; `false` for one that was read for this call, or for another one
    /// that asked for the same at that time.
    pub cached: bool,
}

impl Cache {
    /// An empty cache of a database.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work.
    pub fn new(db: Database, config: CacheConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            inner: Arc::new(CacheInner {
                db,
                store: Store::new(&config),
                flights: Flights::default(),
            }),
        })
    }

    /// The newest active tick of each of the active instruments that has one, by instrument. What
    /// is not in memory is read at once, for all instruments together.
    ///
    /// # Errors
    /// Those of [`Database::read_async`].
    pub async fn latest(&self, instrument_ids: &[i64]) -> Result<Vec<Arc<LatestTick>>> {
        self.latest_by(instrument_ids, |ids| {
            let read = move |conn: &mut BackendConnection<'_>| read_latest(conn, &ids);
            self.inner.db.read_async("market_data.latest", read)
        })
        .await
    }

    /// [`Cache::latest`] with a read of the caller's: it is given the instruments that are to be
    /// read, and returns what it finds of them.
    ///
    /// # Errors
    /// What `read` returns. Errors are not kept; who waited for the same read tries alone.
    pub async fn latest_by<F, R>(&self, ids: &[i64], mut read: F) -> Result<Vec<Arc<LatestTick>>>
    where
        F: FnMut(Vec<i64>) -> R,
        R: Future<Output = Result<Vec<LatestTick>>>,
    {
        // Sorted and once each: equal requests claim keys in one order, and nobody waits for
        // itself.
        let ids: Vec<i64> = BTreeSet::from_iter(ids.iter().copied())
            .into_iter()
            .collect();
        let key = |id: &i64| {
            let of = CacheSubject::Instrument(*id);
            self.key::<Option<Arc<LatestTick>>>(CacheKind::Latest, of, CacheTag::Instrument(*id))
        };
        let keys: Vec<CacheKey> = ids.iter().map(key).collect();
        let fill = |places: Vec<usize>| {
            let wanted: Vec<i64> = places.iter().map(|place| ids[*place]).collect();
            let read = read(wanted.clone());
            async move {
                let found = read.await?.into_iter();
                let mut found: HashMap<i64, LatestTick> =
                    found.map(|one| (one.tick.instrument_id, one)).collect();
                let in_order = wanted.iter().map(|id| found.remove(id).map(Arc::new));
                Ok(in_order.collect())
            }
        };
        let answers = self.many(&keys, fill).await?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| (*answer.value).clone())
            .collect())
    }

    /// The active instrument with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; those of [`Database::read_async`].
    pub async fn instrument(&self, id: i64) -> Result<Arc<Instrument>> {
        let stands_on = CacheTag::Instrument(id);
        let key = self.key::<Option<Arc<Instrument>>>(
            CacheKind::Instruments,
            CacheSubject::Instrument(id),
            stands_on,
        );
        let read = move |conn: &mut BackendConnection<'_>| match instrument::get(conn, id) {
            Ok(found) => Ok(Some(Arc::new(found))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        let found = self.read_one(key, "instrument.get", read).await?;
        (*found.value)
            .clone()
            .ok_or_else(|| instrument::not_found(id))
    }

    /// A page of the active instruments, by symbol.
    ///
    /// # Errors
    /// Those of [`instrument::page`] and of [`Database::read_async`].
    pub async fn instruments(&self, page: InstrumentPage) -> Result<Arc<Page<Instrument, Symbol>>> {
        let of = CacheSubject::Text(format!("{page:?}").into());
        let key =
            self.key::<Page<Instrument, Symbol>>(CacheKind::Instruments, of, CacheTag::Instruments);
        let read = move |conn: &mut BackendConnection<'_>| instrument::page(conn, &page);
        Ok(self.read_one(key, "instrument.page", read).await?.value)
    }

    /// The ids of the first `limit` active instruments, by symbol.
    ///
    /// # Errors
    /// Those of [`Database::read_async`].
    pub async fn instrument_ids(&self, limit: usize) -> Result<Arc<Vec<i64>>> {
        let of = CacheSubject::Text(format!("ids {limit}").into());
        let key = self.key::<Vec<i64>>(CacheKind::Instruments, of, CacheTag::Members);
        let read = move |conn: &mut BackendConnection<'_>| instrument::active_ids(conn, limit);
        Ok(self
            .read_one(key, "instrument.active_ids", read)
            .await?
            .value)
    }

    /// The id of the active instrument that has this symbol. That nobody has it is not kept.
    ///
    /// # Errors
    /// Those of [`Database::read_async`].
    pub async fn instrument_id(&self, symbol: Symbol) -> Result<Option<i64>> {
        let of = CacheSubject::Text(format!("id {symbol}").into());
        let key = self.key::<CachedId>(CacheKind::Instruments, of, CacheTag::Members);
        let read = move |conn: &mut BackendConnection<'_>| {
            let found = instrument::by_symbol(conn, &symbol)?;
            Ok(CachedId(found.map(|instrument| instrument.id)))
        };
        let found = self.read_one(key, "instrument.by_symbol", read).await?;
        Ok(found.value.0)
    }

    /// An answer that stands on the ticks and bars of one instrument. `query` is all else that it
    /// depends on, as text: the same text must mean the same question.
    ///
    /// # Errors
    /// What `read` returns. Errors are not kept; who waited for the same read tries alone.
    pub async fn bars<T, F, R>(
        &self,
        instrument_id: i64,
        query: impl Into<Arc<str>>,
        read: F,
    ) -> Result<Cached<T>>
    where
        T: CacheSize + Send + Sync + 'static,
        F: FnOnce() -> R,
        R: Future<Output = Result<T>>,
    {
        let of = CacheSubject::InstrumentText(instrument_id, query.into());
        let key = self.key::<T>(CacheKind::Bars, of, CacheTag::Bars(instrument_id));
        self.one(key, read).await
    }

    /// An answer that stands on the ticks and bars of some instruments, as [`Cache::bars`] on those
    /// of one: a write that touches any of them has it read again.
    ///
    /// # Errors
    /// As [`Cache::bars`].
    pub async fn analytics<T, F, R>(
        &self,
        instrument_ids: &[i64],
        query: impl Into<Arc<str>>,
        read: F,
    ) -> Result<Cached<T>>
    where
        T: CacheSize + Send + Sync + 'static,
        F: FnOnce() -> R,
        R: Future<Output = Result<T>>,
    {
        let key = CacheKey {
            kind: CacheKind::Analytics,
            of: CacheSubject::Text(query.into()),
            value: TypeId::of::<T>(),
            version: self.inner.db.version_of_bars(instrument_ids),
        };
        self.one(key, read).await
    }

    /// Returns what the cache holds and how it has answered.
    #[must_use]
    pub fn snapshot(&self) -> CacheSnapshot {
        self.inner.store.snapshot()
    }

    /// The version is read here, before anything is looked up or read.
    fn key<T: Any>(&self, kind: CacheKind, of: CacheSubject, stands_on: CacheTag) -> CacheKey {
        CacheKey {
            kind,
            of,
            value: TypeId::of::<T>(),
            version: self.inner.db.version(stands_on),
        }
    }

    async fn read_one<T, F>(&self, key: CacheKey, op: &'static str, read: F) -> Result<Cached<T>>
    where
        T: CacheSize + Send + Sync + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        self.one(key, || self.inner.db.read_async(op, read)).await
    }

    async fn one<T, F, R>(&self, key: CacheKey, read: F) -> Result<Cached<T>>
    where
        T: CacheSize + Send + Sync + 'static,
        F: FnOnce() -> R,
        R: Future<Output = Result<T>>,
    {
        let mut read = Some(read);
        let fill = |_: Vec<usize>| {
            // Whoever fills, returns: it is called once at most.
            let read = read.take().map(|read| read());
            async move {
                match read {
                    Some(read) => Ok(vec![read.await?]),
                    None => Ok(Vec::new()),
                }
            }
        };
        let answers = self.many(&[key], fill).await?;
        answers.into_iter().next().ok_or_else(short)
    }

    /// The answers of keys of one kind, in their order: from memory, from those who read them at
    /// this time, and from one fill for all others, which is given their places.
    async fn many<T, F, R>(&self, keys: &[CacheKey], mut fill: F) -> Result<Vec<Cached<T>>>
    where
        T: CacheSize + Send + Sync + 'static,
        F: FnMut(Vec<usize>) -> R,
        R: Future<Output = Result<Vec<T>>>,
    {
        let store = &self.inner.store;
        let is_off = keys.first().is_none_or(|key| store.is_off(key.kind));
        let mut answers: Vec<Option<Cached<T>>> = keys
            .iter()
            .map(|key| store.get(key).and_then(|entry| answer(&entry, true)))
            .collect();
        store.count(keys, answers.iter().flatten().count(), LookupOutcome::Hit);
        let mut alone = is_off;
        loop {
            let open = |place: &usize| answers[*place].is_none();
            let open: Vec<usize> = (0..keys.len()).filter(open).collect();
            if open.is_empty() {
                return Ok(answers.into_iter().flatten().collect());
            }
            // Claimed before the second look into the store: a reader lands after it has stored, so
            // an answer is found in one of the two.
            let mut flight = self.inner.flights.claim(keys, open, alone);
            for place in flight.led() {
                if let Some(entry) = store.get(&keys[place]) {
                    // It has landed since it was looked up.
                    answers[place] = answer(&entry, true);
                    store.count(keys, 1, LookupOutcome::Hit);
                    flight.land(place, Landed::Filled(entry));
                }
            }
            let led = flight.led();
            if !led.is_empty() {
                store.count(keys, led.len(), LookupOutcome::Miss);
                let began = Instant::now();
                let filled = fill(led.clone()).await;
                store.count_fill(keys, is_done(&filled, led.len()));
                let filled = filled.and_then(|values| complete(values, led.len()));
                // Those who wait are told before the error leaves: they try by themselves.
                let values = filled.inspect_err(|_| flight.fail())?;
                for (place, value) in led.into_iter().zip(values) {
                    let entry = CacheEntry::new(&keys[place], value, began);
                    answers[place] = answer(&entry, false);
                    // Stored before it lands: a caller that finds the key unclaimed must find the
                    // answer.
                    store.insert(&keys[place], &entry);
                    flight.land(place, Landed::Filled(entry));
                }
            }
            // Own reads come first: two callers that each lead a key of the other would wait in a
            // circle.
            for (place, mut landing) in flight.take_joined() {
                match landing.wait_for(Option::is_some).await.as_deref() {
                    Ok(Some(Landed::Filled(entry))) => {
                        answers[place] = answer(entry, false);
                        store.count(keys, 1, LookupOutcome::Joined);
                    }
                    // One after another they would wait for the same failure again and again.
                    Ok(_) => alone = true,
                    // It was given up, by a client that went away or in a panic.
                    Err(_) => {}
                }
            }
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

fn answer<T: Any + Send + Sync>(entry: &CacheEntry, cached: bool) -> Option<Cached<T>> {
    let value = Arc::clone(&entry.value).downcast().ok()?;
    Some(Cached { value, cached })
}

/// True when a read has done its work. "Not found" and "invalid" are results, too: an alarm on
/// failed reads is about the database.
fn is_done<T>(filled: &Result<Vec<T>>, wanted: usize) -> bool {
    match filled {
        Ok(values) => values.len() == wanted,
        Err(error) => matches!(error, Error::NotFound { .. } | Error::Invalid { .. }),
    }
}

fn complete<T>(values: Vec<T>, wanted: usize) -> Result<Vec<T>> {
    if values.len() == wanted {
        return Ok(values);
    }
    Err(short())
}

fn short() -> Error {
    let reason = "it returned no answer for a key that it was asked for";
    Error::invalid("cache fill", reason, "report this as a defect")
}

/// Reads for [`Cache::latest`] from the database itself.
///
/// # Errors
/// [`Error::Query`].
pub fn read_latest(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<Vec<LatestTick>> {
    // Two moments: a tick of an instrument that is deleted in between finds no label, and is left
    // out.
    let ticks = market_data::latest(conn, ids)?;
    let labels = instrument::labels(conn, ids)?.into_iter();
    let mut labels: HashMap<i64, InstrumentLabel> = labels.map(|label| (label.id, label)).collect();
    let latest = ticks.into_iter().filter_map(|tick| {
        let label = labels.remove(&tick.instrument_id)?;
        Some(LatestTick { tick, label })
    });
    Ok(latest.collect())
}
