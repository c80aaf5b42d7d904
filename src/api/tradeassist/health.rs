//! `/api/health`: how the system is, and figures of the database. Each of them is answered with 200,
//! whatever it says, as its clients expect.
//!
//! The original reports figures of itself that tickbase has not: how much faster its inserts became,
//! and its partitions by month. They are 0 here.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;
use serde_json::{Value, json};

use super::moments::NaiveMoment;
use super::refusal::Refusal;
use super::{Access, Resource};
use crate::api::ApiState;
use crate::api::health::{self, FeedAge};
use crate::api::types::{public_errors, rounded};
use crate::database::HistogramSnapshot;
use crate::monitoring::{HealthStatus, MonitoringSnapshot};
use crate::repository::{bar, market_data};
use crate::services::cache::CacheKind;

const MEGABYTE: f64 = 1_048_576.0;
/// Inserts per minute that the original set itself as its target.
const TARGET_PER_MINUTE: i64 = 10_000;

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::new("/api/health", Access::Probe, get(overall)),
        Resource::new("/api/health/detailed", Access::Probe, get(detailed)),
        Resource::new("/api/health/database", Access::Probe, get(database)),
        Resource::new("/api/health/performance", Access::Probe, get(performance)),
        Resource::new("/api/health/partitions", Access::Probe, get(partitions)),
    ]
}

/// The system, as the original's model of the same name.
#[derive(Debug, Serialize)]
pub(super) struct HealthResponse {
    status: &'static str,
    ingestion_active: bool,
    last_tick: Option<NaiveMoment>,
    api_connected: bool,
    active_instruments: i64,
    total_rules: i64,
    last_alert: Option<NaiveMoment>,
    historical_data_service: HistoryServiceHealth,
}

#[derive(Debug, Serialize)]
struct HistoryServiceHealth {
    status: &'static str,
    service_running: bool,
    schwab_client_connected: bool,
    cache_size: u64,
    total_requests: u64,
    database_healthy: bool,
    /// Whole minutes since the newest bar that is stored.
    data_freshness_minutes: Option<i64>,
}

pub(super) async fn overall(
    State(state): State<ApiState>,
) -> Result<Json<HealthResponse>, Refusal> {
    let snapshot = state.snapshot().await?;
    let word = health::verdict(&snapshot);
    let figures = health::figures(&state, &snapshot, health::today(&state)).await;
    let last_tick = figures.and_then(|figures| figures.instruments.last_tick);
    let feed = FeedAge::of(&state, last_tick);
    let api_connected = feed.is_connected();
    // Without ticks for five minutes it is degraded there.
    let status = match word {
        HealthStatus::Healthy if !api_connected => HealthStatus::Degraded,
        word => word,
    };
    Ok(Json(HealthResponse {
        status: status.as_str(),
        ingestion_active: feed.is_active(),
        last_tick: last_tick.map(NaiveMoment),
        api_connected,
        active_instruments: figures.map_or(0, |figures| figures.instruments.active),
        total_rules: figures.map_or(0, |figures| figures.rules.total),
        last_alert: figures
            .and_then(|figures| figures.alerts.last)
            .map(NaiveMoment),
        historical_data_service: HistoryServiceHealth {
            status: word.as_str(),
            service_running: state.history().is_running(),
            schwab_client_connected: false,
            cache_size: state.cache().snapshot().of(CacheKind::Bars).entries,
            total_requests: state.history().requests(),
            database_healthy: word != HealthStatus::Unhealthy,
            data_freshness_minutes: freshness(&state, &snapshot).await,
        },
    }))
}

/// Whole minutes since the newest stored bar; none without one, or while the database is away.
async fn freshness(state: &ApiState, snapshot: &MonitoringSnapshot) -> Option<i64> {
    if snapshot.probe.error.is_some() {
        return None;
    }
    let counts = state.read("history.stats", bar::frequency_counts).await;
    let newest = counts.ok()?.iter().filter_map(|of| of.last).max()?;
    let age = state.db().clock().now().micros() - newest.micros();
    Some((age / 60_000_000).max(0))
}

/// Counts of the day, as the original's model of the same name.
#[derive(Debug, Serialize)]
struct SystemStats {
    database_status: &'static str,
    total_instruments: i64,
    active_instruments: i64,
    total_rules: i64,
    active_rules: i64,
    total_ticks_today: i64,
    total_alerts_today: i64,
    avg_evaluation_time_ms: Option<f64>,
}

