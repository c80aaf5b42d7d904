//! `POST /api/import`: stores a file with the options of `tickbase import`, and answers with the
//! outcome of its rows.
//!
//! The file is copied to a temporary one while it comes, so that a slow client holds no writer and
//! no place; then it is stored as a whole, or, as a trial, read and judged without storing anything.

mod upload;

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody, ReadErrors, WriteErrors};
use super::extract::{Query, media_type, unsupported};
use super::guard;
use super::state::ApiState;
use super::types::{
    CSV_EXAMPLE, ImportAnswer, ImportParameters, ImportRowError, NDJSON_EXAMPLE, PackedFile,
    PresetItem,
};
use crate::error::Error;
use crate::ingest::{
    Import, ImportEvent, ImportListener, ImportReport, ImportSource, import, presets,
};
use upload::upload;

/// Rows that an answer names.
const ROWS_SHOWN_MAX: usize = 100;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list_presets))
}

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(post))
}

/// The layouts of vendors that an import knows
#[utoipa::path(
    get,
    path = "/api/import/presets",
    operation_id = "presets",
    tag = "market data",
    responses((status = 200, body = Vec<PresetItem>), ReadErrors)
)]
async fn list_presets() -> axum::Json<Vec<PresetItem>> {
    axum::Json(presets().iter().map(PresetItem::from).collect())
}

/// Imports a file of ticks or bars, and answers after the commit
///
/// The body is the file itself, CSV or NDJSON, plain or gzip, Parquet or Arrow (`curl --data-binary @FILE`); the parameters
/// are the options of `tickbase import`. All of it is stored, or nothing when it cannot be read
/// to its end. With `dry_run` it is read, judged and looked up, and nothing is stored.
#[utoipa::path(
    post,
    path = "/api/import",
    operation_id = "import",
    tag = "market data",
    params(ImportParameters),
    request_body(content(
        (String = "text/csv", example = json!(CSV_EXAMPLE)),
        (String = "application/x-ndjson", example = json!(NDJSON_EXAMPLE)),
        (PackedFile = "application/octet-stream"),
    )),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = ImportAnswer),
        (status = 404, body = ErrorBody, description = "No such instrument or source"),
        WriteErrors,
    )
)]
async fn post(
    State(state): State<ApiState>,
    Query(parameters): Query<ImportParameters>,
    request: Request,
) -> Result<axum::Json<ImportAnswer>, ApiError> {
    refuse_forms(request.headers())?;
    let plan = parameters
        .plan()
        .map_err(|error| ApiError::within("query", error))?;
    let file = upload(&state, request.into_body()).await?;
    // A large file takes its time: this is the one request that may work as long as it needs.
    let _place = guard::place(&state)?;
    let (db, unpacked_bytes_max) = (state.db().clone(), state.config().import_unpacked_bytes_max);
    let source = ImportSource::File {
        name: "the body".to_owned(),
        file,
        unpacked_bytes_max,
    };
    let stored = tokio::task::spawn_blocking(move || store(&db, &plan, source));
    match stored.await.map_err(|_| Error::Closed)? {
        Ok((report, rows)) => Ok(axum::Json(ImportAnswer::new(report, rows))),
        Err(error) => Err(refused(error, unpacked_bytes_max)),
    }
}

/// A form holds its file between lines of its own.
fn refuse_forms(headers: &HeaderMap) -> Result<(), ApiError> {
    let media = media_type(headers);
    if media.starts_with("multipart/") || media == "application/x-www-form-urlencoded" {
        let accepted = "the file itself as the body: text/csv, application/x-ndjson or \
                        application/octet-stream, as curl --data-binary @FILE -H \
                        'content-type: text/csv' sends it";
        return Err(unsupported(&media, accepted));
    }
    Ok(())
}

/// Stores the rows of a file; the first rows that were not stored come with it.
fn store(
    db: &crate::database::Database,
    plan: &Import,
    source: ImportSource,
) -> crate::Result<(ImportReport, Vec<ImportRowError>)> {
    let rows: Arc<Mutex<Vec<ImportRowError>>> = Arc::default();
    let noted = Arc::clone(&rows);
    let listener: ImportListener = Arc::new(move |event| {
        let mut rows = noted.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            // The transaction begins anew: what was noted is void.
            ImportEvent::Started => rows.clear(),
            _ if rows.len() >= ROWS_SHOWN_MAX => {}
            event => rows.extend(ImportRowError::of(event)),
        }
    });
    let report = import(db, [source], plan, listener)?;
    let rows = std::mem::take(&mut *rows.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((report, rows))
}

/// An import that was refused: what is wrong with the file is the request's.
fn refused(error: Error, unpacked_bytes_max: u64) -> ApiError {
    match error {
        Error::FileTooLarge { .. } => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the file unpacks to more than {unpacked_bytes_max} bytes \
                 (server.import_unpacked_bytes_max); send it in parts, or import it with the \
                 command line"
            ),
        ),
        Error::File { reason, remedy, .. } => {
            ApiError::violation(["body"], format!("the file {reason}; {remedy}"))
        }
        Error::Rejected { .. } => ApiError::violation(["body"], error.to_string()),
        other => ApiError::within("query", other),
    }
}
