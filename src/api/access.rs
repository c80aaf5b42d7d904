//! The outermost layer of every request: its id, one line in the log, one entry in the metrics, and
//! the headers of every answer.

use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::{Empty, display};
use uuid::Uuid;

use super::auth::{Caller, takes_line_protocol};
use super::error::shortened;
use super::respond::secure;
use super::state::ApiState;
use crate::domain::TraceId;

/// The header that carries a request's id, in and out.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header with the trace of a request (<https://www.w3.org/TR/trace-context/>).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The longest id that is taken from a client.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Bytes of a path that a line of the log has.
const PATH_SHOWN_MAX: usize = 256;

/// Gives the request an id and its caller, measures it, and tells how it ended.
pub(super) async fn observe(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let path = shortened(request.uri().path(), PATH_SHOWN_MAX).into_owned();
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let caller = if takes_line_protocol(route.as_ref()) {
        Caller::of_line_protocol(state.tokens(), request.headers(), request.uri())
    } else {
        Caller::of(state.tokens(), request.headers())
    };
    // Found once, here: every later layer asks the same caller, and the log names it.
    request.extensions_mut().insert(caller.clone());
    let text = id.to_str().unwrap_or_default().to_owned();
    let span = tracing::info_span!("request", id = text, trace_id = Empty);
    if let Some(trace) = trace_id(request.headers()) {
        span.record("trace_id", display(trace));
        request.extensions_mut().insert(trace);
    }
    // A guard: a client that goes away drops this future, and the request must not count as active
    // for ever.
    let active = state.metrics().begin();
    let mut response = next.run(request).instrument(span.clone()).await;
    drop(active);
    let elapsed = began.elapsed();
    let (status, route) = (response.status(), route.as_ref().map(MatchedPath::as_str));
    state.metrics().record(&method, route, status, elapsed);
    span.in_scope(|| {
        tracing::info!(
            target: "tickbase::access",
            method = %method,
            path,
            route = route.unwrap_or("-"),
            status = status.as_u16(),
            duration_ms = elapsed.as_secs_f64() * 1e3,
            response_bytes = length(&response),
            token_name = caller.token_name(),
            "answered"
        );
    });
    response.headers_mut().insert(REQUEST_ID, id);
    secure(response.headers_mut());
    response
}

/// Bytes of the body, unless it is made while it is sent. The header of them is not there yet.
fn length(response: &Response) -> Option<u64> {
    response.body().size_hint().exact()
}

/// The trace that the client says its request belongs to. A header that is malformed, or that is there
/// twice, is ignored, as the W3C demands.
fn trace_id(headers: &HeaderMap) -> Option<TraceId> {
    let mut given = headers.get_all(TRACEPARENT).into_iter();
    let first = given.next()?.to_str().ok()?;
    given
        .next()
        .is_none()
        .then(|| TraceId::of_traceparent(first))?
}

/// The client's id, if it is one that a log can carry; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b);
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(plain)
    };
    let given = headers.get(REQUEST_ID).filter(is_plain).cloned();
    given.unwrap_or_else(|| {
        let id = Uuid::new_v4().hyphenated().to_string();
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(id: &str) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
        request_id(&headers)
    }

    #[test]
    fn one_trace_is_taken_and_two_are_none() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut headers = HeaderMap::new();
        assert_eq!(trace_id(&headers), None);
        headers.append(TRACEPARENT, HeaderValue::from_static(header));
        let trace = trace_id(&headers).unwrap().to_string();
        assert_eq!(trace, "0af7651916cd43dd8448eb211c80319c");
        headers.append(TRACEPARENT, HeaderValue::from_static(header));
        assert_eq!(trace_id(&headers), None);
        let odd = HeaderValue::from_bytes("é".as_bytes()).unwrap();
        headers.insert(TRACEPARENT, odd);
        assert_eq!(trace_id(&headers), None);
    }

    #[test]
    fn a_plain_id_is_kept_and_any_other_replaced() {
        assert_eq!(given("order-7"), "order-7");
        for odd in ["", "a b", "a\tb", "é", &"x".repeat(129)] {
            assert_ne!(given(odd).as_bytes(), odd.as_bytes());
            assert_eq!(given(odd).len(), 36);
        }
        let new = request_id(&HeaderMap::new());
        assert_ne!(new, request_id(&HeaderMap::new()));
    }
}
