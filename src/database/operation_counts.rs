//! What an operation counts while it runs: rows, stored ticks and bars, the last slow statement.
//! The doors take the counts of the last run, once it has succeeded and, in a write, was committed.

use super::insert_counts::InsertCounts;

/// What a run of an operation has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OperationCounts {
    /// Rows read or written.
    pub(crate) rows: u64,
    /// Ticks by what became of them.
    pub(crate) ticks: InsertCounts,
    /// Bars by what became of them.
    pub(crate) bars: InsertCounts,
    /// The fingerprint of the last slow statement, 0 for none.
    pub(crate) slow: u64,
}