async fn detailed(State(state): State<ApiState>) -> Result<Json<SystemStats>, Refusal> {
    let today = health::today(&state);
    let snapshot = state.snapshot().await?;
    let figures = health::figures(&state, &snapshot, today).await;
    let ticks = match figures {
        Some(_) => {
            let count = state.read("health.ticks_since", move |conn| {
                market_data::count_since(conn, today)
            });
            count.await?
        }
        None => 0,
    };
    let connected = if figures.is_some() {
        "connected"
    } else {
        "disconnected"
    };
    let (instruments, rules) = (figures.map(|it| it.instruments), figures.map(|it| it.rules));
    let alerts = figures.map(|it| it.alerts);
    Ok(Json(SystemStats {
        database_status: connected,
        total_instruments: instruments.map_or(0, |of| of.total),
        active_instruments: instruments.map_or(0, |of| of.active),
        total_rules: rules.map_or(0, |of| of.total),
        active_rules: rules.map_or(0, |of| of.active),
        total_ticks_today: ticks,
        total_alerts_today: alerts.map_or(0, |of| of.count),
        avg_evaluation_time_ms: alerts.and_then(|of| of.evaluation_ms_mean),
    }))
}

/// The database, as the original's model of the same name.
#[derive(Debug, Serialize)]
struct DatabaseHealthResponse {
    status: &'static str,
    performance_metrics: DatabasePerformanceMetrics,
    partition_health: PartitionHealthMetrics,
    last_maintenance_run: Option<NaiveMoment>,
    next_scheduled_maintenance: Option<NaiveMoment>,
    alerts: Vec<String>,
    recommendations: Vec<String>,
}

/// Likewise.
#[derive(Debug, Serialize)]
pub(super) struct DatabasePerformanceMetrics {
    /// Percent.
    pub(super) connection_pool_utilization: f64,
    pub(super) avg_connection_wait_time_ms: f64,
    pub(super) total_active_connections: usize,
    pub(super) max_connections: usize,
    pub(super) insert_performance_ops_per_sec: f64,
    pub(super) insert_performance_improvement_pct: f64,
    pub(super) query_response_time_ms: f64,
    pub(super) slow_queries_count: u64,
    pub(super) float_calculation_speedup: f64,
    pub(super) index_efficiency_score: f64,
}

impl DatabasePerformanceMetrics {
    pub(super) fn new(snapshot: &MonitoringSnapshot) -> Self {
        let rates = &snapshot.rates;
        Self {
            connection_pool_utilization: rounded(snapshot.pool.utilization * 100.0, 2),
            avg_connection_wait_time_ms: mean_ms(&snapshot.acquire),
            total_active_connections: snapshot.pool.in_use,
            max_connections: snapshot.pool.capacity,
            insert_performance_ops_per_sec: insert_rate(snapshot),
            insert_performance_improvement_pct: 0.0,
            query_response_time_ms: mean_ms(&snapshot.calls),
            slow_queries_count: rates.slow_queries_last_hour,
            float_calculation_speedup: 0.0,
            index_efficiency_score: 0.0,
        }
    }
}

/// Likewise.
#[derive(Debug, Serialize)]
pub(super) struct PartitionHealthMetrics {
    pub(super) total_partitions: i64,
    market_data_partitions: i64,
    alert_log_partitions: i64,
    /// Of the whole database.
    pub(super) total_storage_mb: f64,
    largest_partition_mb: f64,
    oldest_partition_age_days: i64,
    partition_creation_success_rate: f64,
    archival_queue_size: i64,
}

impl PartitionHealthMetrics {
    pub(super) fn new(snapshot: &MonitoringSnapshot) -> Self {
        Self {
            total_partitions: 0,
            market_data_partitions: 0,
            alert_log_partitions: 0,
            total_storage_mb: rounded(storage_bytes(snapshot) / MEGABYTE, 3),
            largest_partition_mb: 0.0,
            oldest_partition_age_days: 0,
            partition_creation_success_rate: 0.0,
            archival_queue_size: 0,
        }
    }
}

