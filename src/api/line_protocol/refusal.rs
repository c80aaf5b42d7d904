//! Refusals in the shape that clients of InfluxDB and QuestDB show, whichever layer refuses.

use axum::extract::{MatchedPath, Request};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::access::REQUEST_ID;
use crate::api::auth::takes_line_protocol;
use crate::api::error::ToldRefusal;
use crate::api::types::LineProtocolRefusal;

/// Gives refusals the shape that clients of InfluxDB and QuestDB show.
pub(in crate::api) async fn refuse_in_its_words(request: Request, next: Next) -> Response {
    if !takes_line_protocol(request.extensions().get::<MatchedPath>()) {
        return next.run(request).await;
    }
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut answer = next.run(request).await;
    let Some(told) = answer.extensions_mut().remove::<ToldRefusal>() else {
        return answer;
    };
    let status = match answer.status() {
        // Their clients know no other status for what is wrong with a text.
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::NOT_FOUND => StatusCode::BAD_REQUEST,
        other => other,
    };
    let body = axum::Json(LineProtocolRefusal {
        code: code(status),
        message: told.message,
        line: told.line,
        error_id: id
            .as_ref()
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
    });
    let mut refusal = (status, body).into_response();
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::ALLOW] {
        if let Some(value) = answer.headers_mut().remove(&name) {
            refusal.headers_mut().insert(name, value);
        }
    }
    refusal
}

/// InfluxDB's word for a status.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "invalid",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => "forbidden",
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported media type",
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "internal error",
    }
}
