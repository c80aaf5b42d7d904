//! Looks at the database and writes down what it sees. Whatever cannot be found out is left out of
//! the snapshot and named in its errors: a look never fails as a whole.

use std::time::{Duration, Instant};

use super::check::{CheckState, Facts};
use super::health::HealthStatus;
use super::process;
use super::rates::{Sample, Samples};
use super::snapshot::{
    CommitWindow, MonitoringSnapshot, OperationWindow, ProbeOutcome, ProcessSnapshot,
};
use crate::config::MonitoringConfig;
use crate::database::{Database, DoorSnapshot, HistogramCounts, OperationSnapshot, PoolSnapshot};
use crate::repository::storage::{self, PostgresActivity, StorageEstimate};

/// Monitoring's own operations: they are no work of the database's users.
const OWN: [&str; 4] = [
    "monitoring.replicas",
    "storage.estimate",
    "storage.postgres_activity",
    "slow_query.explain",
];

/// The counts at one moment, from which the next look tells its window.
#[derive(Debug, Clone)]
pub(super) struct CountsAtMoment {
    at: Instant,
    acquire: HistogramCounts,
    operations: Vec<OperationSnapshot>,
    commits: Commits,
    cpu_seconds: Option<f64>,
    sample: Sample,
}

impl CountsAtMoment {
    /// All counts now. It takes some microseconds, and no lock that a caller waits for.
    pub(super) fn now(db: &Database) -> Self {
        Self::of(db, &db.pool_snapshot(), process::look().as_ref())
    }

    fn of(db: &Database, pool: &PoolSnapshot, process: Option<&ProcessSnapshot>) -> Self {
        let operations = db.operations();
        let inserts = db.insert_totals();
        let at = Instant::now();
        let theirs = || operations.iter().filter(|o| !OWN.contains(&o.op));
        let sample = Sample {
            at,
            inserted: inserts.ticks.inserted + inserts.bars.inserted,
            ticks: inserts.ticks.inserted,
            late: inserts.ticks.late,
            calls: theirs().map(|operation| operation.calls).sum(),
            errors: theirs().map(|operation| operation.errors).sum(),
            slow: db.slow_query_totals().observed,
        };
        Self {
            at,
            acquire: both_doors(pool, |door| &door.acquire),
            cpu_seconds: process.map(|process| process.cpu_seconds),
            operations,
            commits: Commits::of(db),
            sample,
        }
    }

    pub(super) fn sample(&self) -> Sample {
        self.sample
    }
}

/// The counts of the write door.
#[derive(Debug, Clone, Default)]
struct Commits {
    rows: u64,
    commit: HistogramCounts,
    /// Jobs of the write lane; on PostgreSQL each write is a transaction.
    jobs: Option<u64>,
    checkpoint: HistogramCounts,
    queue_wait_us: u64,
    lock_wait_us: u64,
}

impl Commits {
    fn of(db: &Database) -> Self {
        #[cfg(feature = "sqlite")]
        if let Some(writer) = db.writer_snapshot() {
            return Self {
                rows: writer.committed_rows,
                commit: writer.commit,
                jobs: Some(writer.committed_jobs),
                checkpoint: writer.checkpoint,
                queue_wait_us: writer.queue_wait_us,
                lock_wait_us: writer.lock_wait_us,
            };
        }
        let all = db.commit_snapshot();
        Self {
            rows: all.rows,
            commit: all.commit,
            ..Self::default()
        }
    }

    fn since(&self, before: &Self) -> CommitWindow {
        let duration = self.commit.since(&before.commit).summary();
        let commits = duration.count;
        let jobs = self.jobs.unwrap_or(commits) - before.jobs.unwrap_or(0);
        CommitWindow {
            duration,
            rows: self.rows.saturating_sub(before.rows),
            jobs_per_commit: (commits > 0).then(|| jobs as f64 / commits as f64),
            checkpoint: self.checkpoint.since(&before.checkpoint).summary(),
            queue_wait: Duration::from_micros(self.queue_wait_us - before.queue_wait_us),
            lock_wait: Duration::from_micros(self.lock_wait_us - before.lock_wait_us),
        }
    }
}

