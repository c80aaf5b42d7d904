//! The rounds of monitoring as the API writes them, for charts of the last hour.

use serde::Serialize;
use utoipa::ToSchema;

use super::health::Quantiles;
use crate::monitoring::{HealthStatus, MonitoringSnapshot};

/// The rounds of monitoring of the last hour.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HealthHistory {
    /// The time between two rounds.
    pub(in crate::api) interval_seconds: f64,
    /// Oldest first.
    pub(in crate::api) rounds: Vec<HealthRound>,
}

/// The database at a round of monitoring.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HealthRound {
    #[schema(format = DateTime)]
    at: String,
    status: HealthStatus,
    pool: PoolRound,
    /// Rows that wait for SQLite's writer; null on PostgreSQL, which has none.
    writer_queue_rows: Option<u64>,
    /// Ticks and bars stored per second, over the last minute.
    rows_per_second: Option<f64>,
    /// Calls per second, over the last minute.
    queries_per_second: Option<f64>,
    /// Bytes of SQLite's WAL; null on PostgreSQL.
    wal_bytes: Option<u64>,
    /// How long a fresh connection took to be opened and asked, in milliseconds.
    probe_ms: f64,
    /// Whether that failed.
    probe_failed: bool,
    /// Calls since the round before.
    query_ms: Quantiles,
    /// Transactions since the round before.
    commit_ms: Quantiles,
}

/// Both doors of the pool together.
#[derive(Debug, Serialize, ToSchema)]
struct PoolRound {
    /// Connections that are lent.
    in_use: usize,
    /// Connections that wait for a caller.
    idle: usize,
    /// Connections beyond the base.
    overflow: usize,
    /// Callers that wait.
    waiting: usize,
    /// Connections that may be open.
    capacity: usize,
}

impl HealthRound {
    pub(in crate::api) fn new(of: &MonitoringSnapshot) -> Self {
        let pool = &of.pool;
        Self {
            at: of.taken_at.to_string(),
            status: of.health,
            pool: PoolRound {
                in_use: pool.in_use,
                idle: pool.idle,
                overflow: pool.overflow,
                waiting: pool.waiting,
                capacity: pool.capacity,
            },
            writer_queue_rows: writer_queue_rows(of),
            rows_per_second: of.rates.insert_rows_per_second.one_minute.map(shown),
            queries_per_second: of.rates.queries_per_second.one_minute.map(shown),
            wal_bytes: of.storage.as_ref().and_then(|storage| storage.wal_bytes),
            probe_ms: shown(of.probe.took.as_secs_f64() * 1e3),
            probe_failed: of.probe.error.is_some(),
            query_ms: Quantiles::from(of.calls),
            commit_ms: Quantiles::from(of.commits.duration),
        }
    }
}

fn shown(value: f64) -> f64 {
    super::rounded(value, 3)
}

#[cfg(feature = "sqlite")]
fn writer_queue_rows(of: &MonitoringSnapshot) -> Option<u64> {
    let writer = of.writer.as_ref()?;
    u64::try_from(writer.queued_rows).ok()
}

#[cfg(not(feature = "sqlite"))]
fn writer_queue_rows(_of: &MonitoringSnapshot) -> Option<u64> {
    None
}
