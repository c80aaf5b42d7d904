//! `/api/alerts/{id}/deliveries`: the deliveries of an alert by channel; and dead letters, of one
//! alert or of all, sent again.

use std::collections::HashMap;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::{ApiError, ErrorBody, ReadErrors, WriteErrors};
use crate::api::extract::{Id, Query};
use crate::api::state::ApiState;
use crate::api::types::{AlertItem, DeliveryItem, ResendQuery, ResentCount};
use crate::config::AlertsConfig;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::alert_delivery::{self, DeadLetterFilter};
use crate::repository::alert_log;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(resend))
        .routes(routes!(resend_all))
}

/// Puts their deliveries to alerts: one more statement, however many there are.
pub(super) fn add(conn: &mut BackendConnection<'_>, alerts: &mut [AlertItem]) -> Result<()> {
    let ids: Vec<i64> = alerts.iter().map(|alert| alert.id).collect();
    let mut by_alert: HashMap<i64, Vec<DeliveryItem>> = HashMap::new();
    for row in alert_delivery::of_alerts(conn, &ids)? {
        by_alert.entry(row.alert_id).or_default().push(row.into());
    }
    for alert in alerts {
        alert.deliveries = Some(by_alert.remove(&alert.id).unwrap_or_default());
    }
    Ok(())
}

/// What was tried to deliver an alert, by channel
///
/// A channel that has not met the alert yet is not in the list.
#[utoipa::path(
    get,
    path = "/api/alerts/{id}/deliveries",
    operation_id = "deliveries",
    tag = "alerts",
    params(("id" = i64, Path)),
    responses(
        (status = 200, body = Vec<DeliveryItem>),
        (status = 404, body = ErrorBody, description = "No active alert has this id"),
        ReadErrors,
    )
)]
async fn list(
    State(state): State<ApiState>,
    Id(id): Id,
) -> Result<axum::Json<Vec<DeliveryItem>>, ApiError> {
    let read = state.read("alert_delivery.of_alert", move |conn| {
        alert_log::get(conn, id)?;
        alert_delivery::of_alerts(conn, &[id])
    });
    let rows = read.await?;
    Ok(axum::Json(rows.into_iter().map(Into::into).collect()))
}

/// Sends an alert again on the channels that gave it up
///
/// It is tried as if it had just fired, with the same idempotency key. What was delivered, or is
/// still tried, is left alone: then `resent` is 0.
#[utoipa::path(
    post,
    path = "/api/alerts/{id}/deliveries/resend",
    tag = "alerts",
    params(("id" = i64, Path), ResendQuery),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = ResentCount),
        (status = 404, body = ErrorBody, description = "No active alert has this id"),
        WriteErrors,
    )
)]
async fn resend(
    State(state): State<ApiState>,
    Id(id): Id,
    Query(query): Query<ResendQuery>,
) -> Result<axum::Json<ResentCount>, ApiError> {
    resent(&state, Some(id), query).await
}

/// Sends again all that was given up, of all alerts
#[utoipa::path(
    post,
    path = "/api/alerts/deliveries/resend",
    tag = "alerts",
    params(ResendQuery),
    security((), ("bearer" = [])),
    responses((status = 200, body = ResentCount), WriteErrors)
)]
async fn resend_all(
    State(state): State<ApiState>,
    Query(query): Query<ResendQuery>,
) -> Result<axum::Json<ResentCount>, ApiError> {
    resent(&state, None, query).await
}

async fn resent(
    state: &ApiState,
    alert_id: Option<i64>,
    query: ResendQuery,
) -> Result<axum::Json<ResentCount>, ApiError> {
    if let Some(name) = query.channel.as_deref()
        && !AlertsConfig::is_channel_name(name)
    {
        let msg =
            format!("{name:?} is not the name of a channel; use 1 to 64 of a-z, 0-9, _ and -");
        return Err(ApiError::violation(["query", "channel"], msg));
    }
    let filter = DeadLetterFilter {
        alert_id,
        channel: query.channel,
    };
    let (mut resent, mut before) = (0, None);
    loop {
        let filter = filter.clone();
        // Each page is a transaction: all of a storm in one would hold up every other write.
        let write = state.write("alert_delivery.resend", move |conn| {
            if let Some(id) = alert_id {
                alert_log::get(conn, id)?;
            }
            alert_delivery::resend_page(conn, &filter, before, alert_delivery::LIMIT_MAX)
        });
        let (count, next) = write.await?;
        resent += count;
        if next.is_none() {
            break;
        }
        before = next;
    }
    if let Some(alerts) = state.alerts() {
        alerts.delivery.wake();
    }
    Ok(axum::Json(ResentCount { resent }))
}
