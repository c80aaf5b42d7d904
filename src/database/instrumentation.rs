//! What each named operation costs: count, errors, rows, time. The doors write it, monitoring
//! reads it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::connection::BackendConnection;
use super::faults::Faults;
use super::histogram::{Histogram, HistogramCounts};
use super::insert_totals::{InsertTotals, Totals};
use super::operation_counts::OperationCounts;
use super::retry::{AttemptFailure, classify};
use super::slow_query::SlowQueryTable;
use crate::clock::Clock;
use crate::error::Result;

/// Figures of one operation since the database was opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OperationSnapshot {
    /// The operation's static name, such as `market_data.latest`.
    pub op: &'static str,
    /// Calls that ended.
    pub calls: u64,
    /// Calls that ended in an error.
    pub errors: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Rows read or written, as far as the operation records them: see
    /// [`BackendConnection::record_rows`](super::BackendConnection::record_rows). What was rolled
    /// back is not in it.
    pub rows: u64,
    /// Time of the whole call, waiting for the connection and the commit included.
    pub duration: HistogramCounts,
}

/// What was committed, on either backend.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CommitSnapshot {
    /// Rows that committed work recorded.
    pub rows: u64,
    /// From BEGIN to the end of COMMIT; its count is that of the transactions.
    pub commit: HistogramCounts,
    /// Transactions of which nobody can know whether they were committed, as the connection broke during
    /// COMMIT; 0 on SQLite, where that cannot be.
    pub unknown: u64,
}

#[derive(Debug)]
struct OperationMetrics {
    op: &'static str,
    errors: AtomicU64,
    retries: AtomicU64,
    rows: AtomicU64,
    duration: Histogram,
    ledger: Arc<OperationTable>,
}

/// What all operations of a database add to.
#[derive(Debug)]
struct OperationTable {
    inserts: Totals,
    slow: Arc<SlowQueryTable>,
    faults: Arc<Faults>,
}

/// All operations. A name is registered at its first call; after that recording takes only a
/// shared lock and atomic additions.
#[derive(Debug)]
pub(crate) struct Operations {
    by_name: RwLock<HashMap<&'static str, Arc<OperationMetrics>>>,
    ledger: Arc<OperationTable>,
}

/// Where the rows of an operation's completed runs are added up.
#[derive(Debug, Clone)]
pub(crate) struct OperationHandle(Arc<OperationMetrics>);

impl Operations {
    pub(crate) fn new(clock: Clock, slow: Arc<SlowQueryTable>, faults: Arc<Faults>) -> Self {
        let inserts = Totals::new(clock);
        Self {
            by_name: RwLock::default(),
            ledger: Arc::new(OperationTable {
                inserts,
                slow,
                faults,
            }),
        }
    }

    /// Starts the measurement of one call.
    pub(crate) fn begin(&self, op: &'static str) -> Call {
        Call {
            account: OperationHandle(self.operation(op)),
            began: Instant::now(),
        }
    }

    pub(crate) fn inserts(&self) -> InsertTotals {
        self.ledger.inserts.snapshot()
    }

    pub(crate) fn snapshot(&self) -> Vec<OperationSnapshot> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<OperationSnapshot> = by_name
            .iter()
            .map(|(op, operation)| {
                let duration = operation.duration.counts();
                OperationSnapshot {
                    op,
                    calls: duration.count(),
                    errors: operation.errors.load(Ordering::Relaxed),
                    retries: operation.retries.load(Ordering::Relaxed),
                    rows: operation.rows.load(Ordering::Relaxed),
                    duration,
                }
            })
            .collect();
        all.sort_by_key(|operation| operation.op);
        all
    }

    fn operation(&self, op: &'static str) -> Arc<OperationMetrics> {
        let known = self
            .by_name
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(op)
            .cloned();
        known.unwrap_or_else(|| {
            let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(OperationMetrics::new(op, &self.ledger));
            Arc::clone(by_name.entry(op).or_insert_with(new))
        })
    }
}

impl OperationMetrics {
    fn new(op: &'static str, ledger: &Arc<OperationTable>) -> Self {
        Self {
            op,
            errors: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            duration: Histogram::default(),
            ledger: Arc::clone(ledger),
        }
    }
}

impl OperationHandle {
    pub(crate) fn op(&self) -> &'static str {
        self.0.op
    }

    /// Runs `work` as this operation; its answer, and what it has counted.
    pub(crate) fn run<R>(
        &self,
        conn: &mut BackendConnection<'_>,
        work: impl FnOnce(&mut BackendConnection<'_>) -> R,
    ) -> (R, OperationCounts) {
        // The closure of a read may have put an observer of its own in the place of ours.
        if conn.context().is_none() {
            crate::on_backend!(conn, |c| self.0.ledger.slow.observe(c));
        }
        conn.run_as(self.op(), work)
    }

    /// Adds what a run has counted that stands: a read that succeeded, a write after its commit.
    pub(crate) fn add_counts(&self, counts: &OperationCounts) {
        let operation = &self.0;
        operation.rows.fetch_add(counts.rows, Ordering::Relaxed);
        operation.ledger.inserts.add(counts);
        if counts.slow != 0 {
            operation.ledger.slow.completed(counts.slow, counts.rows);
        }
    }
}

/// One call under way.
pub(crate) struct Call {
    account: OperationHandle,
    began: Instant,
}

impl Call {
    pub(crate) fn account(&self) -> &OperationHandle {
        &self.account
    }

    /// Counts another attempt.
    pub(crate) fn retried(&self, because: AttemptFailure) {
        let operation = &self.account.0;
        operation.retries.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(op = operation.op, ?because, "another attempt");
    }

    /// Records the end of the call and names the operation in its error.
    pub(crate) fn end<T>(self, outcome: Result<T>) -> Result<T> {
        let operation = &self.account.0;
        operation.duration.record(self.began.elapsed());
        outcome.map_err(|error| {
            operation.errors.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(op = operation.op, failure = ?classify(&error), "failed");
            let error = error.during(operation.op);
            operation.ledger.faults.found_by(&error);
            error
        })
    }

    /// [`Call::end`] of a write.
    pub(crate) fn end_write<T>(self, outcome: Result<T>) -> Result<T> {
        if outcome.is_ok() {
            self.account.0.ledger.faults.written();
        }
        self.end(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ObserveConfig;
    use crate::error::Error;

    fn operations() -> Operations {
        let clock = Clock::system();
        let slow = SlowQueryTable::new(&ObserveConfig::default(), clock.clone());
        Operations::new(clock, slow, Arc::default())
    }

    /// For jobs of the write lane without a door.
    impl From<&'static str> for OperationHandle {
        fn from(op: &'static str) -> Self {
            operations().begin(op).account
        }
    }

    #[test]
    fn each_operation_counts_its_calls_and_errors() {
        let operations = operations();
        operations.begin("b").end(Ok(())).unwrap();
        operations
            .begin("a")
            .end::<()>(Err(Error::Closed))
            .unwrap_err();
        operations.begin("a").end(Ok(())).unwrap();
        let seen: Vec<_> = operations
            .snapshot()
            .iter()
            .map(|o| (o.op, o.calls, o.errors))
            .collect();
        assert_eq!(seen, [("a", 2, 1), ("b", 1, 0)]);
    }

    #[test]
    fn an_error_learns_the_name_of_its_operation() {
        let operations = operations();
        let outcome: Result<()> = Err(diesel::result::Error::NotFound.into());
        let error = operations
            .begin("instrument.by_id")
            .end(outcome)
            .unwrap_err();
        assert_eq!(error.to_string(), "instrument.by_id failed");
    }
}
