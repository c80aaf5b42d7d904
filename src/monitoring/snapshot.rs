//! The numbers of one moment. It owns their meaning and units; where they come from is in
//! `collect`, what is thought of them in `check`.

use std::time::Duration;

use super::check::{Alert, CheckLevel, CheckStatus};
use super::health::HealthStatus;
#[cfg(feature = "sqlite")]
use crate::database::WriterSnapshot;
use crate::database::{
    HistogramSnapshot, InsertTotals, PoolSnapshot, ProbeCause, ReplicasSnapshot, SlowQueryTotals,
};
use crate::repository::storage::{PostgresActivity, StorageEstimate};
use crate::timestamp::Timestamp;

/// The figures of the database at one moment, and since the round before.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MonitoringSnapshot {
    /// When, by the database's clock.
    pub taken_at: Timestamp,
    /// The time that the figures of a window span: since the round before, or since
    /// monitoring began.
    pub window: Duration,
    /// The pool, both doors and their sum.
    pub pool: PoolSnapshot,
    /// The replicas of PostgreSQL that are read, with their connections; none where the settings name
    /// none.
    pub replicas: ReplicasSnapshot,
    /// Waiting for a connection in the window, both doors together.
    pub acquire: HistogramSnapshot,
    /// The calls of the window, all operations together but those of monitoring itself.
    pub calls: HistogramSnapshot,
    /// Each operation, by name.
    pub operations: Vec<OperationWindow>,
    /// Rows stored by insertions since the database was opened.
    pub inserts: InsertTotals,
    /// Rates per second and minute.
    pub rates: Rates,
    /// Slow statements since the database was opened; which they are is
    /// [`Database::slow_queries`](crate::database::Database::slow_queries).
    pub slow_queries: SlowQueryTotals,
    /// The transactions of the write door in the window.
    pub commits: CommitWindow,
    /// The write lane; `None` on PostgreSQL, which has none.
    #[cfg(feature = "sqlite")]
    pub writer: Option<WriterSnapshot>,
    /// The space that the database takes, and about how many rows it holds; that of the round
    /// before while no connection is free to ask with, `None` before it could be asked.
    pub storage: Option<StorageEstimate>,
    /// A PostgreSQL server's own figures of its work; `None` on SQLite, else as `storage`.
    pub postgres: Option<PostgresActivity>,
    /// The process; `None` where the system does not tell.
    pub process: Option<ProcessSnapshot>,
    /// The probe: a fresh connection could be opened and asked.
    pub probe: ProbeOutcome,
    /// Every check at its level, as of this round; of the round before when the snapshot was taken
    /// outside of one.
    pub checks: Vec<CheckStatus>,
    /// The verdict on the probe and the alerts.
    pub health: HealthStatus,
    /// Figures that could not be found out, and why: one line each.
    pub errors: Vec<String>,
}

impl MonitoringSnapshot {
    /// The checks that are not `Ok`.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.checks
            .iter()
            .filter(|check| check.level > CheckLevel::Ok)
    }
}

/// One operation: in the window, and since the database was opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OperationWindow {
    /// The operation's static name, such as `market_data.latest`.
    pub op: &'static str,
    /// Calls that ended, since the database was opened.
    pub calls: u64,
    /// Calls that ended in an error.
    pub errors: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Rows read or written, as far as the operation records them.
    pub rows: u64,
    /// Time of whole calls, since the database was opened.
    pub duration: HistogramSnapshot,
    /// Calls that ended in the window.
    pub window_calls: u64,
    /// Calls that ended in an error.
    pub window_errors: u64,
    /// Time of the calls of the window.
    pub window_duration: HistogramSnapshot,
    /// Calls per second of the window.
    pub calls_per_second: f64,
    /// Rows per second of the window.
    pub rows_per_second: f64,
}

/// The transactions of the write door in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct CommitWindow {
    /// From BEGIN to the end of COMMIT; its count is that of the transactions.
    pub duration: HistogramSnapshot,
    /// Rows that they recorded.
    pub rows: u64,
    /// Writes that share a transaction, on average; 1 on PostgreSQL, `None` without any.
    pub jobs_per_commit: Option<f64>,
    /// Checkpoints of SQLite's WAL.
    pub checkpoint: HistogramSnapshot,
    /// How long callers waited for room in the write queue, all of them together.
    pub queue_wait: Duration,
    /// How long the writer waited for the lock of another process.
    pub lock_wait: Duration,
}

/// Rates per second and minute, by monotonic time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Rates {
    /// Rows inserted per second: ticks and bars that were stored.
    pub insert_rows_per_second: WindowRates,
    /// The usual rate of insertion: the median of the 5 minutes before the last one, each taken
    /// for itself. `None` before 3 of them are known.
    pub insert_rows_per_second_usual: Option<f64>,
    /// Share, 0 to 1, of the ticks stored in the last 5 minutes that were older than the newest one
    /// of their instrument; `None` when none were stored.
    pub late_share: Option<f64>,
    /// Calls that ended per second, those of monitoring itself left out.
    pub queries_per_second: WindowRates,
    /// Calls per minute that ended in an error.
    pub errors_per_minute: WindowRates,
    /// Calls that ended in an error within the last hour.
    pub errors_last_hour: u64,
    /// Calls that were slower than the threshold of slow queries within the last hour.
    pub slow_queries_last_hour: u64,
}

/// One rate over three windows. While less time is known than a window spans, it is the rate over
/// what is known; `None` before there are two moments to tell apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct WindowRates {
    /// Over the last 1 to 10 seconds.
    pub now: Option<f64>,
    /// Over the last minute.
    pub one_minute: Option<f64>,
    /// Over the last 5 minutes.
    pub five_minutes: Option<f64>,
}

/// The process at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ProcessSnapshot {
    /// Processor time used since the process began, user and system, all threads, in seconds.
    pub cpu_seconds: f64,
    /// Processors busy with it in the window: 1.0 is one of them all the time. `None` before there
    /// is a window.
    pub cpu_share: Option<f64>,
    /// Memory that is in RAM, in bytes.
    pub resident_memory_bytes: u64,
}

/// The outcome of a probe: a fresh connection, beside the pool, is opened and asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeOutcome {
    /// How long it took, also when it failed.
    pub took: Duration,
    /// The kind of failure; `None` when it did not fail.
    pub cause: Option<ProbeCause>,
    /// The failure and its remedy, in one line; `None` when it did not fail.
    pub error: Option<String>,
}
