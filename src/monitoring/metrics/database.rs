//! The families of a database and of its process, as they are at the moment of the scrape. What
//! must be asked of the database is in `rounds`.

use super::super::process;
use super::exposition::{Exposition, MetricKind};
use super::seconds;
#[cfg(feature = "sqlite")]
use crate::database::WriterSnapshot;
use crate::database::{
    Backend, Database, DoorSnapshot, HistogramCounts, InsertCounts, OperationSnapshot,
    PoolSnapshot, ReplicaState, ReplicasSnapshot,
};

const POOL: &str = "db_client_connection_pool_name";

/// The families of a database: operations, pool, insertions, commits, the write lane, slow
/// statements.
pub fn database_metrics(text: &mut Exposition, db: &Database) {
    let system = match db.backend() {
        Backend::Postgres => "postgresql",
        Backend::Sqlite => "sqlite",
    };
    text.family(
        MetricKind::Gauge,
        "tickbase_build_info",
        "The version that runs, and the backend of its database; always 1.",
    )
    .sample(
        &[("version", env!("CARGO_PKG_VERSION")), ("backend", system)],
        1.0,
    );
    operations(text, &db.operations(), system);
    pool(text, &db.pool_snapshot());
    connections(text, &db.pool_snapshot());
    replicas(text, &db.replicas());
    insertions(text, db);
    commits(text, db);
    #[cfg(feature = "sqlite")]
    if let Some(writer) = db.writer_snapshot() {
        write_queue(text, &writer);
        write_lane(text, &writer);
        wal(text, &writer);
    }
    let slow = db.slow_query_totals();
    text.single(
        MetricKind::Counter,
        "tickbase_slow_queries_total",
        "Statements that took longer than observe.slow_query_after.",
        slow.observed as f64,
    );
}

/// The process: processor time and memory; nothing where the system does not tell.
pub fn process_metrics(text: &mut Exposition) {
    let Some(process) = process::look() else {
        return;
    };
    text.single(
        MetricKind::Counter,
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        process.cpu_seconds,
    );
    text.single(
        MetricKind::Gauge,
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        process.resident_memory_bytes as f64,
    );
}

fn operations(text: &mut Exposition, all: &[OperationSnapshot], system: &str) {
    let mut durations = text.family(
        MetricKind::Histogram,
        "db_client_operation_duration_seconds",
        "Duration of database operations, waiting for the connection and the commit included.",
    );
    for operation in all {
        let labels = [
            ("db_system_name", system),
            ("db_operation_name", operation.op),
        ];
        durations.durations(&labels, &operation.duration);
    }
    type ReadOperation = fn(&OperationSnapshot) -> u64;
    let counters: [(&str, &str, ReadOperation); 3] = [
        (
            "tickbase_operation_errors_total",
            "Database operations that ended in an error.",
            |operation| operation.errors,
        ),
        (
            "tickbase_operation_retries_total",
            "Attempts of database operations beyond the first.",
            |operation| operation.retries,
        ),
        (
            "tickbase_operation_rows_total",
            "Rows that database operations read or wrote, as far as they record them.",
            |operation| operation.rows,
        ),
    ];
    for (name, help, of) in counters {
        let mut family = text.family(MetricKind::Counter, name, help);
        for operation in all {
            family.sample(&[("db_operation_name", operation.op)], of(operation) as f64);
        }
    }
}

/// Replicas of PostgreSQL, and the reads that the primary answered in their place.
fn replicas(text: &mut Exposition, all: &ReplicasSnapshot) {
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_replica_serving",
        "Whether a replica is read (1) or not (0).",
    );
    for replica in &all.replicas {
        let serving = replica.state == ReplicaState::Serving;
        family.sample(&[("replica", &replica.name)], f64::from(u8::from(serving)));
    }
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_replica_lag_bytes",
        "Bytes of the primary's log that a replica had not replayed at the last look.",
    );
    for replica in &all.replicas {
        if let Some(lag) = replica.lag_bytes {
            family.sample(&[("replica", &replica.name)], lag as f64);
        }
    }
    let mut family = text.family(
        MetricKind::Counter,
        "tickbase_replica_reads_total",
        "Reads that a replica has answered.",
    );
    for replica in &all.replicas {
        family.sample(&[("replica", &replica.name)], replica.reads as f64);
    }
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_replica_connections",
        "Connections to a replica, by state.",
    );
    for replica in &all.replicas {
        for (state, count) in [("used", replica.pool.in_use), ("idle", replica.pool.idle)] {
            family.sample(
                &[("replica", &replica.name), ("state", state)],
                count as f64,
            );
        }
    }
    let mut family = text.family(
        MetricKind::Counter,
        "tickbase_replica_fallbacks_total",
        "Reads that the primary answered in the place of a replica, by cause.",
    );
    for (cause, count) in &all.fallbacks {
        family.sample(&[("cause", cause.as_str())], *count as f64);
    }
}

