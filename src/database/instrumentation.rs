//! What each named operation costs: count, errors, rows, time. The doors write it, monitoring
//! reads it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::histogram::{Histogram, HistogramCounts};
use super::retry::{Failure, classify};
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
    /// Time of the whole call, waiting for the connection and the commit included.
    pub duration: HistogramCounts,
}

#[derive(Debug, Default)]
struct Operation {
    errors: AtomicU64,
    retries: AtomicU64,
    duration: Histogram,
}

/// All operations. A name is registered at its first call; after that recording takes only a
/// shared lock and atomic additions.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    by_name: RwLock<HashMap<&'static str, Arc<Operation>>>,
}

impl Operations {
    /// Starts the measurement of one call.
    pub(crate) fn begin(&self, op: &'static str) -> Call {
        Call {
            op,
            operation: self.operation(op),
            began: Instant::now(),
        }
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
                    duration,
                }
            })
            .collect();
        all.sort_by_key(|operation| operation.op);
        all
    }

    fn operation(&self, op: &'static str) -> Arc<Operation> {
        let known = self
            .by_name
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(op)
            .cloned();
        known.unwrap_or_else(|| {
            let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(by_name.entry(op).or_default())
        })
    }
}

/// One call under way.
pub(crate) struct Call {
    op: &'static str,
    operation: Arc<Operation>,
    began: Instant,
}

impl Call {
    /// Counts another attempt.
    pub(crate) fn retried(&self, because: Failure) {
        self.operation.retries.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(op = self.op, ?because, "another attempt");
    }

    /// Records the end of the call and names the operation in its error.
    pub(crate) fn end<T>(self, outcome: Result<T>) -> Result<T> {
        self.operation.duration.record(self.began.elapsed());
        outcome.map_err(|error| {
            self.operation.errors.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(op = self.op, failure = ?classify(&error), "failed");
            error.during(self.op)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn each_operation_counts_its_calls_and_errors() {
        let operations = Operations::default();
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
        let operations = Operations::default();
        let outcome: Result<()> = Err(diesel::result::Error::NotFound.into());
        let error = operations
            .begin("instrument.by_id")
            .end(outcome)
            .unwrap_err();
        assert_eq!(error.to_string(), "instrument.by_id failed");
    }
}
