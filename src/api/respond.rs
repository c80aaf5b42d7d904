//! Responses that belong to no resource: unknown paths and methods, and a handler that panicked.

use std::any::Any;

use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use super::error::ApiError;

pub(super) async fn no_such_path(uri: Uri) -> ApiError {
    let detail = format!(
        "there is nothing at {}; /api/docs has what there is",
        uri.path()
    );
    ApiError::new(StatusCode::NOT_FOUND, detail)
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let detail = format!(
        "{} takes no {method}; the header allow has what it takes",
        uri.path()
    );
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// A panic costs its own request alone, and is told as what it is.
pub(super) fn catch_panics() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(panicked as fn(Box<dyn Any + Send>) -> Response)
}

fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    tracing::error!(panic = text.unwrap_or_default(), "a handler panicked");
    let detail = "a defect of the server; its log has more under the x-request-id";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
