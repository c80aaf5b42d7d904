//! `/api/retention`: how long ticks and bars stay.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody, ReadErrors, WriteErrors};
use super::extract::Json;
use super::state::ApiState;
use super::types::RetentionChanges;
use crate::domain::RetentionPolicies;
use crate::repository::retention_policy;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(replace))
}

/// The retention policies
///
/// Of those that hold for a tick or a bar the most specific one counts: one of its instrument, then one of
/// its source, then one of its frequency, then one of all. What none holds for stays for ever.
#[utoipa::path(
    get,
    path = "/api/retention",
    operation_id = "retention",
    tag = "retention",
    responses((status = 200, body = RetentionPolicies), ReadErrors)
)]
async fn list(State(state): State<ApiState>) -> Result<axum::Json<RetentionPolicies>, ApiError> {
    let listed = state.read("retention_policy.list", retention_policy::list);
    let policies = listed.await?.iter().map(|of| of.text()).collect();
    Ok(axum::Json(RetentionPolicies { policies }))
}

/// Makes the retention policies those of the body
///
/// A policy that is there and not in the body is removed, but for those of instruments that are in the
/// trash, which come back with them. What policies have archived and deleted stays
/// so. A running server does what they ask for within `retention.every`.
#[utoipa::path(
    put,
    path = "/api/retention",
    operation_id = "set_retention",
    tag = "retention",
    request_body(
        content = RetentionPolicies,
        example = json!({"policies": [
            {"kind": "ticks", "archive_after": "90d", "delete_after": "1825d"},
            {"kind": "bars", "frequency": "1min", "delete_after": "30d"}
        ]})
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = RetentionChanges),
        (status = 404, body = ErrorBody, description = "No active instrument has a symbol, or no source a name"),
        WriteErrors,
    )
)]
async fn replace(
    State(state): State<ApiState>,
    Json(body): Json<RetentionPolicies>,
) -> Result<axum::Json<RetentionChanges>, ApiError> {
    let now = state.db().clock().now();
    let write = state.write("retention_policy.replace_all", move |conn| {
        let new = retention_policy::of_texts(conn, &body)?;
        let changes = retention_policy::replace_all(conn, &new, now)?;
        Ok((changes, retention_policy::list(conn)?))
    });
    let (changes, policies) = write.await?;
    let policies = policies.iter().map(|of| of.text()).collect();
    Ok(axum::Json(RetentionChanges::new(changes, policies)))
}
