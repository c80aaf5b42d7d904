//! Slow statements: those past the threshold are kept in a bounded table, without their bind
//! values. The observer of every connection measures them.
//!
//! A fast statement costs two readings of the processor's clock and no lock. What the text of a
//! statement tells is in [`text`]; plans are taken later, in [`explain`].

mod explain;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::connection::DebugQuery;

use crate::clock::Clock;
use crate::config::ObserveConfig;
use crate::timestamp::Timestamp;
pub(super) use explain::explain;

/// The operation under which plans are asked for; its own statements are not kept.
pub(super) const EXPLAIN: &str = "slow_query.explain";

/// The operation that changes the schema. Its statements take what they take, once: nobody can make
/// them faster, and there is no plan of them.
pub(super) const MIGRATIONS: &str = "migrations";

/// The longest statement whose plan is taken, in bytes.
const STATEMENT_BYTES_MAX: usize = 16 * 1_024;
/// The longest text that is shown, in bytes.
const SHOWN_BYTES_MAX: usize = 4 * 1_024;

/// A statement that was slow at least once. Statements that differ only in their numbers, texts
/// and the lengths of their lists are one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowQuery {
    /// Of the normalised statement: the same in every process.
    pub fingerprint: u64,
    /// The normalised statement: `?` for every value and list of values.
    pub normalized: String,
    /// The statement of the slowest run, with placeholders, and `'?'` for every text in it.
    pub sql: String,
    /// The operation that ran it last.
    pub op: &'static str,
    /// How many runs were slow.
    pub count: u64,
    /// Their time in all.
    pub total_us: u64,
    /// The slowest run.
    pub max_us: u64,
    /// When a run was last slow, by the database's clock.
    pub last_seen: Timestamp,
    /// Rows that its operation's last completed run read or wrote; `None` before one completed.
    pub rows: Option<u64>,
    /// How the database runs it.
    pub plan: QueryPlan,
}

/// How the database runs a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryPlan {
    /// Not asked for yet: [`Database::explain_slow_queries`](super::Database::explain_slow_queries).
    Pending,
    /// The lines of the plan, with placeholders for all values.
    Lines(Vec<String>),
    /// Why there is none.
    Unknown(String),
}

/// Slow statements since the database was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowQueryTotals {
    /// Runs of statements that were slow.
    pub observed: u64,
    /// Statements that lost their place in the table to others.
    pub evicted: u64,
}

/// The table of slow statements; switched off when the threshold is zero.
#[derive(Debug)]
pub(crate) struct SlowQueryTable {
    after: Duration,
    entries_max: usize,
    clock: Clock,
    table: Mutex<HashMap<u64, SlowQueryEntry>>,
    observed: AtomicU64,
    evicted: AtomicU64,
}

#[derive(Debug)]
struct SlowQueryEntry {
    shown: SlowQuery,
    /// The statement as it was sent, until its plan is taken; `None` when it is too long.
    statement: Option<String>,
}

/// A run that was slow.
struct Slow {
    text: String,
    op: &'static str,
    us: u64,
}

