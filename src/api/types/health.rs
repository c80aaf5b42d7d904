//! Health as the API writes it.

use serde::Serialize;
use utoipa::ToSchema;

use super::rounded;
use super::service_health::{AlertDeliveryHealth, BackupHealth, HistoryHealth, MaintenanceHealth};
use crate::database::{
    DoorSnapshot, HeldConnection, HistogramSnapshot, PoolSnapshot, ProbeCause, ReplicaSnapshot,
    ReplicasSnapshot,
};
use crate::monitoring::{
    Alert, Check, HealthStatus, MonitoringSnapshot, OperationWindow, ProcessSnapshot,
};
use crate::repository::storage::TableEstimate;

/// The system in a few words. Figures that the database could not be asked for are null.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(in crate::api) struct HealthBody {
    pub(in crate::api) status: HealthStatus,
    /// What is wrong and what to do, when it is unhealthy.
    pub(in crate::api) problem: Option<&'static str>,
    /// True when a tick came in within the last 60 s.
    pub(in crate::api) ingestion_active: bool,
    /// Event time of the newest tick.
    #[schema(format = DateTime)]
    pub(in crate::api) last_tick: Option<String>,
    /// True when a tick came in within the last 300 s.
    pub(in crate::api) api_connected: bool,
    pub(in crate::api) active_instruments: Option<i64>,
    pub(in crate::api) total_rules: Option<i64>,
    /// Event time of the newest alert.
    #[schema(format = DateTime)]
    pub(in crate::api) last_alert: Option<String>,
    pub(in crate::api) historical_data_service: HistoryHealth,
    /// Null when no alerts are delivered here.
    pub(in crate::api) alert_delivery: Option<AlertDeliveryHealth>,
    /// Null when no backups are made by themselves (`backup.directory`).
    pub(in crate::api) backup: Option<BackupHealth>,
    /// The services that keep the data in order: retention, and the mirror of the archive
    /// (`archive.directory`).
    pub(in crate::api) maintenance: Vec<MaintenanceHealth>,
}

/// Counts of the day, UTC.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DetailedHealth {
    pub(in crate::api) database_status: HealthStatus,
    pub(in crate::api) total_instruments: i64,
    pub(in crate::api) active_instruments: i64,
    pub(in crate::api) total_rules: i64,
    pub(in crate::api) active_rules: i64,
    pub(in crate::api) total_ticks_today: i64,
    pub(in crate::api) total_alerts_today: i64,
    pub(in crate::api) avg_evaluation_time_ms: Option<f64>,
}

/// The database: pool, performance, storage, alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DatabaseHealth {
    pub(in crate::api) status: HealthStatus,
    connection_pool: PoolBody,
    performance: PerformanceBody,
    storage: StorageBody,
    /// Null where the system does not tell.
    process: Option<ProcessBody>,
    /// The checks that are past a threshold.
    alerts: Vec<AlertBody>,
    /// What could not be found out, and why.
    errors: Vec<String>,
    #[schema(format = DateTime)]
    checked_at: String,
}

/// Both doors to the pool, and their sum.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionPool)]
struct PoolBody {
    #[serde(flatten)]
    sum: DoorBody,
    /// Connections that are held for longer than `pool.held_warning_ms` right now, longest first.
    held_too_long: Vec<HeldItem>,
    /// Connections that monitoring found so.
    held_too_long_total: u64,
    /// The blocking door and the asynchronous one; they share one budget.
    doors: Vec<NamedDoor>,
    /// The replicas of PostgreSQL that answer reads, each with connections of its own.
    replicas: Vec<ReplicaBody>,
}

/// A server that follows the primary and answers reads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replica)]
struct ReplicaBody {
    /// Its place in `postgres.replica_urls`, from 1: where it is, is for the log.
    place: usize,
    /// `starting`, `serving`, `late`, `unreachable` or `foreign`; only one that serves is read.
    state: &'static str,
    /// Bytes of the primary's log that it had not replayed at the last look; null before one.
    lag_bytes: Option<u64>,
    /// Reads that it has answered.
    reads: u64,
    pool_size: usize,
    checked_out: usize,
    max_capacity: usize,
}

/// A connection that does not come back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldConnection)]
struct HeldItem {
    /// The operation that holds it.
    op: &'static str,
    held_ms: f64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PoolDoor)]
struct NamedDoor {
    name: &'static str,
    #[serde(flatten)]
    door: DoorBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PoolFigures)]
struct DoorBody {
    /// Connections that are open.
    pool_size: usize,
    /// Connections that are lent.
    checked_out: usize,
    /// Connections that wait for a caller.
    checked_in: usize,
    /// Connections beyond the base.
    overflow: usize,
    /// Connections that may be open.
    max_capacity: usize,
    utilization_percent: f64,
    /// Callers that wait.
    waiting: usize,
    /// Callers that gave up waiting.
    timeouts: u64,
    acquire_ms: Quantiles,
}

