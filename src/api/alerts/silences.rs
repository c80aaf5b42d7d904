//! `/api/alerts/silences`: what is stored and not delivered for a time; and `/api/alerts/{id}/acknowledge`.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::labels;
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ErrorBody, ReadErrors, WriteErrors};
use crate::api::extract::{Id, Json, Query};
use crate::api::state::ApiState;
use crate::api::types::{
    AcknowledgementBody, AlertItem, LiftQuery, SilenceBody, SilenceItem, SilenceQuery,
};
use crate::repository::alert_log;
use crate::repository::alert_silence::{self, SilenceFilter};

/// Silences of one answer, unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 100;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(add))
        .routes(routes!(lift))
        .routes(routes!(acknowledge))
}

/// Who does it: the name of the token, else what the caller says.
fn who(caller: &Caller, part: &str, given: Option<String>) -> Result<String, ApiError> {
    let token = caller.token_name().map(str::to_owned);
    token.or(given).ok_or_else(|| {
        let msg = "it is missing: say who does it, or send a token, whose name is taken";
        ApiError::violation([part, "by"], msg)
    })
}

/// The silences in force, newest first
#[utoipa::path(
    get,
    path = "/api/alerts/silences",
    operation_id = "silences",
    tag = "alerts",
    params(SilenceQuery),
    responses((status = 200, body = Vec<SilenceItem>), ReadErrors)
)]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<SilenceQuery>,
) -> Result<axum::Json<Vec<SilenceItem>>, ApiError> {
    let filter = SilenceFilter {
        with_ended: query.with_ended,
        rule_id: query.rule_id,
        instrument_id: query.instrument_id,
    };
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let read = state.read("alert_silence.list", move |conn| {
        alert_silence::list(conn, filter, query.before, limit)
    });
    let rows = read
        .await
        .map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(rows.into_iter().map(Into::into).collect()))
}

/// Silences a rule or an instrument
///
/// What fires from now on is stored with the delivery status `silenced`, and is not delivered, then or
/// after the silence. What fired before is.
#[utoipa::path(
    post,
    path = "/api/alerts/silences",
    operation_id = "silence",
    tag = "alerts",
    request_body(
        content = SilenceBody,
        example = json!({"rule_id": 1, "for_seconds": 7200, "reason": "roll of the contract", "by": "desk"})
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 201, body = SilenceItem),
        (status = 404, body = ErrorBody, description = "No active rule or instrument has this id"),
        WriteErrors,
    )
)]
async fn add(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Json(mut body): Json<SilenceBody>,
) -> Result<(StatusCode, axum::Json<SilenceItem>), ApiError> {
    let by = who(&caller, "body", body.by.take())?;
    let new = body.by(by)?;
    let write = state.write("alert_silence.insert", move |conn| {
        alert_silence::insert(conn, &new)
    });
    Ok((StatusCode::CREATED, axum::Json(write.await?.into())))
}

/// Lifts a silence before its end; one that has ended stays as it is
#[utoipa::path(
    delete,
    path = "/api/alerts/silences/{id}",
    operation_id = "lift_silence",
    tag = "alerts",
    params(("id" = i64, Path), LiftQuery),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = SilenceItem),
        (status = 404, body = ErrorBody, description = "No silence has this id"),
        WriteErrors,
    )
)]
async fn lift(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Query(query): Query<LiftQuery>,
) -> Result<axum::Json<SilenceItem>, ApiError> {
    let by = who(&caller, "query", query.by)?;
    let write = state.write("alert_silence.lift", move |conn| {
        alert_silence::lift(conn, id, &by)
    });
    let lifted = write
        .await
        .map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(lifted.into()))
}

/// Notes down that somebody has seen an alert
///
/// The first one counts: an alert that is acknowledged already stays as it is, and the answer shows by
/// whom. Clients of `/ws/realtime` are told.
#[utoipa::path(
    post,
    path = "/api/alerts/{id}/acknowledge",
    tag = "alerts",
    params(("id" = i64, Path)),
    request_body(
        content = AcknowledgementBody,
        example = json!({"note": "seen, the position is hedged", "by": "desk"})
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = AlertItem),
        (status = 404, body = ErrorBody, description = "No active alert has this id"),
        WriteErrors,
    )
)]
async fn acknowledge(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Json(body): Json<AcknowledgementBody>,
) -> Result<axum::Json<AlertItem>, ApiError> {
    let by = who(&caller, "body", body.by)?;
    let now = state.db().clock().now();
    let write = state.write("alert_log.acknowledge", move |conn| {
        let new = alert_log::acknowledge(conn, &[id], &by, body.note.as_deref(), now)?;
        let row = alert_log::get(conn, id)?;
        let labels = labels(conn, &[(row.rule_id, row.instrument_id)])?;
        let label = labels.of(row.rule_id, row.instrument_id);
        Ok((new, AlertItem::new(row, label)))
    });
    let (new, item) = write.await?;
    state.realtime().publish_acknowledgements(new);
    Ok(axum::Json(item))
}
