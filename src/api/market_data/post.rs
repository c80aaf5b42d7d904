//! `POST /api/market-data`: a batch of ticks in, what became of it out, after the commit.
//!
//! The body is read off the runtime's threads; the symbols are looked up in one read; the batch is
//! one transaction. A row that breaks a rule is reported and costs nobody else; when no row is
//! left, the request is.

use std::collections::{HashMap, HashSet};

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};

use crate::api::error::{ApiError, Place, Violation, WriteErrors};
use crate::api::extract::{self, is_json, media_type, unsupported};
use crate::api::state::ApiState;
use crate::api::types::{IngestReport, PostedTicks, RowError};
use crate::domain::Symbol;
use crate::domain::tick::Tick;
use crate::error::Error;
use crate::ingest::{PostedBatch, PostedError, PostedFormat, ResolvedTicks};
use crate::repository::instrument;
use crate::repository::market_data::{
    InsertOptions, InsertReport, MarketDataRepository, RowOutcome,
};

/// Rejected rows that an answer names.
const ERRORS_SHOWN_MAX: usize = 100;

/// The answer to ticks that meet deleted ones.
const DELETED_REMEDY: &str = "a deleted tick holds the key of each of the `deleted` ticks; restore it \
    with POST /api/market-data/restore, or remove it for good with `tickbase purge` and send the \
    tick again";

/// Stores ticks, and answers after the commit
///
/// The body is a JSON array of ticks or `{"ticks": [..]}` (`application/json`), one object per
/// line (`application/x-ndjson`), or a header and rows (`text/csv`); plain or gzip. A tick that
/// is sent again with its own sequence is a duplicate and stores nothing; ticks without a sequence
/// are made safe to resend by the header `Idempotency-Key`: within 24 hours the same key stores
/// nothing and returns the first answer. A row that breaks a rule is reported and the others are
/// stored; when every row breaks one, the answer is 422.
#[utoipa::path(
    post,
    path = "/api/market-data",
    tag = "market data",
    params(("idempotency-key" = Option<String>, Header,
        description = "Makes resending safe; 1 to 255 characters",
        min_length = 1, max_length = 255)),
    request_body(content(
        (PostedTicks = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv"),
    )),
    security((), ("bearer" = [])),
    responses((status = 200, body = IngestReport), WriteErrors)
)]
pub(super) async fn post(
    State(state): State<ApiState>,
    request: Request,
) -> Result<axum::Json<IngestReport>, ApiError> {
    let format = format(request.headers())?;
    let key = idempotency_key(request.headers())?;
    let text = extract::body(request, &state).await?;
    let batch = read(text, format, state.config().batch_rows_max).await?;
    let known = look_up(&state, &batch).await?;
    let ResolvedTicks {
        ticks,
        indexes,
        rejected,
        stamps_cut,
        ..
    } = batch.resolve(&known);
    let mut rejected: Vec<RowError> = rejected
        .into_iter()
        .map(|(index, reason)| RowError { index, reason })
        .collect();
    if ticks.is_empty() && !rejected.is_empty() {
        return Err(nothing_left(&rejected));
    }
    // Who listens is told what was stored, and nobody else's ticks are copied for that.
    let listened = state.realtime().has_clients();
    let heard = listened.then(|| ticks.clone());
    let options = InsertOptions {
        idempotency_key: key,
        outcomes: listened,
        ..InsertOptions::default()
    };
    let stored = MarketDataRepository::new(state.db())
        .insert_batch_async(ticks, options)
        .await
        .map_err(|error| ApiError::within("header", error))?;
    if let (Some(ticks), Some(outcomes)) = (heard, &stored.outcomes) {
        state.realtime().publish_ticks(inserted(ticks, outcomes));
    }
    rejected.extend(stored.rejected.iter().map(|row| RowError {
        index: indexes.get(row.index).copied().unwrap_or(row.index),
        reason: row.reason.clone(),
    }));
    rejected.sort_by_key(|row| row.index);
    if stored.rejected.len() == stored.received && !rejected.is_empty() {
        return Err(nothing_left(&rejected));
    }
    Ok(axum::Json(report(&stored, rejected, stamps_cut)))
}

/// Those of the ticks that were stored, with their sequences.
fn inserted(ticks: Vec<Tick>, outcomes: &[RowOutcome]) -> impl Iterator<Item = (Tick, i64)> {
    ticks
        .into_iter()
        .zip(outcomes)
        .filter_map(|(tick, outcome)| match outcome {
            RowOutcome::Inserted { sequence } => Some((tick, *sequence)),
            _ => None,
        })
}

fn format(headers: &HeaderMap) -> Result<PostedFormat, ApiError> {
    let media = media_type(headers);
    match media.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
            Ok(PostedFormat::Ndjson)
        }
        "text/csv" => Ok(PostedFormat::Csv),
        json if is_json(json) => Ok(PostedFormat::Json),
        other => Err(unsupported(
            other,
            "application/json, application/x-ndjson or text/csv",
        )),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::violation(
            ["header", "idempotency-key"],
            "it is not 1 to 255 ASCII characters; use a UUID",
        )),
    }
}

/// Reading a large body takes longer than a runtime's thread may be kept.
async fn read(text: Bytes, format: PostedFormat, rows_max: usize) -> Result<PostedBatch, ApiError> {
    let read = tokio::task::spawn_blocking(move || PostedBatch::read(&text, format, rows_max));
    let batch = read.await.map_err(|_| Error::Closed)?;
    batch.map_err(|error| match error {
        PostedError::TooManyRows(_) => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body: {error}"))
        }
        PostedError::NotTicks(_) => ApiError::violation(["body"], error.to_string()),
    })
}

/// The ids of the symbols that the batch names.
async fn look_up(state: &ApiState, batch: &PostedBatch) -> Result<HashMap<Symbol, i64>, ApiError> {
    let symbols: HashSet<&Symbol> = batch.symbols().collect();
    let symbols: Vec<Symbol> = symbols.into_iter().cloned().collect();
    if symbols.is_empty() {
        return Ok(HashMap::new());
    }
    let labels = state
        .read("instrument.labels_by_symbol", move |conn| {
            instrument::labels_by_symbol(conn, &symbols)
        })
        .await?;
    Ok(labels
        .into_iter()
        .map(|label| (label.symbol, label.id))
        .collect())
}

/// No row could be stored: the first ones say why.
fn nothing_left(rejected: &[RowError]) -> ApiError {
    let violations = rejected.iter().take(ERRORS_SHOWN_MAX).map(|row| Violation {
        loc: vec![Place::from("body"), Place::Index(row.index)],
        msg: row.reason.clone(),
        r#type: "value_error",
    });
    ApiError::Violations(violations.collect())
}

fn report(stored: &InsertReport, rejected: Vec<RowError>, stamps_cut: u64) -> IngestReport {
    // A repeated key gets the first answer, whose rows may have been others.
    let stored_rows = stored.inserted + stored.duplicates + stored.conflicts + stored.deleted;
    IngestReport {
        received: stored_rows + rejected.len(),
        inserted: stored.inserted,
        duplicates: stored.duplicates,
        conflicts: stored.conflicts,
        deleted: stored.deleted,
        late: stored.late,
        rejected: rejected.len(),
        timestamps_truncated: stamps_cut,
        errors: rejected.into_iter().take(ERRORS_SHOWN_MAX).collect(),
        message: (stored.deleted > 0).then(|| DELETED_REMEDY.to_owned()),
    }
}
