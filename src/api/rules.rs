//! `/api/rules`: lists, one rule, additions, changes, soft delete and restore of alert rules. What one
//! would have fired is in [`replay`].
//!
//! `domain::rule` refuses a rule that could never fire; here the refusal gets the place in the body.

mod replay;

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::error::{ApiError, ErrorBody, ReadErrors, WriteErrors};
use super::extract::{Id, Json, Query};
use super::state::ApiState;
use super::types::{DeletionQuery, Message, RuleBody, RuleChangeBody, RuleItem, RuleQuery};
use super::{cursor, deletions};
use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::{AlertRule, AlertRuleChange, NewAlertRule};
use crate::repository::alert_rule::{self, RuleFilter, RulePage};
use crate::repository::{deletion, instrument};

/// Rules of one page, unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 1_000;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
}

/// Reads whose parameters come in a body.
pub(super) fn questions() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(replay::replay_rule))
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(add))
        .routes(routes!(change, delete))
        .routes(routes!(restore))
}

/// The rules, newest first
#[utoipa::path(
    get,
    path = "/api/rules",
    tag = "rules",
    params(RuleQuery),
    responses(
        (status = 200, body = Vec<RuleItem>, headers(
            ("link", description = "The next page, rel=\"next\" (RFC 8288), when there is one")
        )),
        ReadErrors,
    )
)]
async fn list(
    State(state): State<ApiState>,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<RuleQuery>,
) -> Result<(HeaderMap, axum::Json<Vec<RuleItem>>), ApiError> {
    let after = query
        .cursor
        .as_deref()
        .map(|text| cursor::to_rule(text).ok_or_else(|| cursor::foreign("the header link")));
    let page = RulePage {
        filter: RuleFilter {
            instrument_id: query.instrument_id,
            active_only: query.active_only,
            rule_type: query.rule_type,
        },
        limit: query.limit.unwrap_or(LIMIT_DEFAULT),
        after: after.transpose()?,
    };
    let read = state.read("alert_rule.page", move |conn| {
        let found = alert_rule::page(conn, &page)?;
        Ok((items(conn, found.rows)?, found.next))
    });
    let (items, next) = read
        .await
        .map_err(|error| ApiError::within("query", error))?;
    let next = next.as_ref().map(cursor::of_rule);
    Ok((cursor::next_page(&uri, next.as_deref()), axum::Json(items)))
}

/// The rules with the symbols of their instruments: one more statement, however many there are.
fn items(conn: &mut BackendConnection<'_>, rows: Vec<AlertRule>) -> Result<Vec<RuleItem>> {
    let mut ids: Vec<i64> = rows.iter().map(|row| row.instrument_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let labels = instrument::labels_of_all(conn, &ids)?;
    let symbols: HashMap<i64, String> = labels
        .into_iter()
        .map(|label| (label.id, label.symbol.to_string()))
        .collect();
    let item = |row: AlertRule| {
        let symbol = symbols.get(&row.instrument_id).cloned();
        RuleItem::new(row, symbol.unwrap_or_default())
    };
    Ok(rows.into_iter().map(item).collect())
}

fn item(conn: &mut BackendConnection<'_>, row: AlertRule) -> Result<RuleItem> {
    let labels = instrument::labels_of_all(conn, &[row.instrument_id])?;
    let symbol = labels.first().map(|label| label.symbol.to_string());
    Ok(RuleItem::new(row, symbol.unwrap_or_default()))
}

/// One rule
#[utoipa::path(
    get,
    path = "/api/rules/{id}",
    tag = "rules",
    params(("id" = i64, Path)),
    responses(
        (status = 200, body = RuleItem),
        (status = 404, body = ErrorBody, description = "No active rule has this id"),
        ReadErrors,
    )
)]
async fn get(State(state): State<ApiState>, Id(id): Id) -> Result<axum::Json<RuleItem>, ApiError> {
    let read = state.read("alert_rule.get", move |conn| {
        let row = alert_rule::get(conn, id)?;
        item(conn, row)
    });
    Ok(axum::Json(read.await?))
}

