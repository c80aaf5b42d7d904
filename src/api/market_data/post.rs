//! `POST /api/market-data`: a batch of ticks in, what became of it out, after the commit.
//!
//! The body is read off the runtime's threads; the symbols are looked up in one read; the batch is
//! one transaction. A row that breaks a rule is reported and costs nobody else; when no row is
//! left, the request is.

use std::collections::{HashMap, HashSet};

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};

use crate::api::body::TakenMemory;
use crate::api::error::{ApiError, FieldError, PathSegment, WriteErrors};
use crate::api::extract::{self, is_json, media_type, unsupported};
use crate::api::state::ApiState;
use crate::api::types::{CSV_EXAMPLE, IngestReport, NDJSON_EXAMPLE, PostedTicks, RowError};
use crate::domain::{Symbol, TraceId};
use crate::ingest::{PostedBatch, PostedError, PostedFormat, RejectedRows, ResolvedTicks};
use crate::repository::instrument;
use crate::repository::market_data::{InsertOptions, InsertReport, MarketDataRepository};

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
        (PostedTicks = "application/json", example = json!([
            {"symbol": "ES", "timestamp": "2013-09-03T10:31:00Z", "sequence": 1, "price": 1642, "volume": 8},
            {"symbol": "ES", "timestamp": "2013-09-03T10:31:00Z", "sequence": 2, "price": 1642.25, "volume": 3},
        ])),
        (String = "application/x-ndjson", example = json!(NDJSON_EXAMPLE)),
        (String = "text/csv", example = json!(CSV_EXAMPLE)),
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
    let trace = request.extensions().get::<TraceId>().copied();
    let text = extract::body(request).await?;
    // They are paid for until the ticks are stored.
    let (batch, _memory) = read(&state, text, format).await?;
    let known = look_up(&state, &batch).await?;
    let ResolvedTicks {
        ticks,
        indexes,
        mut rejected,
        stamps_cut,
    } = batch.resolve(&known);
    if ticks.is_empty() && rejected.count() > 0 {
        return Err(nothing_left(&rejected));
    }
    let options = InsertOptions {
        idempotency_key: key,
        trace,
        ..InsertOptions::default()
    };
    let stored = MarketDataRepository::new(state.db())
        .insert_batch_async(ticks, options)
        .await
        .map_err(|error| ApiError::within("header", error))?;
    for row in &stored.rejected {
        let index = indexes.get(row.index).copied().unwrap_or(row.index);
        rejected.push(index, || row.reason.clone());
    }
    if stored.rejected.len() == stored.received && rejected.count() > 0 {
        return Err(nothing_left(&rejected));
    }
    Ok(axum::Json(report(&stored, &rejected, stamps_cut)))
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

/// Reading a large body takes longer than a runtime's thread may be kept. The rows take memory,
/// too: it is taken before there are any.
async fn read(
    state: &ApiState,
    text: Bytes,
    format: PostedFormat,
) -> Result<(PostedBatch, TakenMemory), ApiError> {
    let rows_max = state.config().batch_rows_max;
    let memory = state.body_memory();
    let counted = text.clone();
    let count = memory.read(move || PostedBatch::ticks_max(&counted, format, rows_max));
    let mut taken = memory.rows(count.await?).await?;
    let batch = memory.read(move || PostedBatch::read(&text, format, rows_max));
    let batch = batch.await?.map_err(|error| match error {
        PostedError::TooManyRows(_) => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body: {error}"))
        }
        PostedError::NotTicks(_) => ApiError::violation(["body"], error.to_string()),
    })?;
    taken.keep_rows(batch.ticks());
    Ok((batch, taken))
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

/// No row could be stored: the first ones say why, and the last line how many more there are.
fn nothing_left(rejected: &RejectedRows) -> ApiError {
    let violation = |index: Option<usize>, msg: String| FieldError {
        loc: std::iter::once(PathSegment::from("body"))
            .chain(index.map(PathSegment::Index))
            .collect(),
        msg,
        r#type: "value_error",
    };
    let named = rejected.first().iter();
    let mut violations: Vec<FieldError> = named
        .map(|(index, reason)| violation(Some(*index), reason.clone()))
        .collect();
    let more = rejected.count() - violations.len();
    if more > 0 {
        let msg = format!("{more} more rows break a rule; mend these and send it again");
        violations.push(violation(None, msg));
    }
    ApiError::Violations(violations)
}

fn report(stored: &InsertReport, rejected: &RejectedRows, stamps_cut: u64) -> IngestReport {
    // A repeated key gets the first answer, whose rows may have been others.
    let stored_rows = stored.inserted + stored.duplicates + stored.conflicts + stored.deleted;
    IngestReport {
        received: stored_rows + rejected.count(),
        inserted: stored.inserted,
        duplicates: stored.duplicates,
        conflicts: stored.conflicts,
        deleted: stored.deleted,
        late: stored.late,
        rejected: rejected.count(),
        timestamps_truncated: stamps_cut,
        errors: rejected
            .first()
            .iter()
            .map(|(index, reason)| RowError {
                index: *index,
                reason: reason.clone(),
            })
            .collect(),
        message: (stored.deleted > 0).then(|| DELETED_REMEDY.to_owned()),
    }
}
