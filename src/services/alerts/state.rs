//! What is known of one instrument between transactions, and the versions that it stands for. It
//! reads no database: who holds its lock decides whether it is still true.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard};

use super::lock;
use crate::database::block_on;
use crate::repository::market_data::InstrumentVersions;
use crate::services::alert_engine::Evaluator;

/// Counts are published for readers this often while transactions follow each other.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// No version.
const NEVER: i64 = -1;

/// An instrument that a batch has named.
#[derive(Debug)]
pub(super) struct WatchedState {
    memory: Arc<FairMutex<InstrumentState>>,
    /// The version of the rules at which, by a committed transaction, none is evaluated.
    idle_at: AtomicI64,
    published: Mutex<Published>,
}

#[derive(Debug)]
struct Published {
    at: Instant,
    suppressed: HashMap<i64, u64>,
}

/// The rules of an instrument and their past.
#[derive(Debug, Default)]
pub(super) struct InstrumentState {
    /// Whether it was read from the database.
    pub(super) is_known: bool,
    /// None when no rule is evaluated.
    pub(super) evaluator: Option<Evaluator>,
    pub(super) rules: Vec<i64>,
    /// The versions of the instrument's row that it stands for.
    pub(super) rules_version: i64,
    pub(super) ticks_version: i64,
    /// Matches that were held back, of evaluators before this one.
    pub(super) suppressed_before: HashMap<i64, u64>,
}

impl WatchedState {
    pub(super) fn new() -> Self {
        Self {
            memory: Arc::default(),
            idle_at: AtomicI64::new(NEVER),
            published: Mutex::new(Published {
                at: Instant::now(),
                suppressed: HashMap::new(),
            }),
        }
    }

    /// The memory, for one transaction: whoever has it holds the lock of the instrument's row, so
    /// what it waits for is a transaction that has already ended.
    pub(super) fn lock_memory(&self) -> OwnedMutexGuard<InstrumentState> {
        block_on(Arc::clone(&self.memory).lock_owned())
    }

    /// Whether no rule is evaluated at this version. Versions of what is not committed are higher
    /// than every committed one, so this is never true of them.
    pub(super) fn is_idle_at(&self, rules_version: i64) -> bool {
        self.idle_at.load(Ordering::Acquire) == rules_version
    }

    pub(super) fn set_idle_at(&self, rules_version: Option<i64>) {
        let version = rules_version.unwrap_or(NEVER);
        self.idle_at.store(version, Ordering::Release);
    }

    /// Shows the counts of a committed state to readers, unless that was done a moment ago.
    pub(super) fn publish(&self, memory: &InstrumentState) {
        let mut published = lock(&self.published);
        if published.at.elapsed() >= PUBLISH_EVERY {
            published.suppressed = memory.suppressed();
            published.at = Instant::now();
        }
    }

    pub(super) fn suppressed(&self, rule_id: i64) -> Option<u64> {
        match self.memory.try_lock() {
            Ok(memory) => memory.suppressed_of(rule_id),
            Err(_) => lock(&self.published).suppressed.get(&rule_id).copied(),
        }
    }
}

impl InstrumentState {
    pub(super) fn stands_for(&self, versions: &InstrumentVersions) -> bool {
        // Where nothing is evaluated, ticks do not matter.
        let ticks = self.evaluator.is_none() || self.ticks_version == versions.ticks;
        self.is_known && self.rules_version == versions.rules && ticks
    }

    /// Forgets what must be read again; counts stay.
    pub(super) fn forget(&mut self) {
        self.suppressed_before = self.suppressed();
        self.evaluator = None;
        self.is_known = false;
    }

    pub(super) fn suppressed_of(&self, rule_id: i64) -> Option<u64> {
        let before = self.suppressed_before.get(&rule_id);
        let now = self.evaluator.as_ref();
        let now = now.and_then(|evaluator| evaluator.suppressed(rule_id));
        match (before, now) {
            (None, None) => None,
            (before, now) => Some(before.copied().unwrap_or(0) + now.unwrap_or(0)),
        }
    }

    pub(super) fn suppressed(&self) -> HashMap<i64, u64> {
        let of = |rule: &i64| Some((*rule, self.suppressed_of(*rule)?));
        let mut all = self.suppressed_before.clone();
        all.extend(self.rules.iter().filter_map(of));
        all
    }
}