fn storage_bytes(snapshot: &MonitoringSnapshot) -> f64 {
    let storage = snapshot.storage.as_ref();
    storage.map_or(0.0, |storage| storage.size.database_bytes as f64)
}

fn insert_rate(snapshot: &MonitoringSnapshot) -> f64 {
    let rate = snapshot.rates.insert_rows_per_second.one_minute;
    rounded(rate.unwrap_or_default(), 3)
}

fn mean_ms(of: &HistogramSnapshot) -> f64 {
    if of.count == 0 {
        return 0.0;
    }
    rounded(of.sum_us as f64 / of.count as f64 / 1e3, 3)
}

/// What is wrong, a line each.
pub(super) fn alerts(snapshot: &MonitoringSnapshot) -> Vec<String> {
    let raised = snapshot.alerts().map(|alert| {
        let value = alert.value.unwrap_or_default();
        format!(
            "{} is {} at {value}",
            alert.check.name(),
            alert.level.as_str()
        )
    });
    raised.chain(public_errors(snapshot)).collect()
}

async fn database(State(state): State<ApiState>) -> Result<Json<DatabaseHealthResponse>, Refusal> {
    let snapshot = state.snapshot().await?;
    let alerts = alerts(&snapshot);
    let recommendations = match alerts.is_empty() {
        true => Vec::new(),
        false => {
            let advice = "read docs/operations.md, part \"What to watch\"; the native \
                          /api/health/database has the thresholds";
            vec![advice.to_owned()]
        }
    };
    Ok(Json(DatabaseHealthResponse {
        status: health::verdict(&snapshot).as_str(),
        performance_metrics: DatabasePerformanceMetrics::new(&snapshot),
        partition_health: PartitionHealthMetrics::new(&snapshot),
        last_maintenance_run: None,
        next_scheduled_maintenance: None,
        alerts,
        recommendations,
    }))
}

/// How much faster than before; there is no before here.
#[derive(Debug, Serialize)]
struct PerformanceImprovementMetrics {
    insert_baseline_ops_per_sec: f64,
    insert_current_ops_per_sec: f64,
    insert_improvement_percentage: f64,
    calculation_baseline_time_ms: f64,
    calculation_current_time_ms: f64,
    calculation_speedup_multiplier: f64,
    /// Rows per minute at the rate of the last minute.
    high_frequency_capacity: i64,
    target_capacity_met: bool,
    baseline_established_date: NaiveMoment,
    last_measurement_date: NaiveMoment,
}

async fn performance(
    State(state): State<ApiState>,
) -> Result<Json<PerformanceImprovementMetrics>, Refusal> {
    let snapshot = state.snapshot().await?;
    let rate = insert_rate(&snapshot);
    let per_minute = (rate * 60.0).round() as i64;
    Ok(Json(PerformanceImprovementMetrics {
        insert_baseline_ops_per_sec: 0.0,
        insert_current_ops_per_sec: rate,
        insert_improvement_percentage: 0.0,
        calculation_baseline_time_ms: 0.0,
        calculation_current_time_ms: 0.0,
        calculation_speedup_multiplier: 0.0,
        high_frequency_capacity: per_minute,
        target_capacity_met: per_minute >= TARGET_PER_MINUTE,
        baseline_established_date: NaiveMoment(snapshot.taken_at),
        last_measurement_date: NaiveMoment(snapshot.taken_at),
    }))
}

/// Partitions, of which there are none.
#[derive(Debug, Serialize)]
struct PartitionStatus {
    service_status: &'static str,
    error: &'static str,
    partitions: Value,
    config: Value,
    health_summary: PartitionSummary,
}

#[derive(Debug, Serialize)]
struct PartitionSummary {
    total_partitions: i64,
    healthy_partitions: i64,
    total_storage_gb: i64,
    average_partition_size_mb: i64,
    oldest_partition_days: i64,
}

async fn partitions() -> Json<PartitionStatus> {
    Json(PartitionStatus {
        service_status: "stopped",
        error: "tickbase keeps ticks in one table, without partitions",
        partitions: json!({}),
        config: json!({}),
        health_summary: PartitionSummary {
            total_partitions: 0,
            healthy_partitions: 0,
            total_storage_gb: 0,
            average_partition_size_mb: 0,
            oldest_partition_days: 0,
        },
    })
}
