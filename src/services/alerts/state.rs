//! What is known of one instrument between transactions, and the versions that it stands for. It
//! reads no database: who holds its lock decides whether it is still true.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard};

use super::lock;
use crate::database::block_on;
use crate::repository::market_data::InstrumentVersions;
use crate::services::alert_engine::{Evaluator, EvaluatorMark};

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
    /// For readers that find the memory locked, and when it was published.
    published: Mutex<(Instant, SuppressedCounts)>,
}

/// How many matches of each rule were held back.
pub(super) type SuppressedCounts = Arc<[(i64, u64)]>;

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
    /// Those of rules that the evaluator does not have.
    pub(super) retired: SuppressedCounts,
}

impl WatchedState {
    pub(super) fn new() -> Self {
        Self {
            memory: Arc::default(),
            idle_at: AtomicI64::new(NEVER),
            published: Mutex::new((Instant::now(), Arc::default())),
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
    pub(super) fn publish(&self, memory: &mut InstrumentState) {
        let mut published = lock(&self.published);
        if published.0.elapsed() >= PUBLISH_EVERY {
            *published = (Instant::now(), memory.suppressed().into());
        }
    }

    pub(super) fn suppressed(&self, rule_id: i64) -> Option<u64> {
        match self.memory.try_lock() {
            Ok(memory) => {
                let now = memory
                    .evaluator
                    .as_ref()
                    .and_then(|it| it.suppressed(rule_id));
                now.or_else(|| count_of(&memory.retired, rule_id))
            }
            Err(_) => count_of(&lock(&self.published).1, rule_id),
        }
    }
}

fn count_of(counts: &[(i64, u64)], rule_id: i64) -> Option<u64> {
    let of_rule = counts.iter().find(|(rule, _)| *rule == rule_id);
    of_rule.map(|(_, count)| *count)
}

impl InstrumentState {
    pub(super) fn stands_for(&self, versions: &InstrumentVersions) -> bool {
        // Where nothing is evaluated, ticks do not matter.
        let ticks = self.evaluator.is_none() || self.ticks_version == versions.ticks;
        self.is_known && self.rules_version == versions.rules && ticks
    }

    /// Takes what was read from the database; counts go on.
    pub(super) fn put(&mut self, mut evaluator: Option<Evaluator>, versions: &InstrumentVersions) {
        let mut counts = self.suppressed();
        counts.retain(|(rule, count)| {
            let evaluator = evaluator.as_mut();
            !evaluator.is_some_and(|evaluator| evaluator.count_on_from(*rule, *count))
        });
        self.retired = counts.into();
        self.evaluator = evaluator;
        self.rules_version = versions.rules;
        self.ticks_version = versions.ticks;
        self.is_known = true;
    }

    /// Forgets what must be read again; the counts are those of an earlier moment.
    pub(super) fn forget(&mut self, suppressed: Vec<(i64, u64)>) {
        self.retired = suppressed.into();
        self.evaluator = None;
        self.is_known = false;
    }

    pub(super) fn suppressed(&mut self) -> Vec<(i64, u64)> {
        let mark = self.evaluator.as_mut().map(Evaluator::mark);
        let counts = mark.iter().flat_map(EvaluatorMark::suppressed);
        counts.chain(self.retired.iter().copied()).collect()
    }
}