/// The sample that a look is compared with.
#[derive(Debug, Clone)]
pub(super) struct Before {
    pub(super) counts: CountsAtMoment,
    pub(super) samples: Samples,
    pub(super) checks: CheckState,
    pub(super) storage: Option<StorageEstimate>,
    pub(super) postgres: Option<PostgresActivity>,
}

/// A snapshot now, with the checks as they were before, and the counts that it was made from.
pub(super) fn look(
    db: &Database,
    config: &MonitoringConfig,
    before: &Before,
) -> (MonitoringSnapshot, CountsAtMoment) {
    // The pool first: what monitoring itself asks for is not what it should see.
    let pool = db.pool_snapshot();
    let probe = probe(db, config.probe_timeout);
    let asked = match probe.error {
        None => Asked::or_known(db, &pool, before),
        // A database that did not answer the probe would only hold the round up.
        Some(_) => Asked::default(),
    };
    let errors = probe.error.iter().cloned().chain(asked.errors);
    let process = process::look();
    let counts = CountsAtMoment::of(db, &pool, process.as_ref());
    let window = counts.at.duration_since(before.counts.at);
    let checks: Vec<_> = before.checks.statuses().collect();
    let snapshot = MonitoringSnapshot {
        taken_at: db.clock().now(),
        window,
        acquire: counts.acquire.since(&before.counts.acquire).summary(),
        calls: calls(&counts, &before.counts).summary(),
        operations: operations(&counts, &before.counts, window),
        inserts: db.insert_totals(),
        rates: before.samples.rates(&counts.sample),
        slow_queries: db.slow_query_totals(),
        commits: counts.commits.since(&before.counts.commits),
        #[cfg(feature = "sqlite")]
        writer: db.writer_snapshot(),
        storage: asked.storage,
        postgres: asked.postgres,
        process: process.map(|process| with_share(process, before.counts.cpu_seconds, window)),
        health: HealthStatus::of(Some(probe.error.is_some()), &checks),
        errors: errors.collect(),
        probe,
        pool,
        replicas: db.replicas(),
        checks,
    };
    (snapshot, counts)
}

/// True when a caller that asks for a connection now may have to wait.
pub(super) fn exhausted(pool: &PoolSnapshot) -> bool {
    pool.in_use >= pool.capacity || pool.waiting > 0
}

/// The figures that take a query.
#[derive(Default)]
struct Asked {
    storage: Option<StorageEstimate>,
    postgres: Option<PostgresActivity>,
    errors: Vec<String>,
}

impl Asked {
    /// Asks over a connection of the pool, but never waits for one: when none is free, what was
    /// last known holds. That the pool is exhausted is told by the pool itself.
    fn or_known(db: &Database, pool: &PoolSnapshot, before: &Before) -> Self {
        if exhausted(pool) {
            return Self {
                storage: before.storage.clone(),
                postgres: before.postgres,
                errors: Vec::new(),
            };
        }
        let mut asked = Self::default();
        match storage::estimate(db) {
            Ok(estimate) => asked.storage = Some(estimate),
            Err(error) => asked.errors.push(error.chain()),
        }
        match db.read("storage.postgres_activity", storage::postgres_activity) {
            Ok(activity) => asked.postgres = activity,
            Err(error) => asked.errors.push(error.chain()),
        }
        asked
    }
}

/// Asks over a connection beside the pool.
fn probe(db: &Database, timeout: Duration) -> ProbeOutcome {
    let probe = db.probe(timeout);
    let failure = probe.outcome.err();
    ProbeOutcome {
        took: probe.duration,
        cause: failure.as_ref().map(|failure| failure.cause),
        error: failure.map(|failure| failure.error.chain()),
    }
}

