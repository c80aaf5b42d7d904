//! `/api/health`: how the system is, judged now.
//!
//! Each answer stands on a probe of this moment (at most [`PULSE_AGE_MAX`] old, so that many
//! askers cost one), never on a connection that the pool holds already. When the database cannot
//! be asked, the answer says so and comes all the same.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody, ReadErrors};
use super::state::ApiState;
use super::types::{
    AlertDeliveryHealth, BackupHealth, DatabaseHealth, DetailedHealth, HealthBody, HealthHistory,
    HealthRound, HistoryHealth, MaintenanceHealth, SlowQueryList, public_errors,
};
use crate::database::ProbeCause;
use crate::domain::Frequency;
use crate::error::Result;
use crate::monitoring::{HealthStatus, MonitoringSnapshot};
use crate::repository::alert_log::{self, AlertSummary};
use crate::repository::alert_rule::{self, RuleCounts};
use crate::repository::instrument::{self, InstrumentSummary};
use crate::repository::market_data;
use crate::services::cache::CacheKind;
use crate::timestamp::Timestamp;

/// The time that an answer waits for figures that it can do without.
const FIGURES_WAIT_MAX: Duration = Duration::from_secs(2);
/// The time that the rounds of an answer span.
const HISTORY_MICROS: i64 = 3_600 * 1_000_000;
/// A tick within this time is a feed that runs.
const INGESTION_ACTIVE_MICROS: i64 = 60 * 1_000_000;
/// A tick within this time is a feed that is connected.
const CONNECTED_MICROS: i64 = 300 * 1_000_000;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(detailed))
        .routes(routes!(database))
}

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(slow_queries))
        .routes(routes!(rounds))
}

/// The verdict of this moment. Every connection lent with callers waiting is a pool that serves
/// nobody, whatever the rounds of monitoring have seen so far.
pub(super) fn verdict(snapshot: &MonitoringSnapshot) -> HealthStatus {
    let pool = &snapshot.pool;
    // Now, not after two rounds: a balancer must stop sending requests that nobody can serve.
    if pool.in_use >= pool.capacity && pool.waiting > 0 {
        return HealthStatus::Unhealthy;
    }
    snapshot.health
}

/// Says what is wrong in words that name no file and no server: the log and the errors of
/// `/api/health/database` have more.
fn problem(word: HealthStatus, snapshot: &MonitoringSnapshot) -> Option<&'static str> {
    if word != HealthStatus::Unhealthy {
        return None;
    }
    let exhausted = "every connection is lent; raise pool.overflow, or ask for less at once";
    let cause = snapshot.probe.cause;
    Some(cause.map_or(exhausted, ProbeCause::explanation))
}

fn status(word: HealthStatus) -> StatusCode {
    match word {
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
    }
}

/// Figures of the tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableSummaries {
    pub(super) instruments: InstrumentSummary,
    pub(super) rules: RuleCounts,
    pub(super) alerts: AlertSummary,
}

/// Figures since a moment, if the database answered the probe and answers in time.
pub(super) async fn figures(
    state: &ApiState,
    snapshot: &MonitoringSnapshot,
    since: Timestamp,
) -> Option<TableSummaries> {
    if snapshot.probe.error.is_some() {
        return None;
    }
    let read = state.read("health.figures", move |conn| {
        Ok(TableSummaries {
            instruments: instrument::summary(conn)?,
            rules: alert_rule::counts(conn)?,
            alerts: alert_log::summary(conn, since)?,
        })
    });
    match tokio::time::timeout(FIGURES_WAIT_MAX, read).await {
        Ok(Ok(figures)) => Some(figures),
        Ok(Err(error)) => {
            tracing::debug!(error = error.chain(), "health has no figures");
            None
        }
        Err(_) => None,
    }
}

/// The start of the day, UTC.
pub(super) fn today(state: &ApiState) -> Timestamp {
    Frequency::OneDay.period_start(state.db().clock().now())
}

/// How long ago the feed was heard of last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FeedAge(Option<i64>);

impl FeedAge {
    /// By what this process stored last, and by the newest tick: a replay of old ticks is a feed,
    /// too; and so is one that another process stores.
    pub(super) fn of(state: &ApiState, last_tick: Option<Timestamp>) -> Self {
        let heard = [state.db().insert_totals().last_ticks_at, last_tick];
        // The clock is read after the ticks: one that came meanwhile is not in the future.
        Self::at(state.db().clock().now(), &heard)
    }

    /// A stamp ahead of the clock says nothing of when it came.
    fn at(now: Timestamp, heard: &[Option<Timestamp>]) -> Self {
        let ages = heard.iter().flatten().map(|at| now.micros() - at.micros());
        Self(ages.filter(|age| *age >= 0).min())
    }

