//! Limits the cost of a request: time, a place among those worked on, a known encoding. Over the
//! limit it is answered at once, with a status that says so; it is never left waiting.
//!
//! The reasons are in docs/decisions/0020.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::body::{self, BodySize, GZIP, encoding};
use super::error::ApiError;
use super::readiness::Phase;
use super::state::ApiState;

/// Paths that are answered however busy the server is: who looks after it must see it.
const ALWAYS_ANSWERED: [&str; 6] = [
    "/livez",
    "/readyz",
    "/metrics",
    "/api/health",
    "/api/health/database",
    "/api/health/detailed",
];

/// Works on a request without a body: answers with 503 when all places are taken, and when it takes
/// too long.
pub(super) async fn limit(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let deadline = Instant::now() + state.config().request_timeout;
    // Who looks after the server takes no place from who works with it.
    let place = (!is_always_answered(&request)).then(|| place(&state));
    match place.transpose() {
        Ok(_place) => answer(&state, deadline, request, next).await,
        Err(busy) => busy.into_response(),
    }
}

/// Limits a request with a body, which takes its place when the body has come: clients that
/// send slowly take none from the others.
pub(super) async fn limit_with_body(
    State((state, size)): State<(ApiState, BodySize)>,
    request: Request,
    next: Next,
) -> Response {
    let deadline = Instant::now() + state.config().request_timeout;
    if let Some(other) = unknown_encoding(request.headers()) {
        let detail = format!("the content-encoding {other:?} is not taken; send plain or gzip");
        return ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response();
    }
    // The memory is held until the answer: handlers work on the text.
    let (request, _memory) = match body::receive(&state, request, size).await {
        Ok(received) => received,
        Err(refused) => return refused.into_response(),
    };
    match place(&state) {
        Ok(_place) => answer(&state, deadline, request, next).await,
        Err(busy) => busy.into_response(),
    }
}

/// A place among the requests that are worked on.
///
/// # Errors
/// 503 when all are taken.
pub(super) fn place(state: &ApiState) -> Result<SemaphorePermit<'_>, ApiError> {
    // No waiting: a queue of requests would only grow older, and clients would give up and ask
    // again.
    state.places().try_acquire().map_err(|_| {
        let places = state.config().concurrency_max;
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{places} requests are worked on already (server.concurrency_max); try again"),
        )
    })
}

/// A place among the requests that read on for longer than a page takes: tables that are sent whole,
/// and replays. Who has it holds it until the work is over, also when the client is gone.
///
/// # Errors
/// 503 when all are taken.
pub(super) fn place_of_long_read(state: &ApiState) -> Result<OwnedSemaphorePermit, ApiError> {
    state.streams().try_acquire_owned().map_err(|_| {
        let places = state.config().streams_max;
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{places} long reads go on already (server.streams_max); try again"),
        )
    })
}

async fn answer(state: &ApiState, deadline: Instant, request: Request, next: Next) -> Response {
    match timeout_at(deadline, next.run(request)).await {
        Ok(response) => response,
        // The write of the request goes on by itself: a task of the door commits or fails whoever
        // listens.
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "it took longer than {} s (server.request_timeout_seconds); a write may still \
                 have been stored: send it again with the same Idempotency-Key, or read first",
                state.config().request_timeout.as_secs()
            ),
        )
        .into_response(),
    }
}

/// True when a request is for one of the paths, wherever the router is mounted.
fn is_always_answered(request: &Request) -> bool {
    let matched = request.extensions().get::<MatchedPath>();
    matched.is_some_and(|path| {
        let path = path.as_str();
        ALWAYS_ANSWERED.iter().any(|known| path.ends_with(known))
    })
}

/// Answers with 503 before the services run.
pub(super) async fn refuse_before_start(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    if state.readiness().phase() == Phase::Starting {
        let detail = "the services are not started yet; try again";
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
    }
    next.run(request).await
}

/// An encoding that is neither plain nor gzip.
fn unknown_encoding(headers: &HeaderMap) -> Option<String> {
    encoding(headers).filter(|text| !["", "identity", GZIP].contains(&text.as_str()))
}
