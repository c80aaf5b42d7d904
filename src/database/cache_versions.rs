//! The versions of what caches hold. They rise after a commit and before anyone is told of it, so
//! that who begins to read after an acknowledgement asks for a version that nobody has filled with
//! older rows. It holds no rows and no cache.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Database;
use super::invalidation::Invalidations;

/// Instruments that have a version of their own; others share one with one of these, and are read
/// again when that one changes. A power of two.
const VERSION_SLOTS: usize = 4_096;

/// What an answer stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheTag {
    /// One instrument: its row and its ticks.
    Instrument(i64),
    /// One instrument: its row, its ticks and its bars.
    Bars(i64),
    /// All instruments, with what they show as their last ticks.
    Instruments,
    /// Which instruments there are, and what they are.
    Members,
    /// What writes that do not say what they change may have changed.
    #[cfg(feature = "server")]
    Everything,
}

/// The versions of what a database holds. They only rise, and never within a transaction.
pub(super) struct CacheVersions {
    everything: AtomicU64,
    members: AtomicU64,
    instruments: AtomicU64,
    shown: Box<[AtomicU64]>,
    bars: Box<[AtomicU64]>,
}

impl Default for CacheVersions {
    fn default() -> Self {
        let slots = || (0..VERSION_SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self {
            everything: AtomicU64::new(0),
            members: AtomicU64::new(0),
            instruments: AtomicU64::new(0),
            shown: slots(),
            bars: slots(),
        }
    }
}

impl CacheVersions {
    /// The transaction stands, or may stand.
    pub(super) fn raise(&self, touched: &Invalidations) {
        let raise = |version: &AtomicU64| version.fetch_add(1, Ordering::AcqRel);
        if touched.everything {
            raise(&self.everything);
        }
        if touched.members {
            raise(&self.members);
        }
        if touched.members || !touched.shown.is_empty() {
            raise(&self.instruments);
        }
        for id in &touched.shown {
            raise(&self.shown[slot(*id)]);
        }
        for id in &touched.bars {
            raise(&self.bars[slot(*id)]);
        }
    }

    /// Something happened outside of transactions.
    pub(super) fn raise_everything(&self) {
        self.everything.fetch_add(1, Ordering::AcqRel);
    }

    /// A sum, which is as good as the list of its parts: each of them only rises, so that a sum
    /// that was read after a part rose is greater than each that was read before.
    fn of(&self, what: CacheTag) -> u64 {
        let version = |of: &AtomicU64| of.load(Ordering::Acquire);
        let parts = match what {
            CacheTag::Instrument(id) => version(&self.shown[slot(id)]),
            CacheTag::Bars(id) => version(&self.shown[slot(id)]) + version(&self.bars[slot(id)]),
            CacheTag::Instruments => version(&self.instruments),
            CacheTag::Members => version(&self.members),
            #[cfg(feature = "server")]
            CacheTag::Everything => 0,
        };
        parts + version(&self.everything)
    }
}

fn slot(instrument_id: i64) -> usize {
    let low = instrument_id.rem_euclid(VERSION_SLOTS as i64);
    usize::try_from(low).unwrap_or_default()
}

impl Database {
    /// The version of what an answer stands on, now: an answer whose reads began after this is
    /// good for all that find the same version. Only the writes of this handle and its clones
    /// raise it, not those of other processes.
    pub(crate) fn version(&self, of: CacheTag) -> u64 {
        self.inner.attachments.versions().of(of)
    }

    /// The version of what stands on several instruments, with their ticks and bars. It is a sum
    /// for the same reason that each of them is one.
    pub(crate) fn version_of_bars(&self, instrument_ids: &[i64]) -> u64 {
        let versions = instrument_ids.iter();
        versions.map(|id| self.version(CacheTag::Bars(*id))).sum()
    }
}