    fn is_within(self, micros: i64) -> bool {
        self.0.is_some_and(|age| age < micros)
    }

    pub(super) fn is_active(self) -> bool {
        self.is_within(INGESTION_ACTIVE_MICROS)
    }

    pub(super) fn is_connected(self) -> bool {
        self.is_within(CONNECTED_MICROS)
    }
}

/// How the system is
///
/// `unhealthy` (503): the database does not answer, its file is not the one that was opened, it is
/// full or damaged, or no connection is left; `problem` says which. `degraded`: it serves, and an
/// alert is raised, alerts could not be delivered (`alert_delivery` says what to do), backups are
/// not made (`backup`), or retention or the mirror of the archive fails (`maintenance`). A feed that has not begun yet is no fault.
#[utoipa::path(
    get,
    path = "/api/health",
    tag = "health",
    responses(
        (status = 200, body = HealthBody, description = "Healthy or degraded"),
        (status = 421, body = ErrorBody, description = "The header host does not name a host of the server"),
        (status = 503, body = HealthBody, description = "Unhealthy"),
    )
)]
async fn health(
    State(state): State<ApiState>,
) -> Result<(StatusCode, axum::Json<HealthBody>), ApiError> {
    let snapshot = state.snapshot().await?;
    let word = verdict(&snapshot);
    let figures = figures(&state, &snapshot, today(&state)).await;
    let last_tick = figures.and_then(|figures| figures.instruments.last_tick);
    let feed = FeedAge::of(&state, last_tick);
    let delivery = state.alerts().map(|alerts| alerts.delivery.snapshot());
    let delivery = delivery.map(|snapshot| AlertDeliveryHealth::new(&snapshot));
    let undelivered = delivery
        .as_ref()
        .is_some_and(|of| of.status == HealthStatus::Degraded);
    let backup = backup(&state);
    let unsaved = backup
        .as_ref()
        .is_some_and(|of| of.status == HealthStatus::Degraded);
    let maintenance: Vec<MaintenanceHealth> = state
        .maintenance()
        .iter()
        .map(|service| MaintenanceHealth::new(&**service))
        .collect();
    let unkept = maintenance
        .iter()
        .any(|of| of.status == HealthStatus::Degraded);
    let overall = match word {
        HealthStatus::Healthy if undelivered || unsaved || unkept => HealthStatus::Degraded,
        word => word,
    };
    let body = HealthBody {
        status: overall,
        problem: problem(word, &snapshot),
        ingestion_active: feed.is_active(),
        last_tick: last_tick.map(|at| at.to_string()),
        api_connected: feed.is_connected(),
        active_instruments: figures.map(|figures| figures.instruments.active),
        total_rules: figures.map(|figures| figures.rules.total),
        last_alert: figures
            .and_then(|figures| figures.alerts.last)
            .map(|at| at.to_string()),
        historical_data_service: history(&state, word, last_tick),
        alert_delivery: delivery,
        backup,
        maintenance,
    };
    Ok((status(overall), axum::Json(body)))
}

/// The backups that are made by themselves.
fn backup(state: &ApiState) -> Option<BackupHealth> {
    #[cfg(feature = "sqlite")]
    return state.backup().map(|service| (&service.snapshot()).into());
    #[cfg(not(feature = "sqlite"))]
    {
        let _ = state;
        None
    }
}

/// The health of the service of historical data, with the newest tick that is known.
fn history(state: &ApiState, word: HealthStatus, last_tick: Option<Timestamp>) -> HistoryHealth {
    let now = state.db().clock().now();
    let age = last_tick.map(|at| (now.micros() - at.micros()) as f64 / 60e6);
    HistoryHealth {
        status: word,
        service_running: state.history().is_running(),
        cache_size: state.cache().snapshot().of(CacheKind::Bars).entries,
        total_requests: state.history().requests(),
        database_healthy: word != HealthStatus::Unhealthy,
        data_freshness_minutes: age.map(|minutes| super::types::rounded(minutes.max(0.0), 1)),
    }
}

/// The health of the service of historical data, by a probe of this moment.
pub(super) async fn history_health(state: &ApiState) -> Result<(StatusCode, HistoryHealth)> {
    let snapshot = state.snapshot().await?;
    let word = verdict(&snapshot);
    let figures = figures(state, &snapshot, today(state)).await;
    let last_tick = figures.and_then(|figures| figures.instruments.last_tick);
    Ok((status(word), history(state, word, last_tick)))
}