impl SlowQueryTable {
    pub(super) fn new(config: &ObserveConfig, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            after: config.slow_query_after,
            entries_max: config.slow_queries_max,
            clock,
            table: Mutex::default(),
            observed: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        })
    }

    /// Whether statements are to be measured.
    pub(super) fn is_on(&self) -> bool {
        !self.after.is_zero()
    }

    /// Takes note of a statement that has run; its fingerprint, if it was slow.
    pub(super) fn measured(
        &self,
        op: &'static str,
        query: &dyn DebugQuery,
        took: Duration,
    ) -> Option<u64> {
        (took >= self.after && op != EXPLAIN && op != MIGRATIONS).then(|| {
            self.record(Slow {
                text: text::without_binds(query),
                op,
                us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            })
        })
    }

    /// The slow statements, the one that took most time first.
    pub(super) fn snapshot(&self) -> Vec<SlowQuery> {
        let table = self.lock();
        let mut all: Vec<SlowQuery> = table.values().map(|entry| entry.shown.clone()).collect();
        drop(table);
        all.sort_by_key(|query| (std::cmp::Reverse(query.total_us), query.fingerprint));
        all
    }

    pub(super) fn totals(&self) -> SlowQueryTotals {
        SlowQueryTotals {
            observed: self.observed.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }

    /// Says how many rows the run had in which a statement was slow.
    pub(super) fn completed(&self, fingerprint: u64, rows: u64) {
        if let Some(entry) = self.lock().get_mut(&fingerprint) {
            entry.shown.rows = Some(rows);
        }
    }

    #[cold]
    fn record(&self, slow: Slow) -> u64 {
        let normalized = text::normalized(&slow.text);
        let fingerprint = text::fingerprint(&normalized);
        self.observed.fetch_add(1, Ordering::Relaxed);
        let (op, duration_us) = (slow.op, slow.us);
        let now = self.clock.now();
        let mut table = self.lock();
        if let Some(entry) = table.get_mut(&fingerprint) {
            entry.add(slow, now);
            drop(table);
            tracing::debug!(op, duration_us, fingerprint, "slow statement, again");
            return fingerprint;
        }
        if table.len() >= self.entries_max {
            self.evict(&mut table);
        }
        table.insert(
            fingerprint,
            SlowQueryEntry::new(fingerprint, &normalized, slow, now),
        );
        drop(table);
        let sql = text::shortened(&normalized, SHOWN_BYTES_MAX);
        // Not a warning: who runs one command did not ask how long its statements take.
        tracing::info!(op, duration_us, fingerprint, sql, "slow statement");
        fingerprint
    }

    fn evict(&self, table: &mut HashMap<u64, SlowQueryEntry>) {
        let least = table.iter().min_by_key(|(_, entry)| entry.shown.total_us);
        if let Some(fingerprint) = least.map(|(fingerprint, _)| *fingerprint) {
            table.remove(&fingerprint);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The statements whose plan is to be taken.
    fn unexplained(&self) -> Vec<(u64, Option<String>)> {
        let table = self.lock();
        let pending = table
            .iter()
            .filter(|(_, entry)| entry.shown.plan == QueryPlan::Pending);
        pending
            .map(|(fingerprint, entry)| (*fingerprint, entry.statement.clone()))
            .collect()
    }

    fn explained(&self, fingerprint: u64, plan: QueryPlan) {
        if let Some(entry) = self.lock().get_mut(&fingerprint) {
            entry.shown.plan = plan;
            entry.statement = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, SlowQueryEntry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlowQueryEntry {
    fn new(fingerprint: u64, normalized: &str, slow: Slow, now: Timestamp) -> Self {
        let shown = SlowQuery {
            fingerprint,
            normalized: text::shortened(normalized, SHOWN_BYTES_MAX).to_owned(),
            sql: String::new(),
            op: slow.op,
            count: 0,
            total_us: 0,
            max_us: 0,
            last_seen: now,
            rows: None,
            plan: QueryPlan::Pending,
        };
        let mut entry = Self {
            shown,
            statement: None,
        };
        entry.add(slow, now);
        entry
    }

    fn add(&mut self, slow: Slow, now: Timestamp) {
        let shown = &mut self.shown;
        if shown.count == 0 || slow.us > shown.max_us {
            let masked = text::masked(&slow.text);
            shown.sql = text::shortened(&masked, SHOWN_BYTES_MAX).to_owned();
        }
        shown.op = slow.op;
        shown.count += 1;
        shown.total_us += slow.us;
        shown.max_us = shown.max_us.max(slow.us);
        shown.last_seen = now;
        let is_wanted = self.statement.is_none() && shown.plan == QueryPlan::Pending;
        if is_wanted && slow.text.len() <= STATEMENT_BYTES_MAX {
            self.statement = Some(slow.text);
        }
    }
}