/// Durations in milliseconds; percentiles are at most 12.5 % too high.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Quantiles {
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Performance)]
struct PerformanceBody {
    /// Ticks and bars stored per second over the last minute.
    insert_rate_per_second: f64,
    /// Share, 0 to 1, of the ticks stored in the last 5 minutes that were older than the newest one of
    /// their instrument, and so fired no rule; null when none were stored.
    late_share: Option<f64>,
    /// Calls per second over the last minute.
    queries_per_second: f64,
    /// Calls since the last round of monitoring.
    query_ms: Quantiles,
    slow_queries_last_hour: u64,
    errors_last_hour: u64,
    by_operation: Vec<OperationBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
struct OperationBody {
    operation: &'static str,
    /// Calls since the database was opened.
    calls: u64,
    errors: u64,
    retries: u64,
    /// Rows read or written since the database was opened.
    rows: u64,
    calls_per_second: f64,
    query_ms: Quantiles,
}

/// Figures of the storage; null for what cannot be told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Storage)]
struct StorageBody {
    database_size_mb: Option<f64>,
    /// SQLite's write-ahead log.
    wal_size_mb: Option<f64>,
    /// SQLite's pages that hold nothing.
    free_pages: Option<i64>,
    tables: Vec<TableBody>,
    archive: Option<ArchiveBody>,
}

/// Ticks that lie in files within the database, beside those of the table.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ArchiveSize)]
struct ArchiveBody {
    /// Periods of instruments, each a file.
    periods: i64,
    ticks: i64,
    bytes: i64,
}

/// About how many rows a table holds, by the planner's statistics.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TableRows)]
struct TableBody {
    table: &'static str,
    active_rows: Option<i64>,
    deleted_rows: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthAlert)]
struct AlertBody {
    /// A value that is compared with a threshold.
    check: &'static str,
    /// The value in words.
    meaning: &'static str,
    /// What to do first.
    remedy: &'static str,
    /// `warning` or `critical`.
    level: &'static str,
    value: Option<f64>,
    threshold: Option<f64>,
    unit: &'static str,
    #[schema(format = DateTime)]
    since: Option<String>,
}

/// What the server takes of the machine.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Process)]
struct ProcessBody {
    /// Processors busy with it since the last round of monitoring: 1.0 is one of them all the time.
    cpu_share: Option<f64>,
    resident_memory_mb: f64,
}

