//! `/api/deletions` and `/api/trash`: batches of soft deletes, undoing one, and what is in the trash.

use axum::Extension;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::body::off_runtime;
use super::error::{ApiError, ErrorBody, ReadErrors, WriteErrors};
use super::extract::{Id, Query};
use super::state::ApiState;
use super::types::{
    DeletionItem, DeletionList, DeletionPageQuery, TrashList, UndoItem, UndoQuery, UndoRefusal,
};
use crate::models::NewDeletion;
use crate::repository::deletion::{self, UndoOptions, UndoOutcome};
use crate::timestamp::Timestamp;

/// Batches of one page, unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 50;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(trash))
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(undo))
}

/// What a request of this method and path asks to delete, and who sends it.
pub(super) fn asked(
    caller: &Caller,
    (method, path): (Method, String),
    reason: Option<String>,
    by: Option<String>,
) -> NewDeletion {
    NewDeletion {
        token_name: caller.token_name().map(str::to_owned),
        actor: by,
        reason,
        request: format!("{method} {path}"),
    }
}

/// Who restores rows by a selection says nothing of why: no batch keeps it.
pub(super) fn refuse_words(reason: &Option<String>, by: &Option<String>) -> Result<(), ApiError> {
    for (name, given) in [("reason", reason), ("by", by)] {
        if given.is_some() {
            let msg = "it is kept with a deletion alone; leave it out";
            return Err(ApiError::violation(["body", name], msg));
        }
    }
    Ok(())
}

fn before(query: &DeletionPageQuery) -> Result<Option<Timestamp>, ApiError> {
    let before = query.before.map(Timestamp::from_micros).transpose();
    before.map_err(|error| ApiError::within("query", error))
}

/// Batches of soft deletes, newest first
///
/// Each request, command or transaction that soft-deletes rows is one. Rows that other programs
/// deleted, or that were deleted before batches were kept, are batches of unknown origin.
#[utoipa::path(
    get,
    path = "/api/deletions",
    operation_id = "deletions",
    tag = "deletions",
    params(DeletionPageQuery),
    responses((status = 200, body = DeletionList), ReadErrors)
)]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<DeletionPageQuery>,
) -> Result<axum::Json<DeletionList>, ApiError> {
    let (before, limit) = (before(&query)?, query.limit.unwrap_or(LIMIT_DEFAULT));
    let read = state.read("deletion.list", move |conn| {
        deletion::list(conn, before, limit)
    });
    let rows = read.await;
    let rows = rows.map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(rows.into()))
}

/// One batch of soft deletes
#[utoipa::path(
    get,
    path = "/api/deletions/{id}",
    operation_id = "deletion",
    tag = "deletions",
    params(("id" = i64, Path)),
    responses(
        (status = 200, body = DeletionItem),
        (status = 404, body = ErrorBody, description = "No batch has this id"),
        ReadErrors,
    )
)]
async fn get(
    State(state): State<ApiState>,
    Id(id): Id,
) -> Result<axum::Json<DeletionItem>, ApiError> {
    let row = state.read("deletion.get", move |conn| deletion::get(conn, id));
    Ok(axum::Json(row.await?.into()))
}

/// What is in the trash, by the batch that deleted it, newest first
///
/// Instruments, rules and saved queries are listed one by one; alerts, bars and ticks by instrument.
#[utoipa::path(
    get,
    path = "/api/trash",
    operation_id = "trash",
    tag = "deletions",
    params(DeletionPageQuery),
    responses((status = 200, body = TrashList), ReadErrors)
)]
async fn trash(
    State(state): State<ApiState>,
    Query(query): Query<DeletionPageQuery>,
) -> Result<axum::Json<TrashList>, ApiError> {
    let (before, limit) = (before(&query)?, query.limit.unwrap_or(LIMIT_DEFAULT));
    let read = state.read("deletion.trash", move |conn| {
        deletion::trash(conn, before, limit)
    });
    let page = read.await;
    let page = page.map_err(|error| ApiError::within("query", error))?;
    Ok(axum::Json(page.into()))
}

/// Undoes a batch: exactly its rows come back from the trash
///
/// When one of them cannot, for its name or its period was taken since, none does, and the answer
/// lists what stands in the way.
#[utoipa::path(
    post,
    path = "/api/deletions/{id}/undo",
    operation_id = "undo_deletion",
    tag = "deletions",
    params(("id" = i64, Path), UndoQuery),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = UndoItem),
        (status = 404, body = ErrorBody, description = "No batch has this id"),
        (status = 409, body = UndoRefusal, description = "Rows of it cannot come back, or it was undone or purged"),
        WriteErrors,
    )
)]
async fn undo(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Query(query): Query<UndoQuery>,
) -> Result<Response, ApiError> {
    let options = UndoOptions {
        dry_run: query.dry_run,
        skip_conflicts: query.skip_conflicts,
        by: caller.token_name().map(str::to_owned).or(query.by),
    };
    let db = state.db().clone();
    // It may take several transactions.
    let report = off_runtime(move || deletion::undo(&db, id, &options)).await?;
    let report = report.map_err(|error| ApiError::within("query", error))?;
    Ok(match report.outcome {
        UndoOutcome::Refused => {
            (StatusCode::CONFLICT, axum::Json(UndoRefusal::from(report))).into_response()
        }
        UndoOutcome::Undone | UndoOutcome::DryRun => {
            axum::Json(UndoItem::from(report)).into_response()
        }
    })
}