/// Adds a rule
///
/// A rule that could never fire as it is written is refused, with the field and the reason: a
/// condition of another type, a parameter that is missing or out of range.
#[utoipa::path(
    post,
    path = "/api/rules",
    tag = "rules",
    request_body(
        content = RuleBody,
        example = json!({
            "instrument_id": 1,
            "rule_type": "threshold",
            "condition": "above",
            "threshold": 1650.25,
            "name": "new high",
        })
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 201, body = RuleItem),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        WriteErrors,
    )
)]
async fn add(
    State(state): State<ApiState>,
    Json(body): Json<RuleBody>,
) -> Result<(StatusCode, axum::Json<RuleItem>), ApiError> {
    let new = NewAlertRule::try_from(body)?;
    new.shape().kind()?;
    let now = state.db().clock().now();
    let added = state.write("alert_rule.insert", move |conn| {
        let row = alert_rule::insert(conn, &new, now)?;
        item(conn, row)
    });
    Ok((StatusCode::CREATED, axum::Json(added.await?)))
}

/// Changes a rule
///
/// What is absent stays as it is; null is written, where a rule may have none. The rule must be one
/// that can fire afterwards. It stays with its instrument.
#[utoipa::path(
    put,
    path = "/api/rules/{id}",
    tag = "rules",
    params(("id" = i64, Path)),
    request_body(
        content = RuleChangeBody,
        example = json!({"threshold": 1660, "cooldown_seconds": 300})
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = RuleItem),
        (status = 404, body = ErrorBody, description = "No active rule has this id"),
        (status = 409, body = ErrorBody, description = "Its instrument is deleted"),
        WriteErrors,
    )
)]
async fn change(
    State(state): State<ApiState>,
    Id(id): Id,
    Json(body): Json<RuleChangeBody>,
) -> Result<axum::Json<RuleItem>, ApiError> {
    let change = AlertRuleChange::try_from(body)?;
    let now = state.db().clock().now();
    let changed = state.write("alert_rule.update", move |conn| {
        let row = alert_rule::update(conn, id, &change, now)?;
        item(conn, row)
    });
    Ok(axum::Json(changed.await?))
}

/// Moves a rule to the trash; its alerts stay
#[utoipa::path(
    delete,
    path = "/api/rules/{id}",
    tag = "rules",
    params(("id" = i64, Path), DeletionQuery),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = Message),
        (status = 404, body = ErrorBody, description = "No active rule has this id"),
        WriteErrors,
    )
)]
async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Query(query): Query<DeletionQuery>,
) -> Result<axum::Json<Message>, ApiError> {
    let now = state.db().clock().now();
    let path = format!("/api/rules/{id}");
    let new = deletions::asked(&caller, (Method::DELETE, path), query.reason, query.by);
    let delete = state.write("alert_rule.soft_delete", move |conn| {
        alert_rule::get(conn, id)?;
        deletion::batch(conn, &new, now, |conn, batch| {
            alert_rule::soft_delete(conn, &[id], batch)
        })
    });
    let done = delete.await;
    let (_, batch) = done.map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(Message::deleted("Rule", id, batch.as_ref())))
}

/// Takes a rule out of the trash; one that is active stays as it is
#[utoipa::path(
    post,
    path = "/api/rules/{id}/restore",
    tag = "rules",
    params(("id" = i64, Path)),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = RuleItem),
        (status = 404, body = ErrorBody, description = "No rule has this id"),
        (status = 409, body = ErrorBody, description = "Its instrument is deleted"),
        WriteErrors,
    )
)]
async fn restore(
    State(state): State<ApiState>,
    Id(id): Id,
) -> Result<axum::Json<RuleItem>, ApiError> {
    let restored = state.write("alert_rule.restore", move |conn| {
        alert_rule::restore(conn, &[id])?;
        let row = alert_rule::get(conn, id)?;
        item(conn, row)
    });
    Ok(axum::Json(restored.await?))
}
