//! What one run of a door's closure counts, on the thread that runs it: rows, stored ticks and
//! bars, the last slow statement. A run that is rolled back or repeated is forgotten: the doors
//! take the tally of the last run, after its commit.

use std::cell::Cell;

use super::insert_counts::InsertCounts;

/// What runs on a thread outside every door: the pool's own statements.
const OUTSIDE: &str = "pool";

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(Current::new(OUTSIDE)) };
}

#[derive(Debug, Clone, Copy)]
struct Current {
    op: &'static str,
    tally: OperationCounts,
}

/// What a run has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OperationCounts {
    /// Rows read or written.
    pub(crate) rows: u64,
    /// Ticks by their fate.
    pub(crate) ticks: InsertCounts,
    /// Bars by their fate.
    pub(crate) bars: InsertCounts,
    /// The fingerprint of the last slow statement, 0 for none.
    pub(crate) slow: u64,
}

impl Current {
    const fn new(op: &'static str) -> Self {
        Self {
            op,
            tally: OperationCounts::NONE,
        }
    }
}

impl OperationCounts {
    const NONE: Self = Self {
        rows: 0,
        ticks: InsertCounts::NONE,
        bars: InsertCounts::NONE,
        slow: 0,
    };
}

/// A run on this thread, while it lives. One inside another (a read in a write) counts for itself.
pub(super) struct OperationRun {
    outer: Current,
}

impl OperationRun {
    /// Begins a run of an operation, with nothing counted.
    pub(super) fn begin(op: &'static str) -> Self {
        Self {
            outer: CURRENT.replace(Current::new(op)),
        }
    }

    /// Runs `work` as an operation; its answer, and what it has counted.
    pub(super) fn of<R>(op: &'static str, work: impl FnOnce() -> R) -> (R, OperationCounts) {
        let run = Self::begin(op);
        let answer = work();
        let tally = CURRENT.get().tally;
        drop(run);
        (answer, tally)
    }
}

impl Drop for OperationRun {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// The operation that runs on this thread.
pub(super) fn current_op() -> &'static str {
    CURRENT.get().op
}

/// What the run on this thread has counted so far.
pub(super) fn savepoint() -> OperationCounts {
    CURRENT.get().tally
}

/// Forgets what was counted since `savepoint`: it was undone.
pub(super) fn rollback_to(mark: OperationCounts) {
    change(|tally| *tally = mark);
}

/// Counts rows.
pub(super) fn add_rows(rows: u64) {
    change(|tally| tally.rows += rows);
}

/// Counts an insertion of ticks.
pub(super) fn add_ticks(counts: &InsertCounts) {
    change(|tally| tally.ticks.add(counts));
}

/// Counts an insertion of bars.
pub(super) fn add_bars(counts: &InsertCounts) {
    change(|tally| tally.bars.add(counts));
}

/// Remembers a slow statement.
pub(super) fn set_slow(fingerprint: u64) {
    change(|tally| tally.slow = fingerprint);
}

fn change(change: impl FnOnce(&mut OperationCounts)) {
    let mut current = CURRENT.get();
    change(&mut current.tally);
    CURRENT.set(current);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_inside_another_counts_for_itself() {
        let (inner, outer) = OperationRun::of("test.outer", || {
            add_rows(1);
            let (op, inner) = OperationRun::of("test.inner", || {
                add_rows(5);
                current_op()
            });
            assert_eq!((op, current_op()), ("test.inner", "test.outer"));
            inner
        });
        assert_eq!((inner.rows, outer.rows), (5, 1));
        assert_eq!(
            (current_op(), savepoint()),
            (OUTSIDE, OperationCounts::default())
        );
    }

    #[test]
    fn what_was_undone_is_not_counted_and_a_panic_leaves_nothing() {
        let (_, tally) = OperationRun::of("test.run", || {
            add_rows(2);
            let before = savepoint();
            add_rows(40);
            rollback_to(before);
        });
        assert_eq!(tally.rows, 2);
        let panicked =
            std::panic::catch_unwind(|| OperationRun::of("test.run", || panic!("expected")));
        assert!(panicked.is_err());
        assert_eq!(
            (current_op(), savepoint()),
            (OUTSIDE, OperationCounts::default())
        );
    }
}