/// Connections that do not come back.
fn held(text: &mut Exposition, pool: &PoolSnapshot) {
    text.family(
        MetricKind::Gauge,
        "tickbase_connections_overdue",
        "Connections held for longer than pool.held_warning_ms right now.",
    )
    .sample(&[], pool.held_too_long.len() as f64);
    text.family(
        MetricKind::Counter,
        "tickbase_connections_held_too_long_total",
        "Connections that monitoring found held for longer than pool.held_warning_ms.",
    )
    .sample(&[], pool.held_too_long_found as f64);
}

fn pool(text: &mut Exposition, pool: &PoolSnapshot) {
    let mut states = text.family(
        MetricKind::Gauge,
        "db_client_connections",
        "Connections that are currently in the state described by the state label.",
    );
    for door in &pool.doors {
        for (state, connections) in [("idle", door.idle), ("used", door.in_use)] {
            let labels = [(POOL, door.name), ("db_client_connection_state", state)];
            states.sample(&labels, connections as f64);
        }
    }
    // The doors share one budget: a number for each would count it twice.
    let both = [(POOL, "both")];
    text.family(
        MetricKind::Gauge,
        "db_client_connection_max",
        "Connections that may be open, both doors together.",
    )
    .sample(&both, pool.capacity as f64);
    text.family(
        MetricKind::Gauge,
        "db_client_connection_idle_max",
        "Connections that may be idle, both doors together.",
    )
    .sample(&both, pool.base as f64);
    let mut waiting = text.family(
        MetricKind::Gauge,
        "db_client_connection_pending_requests",
        "Callers that wait for a connection.",
    );
    for door in &pool.doors {
        waiting.sample(&[(POOL, door.name)], door.waiting as f64);
    }
    let mut timeouts = text.family(
        MetricKind::Counter,
        "db_client_connection_timeouts_total",
        "Callers that gave up waiting for a connection.",
    );
    for door in &pool.doors {
        timeouts.sample(&[(POOL, door.name)], door.timeouts as f64);
    }
    held(text, pool);
    type ReadDoor = fn(&DoorSnapshot) -> &HistogramCounts;
    let times: [(&str, &str, ReadDoor); 2] = [
        (
            "db_client_connection_wait_time_seconds",
            "Time it took to obtain an open connection from the pool.",
            |door| &door.acquire,
        ),
        (
            "db_client_connection_use_time_seconds",
            "Time between borrowing a connection and returning it to the pool.",
            |door| &door.hold,
        ),
    ];
    for (name, help, of) in times {
        let mut family = text.family(MetricKind::Histogram, name, help);
        for door in &pool.doors {
            family.durations(&[(POOL, door.name)], of(door));
        }
    }
}

fn connections(text: &mut Exposition, pool: &PoolSnapshot) {
    text.single(
        MetricKind::Counter,
        "tickbase_connections_opened_total",
        "Connections that the pool has opened.",
        pool.opened as f64,
    );
    let closed = &pool.closed;
    let mut family = text.family(
        MetricKind::Counter,
        "tickbase_connections_closed_total",
        "Connections that the pool has closed, by cause.",
    );
    for (cause, connections) in [
        ("overflow", closed.overflow),
        ("recycled", closed.recycled),
        ("dead", closed.dead),
        ("open_transaction", closed.open_transaction),
        ("panicked", closed.panicked),
        ("read_only", closed.read_only),
        ("evicted", closed.evicted),
        ("shutdown", closed.shutdown),
    ] {
        family.sample(&[("cause", cause)], connections as f64);
    }
}

