//! Permits writes, and reads where they are protected: by a bearer token, or without one by the
//! address that the server listens to.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

use super::error::ApiError;
use super::state::ApiState;
use super::tokens::{AcceptedToken, AcceptedTokens};

/// Before the token, in a WebSocket's list of protocols: browsers can send no other header.
const TOKEN_PROTOCOL: &str = "tickbase.bearer.";

/// The sender of a request, as far as a token tells.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// The request carries no token.
    Anonymous,
    /// The request carries a token that the server does not accept.
    WrongToken,
    /// The request carries this token.
    Bearer(Arc<AcceptedToken>),
}

impl Caller {
    /// The one whose headers these are.
    pub(super) fn of(tokens: &AcceptedTokens, headers: &HeaderMap) -> Self {
        let accepted = match (protocol_token(headers), bearer_token(headers)) {
            (Some(text), _) => tokens.find(text).or_else(|| {
                let written = percent_decode_str(text).decode_utf8().ok()?;
                tokens.find(&written)
            }),
            (None, Some(text)) => tokens.find(text),
            (None, None) => return Self::Anonymous,
        };
        accepted.map_or(Self::WrongToken, Self::Bearer)
    }

    /// The one who writes in the line protocol: its clients have more places for a token. They
    /// count at its paths alone, as browsers send a password along by themselves.
    pub(super) fn of_line_protocol(
        tokens: &AcceptedTokens,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Self {
        match credentials_of_header(headers).or_else(|| password_of_query(uri)) {
            None => Self::Anonymous,
            Some(text) => tokens.find(&text).map_or(Self::WrongToken, Self::Bearer),
        }
    }

    /// The name of the token.
    pub(super) fn token_name(&self) -> Option<&str> {
        match self {
            Self::Bearer(token) => Some(token.name()),
            Self::Anonymous | Self::WrongToken => None,
        }
    }

    /// The token, or why the request is refused without one.
    pub(super) fn token(&self) -> Result<&Arc<AcceptedToken>, ApiError> {
        let detail = match self {
            Self::Bearer(token) => return Ok(token),
            Self::Anonymous => "this needs the header `Authorization: Bearer <token>`",
            Self::WrongToken => "invalid token",
        };
        Err(ApiError::new(StatusCode::UNAUTHORIZED, detail))
    }
}

/// True for the paths that clients of InfluxDB write to.
pub(super) fn takes_line_protocol(route: Option<&MatchedPath>) -> bool {
    // Also where the router is mounted under a prefix.
    route.is_some_and(|route| route.as_str().ends_with("/write"))
}

/// The text after `Bearer`.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, text) = authorization(headers)?;
    scheme.eq_ignore_ascii_case("bearer").then_some(text)
}

/// The scheme of the header, and what stands behind it.
fn authorization(headers: &HeaderMap) -> Option<(&str, &str)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, text) = value.split_once(' ')?;
    Some((scheme, text.trim()))
}

/// The text after `Bearer` or `Token`, or the password of `Basic`, whoever the user is.
fn credentials_of_header(headers: &HeaderMap) -> Option<String> {
    let (scheme, text) = authorization(headers)?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => Some(text.to_owned()),
        "basic" => {
            let plain = BASE64_STANDARD.decode(text).ok()?;
            let plain = String::from_utf8(plain).ok()?;
            let (_, password) = plain.split_once(':')?;
            Some(password.to_owned())
        }
        _ => None,
    }
}

/// The parameter `p`, the password of InfluxDB's first version.
fn password_of_query(uri: &Uri) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_html_form::from_str(uri.query()?).ok()?;
    let mut pairs = pairs.into_iter();
    let (_, password) = pairs.find(|(name, value)| name == "p" && !value.is_empty())?;
    Some(password)
}

/// The token of a WebSocket's handshake, as a protocol: never in the URL, which logs keep. A protocol
/// has no `/` and no `=`, which tokens in Base64 have: they are percent-encoded.
fn protocol_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::UPGRADE)?;
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut protocols = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(',').map(str::trim));
    protocols.find_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL))
}

