//! Ticks from clients of InfluxDB and QuestDB: `/write`, `/api/v2/write`, `/ping`.
//!
//! A text is stored as a whole and answered with 204 after the commit. These clients send the same
//! bytes again when an answer is lost, and can send no key along. So the key of a text is the hash
//! of its bytes: what the batches of the native API are spared, as their clients can name a key.

mod refusal;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use sha2::{Digest, Sha256};
use utoipa::IntoResponses;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::TakenMemory;
use super::error::{ApiError, ErrorBody};
use super::extract;
use super::state::ApiState;
use super::types::{LINES_EXAMPLE, LineProtocolParameters, LineProtocolRefusal};
use crate::database::{BatchSize, WhenFull};
use crate::error::Error;
use crate::ingest::line_protocol::{
    LinePrecision, LineProtocolBatch, LineProtocolError, LineProtocolStore,
};

pub(super) use refusal::refuse_in_its_words;

/// Attempts of a text that adds instruments, which another one may add at the same moment.
const ATTEMPTS_MAX: u32 = 3;

pub(super) fn writes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(write))
        .routes(routes!(write_v2))
}

pub(super) fn probes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(ping))
}

/// Answers that a write in the line protocol may get.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "the document reads the variants, no code builds them"
)]
enum LineProtocolAnswers {
    /// All of it is stored, or was before
    #[response(status = 204)]
    Stored,
    /// A line or a parameter breaks a rule; nothing is stored
    #[response(status = 400)]
    Invalid(LineProtocolRefusal),
    /// The token is missing or wrong
    #[response(status = 401)]
    Unauthorized(LineProtocolRefusal),
    /// The token may read only, writes are closed, or a page of another origin sends it
    #[response(status = 403)]
    Forbidden(LineProtocolRefusal),
    /// The body comes too slowly
    #[response(status = 408)]
    TooSlow(LineProtocolRefusal),
    /// Another client adds the same instruments
    #[response(status = 409)]
    Conflict(LineProtocolRefusal),
    /// The text is larger than the server takes
    #[response(status = 413)]
    TooLarge(LineProtocolRefusal),
    /// The body's encoding is neither plain nor gzip
    #[response(status = 415)]
    Unsupported(LineProtocolRefusal),
    /// Without a token: the header host names none of the server's hosts
    #[response(status = 421)]
    Misdirected(LineProtocolRefusal),
    /// The database failed
    #[response(status = 500)]
    Failed(LineProtocolRefusal),
    /// Busy, not started yet, or the database is away; send it again
    #[response(status = 503)]
    Busy(LineProtocolRefusal),
}

/// Stores ticks in InfluxDB's line protocol, as clients of its first version and of QuestDB send it
///
/// The measurement is `ticks`, the tag `symbol` names the instrument, the tag `source` the data source,
/// if there is one; fields have the names of `POST /api/market-data`. All lines are stored or none.
/// The same text within 24 hours stores nothing more when each line has a timestamp or a
/// `sequence`. [docs/clients.md](https://github.com/tickbase/tickbase/blob/main/docs/clients.md) has clients.
#[utoipa::path(
    post,
    path = "/write",
    tag = "line protocol",
    params(LineProtocolParameters),
    request_body(content = String, content_type = "text/plain", example = json!(LINES_EXAMPLE)),
    security((), ("bearer" = [])),
    responses(LineProtocolAnswers)
)]
async fn write(State(state): State<ApiState>, request: Request) -> Result<StatusCode, ApiError> {
    store(&state, request).await
}

/// Stores ticks in InfluxDB's line protocol, as clients of its second and third version send it
///
/// It is `POST /write` at another path.
#[utoipa::path(
    post,
    path = "/api/v2/write",
    tag = "line protocol",
    params(LineProtocolParameters),
    request_body(content = String, content_type = "text/plain", example = json!(LINES_EXAMPLE)),
    security((), ("bearer" = [])),
    responses(LineProtocolAnswers)
)]
async fn write_v2(State(state): State<ApiState>, request: Request) -> Result<StatusCode, ApiError> {
    store(&state, request).await
}

/// Tells clients of InfluxDB that there is a server, and which
#[utoipa::path(
    get,
    path = "/ping",
    tag = "line protocol",
    responses(
        (status = 204, description = "The server takes requests", headers(
            ("x-influxdb-version" = String, description = "The version of tickbase"),
            ("x-influxdb-build" = String, description = "`tickbase`"),
        )),
        (status = 421, body = ErrorBody, description = "The header host does not name a host of the server"),
        (status = 503, body = ErrorBody, description = "Busy, or not started yet"),
    )
)]
async fn ping() -> impl IntoResponse {
    // A client of the first version fails without the number.
    let about = [
        ("x-influxdb-version", env!("CARGO_PKG_VERSION")),
        ("x-influxdb-build", env!("CARGO_PKG_NAME")),
    ];
    let about = about.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    (StatusCode::NO_CONTENT, about)
}

async fn store(state: &ApiState, request: Request) -> Result<StatusCode, ApiError> {
    let parameters = parameters(request.uri().query().unwrap_or_default())?;
    let precision = parameters.precision.into();
    // They are paid for until the ticks are stored.
    let (batch, key, _memory) = read(state, request, precision).await?;
    if batch.is_empty() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let how = LineProtocolStore {
        create: parameters.create,
        idempotency_key: batch.needs_key().then_some(key),
    };
    let (size, batch) = (
        BatchSize {
            rows: batch.len(),
            when_full: WhenFull::default(),
        },
        Arc::new(batch),
    );
    let mut attempt = 1;
    loop {
        let (batch, how, now) = (batch.clone(), how.clone(), state.db().clock().now());
        let stored = state
            .db()
            .write_batch_async("market_data.insert_lines", size, move |conn| {
                batch.store(conn, &how, now)
            });
        match stored.await {
            Ok(_) => return Ok(StatusCode::NO_CONTENT),
            // Another one has added an instrument in between, which the next attempt finds.
            Err(Error::Conflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The parameters of a query. Unlike those of the native API they may be empty: clients send all of
/// theirs.
fn parameters(query: &str) -> Result<LineProtocolParameters, ApiError> {
    let pairs = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let name = error.path().to_string();
        ApiError::violation(["query", &name], error.inner().to_string())
    })
}

/// The ticks of the body, and the key of the text.
async fn read(
    state: &ApiState,
    request: Request,
    precision: LinePrecision,
) -> Result<(LineProtocolBatch, String, TakenMemory), ApiError> {
    let text = extract::body(request).await?;
    let (lines_max, now) = (state.config().batch_rows_max, state.db().clock().now());
    let memory = state.body_memory();
    let counted = text.clone();
    let count = memory.read(move || LineProtocolBatch::ticks_max(&counted, lines_max));
    let mut taken = memory.rows(count.await?).await?;
    let batch = memory.read(move || {
        let batch = LineProtocolBatch::read(&text, precision, now, lines_max);
        batch.map(|batch| (batch, key(&text, precision)))
    });
    let (batch, key) = batch.await?.map_err(|error| match error {
        LineProtocolError::TooManyLines(_) => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body: {error}"))
        }
        LineProtocolError::Refused(error) => error.into(),
    })?;
    taken.keep_rows(batch.len());
    Ok((batch, key, taken))
}

/// The key under which a text is known: the hash of its bytes and of what gives them their meaning.
fn key(text: &[u8], precision: LinePrecision) -> String {
    let hash = Sha256::new()
        .chain_update(precision.as_str())
        .chain_update("\n")
        .chain_update(text)
        .finalize();
    format!("line protocol {hash:x}")
}