fn insertions(text: &mut Exposition, db: &Database) {
    let totals = db.insert_totals();
    let kinds = [("ticks", totals.ticks), ("bars", totals.bars)];
    let mut rows = text.family(
        MetricKind::Counter,
        "tickbase_ingest_rows_total",
        "Rows of committed batches by what became of them; all outcomes are all rows received.",
    );
    for (kind, counts) in &kinds {
        for (outcome, count) in outcomes(counts) {
            rows.sample(&[("kind", kind), ("outcome", outcome)], count as f64);
        }
    }
    text.single(
        MetricKind::Counter,
        "tickbase_ingest_late_rows_total",
        "Inserted ticks that were older than the newest tick of their instrument.",
        totals.ticks.late as f64,
    );
    if let Some(at) = totals.last_ticks_at {
        text.single(
            MetricKind::Gauge,
            "tickbase_ingest_last_timestamp_seconds",
            "When ticks were last acknowledged, in seconds since the epoch.",
            seconds(at.micros()),
        );
    }
}

fn outcomes(counts: &InsertCounts) -> [(&'static str, u64); 7] {
    [
        ("inserted", counts.inserted),
        ("updated", counts.updated),
        ("duplicate", counts.duplicates),
        ("conflict", counts.conflicts),
        ("deleted", counts.deleted),
        ("rejected", counts.rejected),
        ("replayed", counts.replayed),
    ]
}

fn commits(text: &mut Exposition, db: &Database) {
    let commits = db.commit_snapshot();
    text.family(
        MetricKind::Histogram,
        "tickbase_write_transaction_duration_seconds",
        "Duration of write transactions, from BEGIN to the end of COMMIT.",
    )
    .durations(&[], &commits.commit);
    text.single(
        MetricKind::Counter,
        "tickbase_write_rows_total",
        "Rows that committed writes recorded.",
        commits.rows as f64,
    );
    text.single(
        MetricKind::Counter,
        "tickbase_commits_unknown_total",
        "Writes of which nobody can know whether they are stored: the connection broke during COMMIT.",
        commits.unknown as f64,
    );
}

#[cfg(feature = "sqlite")]
fn write_queue(text: &mut Exposition, writer: &WriterSnapshot) {
    for (kind, name, help, value) in [
        (
            MetricKind::Gauge,
            "tickbase_write_queue_rows",
            "Rows that wait for the writer.",
            writer.queued_rows as f64,
        ),
        (
            MetricKind::Gauge,
            "tickbase_write_queue_limit_rows",
            "Rows that may wait for the writer.",
            writer.queue_rows_max as f64,
        ),
        (
            MetricKind::Counter,
            "tickbase_write_queue_waits_total",
            "Callers that found the write queue full and waited for room.",
            writer.queue_waits as f64,
        ),
        (
            MetricKind::Counter,
            "tickbase_write_queue_wait_seconds_total",
            "Time that callers waited for room in the write queue.",
            writer.queue_wait_us as f64 / 1e6,
        ),
        (
            MetricKind::Counter,
            "tickbase_write_queue_refusals_total",
            "Callers that found the write queue full and did not want to wait.",
            writer.queue_refusals as f64,
        ),
    ] {
        text.single(kind, name, help, value);
    }
}

#[cfg(feature = "sqlite")]
fn write_lane(text: &mut Exposition, writer: &WriterSnapshot) {
    text.family(
        MetricKind::Counter,
        "tickbase_write_jobs_total",
        "Writes by outcome; those of one group share a transaction.",
    )
    .sample(&[("outcome", "committed")], writer.committed_jobs as f64)
    .sample(&[("outcome", "failed")], writer.failed_jobs as f64);
    for (name, help, value) in [
        (
            "tickbase_write_broken_groups_total",
            "Transactions that died and whose writes were run again one by one.",
            writer.broken_groups as f64,
        ),
        (
            "tickbase_write_connections_replaced_total",
            "Write connections that were replaced.",
            writer.replaced_connections as f64,
        ),
        (
            "tickbase_write_lock_wait_seconds_total",
            "Time that the writer waited for the lock of another process.",
            writer.lock_wait_us as f64 / 1e6,
        ),
    ] {
        text.single(MetricKind::Counter, name, help, value);
    }
}

#[cfg(feature = "sqlite")]
fn wal(text: &mut Exposition, writer: &WriterSnapshot) {
    text.single(
        MetricKind::Gauge,
        "tickbase_wal_bytes",
        "Bytes of the WAL when it was last looked at.",
        writer.wal_bytes as f64,
    );
    text.single(
        MetricKind::Counter,
        "tickbase_wal_starvations_total",
        "Looks at which the WAL was past its limit because a reader did not end.",
        writer.wal_starvations as f64,
    );
    text.family(
        MetricKind::Histogram,
        "tickbase_wal_checkpoint_duration_seconds",
        "Duration of checkpoints of the WAL.",
    )
    .durations(&[], &writer.checkpoint);
}