/// Lets writes pass that may write.
pub(super) async fn permit_writes(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    match may_write(state.tokens(), state.address(), &caller) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets requests pass that carry a token.
pub(super) async fn require_token(
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    match caller.token() {
        Ok(_) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn may_write(
    tokens: &AcceptedTokens,
    address: SocketAddr,
    caller: &Caller,
) -> Result<(), ApiError> {
    let forbidden = |detail: String| Err(ApiError::new(StatusCode::FORBIDDEN, detail));
    if tokens.is_empty() {
        // Canonical: `::ffff:127.0.0.1` is loopback, too.
        if address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        return forbidden(
            "writes are closed: the server listens to other machines and has no token; set \
             server.token (TICKBASE_SERVER_TOKEN), or bind a loopback address"
                .to_owned(),
        );
    }
    let token = caller.token()?;
    if token.may_write() {
        return Ok(());
    }
    let name = token.name();
    forbidden(format!(
        "the token {name} may read only; use one with the rights write"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NamedToken, Token, TokenRights};

    const WRITES: &str = "0123456789abcdef";
    const READS: &str = "fedcba9876543210";

    fn tokens() -> AcceptedTokens {
        let named =
            |name, text, rights| NamedToken::new(name, Token::new(text).unwrap(), rights).unwrap();
        AcceptedTokens::new(&[
            named("desk", WRITES, TokenRights::Write),
            named("grafana", READS, TokenRights::Read),
        ])
    }

    fn caller(tokens: &AcceptedTokens, headers: &[(header::HeaderName, &str)]) -> Caller {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.parse().unwrap()));
        Caller::of(tokens, &headers.collect())
    }

    fn status(checked: Result<impl Sized, ApiError>) -> u16 {
        match checked {
            Ok(_) => 200,
            Err(refusal) => refusal.into_response().status().as_u16(),
        }
    }

    #[test]
    fn without_a_token_only_a_loopback_address_takes_writes() {
        let none = AcceptedTokens::new(&[]);
        for (address, expected) in [
            ("127.0.0.1:8000", 200),
            ("[::1]:8000", 200),
            ("[::ffff:127.0.0.1]:8000", 200),
            ("0.0.0.0:8000", 403),
            ("[::]:8000", 403),
        ] {
            let checked = may_write(&none, address.parse().unwrap(), &Caller::Anonymous);
            assert_eq!(status(checked), expected, "{address}");
        }
    }

    #[test]
    fn a_token_opens_what_its_rights_say_to_who_has_it() {
        let tokens = tokens();
        let address = "0.0.0.0:8000".parse().unwrap();
        for (authorization, writes, reads) in [
            ("Bearer 0123456789abcdef", 200, 200),
            ("bearer 0123456789abcdef", 200, 200),
            ("Bearer fedcba9876543210", 403, 200),
            ("Bearer 0123456789abcdeg", 401, 401),
            ("Bearer 0123456789abcde", 401, 401),
            ("Bearer 0123456789abcdef0", 401, 401),
            ("Bearer ", 401, 401),
            ("Basic 0123456789abcdef", 401, 401),
            ("0123456789abcdef", 401, 401),
        ] {
            let caller = caller(&tokens, &[(header::AUTHORIZATION, authorization)]);
            let written = may_write(&tokens, address, &caller);
            assert_eq!(status(written), writes, "{authorization}");
            assert_eq!(status(caller.token()), reads, "{authorization}");
        }
        assert_eq!(status(may_write(&tokens, address, &Caller::Anonymous)), 401);
    }

    #[test]
    fn clients_of_influxdb_send_a_token_in_their_own_places() {
        let tokens = tokens();
        for (authorization, query, name) in [
            ("Bearer 0123456789abcdef", "", Some("desk")),
            ("Token 0123456789abcdef", "", Some("desk")),
            // root:0123456789abcdef
            ("Basic cm9vdDowMTIzNDU2Nzg5YWJjZGVm", "", Some("desk")),
            // :fedcba9876543210
            ("basic OmZlZGNiYTk4NzY1NDMyMTA=", "", Some("grafana")),
            ("Basic cm9vdDpyb290", "p=0123456789abcdef", None), // root:root
            ("Basic ****", "p=0123456789abcdef", Some("desk")),
            ("Digest 0123456789abcdef", "", None),
            ("", "db=x&u=me&p=0123456789abcdef", Some("desk")),
            ("", "p=&p=0123456789abcdef", Some("desk")),
            ("", "q=0123456789abcdef", None),
        ] {
            let headers = (!authorization.is_empty())
                .then(|| (header::AUTHORIZATION, authorization.parse().unwrap()));
            let headers: HeaderMap = headers.into_iter().collect();
            let uri: Uri = format!("/write?{query}").parse().unwrap();
            let caller = Caller::of_line_protocol(&tokens, &headers, &uri);
            assert_eq!(caller.token_name(), name, "{authorization} {query}");
            // Elsewhere only the first of these places counts.
            let elsewhere = Caller::of(&tokens, &headers).token_name().is_some();
            assert_eq!(elsewhere, authorization.starts_with("Bearer"));
        }
    }

    #[test]
    fn a_token_among_protocols_counts_in_a_handshake_alone() {
        let tokens = tokens();
        let protocols = format!("tickbase.v1, {TOKEN_PROTOCOL}{READS}");
        let offered = (header::SEC_WEBSOCKET_PROTOCOL, protocols.as_str());
        let upgrade = (header::UPGRADE, "websocket");
        let handshake = caller(&tokens, &[offered.clone(), upgrade]);
        assert_eq!(handshake.token_name(), Some("grafana"));
        assert_eq!(caller(&tokens, &[offered]).token_name(), None);
    }
}
