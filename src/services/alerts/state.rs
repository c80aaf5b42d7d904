//! What is known of one instrument between transactions, and the versions that it stands for. It
//! reads no database: who holds its lock decides whether it is still true.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard};

use super::lock;
use crate::database::block_on;
use crate::repository::market_data::InstrumentVersions;
use crate::services::alert_engine::Evaluator;

/// No version.
const NEVER: i64 = -1;

/// An instrument that a batch has named.
#[derive(Debug)]
pub(super) struct WatchedState {
    memory: Arc<FairMutex<InstrumentState>>,
    /// The version of the rules at which, by a committed transaction, none is evaluated.
    idle_at: AtomicI64,
    /// The counts of the last committed transaction, for readers that do not wait for another one.
    committed: Mutex<SuppressedCounts>,
}

/// How many matches of each rule were held back. Shared, since most batches change none.
pub(super) type SuppressedCounts = Arc<Vec<(i64, u64)>>;

/// The rules of an instrument and their past.
#[derive(Debug, Default)]
pub(super) struct InstrumentState {
    /// Whether it is what the database says; else it is read again.
    pub(super) is_known: bool,
    /// None when no rule is evaluated.
    pub(super) evaluator: Option<Evaluator>,
    /// The versions of the instrument's row that it stands for.
    pub(super) rules_version: i64,
    pub(super) ticks_version: i64,
    /// Those of all rules, when the evaluator had held back `counted` matches.
    suppressed: SuppressedCounts,
    counted: Option<u64>,
    /// Those of rules that the evaluator does not have.
    retired: Vec<(i64, u64)>,
}

impl WatchedState {
    pub(super) fn new() -> Self {
        Self {
            memory: Arc::default(),
            idle_at: AtomicI64::new(NEVER),
            committed: Mutex::default(),
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

    /// Shows the counts of a committed state to readers.
    pub(super) fn publish(&self, suppressed: SuppressedCounts) {
        *lock(&self.committed) = suppressed;
    }

    pub(super) fn suppressed(&self, rule_id: i64) -> Option<u64> {
        let committed = lock(&self.committed);
        let of_rule = committed.iter().find(|(rule, _)| *rule == rule_id);
        of_rule.map(|(_, count)| *count)
    }
}

impl InstrumentState {
    pub(super) fn stands_for(&self, versions: &InstrumentVersions) -> bool {
        // Where nothing is evaluated, ticks do not matter.
        let ticks = self.evaluator.is_none() || self.ticks_version == versions.ticks;
        self.is_known && self.rules_version == versions.rules && ticks
    }

    /// Takes what was read from the database; counts go on.
    pub(super) fn put(&mut self, mut evaluator: Option<Evaluator>, versions: &InstrumentVersions) {
        let before = self.suppressed();
        let is_retired = |(rule, count): &&(i64, u64)| {
            let evaluator = evaluator.as_mut();
            !evaluator.is_some_and(|evaluator| evaluator.count_on_from(*rule, *count))
        };
        self.retired = before.iter().filter(is_retired).copied().collect();
        self.evaluator = evaluator;
        self.counted = None;
        self.rules_version = versions.rules;
        self.ticks_version = versions.ticks;
        self.is_known = true;
    }

    /// Forgets what must be read again; the counts are those of an earlier moment.
    pub(super) fn forget(&mut self, suppressed: SuppressedCounts) {
        self.suppressed = suppressed;
        self.evaluator = None;
        self.is_known = false;
    }

    pub(super) fn suppressed(&mut self) -> SuppressedCounts {
        if let Some(evaluator) = &self.evaluator {
            let counted = Some(evaluator.totals().suppressed);
            if self.counted != counted {
                let mut all = evaluator.all_suppressed();
                all.extend_from_slice(&self.retired);
                (self.suppressed, self.counted) = (Arc::new(all), counted);
            }
        }
        Arc::clone(&self.suppressed)
    }
}
