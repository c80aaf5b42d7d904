//! `POST /api/import`: a file in, with the options of `tickbase import`; what became of its rows
//! out.
//!
//! The file is copied to a temporary one while it comes, so that a slow client holds no writer;
//! then it is stored as a whole, or, as a trial, read and judged without storing anything.

mod upload;

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody, WriteErrors};
use super::extract::{Query, media_type, unsupported};
use super::state::ApiState;
use super::types::{ImportAnswer, ImportParameters, ImportRowError};
use crate::error::Error;
use crate::ingest::{Import, ImportEvent, ImportListener, ImportReport, ImportSource, import};
use upload::{UploadError, UploadReader, upload};

/// Rows that an answer names.
const ROWS_SHOWN_MAX: usize = 100;

/// The path, which has no limit of its whole time.
pub(super) const PATH: &str = "/api/import";

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(post))
}

/// Imports a file of ticks or bars, and answers after the commit
///
/// The body is the file itself, CSV or NDJSON, plain or gzip (`curl --data-binary @FILE`); the parameters
/// are the options of `tickbase import`. All of it is stored, or nothing when it cannot be read
/// to its end. With `dry_run` it is read, judged and looked up, and nothing is stored.
#[utoipa::path(
    post,
    path = "/api/import",
    tag = "market data",
    params(ImportParameters),
    request_body(content(
        (String = "text/csv"),
        (String = "application/x-ndjson"),
        (Vec<u8> = "application/octet-stream"),
    )),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = ImportAnswer),
        (status = 404, body = ErrorBody, description = "No such instrument or source"),
        (status = 408, body = ErrorBody, description = "No byte of the file came for too long"),
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
    let (sender, reader) = upload();
    let db = state.db().clone();
    let stored = tokio::task::spawn_blocking(move || store(&db, &plan, reader));
    let config = state.config();
    let sent = sender.send(
        request.into_body(),
        config.import_bytes_max,
        config.request_timeout,
    );
    // The end of the upload is the reader's to hear first: then both are over.
    let (sent, stored) = tokio::join!(sent, stored);
    match stored.map_err(|_| Error::Closed)? {
        Ok((report, rows)) => Ok(axum::Json(ImportAnswer::new(report, rows))),
        // What broke the upload off is the reason of what its reader met.
        Err(error) => Err(match sent {
            Err(reason) => broken_off(reason, config.import_bytes_max),
            Ok(()) => refused(error),
        }),
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

/// Stores what the reader brings; the first rows that were not stored come with it.
fn store(
    db: &crate::database::Database,
    plan: &Import,
    reader: UploadReader,
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
    let source = ImportSource::Reader {
        name: "the body".to_owned(),
        reader: Box::new(reader),
    };
    let report = import(db, [source], plan, listener)?;
    let rows = std::mem::take(&mut *rows.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((report, rows))
}

fn broken_off(reason: UploadError, bytes_max: u64) -> ApiError {
    match reason {
        UploadError::TooLarge => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the file has more than {bytes_max} bytes (server.import_bytes_max); send it in \
                 parts, or import it with the command line"
            ),
        ),
        UploadError::Idle(idle) => ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "no byte of the file came for {} s (server.request_timeout_seconds); send it again",
                idle.as_secs()
            ),
        ),
        UploadError::Broken(reason) => ApiError::new(
            StatusCode::BAD_REQUEST,
            format!("the body cannot be read: {reason}"),
        ),
    }
}

/// An import that was refused: what is wrong with the file is the request's.
fn refused(error: Error) -> ApiError {
    match error {
        Error::File { reason, remedy, .. } => {
            ApiError::violation(["body"], format!("the file {reason}; {remedy}"))
        }
        Error::Rejected { .. } => ApiError::violation(["body"], error.to_string()),
        other => ApiError::within("query", other),
    }
}
