//! Answers that belong to no resource: for unknown paths and methods, for a handler that panicked;
//! and the headers that keep a browser from doing more with an answer than showing it.

use std::any::Any;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use super::error::{ApiError, shortened};
use crate::error::panic_message;

/// Bytes of a path that an answer repeats.
const PATH_SHOWN_MAX: usize = 256;

/// Answers load nothing and stand in no frame, unless they bring a policy of their own.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Puts on an answer what it needs before browsers.
pub(super) fn secure(headers: &mut HeaderMap) {
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(POLICY);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // For browsers that know no frame-ancestors.
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

pub(super) async fn no_such_path(uri: Uri) -> ApiError {
    let detail = format!(
        "there is nothing at {}; /api/docs has what there is",
        shortened(uri.path(), PATH_SHOWN_MAX)
    );
    ApiError::new(StatusCode::NOT_FOUND, detail)
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let detail = format!(
        "{} takes no {}; the header allow has what it takes",
        shortened(uri.path(), PATH_SHOWN_MAX),
        shortened(method.as_str(), PATH_SHOWN_MAX)
    );
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// A panic costs its own request alone, and is told as what it is.
pub(super) fn catch_panics() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(panicked as fn(Box<dyn Any + Send>) -> Response)
}

fn panicked(payload: Box<dyn Any + Send>) -> Response {
    tracing::error!(
        panic = panic_message(payload.as_ref()),
        "a handler panicked"
    );
    let detail = "a defect of the server; its log has more under the x-request-id";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