impl From<&ProcessSnapshot> for ProcessBody {
    fn from(of: &ProcessSnapshot) -> Self {
        Self {
            cpu_share: of.cpu_share.map(|share| rounded(share, 3)),
            resident_memory_mb: mb(of.resident_memory_bytes),
        }
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

fn mb(bytes: u64) -> f64 {
    rounded(bytes as f64 / 1e6, 3)
}

impl From<HistogramSnapshot> for Quantiles {
    fn from(of: HistogramSnapshot) -> Self {
        Self {
            p50: ms(of.p50_us),
            p95: ms(of.p95_us),
            p99: ms(of.p99_us),
            max: ms(of.max_us),
        }
    }
}

impl DatabaseHealth {
    pub(in crate::api) fn new(status: HealthStatus, snapshot: &MonitoringSnapshot) -> Self {
        Self {
            status,
            connection_pool: PoolBody::new(&snapshot.pool, &snapshot.replicas),
            performance: PerformanceBody::from(snapshot),
            storage: StorageBody::from(snapshot),
            process: snapshot.process.as_ref().map(ProcessBody::from),
            alerts: snapshot.alerts().map(AlertBody::from).collect(),
            errors: public_errors(snapshot),
            checked_at: snapshot.taken_at.to_string(),
        }
    }
}

/// The errors of a snapshot as a client may know them: the kind, not where the database is or what
/// it says.
pub(in crate::api) fn public_errors(snapshot: &MonitoringSnapshot) -> Vec<String> {
    let probe = &snapshot.probe;
    let cause = probe.cause.map_or("unreachable", ProbeCause::as_str);
    let of_probe = probe.error.as_ref().map(|_| {
        if probe.cause == Some(ProbeCause::ReadOnly) {
            let said = "the server of the database is a standby: it is read and takes no writes; \
                        promote it, or name the primary in the URL";
            return said.to_owned();
        }
        let cause = cause.replace('_', " ");
        format!("the database does not answer as it should ({cause}); the server's log has more")
    });
    let others = snapshot.errors.len() - usize::from(of_probe.is_some());
    let of_others = (others > 0).then(|| {
        let said = "some figures of the database cannot be read; the server's log has more";
        said.to_owned()
    });
    of_probe.into_iter().chain(of_others).collect()
}

impl PoolBody {
    fn new(pool: &PoolSnapshot, replicas: &ReplicasSnapshot) -> Self {
        let [blocking, asynchronous] = &pool.doors;
        let acquire = blocking.acquire.merge(&asynchronous.acquire);
        Self {
            sum: DoorBody {
                pool_size: pool.open,
                checked_out: pool.in_use,
                checked_in: pool.idle,
                overflow: pool.overflow,
                max_capacity: pool.capacity,
                utilization_percent: percent(pool.utilization),
                waiting: pool.waiting,
                timeouts: pool.timeouts,
                acquire_ms: acquire.summary().into(),
            },
            held_too_long: pool.held_too_long.iter().map(HeldItem::from).collect(),
            held_too_long_total: pool.held_too_long_found,
            doors: pool
                .doors
                .iter()
                .map(|door| NamedDoor::new(door, pool))
                .collect(),
            replicas: (1..)
                .zip(&replicas.replicas)
                .map(|(place, of)| ReplicaBody::new(place, of))
                .collect(),
        }
    }
}

impl ReplicaBody {
    fn new(place: usize, of: &ReplicaSnapshot) -> Self {
        Self {
            place,
            state: of.state.as_str(),
            lag_bytes: of.lag_bytes,
            reads: of.reads,
            pool_size: of.pool.open,
            checked_out: of.pool.in_use,
            max_capacity: of.pool.capacity,
        }
    }
}

impl From<&HeldConnection> for HeldItem {
    fn from(held: &HeldConnection) -> Self {
        Self {
            op: held.op,
            held_ms: rounded(held.held.as_secs_f64() * 1e3, 3),
        }
    }
}

impl NamedDoor {
    fn new(door: &DoorSnapshot, pool: &PoolSnapshot) -> Self {
        let share = door.in_use as f64 / pool.capacity as f64;
        Self {
            name: door.name,
            door: DoorBody {
                pool_size: door.size,
                checked_out: door.in_use,
                checked_in: door.idle,
                overflow: door.size.saturating_sub(pool.base),
                max_capacity: pool.capacity,
                utilization_percent: percent(share),
                waiting: door.waiting,
                timeouts: door.timeouts,
                acquire_ms: door.acquire.summary().into(),
            },
        }
    }
}

fn percent(share: f64) -> f64 {
    rounded(share * 100.0, 2)
}

impl From<&MonitoringSnapshot> for PerformanceBody {
    fn from(snapshot: &MonitoringSnapshot) -> Self {
        let rates = &snapshot.rates;
        let rate = |rate: Option<f64>| rounded(rate.unwrap_or(0.0), 3);
        Self {
            insert_rate_per_second: rate(rates.insert_rows_per_second.one_minute),
            late_share: rates.late_share.map(|share| rounded(share, 4)),
            queries_per_second: rate(rates.queries_per_second.one_minute),
            query_ms: snapshot.calls.into(),
            slow_queries_last_hour: rates.slow_queries_last_hour,
            errors_last_hour: rates.errors_last_hour,
            by_operation: snapshot
                .operations
                .iter()
                .map(OperationBody::from)
                .collect(),
        }
    }
}

impl From<&OperationWindow> for OperationBody {
    fn from(of: &OperationWindow) -> Self {
        Self {
            operation: of.op,
            calls: of.calls,
            errors: of.errors,
            retries: of.retries,
            rows: of.rows,
            calls_per_second: rounded(of.calls_per_second, 3),
            query_ms: of.duration.into(),
        }
    }
}

impl From<&MonitoringSnapshot> for StorageBody {
    fn from(snapshot: &MonitoringSnapshot) -> Self {
        let known = snapshot.storage.as_ref();
        let bytes = |count: i64| mb(u64::try_from(count).unwrap_or(0));
        let tables = known.map_or(&[][..], |known| &known.tables);
        Self {
            database_size_mb: known.map(|known| bytes(known.size.database_bytes)),
            wal_size_mb: known.and_then(|known| known.wal_bytes).map(mb),
            free_pages: known.and_then(|known| known.size.free_pages),
            tables: tables.iter().map(TableBody::from).collect(),
            archive: known.map(|known| ArchiveBody {
                periods: known.archive.periods,
                ticks: known.archive.ticks,
                bytes: known.archive.bytes,
            }),
        }
    }
}

impl From<&TableEstimate> for TableBody {
    fn from(of: &TableEstimate) -> Self {
        Self {
            table: of.table,
            active_rows: of.active,
            deleted_rows: of.deleted,
        }
    }
}

impl From<&Alert> for AlertBody {
    fn from(alert: &Alert) -> Self {
        let check: Check = alert.check;
        Self {
            check: check.name(),
            meaning: check.meaning(),
            remedy: check.remedy(),
            level: alert.level.as_str(),
            value: alert.value.filter(|value| value.is_finite()),
            threshold: alert.threshold.filter(|value| value.is_finite()),
            unit: check.unit(),
            since: alert.since.map(|at| at.to_string()),
        }
    }
}