/// Counts of the day, UTC
#[utoipa::path(
    get,
    path = "/api/health/detailed",
    tag = "health",
    responses(
        (status = 200, body = DetailedHealth),
        (status = 421, body = ErrorBody, description = "The header host does not name a host of the server"),
        (status = 503, body = ErrorBody, description = "The database does not answer"),
    )
)]
async fn detailed(State(state): State<ApiState>) -> Result<axum::Json<DetailedHealth>, ApiError> {
    let today = today(&state);
    let snapshot = state.snapshot().await?;
    if snapshot.probe.error.is_some() {
        let said = public_errors(&snapshot).join("; ");
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, said));
    }
    let unknown = || {
        let detail = "the database did not answer in time; /api/health/database has more";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    };
    let figures = figures(&state, &snapshot, today)
        .await
        .ok_or_else(unknown)?;
    let ticks = state.read("health.ticks_since", move |conn| {
        market_data::count_since(conn, today)
    });
    Ok(axum::Json(DetailedHealth {
        database_status: verdict(&snapshot),
        total_instruments: figures.instruments.total,
        active_instruments: figures.instruments.active,
        total_rules: figures.rules.total,
        active_rules: figures.rules.active,
        total_ticks_today: ticks.await?,
        total_alerts_today: figures.alerts.count,
        avg_evaluation_time_ms: figures.alerts.evaluation_us_mean.map(|us| us / 1e3),
    }))
}

/// The database: pool, performance, storage, alerts
#[utoipa::path(
    get,
    path = "/api/health/database",
    tag = "health",
    responses(
        (status = 200, body = DatabaseHealth, description = "Healthy or degraded"),
        (status = 421, body = ErrorBody, description = "The header host does not name a host of the server"),
        (status = 503, body = DatabaseHealth, description = "Unhealthy"),
    )
)]
async fn database(
    State(state): State<ApiState>,
) -> Result<(StatusCode, axum::Json<DatabaseHealth>), ApiError> {
    let snapshot = state.snapshot().await?;
    let word = verdict(&snapshot);
    Ok((
        status(word),
        axum::Json(DatabaseHealth::new(word, &snapshot)),
    ))
}

/// The rounds of monitoring of the last hour
///
/// As far as they are kept: `monitoring.interval_seconds` apart, `monitoring.history_snapshots_max` at most.
#[utoipa::path(
    get,
    path = "/api/health/history",
    operation_id = "history",
    tag = "health",
    responses((status = 200, body = HealthHistory), ReadErrors)
)]
async fn rounds(State(state): State<ApiState>) -> axum::Json<HealthHistory> {
    let config = state.monitoring().config();
    let mut rounds = state.monitoring().history(config.history_snapshots_max);
    let newest = rounds.first().map(|round| round.taken_at);
    let is_recent =
        |at: Timestamp| newest.is_some_and(|newest| newest.micros() - at.micros() < HISTORY_MICROS);
    rounds.retain(|round| is_recent(round.taken_at));
    axum::Json(HealthHistory {
        interval_seconds: config.interval.as_secs_f64(),
        rounds: rounds
            .iter()
            .rev()
            .map(|round| HealthRound::new(round))
            .collect(),
    })
}

/// The statements that took longer than `observe.slow_query_after_ms`, by their time in all
///
/// Without the values that were bound. Statements that differ only in the number of their values
/// are one entry. The plan is asked for once, in the next round of monitoring.
#[utoipa::path(
    get,
    path = "/api/health/slow-queries",
    tag = "health",
    responses((status = 200, body = SlowQueryList), ReadErrors)
)]
async fn slow_queries(State(state): State<ApiState>) -> axum::Json<SlowQueryList> {
    let after = state.db().config().observe.slow_query_after;
    let queries = state.db().slow_queries();
    let evicted = state.db().slow_query_totals().evicted;
    axum::Json(SlowQueryList::new(after, queries, evicted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_youngest_tick_that_is_not_ahead_of_the_clock_is_the_age_of_the_feed() {
        let now = Timestamp::from_micros(1_000_000_000).unwrap();
        let ago = |micros: i64| Timestamp::from_micros(now.micros() - micros).ok();
        let age = |heard: &[Option<Timestamp>]| FeedAge::at(now, heard);

        assert!(!age(&[None, None]).is_connected());
        assert!(age(&[ago(0), None]).is_active());
        assert!(age(&[ago(400_000_000), ago(59_999_999)]).is_active());
        let slow = age(&[ago(60_000_000), None]);
        assert!(!slow.is_active() && slow.is_connected());
        assert!(!age(&[None, ago(300_000_000)]).is_connected());
        assert!(!age(&[ago(-1), None]).is_connected());
    }
}
