//! `/api/ticks` and `/api/bars`: rows of some instruments as JSON, NDJSON, CSV, Arrow or Parquet, for
//! programs that read tables. A page of them with `limit`, else the whole range, which is sent while it
//! is read.

mod format;
mod page;
mod request;
mod spooled;
mod stream;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use utoipa::IntoResponses;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody, ReadErrors};
use super::extract::Query;
use super::state::ApiState;
use super::types::{BarRow, BarTableQuery, TableBytes, TickRow, TickTableQuery};
use crate::export::TableFormat;
use request::TableRequest;

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(ticks))
        .routes(routes!(bars))
}

/// Ticks as a table, by instrument, oldest first
///
/// As JSON it is a list of objects. Without `limit` the whole range is sent, however long it is: an
/// error on the way breaks the connection, so that no part is taken for the whole. What is stored
/// or deleted meanwhile may be in it or not. Prices are those that are stored, whatever the places of
/// the instrument are. Parts can be asked for (`range`): they are of one moment.
#[utoipa::path(
    get,
    path = "/api/ticks",
    tag = "market data",
    params(TickTableQuery),
    responses(
        (status = 200, description = "The rows", content(
            (Vec<TickRow> = "application/json"),
            (String = "application/x-ndjson"),
            (String = "text/csv"),
            (TableBytes = "application/vnd.apache.arrow.stream"),
            (TableBytes = "application/vnd.apache.parquet"),
        )),
        TableAnswers,
        ReadErrors,
    )
)]
async fn ticks(
    State(state): State<ApiState>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Query(query): Query<TickTableQuery>,
) -> Result<Response, ApiError> {
    let format = format::of(query.format, &headers)?;
    let request = TableRequest::of_ticks(&state, &query).await?;
    answer(state, (method, uri, headers), request, format).await
}

/// Bars as a table, by instrument, oldest first
///
/// Those of `POST /api/historical-data/fetch`, flat: as JSON it is a list of objects. See
/// `GET /api/ticks`.
#[utoipa::path(
    get,
    path = "/api/bars",
    tag = "historical data",
    params(BarTableQuery),
    responses(
        (status = 200, description = "The rows", content(
            (Vec<BarRow> = "application/json"),
            (String = "application/x-ndjson"),
            (String = "text/csv"),
            (TableBytes = "application/vnd.apache.arrow.stream"),
            (TableBytes = "application/vnd.apache.parquet"),
        )),
        TableAnswers,
        ReadErrors,
    )
)]
async fn bars(
    State(state): State<ApiState>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Query(query): Query<BarTableQuery>,
) -> Result<Response, ApiError> {
    let format = format::of(query.format, &headers)?;
    let request = TableRequest::of_bars(&state, &query).await?;
    answer(state, (method, uri, headers), request, format).await
}

/// What both tables answer beside their rows, for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "the document reads the variants, no code builds them"
)]
enum TableAnswers {
    /// The part that was asked for
    #[response(status = 206)]
    Part,
    /// The client has it: `if-none-match` names its tag
    #[response(status = 304)]
    Same,
    /// No active instrument has this symbol
    #[response(status = 404)]
    NoInstrument(ErrorBody),
    /// None of the forms that `accept` names
    #[response(status = 406)]
    NoForm(ErrorBody),
    /// There is no such part
    #[response(status = 416)]
    NoPart(ErrorBody),
}

async fn answer(
    state: ApiState,
    (method, uri, headers): (Method, Uri, HeaderMap),
    request: TableRequest,
    format: TableFormat,
) -> Result<Response, ApiError> {
    let TableRequest { table, limit } = request;
    if let Some(limit) = limit {
        return page::answer(&state, &uri, table, format, limit).await;
    }
    // Who asks for the size first reads parts next.
    if method == Method::HEAD || headers.contains_key(header::RANGE) {
        return spooled::answer(&state, (&method, &uri, &headers), table, format).await;
    }
    stream::answer(state, table, format).await
}