/// Computes the values that the checks look at.
pub(super) fn facts(
    snapshot: &MonitoringSnapshot,
    before: &Before,
    counts: &CountsAtMoment,
) -> Facts {
    let minute = Duration::from_secs(60);
    let known = before.samples.know(&counts.sample, minute);
    let rates = &snapshot.rates;
    let (wal_bytes, write_queue) = write_lane(snapshot);
    Facts {
        pool_utilization: snapshot.pool.utilization,
        query_calls: snapshot.calls.count,
        query_ms_p95: snapshot.calls.p95_us as f64 / 1e3,
        acquisitions: snapshot.acquire.count,
        acquire_ms_p95: snapshot.acquire.p95_us as f64 / 1e3,
        insert_rate_1m: rates.insert_rows_per_second.one_minute.filter(|_| known),
        insert_rate_usual: rates.insert_rows_per_second_usual,
        errors_per_minute: rates.errors_per_minute.one_minute.filter(|_| known),
        late_share: rates.late_share,
        replicas_out: (!snapshot.replicas.replicas.is_empty())
            .then(|| snapshot.replicas.out_of_rotation()),
        probe_failed: Some(snapshot.probe.error.is_some()),
        wal_bytes,
        write_queue,
    }
}

/// Bytes of the WAL, and how full the queue is; nothing on PostgreSQL.
#[cfg(feature = "sqlite")]
fn write_lane(snapshot: &MonitoringSnapshot) -> (Option<u64>, Option<f64>) {
    let writer = snapshot.writer.as_ref();
    (
        writer.map(|writer| writer.wal_bytes),
        writer.map(|writer| writer.queued_rows as f64 / writer.queue_rows_max as f64),
    )
}

#[cfg(not(feature = "sqlite"))]
fn write_lane(_snapshot: &MonitoringSnapshot) -> (Option<u64>, Option<f64>) {
    (None, None)
}

fn both_doors(pool: &PoolSnapshot, of: fn(&DoorSnapshot) -> &HistogramCounts) -> HistogramCounts {
    let [first, second] = &pool.doors;
    of(first).merge(of(second))
}

fn operations(
    counts: &CountsAtMoment,
    before: &CountsAtMoment,
    window: Duration,
) -> Vec<OperationWindow> {
    let per_second = |count: u64| match window.is_zero() {
        true => 0.0,
        false => count as f64 / window.as_secs_f64(),
    };
    let of_window = |now: &OperationSnapshot| {
        let older = older(before, now.op);
        let since = |of: fn(&OperationSnapshot) -> u64| of(now) - older.map_or(0, of);
        let calls = since(|operation| operation.calls);
        OperationWindow {
            op: now.op,
            calls: now.calls,
            errors: now.errors,
            retries: now.retries,
            rows: now.rows,
            duration: now.duration.summary(),
            window_calls: calls,
            window_errors: since(|operation| operation.errors),
            window_duration: in_window(now, older).summary(),
            calls_per_second: per_second(calls),
            rows_per_second: per_second(since(|operation| operation.rows)),
        }
    };
    counts.operations.iter().map(of_window).collect()
}

/// The calls of the window, all operations of users together.
fn calls(counts: &CountsAtMoment, before: &CountsAtMoment) -> HistogramCounts {
    // Without monitoring's own calls: in a quiet system they would be most of them.
    let theirs = counts.operations.iter().filter(|o| !OWN.contains(&o.op));
    let windows = theirs.map(|now| in_window(now, older(before, now.op)));
    windows.fold(HistogramCounts::default(), |sum, one| sum.merge(&one))
}

fn in_window(now: &OperationSnapshot, older: Option<&OperationSnapshot>) -> HistogramCounts {
    older.map_or_else(
        || now.duration.clone(),
        |older| now.duration.since(&older.duration),
    )
}

/// Operations are sorted by name.
fn older<'a>(before: &'a CountsAtMoment, op: &str) -> Option<&'a OperationSnapshot> {
    let all = &before.operations;
    let place = all.binary_search_by_key(&op, |operation| operation.op);
    place.ok().and_then(|place| all.get(place))
}

fn with_share(process: ProcessSnapshot, before: Option<f64>, window: Duration) -> ProcessSnapshot {
    let share = |before: f64| (process.cpu_seconds - before) / window.as_secs_f64();
    ProcessSnapshot {
        cpu_share: before.filter(|_| !window.is_zero()).map(share),
        ..process
    }
}
