//! The figures of the cache, by kind.

use std::sync::atomic::{AtomicU64, Ordering};

/// A kind of answer, with a time to live of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheKind {
    /// The newest tick of an instrument.
    Latest,
    /// Instruments and their lists.
    Instruments,
    /// Answers with bars.
    Bars,
    /// Figures of analytics.
    Analytics,
}

impl CacheKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Latest, Self::Instruments, Self::Bars, Self::Analytics];

    /// The kind as metrics write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Instruments => "instruments",
            Self::Bars => "bars",
            Self::Analytics => "analytics",
        }
    }

    pub(super) const fn place(self) -> usize {
        self as usize
    }
}

/// The state of the cache at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheSnapshot {
    /// The bound of all kinds together, in bytes.
    pub bytes_max: u64,
    /// A figure per kind, as in [`CacheKind::ALL`].
    pub kinds: Vec<CacheKindSnapshot>,
}

impl CacheSnapshot {
    /// The figures of a kind.
    #[must_use]
    pub fn of(&self, kind: CacheKind) -> &CacheKindSnapshot {
        &self.kinds[kind.place()]
    }

    /// Bytes of all kinds together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.bytes).sum()
    }
}

/// The figures of one kind: its entries, and its answers since the cache was made. An answer for
/// several instruments counts once for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheKindSnapshot {
    /// The kind.
    pub kind: CacheKind,
    /// Answers that are held.
    pub entries: u64,
    /// Their bytes, with keys and bookkeeping.
    pub bytes: u64,
    /// Questions that were answered from memory.
    pub hits: u64,
    /// Questions that had to be read for.
    pub misses: u64,
    /// Questions that waited for a read that was under way.
    pub joined: u64,
    /// Reads that did their work; those that found that there is no such thing did, too.
    pub fills: u64,
    /// Reads that failed: the database did.
    pub failed_fills: u64,
    /// Answers that left because the cache was full.
    pub evicted: u64,
    /// Answers that left because their time was over.
    pub expired: u64,
    /// Answers that were too large to be kept.
    pub oversized: u64,
}

impl CacheKindSnapshot {
    /// Questions, however they were answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.hits + self.misses + self.joined
    }
}

/// The way in which a question was answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum LookupOutcome {
    Hit,
    Miss,
    Joined,
}

#[derive(Debug, Default)]
pub(super) struct CacheCounters {
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) joined: AtomicU64,
    pub(super) fills: AtomicU64,
    pub(super) failed_fills: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) oversized: AtomicU64,
}

impl CacheCounters {
    pub(super) fn snapshot(&self, kind: CacheKind) -> CacheKindSnapshot {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheKindSnapshot {
            kind,
            entries: count(&self.entries),
            bytes: count(&self.bytes),
            hits: count(&self.hits),
            misses: count(&self.misses),
            joined: count(&self.joined),
            fills: count(&self.fills),
            failed_fills: count(&self.failed_fills),
            evicted: count(&self.evicted),
            expired: count(&self.expired),
            oversized: count(&self.oversized),
        }
    }
}
