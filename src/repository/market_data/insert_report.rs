//! The report of a batch of ticks: the outcome of each row, and the counts.

use serde::{Deserialize, Serialize};

/// The outcome of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowOutcome {
    /// Stored, under this sequence.
    Inserted {
        /// The number within (instrument, timestamp, source).
        sequence: i64,
    },
    /// The key is taken, with the same values.
    Duplicate,
    /// Other values are stored under its key; they stay.
    Conflict,
    /// A deleted tick holds its key, with the same values or others: nothing is stored. Restore that
    /// tick, or purge it and send the row again.
    Deleted,
    /// The row breaks a rule; the report has the reason.
    Rejected,
}

/// A row that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRejection {
    /// The row's index in the batch, from 0.
    pub index: usize,
    /// The rule, and what to do.
    pub reason: String,
}

/// The report of a batch:
/// `received = inserted + duplicates + conflicts + deleted + rejected.len()`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InsertReport {
    /// Rows in the batch.
    pub received: usize,
    /// Rows stored.
    pub inserted: usize,
    /// Rows whose key holds the same values already.
    pub duplicates: usize,
    /// Rows whose key holds other values.
    pub conflicts: usize,
    /// Rows whose key is that of a deleted tick.
    // An answer that was kept for its idempotency key before there was this count has none.
    #[serde(default)]
    pub deleted: usize,
    /// Stored rows that are older than the newest tick that their instrument had before the batch.
    pub late: usize,
    /// Rows that break a rule.
    pub rejected: Vec<RowRejection>,
    /// The outcome of each row, if it was asked for.
    #[serde(skip)]
    pub outcomes: Option<Vec<RowOutcome>>,
}
