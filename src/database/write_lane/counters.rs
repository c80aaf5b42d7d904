//! What the write lane counts, and its state at one moment. It decides nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::database::histogram::{Histogram, HistogramCounts};

/// The state of the write lane at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriterSnapshot {
    /// Rows waiting in the queue; a write that is no batch counts as one.
    pub queued_rows: usize,
    /// The bound of the queue, in rows.
    pub queue_rows_max: usize,
    /// Callers that found the queue full and waited for room.
    pub queue_waits: u64,
    /// How long they waited, in all.
    pub queue_wait_us: u64,
    /// Callers that found the queue full and did not want to wait.
    pub queue_refusals: u64,
    /// Jobs committed.
    pub committed_jobs: u64,
    /// Rows that committed jobs recorded; `committed_rows / commits` is the mean group.
    pub committed_rows: u64,
    /// Jobs that failed and left nothing behind.
    pub failed_jobs: u64,
    /// Transactions committed; `committed_jobs / commits` is the mean group.
    pub commits: u64,
    /// Commits that a caller made on its own thread because the lane was idle.
    pub led_commits: u64,
    /// The largest group so far, in jobs.
    pub group_jobs_max_seen: u64,
    /// The largest group so far, in rows that its jobs recorded.
    pub group_rows_max_seen: u64,
    /// Transactions that died (disk full, ..) and whose jobs were run again one by one.
    pub broken_groups: u64,
    /// Write connections that were replaced.
    pub replaced_connections: u64,
    /// Times that another process held the lock longer than the busy timeout.
    pub busy_waits: u64,
    /// How long the writer waited for locks of other processes, in all.
    pub lock_wait_us: u64,
    /// Bytes of the WAL when it was last looked at, which is about every second of writing.
    pub wal_bytes: u64,
    /// Whether the WAL is past its limit because a reader does not end.
    pub wal_starved: bool,
    /// Looks at which it was.
    pub wal_starvations: u64,
    /// Times that the WAL was past its limit and could be begun anew.
    pub wal_resets: u64,
    /// From BEGIN to the end of COMMIT.
    pub commit: HistogramCounts,
    /// The writer's own checkpoints: those that begin the WAL anew past its limit, whether they
    /// could or not. SQLite's own, which are part of a commit, are in `commit`.
    pub checkpoint: HistogramCounts,
}

#[derive(Debug, Default)]
pub(super) struct LaneCounters {
    pub(super) queue_waits: AtomicU64,
    pub(super) queue_wait_us: AtomicU64,
    pub(super) queue_refusals: AtomicU64,
    pub(super) committed_jobs: AtomicU64,
    pub(super) committed_rows: AtomicU64,
    pub(super) failed_jobs: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) led_commits: AtomicU64,
    pub(super) group_jobs_max_seen: AtomicU64,
    pub(super) group_rows_max_seen: AtomicU64,
    pub(super) broken_groups: AtomicU64,
    pub(super) replaced_connections: AtomicU64,
    pub(super) busy_waits: AtomicU64,
    pub(super) lock_wait_us: AtomicU64,
    pub(super) wal_bytes: AtomicU64,
    pub(super) wal_starved: AtomicBool,
    pub(super) wal_starvations: AtomicU64,
    pub(super) wal_resets: AtomicU64,
    pub(super) commit: Histogram,
    pub(super) checkpoint: Histogram,
}

impl LaneCounters {
    pub(super) fn snapshot(&self, queued_rows: usize, queue_rows_max: usize) -> WriterSnapshot {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WriterSnapshot {
            queued_rows,
            queue_rows_max,
            queue_waits: count(&self.queue_waits),
            queue_wait_us: count(&self.queue_wait_us),
            queue_refusals: count(&self.queue_refusals),
            committed_jobs: count(&self.committed_jobs),
            committed_rows: count(&self.committed_rows),
            failed_jobs: count(&self.failed_jobs),
            commits: count(&self.commits),
            led_commits: count(&self.led_commits),
            group_jobs_max_seen: count(&self.group_jobs_max_seen),
            group_rows_max_seen: count(&self.group_rows_max_seen),
            broken_groups: count(&self.broken_groups),
            replaced_connections: count(&self.replaced_connections),
            busy_waits: count(&self.busy_waits),
            lock_wait_us: count(&self.lock_wait_us),
            wal_bytes: count(&self.wal_bytes),
            wal_starved: self.wal_starved.load(Ordering::Relaxed),
            wal_starvations: count(&self.wal_starvations),
            wal_resets: count(&self.wal_resets),
            commit: self.commit.counts(),
            checkpoint: self.checkpoint.counts(),
        }
    }

    /// Counts a transaction that was committed.
    pub(super) fn record_commit(&self, jobs: u64, rows: u64, began: Instant) {
        let add = |counter: &AtomicU64, more| counter.fetch_add(more, Ordering::Relaxed);
        let raise = |counter: &AtomicU64, seen| counter.fetch_max(seen, Ordering::Relaxed);
        self.commit.record(began.elapsed());
        add(&self.commits, 1);
        add(&self.committed_jobs, jobs);
        add(&self.committed_rows, rows);
        raise(&self.group_jobs_max_seen, jobs);
        raise(&self.group_rows_max_seen, rows);
    }
}

pub(super) fn add_time(counter: &AtomicU64, began: Instant) {
    let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    counter.fetch_add(us, Ordering::Relaxed);
}
