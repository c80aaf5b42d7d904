//! The header `tickbase-log-position`: how far the log of PostgreSQL was when an answer was given. A
//! client that sends it back to any process of the database reads what it has seen and written before,
//! whichever replica answers. Without replicas there is no such header, and none is needed.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::{ApiError, named};
use super::state::ApiState;
use crate::database::LogPosition;
use crate::error::Error;

const NAME: &str = "tickbase-log-position";
/// Its name.
pub(super) const HEADER: HeaderName = HeaderName::from_static(NAME);

/// Reads after the position that the client sends, and answers with the one behind what it has seen.
pub(super) async fn carry(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if !state.db().has_replicas() {
        return next.run(request).await;
    }
    if let Some(position) = request.headers().get(HEADER)
        && let Err(refused) = read_after(&state, position).await
    {
        return refused.into_response();
    }
    let mut response = next.run(request).await;
    let position = state.db().log_position().map(|of| of.to_string());
    if let Some(Ok(position)) = position.map(HeaderValue::try_from) {
        response.headers_mut().insert(HEADER, position);
    }
    response
}

async fn read_after(state: &ApiState, position: &HeaderValue) -> Result<(), ApiError> {
    let text = position.to_str().unwrap_or_default();
    let of_header = |error: Error| named(["header", NAME], error);
    let position: LogPosition = text.parse().map_err(of_header)?;
    let done = state.db().read_after(position).await;
    done.map_err(of_header)
}
