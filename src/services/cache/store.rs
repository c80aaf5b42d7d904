//! Keeps answers: bounded in bytes over all kinds, each kind with its time to live. It knows
//! neither versions nor reads.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;

use super::size::CacheSize;
use super::snapshot::{CacheCounters, CacheKind, CacheSnapshot, LookupOutcome};
use crate::config::CacheConfig;

/// The bytes that moka keeps beside key and value: the entry's record, two queues, its timer.
const BOOKKEEPING_BYTES: usize = 320;
/// The part of the bound that one answer may take: a larger one would drive out all others.
const ANSWER_SHARE_MAX: u64 = 4;
/// The part of the bound that may come in before what is too much goes out.
const UNSETTLED_SHARE_MAX: u64 = 16;

/// The subject of an answer, with the version of its data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    pub(super) kind: CacheKind,
    pub(super) of: CacheSubject,
    /// The type of the answer.
    pub(super) value: TypeId,
    pub(super) version: u64,
}

/// The subject of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum CacheSubject {
    Instrument(i64),
    Text(Arc<str>),
    InstrumentText(i64, Arc<str>),
}

/// An answer.
#[derive(Clone)]
pub(super) struct CacheEntry {
    pub(super) value: Arc<dyn Any + Send + Sync>,
    bytes: u64,
    is_worth_keeping: bool,
    /// When its reading began: from there on others may have changed what it stands on.
    began: Instant,
}

impl CacheEntry {
    pub(super) fn new<T: CacheSize + Any + Send + Sync>(
        key: &CacheKey,
        value: T,
        began: Instant,
    ) -> Self {
        let text = match &key.of {
            CacheSubject::Instrument(_) => 0,
            CacheSubject::Text(text) | CacheSubject::InstrumentText(_, text) => text.len(),
        };
        let is_worth_keeping = value.is_worth_keeping();
        let value = Arc::new(value);
        let bytes = value.heap_bytes()
            + text
            + size_of::<CacheKey>()
            + size_of::<Self>()
            + BOOKKEEPING_BYTES;
        Self {
            value,
            bytes: bytes as u64,
            is_worth_keeping,
            began,
        }
    }
}

pub(super) struct Store {
    kept: moka::sync::Cache<CacheKey, CacheEntry>,
    counters: Arc<[CacheCounters; CacheKind::ALL.len()]>,
    ttl: Ttl,
    bytes_max: u64,
    /// Bytes that came in since what is too much went out.
    unsettled: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Ttl([Duration; CacheKind::ALL.len()]);

impl Ttl {
    fn of(&self, kind: CacheKind) -> Duration {
        self.0[kind.place()]
    }

    fn left(&self, key: &CacheKey, entry: &CacheEntry, now: Instant) -> Duration {
        // From the begin of the read, not its end: the answer may be as old as that.
        let age = now.saturating_duration_since(entry.began);
        self.of(key.kind).saturating_sub(age)
    }
}

impl moka::Expiry<CacheKey, CacheEntry> for Ttl {
    fn expire_after_create(
        &self,
        key: &CacheKey,
        entry: &CacheEntry,
        now: Instant,
    ) -> Option<Duration> {
        Some(self.left(key, entry, now))
    }

    fn expire_after_update(
        &self,
        key: &CacheKey,
        entry: &CacheEntry,
        now: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.left(key, entry, now))
    }
}

impl Store {
    pub(super) fn new(config: &CacheConfig) -> Self {
        let ttl = Ttl(CacheKind::ALL.map(|kind| match kind {
            CacheKind::Latest => config.latest_ttl,
            CacheKind::Instruments => config.instruments_ttl,
            CacheKind::Bars => config.bars_ttl,
            CacheKind::Analytics => config.analytics_ttl,
        }));
        let counters: Arc<[CacheCounters; CacheKind::ALL.len()]> = Arc::default();
        let told = Arc::clone(&counters);
        // Keys are asked for only as long as their version is: how often one was, tells nothing.
        let kept = moka::sync::Cache::builder()
            .max_capacity(config.bytes_max)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, entry: &CacheEntry| u32::try_from(entry.bytes).unwrap_or(u32::MAX))
            .expire_after(ttl)
            .eviction_listener(move |key: Arc<CacheKey>, entry: CacheEntry, cause| {
                told[key.kind.place()].removed(&entry, cause);
            })
            .build();
        Self {
            kept,
            counters,
            ttl,
            bytes_max: config.bytes_max,
            unsettled: AtomicU64::new(0),
        }
    }

    pub(super) fn is_off(&self, kind: CacheKind) -> bool {
        self.ttl.of(kind).is_zero()
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<CacheEntry> {
        self.kept.get(key)
    }

    pub(super) fn insert(&self, key: &CacheKey, entry: &CacheEntry) {
        let counters = self.of(key.kind);
        if self.is_off(key.kind) || !entry.is_worth_keeping {
            return;
        }
        if entry.bytes > (self.bytes_max / ANSWER_SHARE_MAX).min(u32::MAX.into()) {
            counters.oversized.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Counted before it is stored: the listener may subtract it at once.
        counters.entries.fetch_add(1, Ordering::Relaxed);
        counters.bytes.fetch_add(entry.bytes, Ordering::Relaxed);
        self.kept.insert(key.clone(), entry.clone());
        let unsettled = self.unsettled.fetch_add(entry.bytes, Ordering::Relaxed);
        if unsettled + entry.bytes > self.bytes_max / UNSETTLED_SHARE_MAX {
            self.settle();
        }
    }

    /// Lets go what is too much or too old.
    fn settle(&self) {
        // moka frees room in its own time; without this a burst of large answers would take several
        // times the bound. The count is a hint: two threads that settle at once do no harm.
        self.unsettled.store(0, Ordering::Relaxed);
        self.kept.run_pending_tasks();
    }

    /// Counts how questions were answered, which are of one kind.
    pub(super) fn count(&self, keys: &[CacheKey], questions: usize, outcome: LookupOutcome) {
        let Some(key) = keys.first() else { return };
        let counters = self.of(key.kind);
        let counter = match outcome {
            LookupOutcome::Hit => &counters.hits,
            LookupOutcome::Miss => &counters.misses,
            LookupOutcome::Joined => &counters.joined,
        };
        counter.fetch_add(questions as u64, Ordering::Relaxed);
    }

    pub(super) fn count_fill(&self, keys: &[CacheKey], succeeded: bool) {
        let Some(key) = keys.first() else { return };
        let counters = self.of(key.kind);
        let counter = match succeeded {
            true => &counters.fills,
            false => &counters.failed_fills,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> CacheSnapshot {
        self.settle();
        let kinds = CacheKind::ALL.iter().zip(self.counters.iter());
        CacheSnapshot {
            bytes_max: self.bytes_max,
            kinds: kinds.map(|(kind, of)| of.snapshot(*kind)).collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> (u64, u64) {
        self.settle();
        (self.kept.entry_count(), self.kept.weighted_size())
    }

    fn of(&self, kind: CacheKind) -> &CacheCounters {
        &self.counters[kind.place()]
    }
}

impl CacheCounters {
    fn removed(&self, entry: &CacheEntry, cause: RemovalCause) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
        match cause {
            RemovalCause::Size => self.evicted.fetch_add(1, Ordering::Relaxed),
            RemovalCause::Expired => self.expired.fetch_add(1, Ordering::Relaxed),
            // By the same answer, read once more.
            RemovalCause::Explicit | RemovalCause::Replaced => 0,
        };
    }
}
