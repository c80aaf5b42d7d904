//! Endpoints for machines: `/livez`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody};
use super::http_metrics::HttpMetrics;
use super::readiness::Phase;
use super::realtime_hub::RealtimeHub;
use super::state::ApiState;
use crate::monitoring::metrics::{self, CONTENT_TYPE, Exposition, MetricKind};
use crate::services::Service;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(scrape))
}

/// Answers while the process lives
#[utoipa::path(
    get,
    path = "/livez",
    tag = "probes",
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 421, body = ErrorBody, description = "The header host does not name a host of the server"),
    )
)]
async fn livez() -> &'static str {
    "ok\n"
}

/// Answers 200 while the process takes requests: not before the database is migrated and the
/// services run, not while it drains, and not while the database takes no writes
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "probes",
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 421, body = ErrorBody, description = "The header host does not name a host of the server"),
        (status = 503, body = String, content_type = "text/plain"),
    )
)]
async fn readyz(State(state): State<ApiState>) -> (StatusCode, &'static str) {
    match state.readiness().phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Ready if is_read_only(&state).await => {
            (StatusCode::SERVICE_UNAVAILABLE, "read-only\n")
        }
        Phase::Ready => (StatusCode::OK, "ready\n"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// True when the server takes no writes, by what the last write or round of monitoring has found;
/// while that is so, by a probe of this moment.
async fn is_read_only(state: &ApiState) -> bool {
    state.db().is_read_only() && state.snapshot().await.is_ok() && state.db().is_read_only()
}

/// All figures, as Prometheus reads them
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "probes",
    responses(
        (status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8"),
        (status = 421, body = ErrorBody, description = "The header host does not name a host of the server"),
        (status = 503, body = ErrorBody, description = "The process ends"),
    )
)]
async fn scrape(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let mut text = Exposition::default();
    metrics::database_metrics(&mut text, state.db());
    metrics::process_metrics(&mut text);
    let snapshot = state.snapshot().await?;
    metrics::snapshot_metrics(&mut text, &snapshot);
    services(&mut text, &state);
    metrics::cache_metrics(&mut text, &state.cache().snapshot());
    requests(&mut text, state.metrics());
    realtime(&mut text, state.realtime());
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text.finish()).into_response())
}

fn services(text: &mut Exposition, state: &ApiState) {
    let monitoring: &dyn Service = &**state.monitoring();
    let alerts = state.alerts();
    let mut all = vec![monitoring];
    all.extend(
        state
            .history()
            .service()
            .map(|history| &**history as &dyn Service),
    );
    if let Some(alerts) = alerts {
        all.extend([&*alerts.engine as &dyn Service, &*alerts.delivery]);
    }
    #[cfg(feature = "sqlite")]
    all.extend(state.backup().map(|backup| &**backup as &dyn Service));
    all.extend(state.maintenance().iter().map(|service| &**service));
    metrics::service_metrics(text, &all);
    #[cfg(feature = "sqlite")]
    if let Some(backup) = state.backup() {
        metrics::backup_metrics(text, &backup.snapshot());
    }
    let Some(alerts) = alerts else {
        return;
    };
    metrics::delivery_metrics(text, &alerts.delivery.snapshot());
    let totals = alerts.engine.totals();
    for (name, help, value) in [
        (
            "tickbase_alerts_evaluated_ticks_total",
            "Ticks that alert rules were evaluated on.",
            totals.evaluated,
        ),
        (
            "tickbase_alerts_fired_total",
            "Alerts that fired.",
            totals.fired,
        ),
        (
            "tickbase_alerts_suppressed_total",
            "Matches that a cooldown held back.",
            totals.suppressed,
        ),
        (
            "tickbase_alerts_late_ticks_total",
            "Ticks older than the newest of their instrument, which fire nothing.",
            totals.late,
        ),
    ] {
        text.single(MetricKind::Counter, name, help, value as f64);
    }
}

fn realtime(text: &mut Exposition, hub: &RealtimeHub) {
    text.single(
        MetricKind::Gauge,
        "tickbase_realtime_clients",
        "Clients of /ws/realtime.",
        hub.clients() as f64,
    );
    text.single(
        MetricKind::Counter,
        "tickbase_realtime_clients_dropped_total",
        "Clients that were dropped because they read too slowly.",
        hub.clients_dropped() as f64,
    );
}

/// The names are those of OpenTelemetry's conventions for HTTP servers.
fn requests(text: &mut Exposition, metrics: &HttpMetrics) {
    text.single(
        MetricKind::Gauge,
        "http_server_active_requests",
        "Requests that are worked on.",
        metrics.active() as f64,
    );
    let mut family = text.family(
        MetricKind::Histogram,
        "http_server_request_duration_seconds",
        "Time from a request's head to its answer.",
    );
    for of in metrics.snapshot() {
        let status = of.status.to_string();
        let labels = [
            ("http_request_method", of.method),
            ("http_route", &*of.route),
            ("http_response_status_code", &*status),
        ];
        family.durations(&labels, &of.duration);
    }
}
