//! Keeps out foreign pages: those that reach the server by a name that was made to lead here, and
//! those that write to it without being asked.
//!
//! A browser sends a request of any page to any address, and what only this machine or network may
//! reach is reached by it. Who has a token is no such page: browsers send none by themselves.
//!
//! The reasons are in docs/decisions/0021.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::Caller;
use super::error::{ApiError, shortened};
use super::state::ApiState;
use crate::config::Authority;

/// The origin of a request in a browser's words: `same-origin`, `same-site`, `cross-site`, or
/// `none` when a person has typed the address.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Bytes of a host or an origin that an answer repeats.
const SHOWN_MAX: usize = 100;

/// Refuses a request without a token that calls the server by a host that is not its own, and a
/// write that a page of another origin sends.
pub(super) async fn refuse_strangers(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    let checked = match &caller {
        Caller::Bearer(_) => Ok(()),
        Caller::Anonymous | Caller::WrongToken => permit_host(&state, uri, headers),
    };
    let checked = checked.and_then(|()| {
        // Reads change nothing, and CORS keeps their answers from a foreign page.
        if request.method().is_safe() {
            return Ok(());
        }
        permit_origin(&state, uri, headers)
    });
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The hosts that a request names, as they are written: in its target, and in its headers.
fn named<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> impl Iterator<Item = &'r str> {
    let of_target = uri.authority().map(|authority| authority.as_str());
    let of_headers = headers.get_all(header::HOST).into_iter();
    // What is no text is no host either.
    let of_headers = of_headers.map(|host| host.to_str().unwrap_or_default());
    of_target.into_iter().chain(of_headers)
}

/// Each host that the request names must be the server's own. One that names none comes from no
/// browser.
fn permit_host(state: &ApiState, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let bind = state.address();
    let is_own = |text: &&str| {
        Authority::parse(text).is_some_and(|called| state.hosts().is_own(&called.host, bind))
    };
    let Some(foreign) = named(uri, headers).find(|text| !is_own(text)) else {
        return Ok(());
    };
    let host = shortened(foreign, SHOWN_MAX);
    Err(ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!(
            "the host {host:?} is not a host of this server; call it by localhost or by its address, \
             or add the host to server.hosts (TICKBASE_SERVER_HOSTS)"
        ),
    ))
}

/// Refuses a page that may not write or connect; a request without a page passes.
pub(super) fn permit_origin(
    state: &ApiState,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let called: Vec<Authority> = named(uri, headers).filter_map(Authority::parse).collect();
    let (hosts, bind) = (state.hosts(), state.address());
    let origins = headers.get_all(header::ORIGIN).into_iter();
    let mut origins = origins.map(|origin| origin.to_str().unwrap_or_default());
    let foreign = match headers.contains_key(header::ORIGIN) {
        true => origins.find(|origin| !hosts.is_welcome(origin, &called, bind)),
        // Not every browser sends an origin along with every write; then this tells of it.
        false => headers
            .get(SEC_FETCH_SITE)
            .and_then(|site| site.to_str().ok())
            .filter(|site| ["cross-site", "same-site"].contains(site))
            .filter(|_| !hosts.origins.iter().any(|origin| origin == "*")),
    };
    let Some(foreign) = foreign else {
        return Ok(());
    };
    let origin = shortened(foreign, SHOWN_MAX);
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        format!(
            "a page of another origin ({origin}) may neither write nor connect; add its origin to \
             server.cors_origins, or the host and port that the server has for it to server.hosts"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::own_hosts::OwnHosts;
    use crate::config::ServerConfig;

    fn hosts(listed: &[&str], origins: &[&str]) -> OwnHosts {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        OwnHosts::new(&ServerConfig {
            hosts: owned(listed),
            cors_origins: owned(origins),
            ..ServerConfig::default()
        })
    }

    /// Keeps the hosts that are the server's own.
    fn own<'t>(hosts: &OwnHosts, bind: &str, texts: &[&'t str]) -> Vec<&'t str> {
        let bind = bind.parse().unwrap();
        let is_own = |text: &&&str| hosts.is_own(&Authority::parse(text).unwrap().host, bind);
        texts.iter().filter(is_own).copied().collect()
    }

    #[test]
    fn the_server_is_called_by_its_address_by_localhost_and_by_what_is_listed() {
        let all = [
            "localhost:1",
            "LOCALHOST.",
            "127.0.0.1:9",
            "[::1]",
            "192.168.1.7",
            "desk.example",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
        ];
        let none = hosts(&[], &[]);
        assert_eq!(own(&none, "127.0.0.1:8000", &all), all[..3]);
        assert_eq!(own(&none, "[::1]:8000", &all), [all[0], all[1], all[3]]);
        assert_eq!(own(&none, "0.0.0.0:8000", &all), all[..5]);
        assert_eq!(own(&none, "[::]:8000", &all), all[..5]);
        let listed = hosts(&["Desk.Example:443", "192.168.1.7"], &[]);
        let of_loopback = [&all[..3], &all[4..6]].concat();
        assert_eq!(own(&listed, "127.0.0.1:8000", &all), of_loopback);
    }

    /// Keeps the origins that are welcome when the server is called by this host.
    fn welcome<'t>(hosts: &OwnHosts, bind: &str, called: &str, texts: &[&'t str]) -> Vec<&'t str> {
        let (bind, called) = (bind.parse().unwrap(), Authority::parse(called).unwrap());
        let called = [called];
        let is_welcome = |text: &&&str| hosts.is_welcome(text, &called, bind);
        texts.iter().filter(is_welcome).copied().collect()
    }

    #[test]
    fn an_origin_is_the_servers_own_by_scheme_host_and_port() {
        let all = [
            "http://localhost:8000",
            "https://localhost:8000",
            "http://127.0.0.1:8000",
            "http://192.168.1.7:8000",
            "https://desk.example",
            "http://desk.example:8000",
            "https://other.example",
            "http://localhost",
            "http://localhost:80",
            "null",
            "",
            "ftp://localhost:8000",
            "http://localhost:8000/",
            "http://evil.example:8000",
            "http://a@localhost:8000",
        ];
        let none = hosts(&[], &[]);
        assert_eq!(
            welcome(&none, "127.0.0.1:8000", "evil.example:8000", &all),
            all[..3]
        );
        // All addresses are listened to: only the one that is called is known to be here.
        let by = |called| welcome(&none, "0.0.0.0:8000", called, &all);
        assert_eq!(by("192.168.1.7:8000"), [all[0], all[1], all[3]]);
        assert_eq!(by("evil.example:8000"), all[..2]);
        let listed = hosts(&["desk.example:443"], &["https://other.example"]);
        let found = welcome(&listed, "127.0.0.1:8000", "desk.example", &all);
        assert_eq!(found, [&all[..3], &all[4..7]].concat());
        assert_eq!(
            welcome(&hosts(&[], &["*"]), "127.0.0.1:8000", "x", &all),
            all
        );
        let at_80 = welcome(&none, "127.0.0.1:80", "localhost", &all);
        assert_eq!(at_80, ["http://localhost", "http://localhost:80"]);
    }
}
