//! Who may write: a bearer token, compared in constant time. Without a token only a loopback
//! address takes writes.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::state::ApiState;
use crate::config::{ServerConfig, Token};

/// Lets writes pass that may write.
pub(super) async fn permit_writes(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    match may_write(state.config(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets requests pass that carry the token; all of them when there is none.
pub(super) async fn require_token(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let checked = match &state.config().token {
        Some(token) => check(token, request.headers()),
        None => Ok(()),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn may_write(config: &ServerConfig, headers: &HeaderMap) -> Result<(), ApiError> {
    match &config.token {
        Some(token) => check(token, headers),
        None if config.bind.ip().is_loopback() => Ok(()),
        None => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "writes are closed: the server listens to other machines and has no token; set \
             server.token (TICKBASE_SERVER_TOKEN), or bind a loopback address",
        )),
    }
}

/// Whether the header `authorization` carries the token.
pub(super) fn check(token: &Token, headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, given) = value.to_str().ok()?.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(given.trim())
    });
    let Some(given) = given else {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "this needs the header `Authorization: Bearer <token>`",
        ));
    };
    compare(token, given)
}

/// Whether this is the token, in a time that does not tell how much of it is right.
pub(super) fn compare(token: &Token, given: &str) -> Result<(), ApiError> {
    if bool::from(given.as_bytes().ct_eq(token.as_bytes())) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNAUTHORIZED,
        "the token is not the server's",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(config: &ServerConfig, authorization: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        match may_write(config, &headers) {
            Ok(()) => 200,
            Err(refusal) => refusal.into_response().status().as_u16(),
        }
    }

    #[test]
    fn without_a_token_only_a_loopback_address_takes_writes() {
        let mut config = ServerConfig::default();
        assert_eq!(status(&config, None), 200);
        config.bind = "[::1]:8000".parse().unwrap();
        assert_eq!(status(&config, None), 200);
        config.bind = "0.0.0.0:8000".parse().unwrap();
        assert_eq!(status(&config, None), 403);
    }

    #[test]
    fn a_token_opens_writes_to_who_has_it() {
        let config = ServerConfig {
            token: Some(Token::new("0123456789abcdef").unwrap()),
            bind: "0.0.0.0:8000".parse().unwrap(),
            ..ServerConfig::default()
        };
        for (authorization, expected) in [
            (Some("Bearer 0123456789abcdef"), 200),
            (Some("bearer 0123456789abcdef"), 200),
            (None, 401),
            (Some("Bearer 0123456789abcdeg"), 401),
            (Some("Bearer 0123456789abcde"), 401),
            (Some("Bearer "), 401),
            (Some("Basic 0123456789abcdef"), 401),
            (Some("0123456789abcdef"), 401),
        ] {
            assert_eq!(
                status(&config, authorization),
                expected,
                "{authorization:?}"
            );
        }
    }
}
