//! What insertions have stored since the database was opened: committed work only.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::insert_counts::InsertCounts;
use super::operation_counts::OperationCounts;
use crate::clock::Clock;
use crate::timestamp::Timestamp;

/// What was inserted since the database was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InsertTotals {
    /// Ticks.
    pub ticks: InsertCounts,
    /// Bars.
    pub bars: InsertCounts,
    /// When ticks were last acknowledged, stored or not, by the database's clock.
    pub last_ticks_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct InsertCounters([AtomicU64; 9]);

/// The totals of one database.
#[derive(Debug)]
pub(super) struct Totals {
    clock: Clock,
    ticks: InsertCounters,
    bars: InsertCounters,
    /// `i64::MIN` for never.
    last_ticks_at: AtomicI64,
}

impl Totals {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            ticks: InsertCounters::default(),
            bars: InsertCounters::default(),
            last_ticks_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Adds what a committed run has counted.
    pub(super) fn add(&self, counts: &OperationCounts) {
        if counts.ticks.received > 0 {
            self.ticks.add(&counts.ticks);
            let now = self.clock.now().micros();
            self.last_ticks_at.store(now, Ordering::Relaxed);
        }
        if counts.bars.received > 0 {
            self.bars.add(&counts.bars);
        }
    }

    pub(super) fn snapshot(&self) -> InsertTotals {
        let last = self.last_ticks_at.load(Ordering::Relaxed);
        InsertTotals {
            ticks: self.ticks.snapshot(),
            bars: self.bars.snapshot(),
            last_ticks_at: (last != i64::MIN).then(|| Timestamp::from_micros_clamped(last)),
        }
    }
}

impl InsertCounters {
    fn add(&self, counts: &InsertCounts) {
        let added = [
            counts.received,
            counts.inserted,
            counts.updated,
            counts.duplicates,
            counts.conflicts,
            counts.deleted,
            counts.rejected,
            counts.replayed,
            counts.late,
        ];
        for (counter, added) in self.0.iter().zip(added) {
            counter.fetch_add(added, Ordering::Relaxed);
        }
    }

    fn snapshot(&self) -> InsertCounts {
        let [
            received,
            inserted,
            updated,
            duplicates,
            conflicts,
            deleted,
            rejected,
            replayed,
            late,
        ] = std::array::from_fn(|index| self.0[index].load(Ordering::Relaxed));
        InsertCounts {
            received,
            inserted,
            updated,
            duplicates,
            conflicts,
            deleted,
            rejected,
            replayed,
            late,
        }
    }
}
