//! What a request may cost: time, a place among those worked on, an encoding that is known. Over
//! the limit it is answered at once, with a status that says so; it is never left waiting.

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::import;
use super::readiness::Phase;
use super::state::ApiState;

const GZIP: &str = "gzip";

/// Paths that are answered however busy the server is: who looks after it must see it.
const ALWAYS_ANSWERED: [&str; 6] = [
    "/livez",
    "/readyz",
    "/metrics",
    "/api/health",
    "/api/health/database",
    "/api/health/detailed",
];

/// Answers with 503 when all places are taken, and when the request takes too long.
pub(super) async fn limit(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let always = is_of(&request, &ALWAYS_ANSWERED);
    // Who looks after the server takes no place from who works with it.
    let place = (!always).then(|| state.places().try_acquire());
    if matches!(place, Some(Err(_))) {
        let places = state.config().concurrency_max;
        return ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{places} requests are worked on already (server.concurrency_max); try again"),
        )
        .into_response();
    }
    if is_of(&request, &[import::PATH]) {
        // A large file takes its time; each of its pieces is waited for only so long.
        return next.run(request).await;
    }
    let limit = state.config().request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "it took longer than {} s (server.request_timeout_seconds); a write may still \
                 have been stored: send it again with the same Idempotency-Key, or read first",
                limit.as_secs()
            ),
        )
        .into_response(),
    }
}

/// Whether a request is for one of the paths, wherever the router is mounted.
fn is_of(request: &Request, paths: &[&str]) -> bool {
    let matched = request.extensions().get::<MatchedPath>();
    matched.is_some_and(|path| paths.iter().any(|known| path.as_str().ends_with(known)))
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

/// A body that says itself that it is too large is refused before it is sent.
pub(super) async fn refuse_large_bodies(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let bytes = request.body().size_hint().lower();
    if bytes <= state.config().body_bytes_max as u64 {
        return next.run(request).await;
    }
    let detail =
        format!("the body has {bytes} bytes, more than server.body_bytes_max; send less at a time");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response()
}

/// Bodies come plain or as gzip.
pub(super) async fn refuse_unknown_encodings(request: Request, next: Next) -> Response {
    match unknown_encoding(request.headers()) {
        None => next.run(request).await,
        Some(other) => {
            let detail = format!("the content-encoding {other:?} is not taken; send plain or gzip");
            ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response()
        }
    }
}

/// An encoding that is neither plain nor gzip.
fn unknown_encoding(headers: &HeaderMap) -> Option<String> {
    encoding(headers).filter(|text| !["", "identity", GZIP].contains(&text.as_str()))
}

/// Whether a body is packed.
pub(super) fn is_gzip(headers: &HeaderMap) -> bool {
    encoding(headers).is_some_and(|text| text == GZIP)
}

fn encoding(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_ENCODING)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(text.trim().to_ascii_lowercase())
}
