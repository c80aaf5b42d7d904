//! The messages of ticks, alerts and rounds of monitoring, as the original's server writes them:
//! `{"type", "timestamp", "data"}`.

use std::collections::HashMap;

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;

use crate::api::ApiState;
use crate::api::alerts::labels;
use crate::api::realtime_hub::{Event, EventRows, EventText};
use crate::api::tradeassist::PRICE_PLACES;
use crate::api::tradeassist::alerts::AlertResponse;
use crate::api::tradeassist::health::{DatabasePerformanceMetrics, PartitionHealthMetrics, alerts};
use crate::api::tradeassist::moments::NaiveMoment;
use crate::api::types::rounded;
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::models::AlertLog;
use crate::monitoring::{CheckLevel, HealthStatus, MonitoringSnapshot};
use crate::repository::instrument;

/// Every message of the server.
#[derive(Debug, Serialize)]
struct BroadcastEnvelope<'a, T> {
    r#type: &'static str,
    timestamp: NaiveMoment,
    data: &'a T,
}

/// The text of a message. Its data can always be written: strings, numbers, nothing else.
pub(super) fn message<T: Serialize>(
    r#type: &'static str,
    timestamp: NaiveMoment,
    data: &T,
) -> Utf8Bytes {
    let envelope = BroadcastEnvelope {
        r#type,
        timestamp,
        data,
    };
    serde_json::to_string(&envelope).unwrap_or_default().into()
}

/// The messages of an event, written once for all clients, by the first that needs them.
pub(super) async fn texts<'e>(event: &'e Event, state: &ApiState) -> Result<&'e [EventText]> {
    let texts = event.contract_texts.get_or_try_init(|| async {
        match &event.rows {
            EventRows::Ticks(ticks) => ticks_of(state, ticks).await,
            EventRows::Alerts(alerts) => alerts_of(state, alerts.clone()).await,
            EventRows::Acknowledgements(_) | EventRows::Changes(_) => Ok(Vec::new()),
        }
    });
    texts.await.map(Vec::as_slice)
}

/// `tick_update`.
#[derive(Debug, Serialize)]
struct TickUpdate {
    instrument_id: i64,
    symbol: String,
    price: f64,
    /// Whole, and 0 where there is none.
    volume: i64,
    timestamp: NaiveMoment,
}

/// A tick without a price has no message there.
async fn ticks_of(state: &ApiState, ticks: &[(Tick, i64)]) -> Result<Vec<EventText>> {
    let mut ids: Vec<i64> = ticks.iter().map(|(tick, _)| tick.instrument_id()).collect();
    ids.sort_unstable();
    ids.dedup();
    let labels = state.read("realtime.labels", move |conn| {
        instrument::labels_of_all(conn, &ids)
    });
    let labels: HashMap<_, _> = labels.await?.into_iter().map(|it| (it.id, it)).collect();
    let text = |(tick, _): &(Tick, i64)| {
        let instrument_id = tick.instrument_id();
        let data = TickUpdate {
            instrument_id,
            symbol: labels.get(&instrument_id)?.symbol.to_string(),
            price: rounded(tick.price()?, PRICE_PLACES),
            volume: tick.volume().unwrap_or_default().round() as i64,
            timestamp: NaiveMoment(tick.timestamp()),
        };
        Some(EventText {
            instrument_id: Some(instrument_id),
            text: message("tick_update", data.timestamp, &data),
        })
    };
    Ok(ticks.iter().filter_map(text).collect())
}

/// `alert_fired`.
#[derive(Debug, Serialize)]
struct AlertFired {
    rule_id: i64,
    instrument_id: i64,
    symbol: String,
    trigger_value: f64,
    threshold_value: f64,
    condition: String,
    timestamp: NaiveMoment,
    evaluation_time_ms: i64,
}

impl From<AlertResponse> for AlertFired {
    fn from(alert: AlertResponse) -> Self {
        Self {
            rule_id: alert.rule_id,
            instrument_id: alert.instrument_id,
            symbol: alert.instrument_symbol,
            trigger_value: alert.trigger_value,
            threshold_value: alert.threshold_value,
            condition: alert.rule_condition,
            timestamp: alert.timestamp,
            evaluation_time_ms: alert.evaluation_time_ms,
        }
    }
}

async fn alerts_of(state: &ApiState, rows: Vec<AlertLog>) -> Result<Vec<EventText>> {
    let keys = rows.iter().map(|row| (row.rule_id, row.instrument_id));
    let keys: Vec<(i64, i64)> = keys.collect();
    let labels = state.read("realtime.labels", move |conn| labels(conn, &keys));
    let labels = labels.await?;
    let text = |row: AlertLog| {
        let data = AlertFired::from(AlertResponse::new(row, &labels));
        EventText {
            instrument_id: Some(data.instrument_id),
            text: message("alert_fired", data.timestamp, &data),
        }
    };
    Ok(rows.into_iter().map(text).collect())
}

/// `database_performance`. Its groups have other names than those of `/api/health/database`: so it is
/// there, too.
#[derive(Debug, Serialize)]
pub(super) struct DatabasePerformance {
    connection_pool: ConnectionPoolFigures,
    performance_metrics: PerformanceFigures,
    partition_health: PartitionFigures,
    alerts: Vec<String>,
    overall_status: &'static str,
}

#[derive(Debug, Serialize)]
struct ConnectionPoolFigures {
    utilization_percent: f64,
    active_connections: usize,
    max_connections: usize,
    avg_wait_time_ms: f64,
}

#[derive(Debug, Serialize)]
struct PerformanceFigures {
    insert_ops_per_sec: f64,
    insert_improvement_pct: f64,
    query_response_time_ms: f64,
    slow_queries_count: u64,
    float_speedup_multiplier: f64,
    index_efficiency_score: f64,
}

#[derive(Debug, Serialize)]
struct PartitionFigures {
    total_partitions: i64,
    total_storage_mb: f64,
    /// That which makes partitions there.
    service_running: bool,
}

impl From<&MonitoringSnapshot> for DatabasePerformance {
    fn from(snapshot: &MonitoringSnapshot) -> Self {
        let figures = DatabasePerformanceMetrics::new(snapshot);
        let partitions = PartitionHealthMetrics::new(snapshot);
        Self {
            connection_pool: ConnectionPoolFigures {
                utilization_percent: figures.connection_pool_utilization,
                active_connections: figures.total_active_connections,
                max_connections: figures.max_connections,
                avg_wait_time_ms: figures.avg_connection_wait_time_ms,
            },
            performance_metrics: PerformanceFigures {
                insert_ops_per_sec: figures.insert_performance_ops_per_sec,
                insert_improvement_pct: figures.insert_performance_improvement_pct,
                query_response_time_ms: figures.query_response_time_ms,
                slow_queries_count: figures.slow_queries_count,
                float_speedup_multiplier: figures.float_calculation_speedup,
                index_efficiency_score: figures.index_efficiency_score,
            },
            partition_health: PartitionFigures {
                total_partitions: partitions.total_partitions,
                total_storage_mb: partitions.total_storage_mb,
                service_running: false,
            },
            alerts: alerts(snapshot),
            overall_status: overall(snapshot),
        }
    }
}

/// Its words are `healthy`, `degraded` and `critical`; one critical alert is enough for the last.
fn overall(snapshot: &MonitoringSnapshot) -> &'static str {
    let mut raised = snapshot.alerts();
    let is_critical = raised.any(|alert| alert.level == CheckLevel::Critical);
    match snapshot.health {
        HealthStatus::Unhealthy => "critical",
        _ if is_critical => "critical",
        word => word.as_str(),
    }
}
