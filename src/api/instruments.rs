//! `/api/instruments`: lists, one instrument, additions, changes, soft delete and restore.

use axum::Extension;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::body::off_runtime;
use super::error::{ApiError, ErrorBody, ReadErrors, WriteErrors};
use super::extract::{Id, Json, Query};
use super::state::ApiState;
use super::types::{
    InstrumentBody, InstrumentChangeBody, InstrumentDeletionQuery, InstrumentItem, InstrumentQuery,
    Message,
};
use super::{cursor, deletions};
use crate::database::Cursor;
use crate::domain::{InstrumentStatus, Symbol};
use crate::models::{InstrumentChange, NewInstrument};
use crate::repository::deletion;
use crate::repository::instrument::{self, InstrumentFilter, InstrumentPage};

/// Instruments of one page, unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 1_000;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(add))
        .routes(routes!(change, delete))
        .routes(routes!(restore))
}

/// The active instruments, by symbol
#[utoipa::path(
    get,
    path = "/api/instruments",
    tag = "instruments",
    params(InstrumentQuery),
    responses(
        (status = 200, body = Vec<InstrumentItem>, headers(
            ("link", description = "The next page, rel=\"next\" (RFC 8288), when there is one")
        )),
        ReadErrors,
    )
)]
async fn list(
    State(state): State<ApiState>,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<InstrumentQuery>,
) -> Result<(HeaderMap, axum::Json<Vec<InstrumentItem>>), ApiError> {
    let status = query.status;
    let filter = InstrumentFilter {
        instrument_type: query.r#type,
        status: status.or(query.active_only.then_some(InstrumentStatus::Active)),
    };
    let after = query.cursor.as_deref().map(Symbol::new).transpose();
    let page = InstrumentPage {
        filter,
        limit: query.limit.unwrap_or(LIMIT_DEFAULT),
        after: after.map_err(|_| cursor::foreign("the header link"))?,
    };
    let found = state
        .cache()
        .instruments(page)
        .await
        .map_err(|error| ApiError::within("query", error))?;
    if query.active_only && filter.status != Some(InstrumentStatus::Active) {
        // No instrument has both.
        return Ok((HeaderMap::new(), axum::Json(Vec::new())));
    }
    let next = found.next.as_ref();
    let next = next.map(|(Cursor::After(last) | Cursor::Before(last))| last.as_str());
    let items = found.rows.iter().cloned().map(Into::into);
    Ok((cursor::next_page(&uri, next), axum::Json(items.collect())))
}

/// One active instrument
#[utoipa::path(
    get,
    path = "/api/instruments/{id}",
    tag = "instruments",
    params(("id" = i64, Path)),
    responses(
        (status = 200, body = InstrumentItem),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        ReadErrors,
    )
)]
async fn get(
    State(state): State<ApiState>,
    Id(id): Id,
) -> Result<axum::Json<InstrumentItem>, ApiError> {
    let row = state.cache().instrument(id).await?;
    Ok(axum::Json((*row).clone().into()))
}

/// Adds an instrument
#[utoipa::path(
    post,
    path = "/api/instruments",
    tag = "instruments",
    request_body(
        content = InstrumentBody,
        example = json!({
            "symbol": "BTCUSD",
            "name": "Bitcoin in US dollars",
            "type": "crypto",
            "price_decimals": 2,
        })
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 201, body = InstrumentItem),
        (status = 409, body = ErrorBody, description = "An active instrument has the symbol"),
        WriteErrors,
    )
)]
async fn add(
    State(state): State<ApiState>,
    Json(body): Json<InstrumentBody>,
) -> Result<(StatusCode, axum::Json<InstrumentItem>), ApiError> {
    let new = NewInstrument::try_from(body)?;
    let now = state.db().clock().now();
    let row = state
        .write("instrument.insert", move |conn| {
            instrument::insert(conn, &new, now)
        })
        .await?;
    Ok((StatusCode::CREATED, axum::Json(row.into())))
}

/// Changes an active instrument
#[utoipa::path(
    put,
    path = "/api/instruments/{id}",
    tag = "instruments",
    params(("id" = i64, Path)),
    request_body(
        content = InstrumentChangeBody,
        example = json!({"name": "E-mini S&P 500, front month", "price_decimals": 2})
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = InstrumentItem),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        WriteErrors,
    )
)]
async fn change(
    State(state): State<ApiState>,
    Id(id): Id,
    Json(body): Json<InstrumentChangeBody>,
) -> Result<axum::Json<InstrumentItem>, ApiError> {
    let change = InstrumentChange::try_from(body)?;
    let now = state.db().clock().now();
    let row = state
        .write("instrument.update", move |conn| {
            instrument::update(conn, id, &change, now)
        })
        .await?;
    Ok(axum::Json(row.into()))
}

/// Moves an instrument to the trash
///
/// Its rules, alerts, bars and ticks stay, unless `cascade` takes them along.
#[utoipa::path(
    delete,
    path = "/api/instruments/{id}",
    tag = "instruments",
    params(("id" = i64, Path), InstrumentDeletionQuery),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = Message),
        (status = 404, body = ErrorBody, description = "No active instrument has this id"),
        (status = 409, body = ErrorBody, description = "An active rule watches it"),
        WriteErrors,
    )
)]
async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Query(query): Query<InstrumentDeletionQuery>,
) -> Result<axum::Json<Message>, ApiError> {
    let now = state.db().clock().now();
    let with_all = if query.cascade { "?cascade=true" } else { "" };
    let path = format!("/api/instruments/{id}{with_all}");
    let new = deletions::asked(&caller, (Method::DELETE, path), query.reason, query.by);
    let done = if query.cascade {
        let db = state.db().clone();
        let delete = move || deletion::delete_instruments(&db, &[id], &new);
        off_runtime(delete).await?.map(Some)
    } else {
        let delete = state.write("instrument.soft_delete", move |conn| {
            instrument::get(conn, id)?;
            let (_, batch) = deletion::batch(conn, &new, now, |conn, batch| {
                instrument::soft_delete(conn, &[id], batch)
            })?;
            Ok(batch)
        });
        delete.await
    };
    let batch = done.map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(Message::deleted(
        "Instrument",
        id,
        batch.as_ref(),
    )))
}

/// Takes an instrument out of the trash; one that is active stays as it is
#[utoipa::path(
    post,
    path = "/api/instruments/{id}/restore",
    tag = "instruments",
    params(("id" = i64, Path)),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = InstrumentItem),
        (status = 404, body = ErrorBody, description = "No instrument has this id"),
        (status = 409, body = ErrorBody, description = "Another instrument took the symbol"),
        WriteErrors,
    )
)]
async fn restore(
    State(state): State<ApiState>,
    Id(id): Id,
) -> Result<axum::Json<InstrumentItem>, ApiError> {
    let row = state
        .write("instrument.restore", move |conn| {
            instrument::restore(conn, &[id])?;
            instrument::get(conn, id)
        })
        .await?;
    Ok(axum::Json(row.into()))
}
