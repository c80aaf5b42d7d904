//! Errors as responses: which status each has, and the one shape of their bodies.
//!
//! `{"detail": "<text>"}`, or for a body or parameter `{"detail": [{"loc", "msg", "type"}]}` with
//! 422. What the database says of itself, and where it is, stays in the log.
//!
//! The reasons are in docs/decisions/0019.

use std::borrow::Cow;

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::{IntoResponses, ToSchema};

use crate::database;
use crate::error::Error;

/// Bytes of a text that tells what is wrong: it may repeat what a client sent, however long.
const TEXT_BYTES_MAX: usize = 2_000;
/// Bytes of a name on the way to a value, likewise.
const NAME_BYTES_MAX: usize = 256;
/// Seconds after which a client that met a busy server may try again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// An error, as a client sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorBody {
    /// What failed, why, and what to do.
    detail: String,
    /// `unknown` when the write may be stored: the connection to the database broke during its commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

/// The parts of a request that break a rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ValidationError)]
pub(super) struct ValidationBody {
    /// Each place that breaks a rule.
    detail: Vec<FieldError>,
}

/// A place of the request that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// Where: `body`, `query`, `path` or `header`, then names and indexes.
    pub(super) loc: Vec<PathSegment>,
    /// The rule, and what would be accepted.
    pub(super) msg: String,
    /// The kind of the rule.
    pub(super) r#type: &'static str,
}

impl FieldError {
    /// Cuts what it repeats of the request, in the text and in the names.
    fn shorten(&mut self) {
        self.msg = shortened(&self.msg, TEXT_BYTES_MAX).into_owned();
        for step in &mut self.loc {
            if let PathSegment::Name(name) = step {
                *name = shortened(name, NAME_BYTES_MAX).into_owned();
            }
        }
    }
}

/// What a refusal says, beside its body: clients of other servers read it in a shape of their own.
#[derive(Debug, Clone)]
pub(super) struct ToldRefusal {
    pub(super) message: String,
    /// The line of the body that breaks a rule, from 1.
    pub(super) line: Option<u64>,
}

impl ToldRefusal {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            line: None,
        }
    }

    fn of_places(places: &[FieldError]) -> Self {
        let place = |place: &FieldError| {
            let steps = place.loc.iter().map(PathSegment::to_string);
            let steps: Vec<String> = steps.collect();
            format!("{}: {}", steps.join("."), place.msg)
        };
        let message: Vec<String> = places.iter().map(place).collect();
        Self::new(message.join("; "))
    }
}

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum PathSegment {
    Name(String),
    Index(usize),
}

impl std::fmt::Display for PathSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl From<&str> for PathSegment {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(super) enum ApiError {
    /// A status and its text.
    Status(StatusCode, String),
    /// 422, with the places.
    Violations(Vec<FieldError>),
    /// A line of the body, from 1, and the rule that it breaks.
    Line(u64, String),
    /// 503: nobody can know whether the write is stored.
    UnknownOutcome(String),
}

impl ApiError {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::Status(status, detail.into())
    }

    /// One place that breaks a rule.
    pub(super) fn violation<const N: usize>(loc: [&str; N], msg: impl Into<String>) -> Self {
        Self::Violations(vec![FieldError {
            loc: loc.into_iter().map(PathSegment::from).collect(),
            msg: msg.into(),
            r#type: "value_error",
        }])
    }

    /// An error of the crate about something that stands in this part of the request.
    pub(super) fn within(part: &str, error: Error) -> Self {
        match error {
            Error::Invalid {
                name,
                reason,
                remedy,
            } => Self::violation([part, &name], format!("{reason}; {remedy}")),
            other => other.into(),
        }
    }
}

/// The error of a value, at the place where the value stands.
pub(super) fn named<const N: usize>(loc: [&str; N], error: Error) -> ApiError {
    match error {
        Error::Invalid { reason, remedy, .. } => {
            ApiError::violation(loc, format!("{reason}; {remedy}"))
        }
        other => other.into(),
    }
}

/// The text of an error for a client: all that it says of the request, and of the inside of the
/// server the kind alone. Hosts, paths, URLs and the words of drivers are for the log.
pub(super) fn public_text(error: &Error) -> String {
    let kind = match error {
        Error::Connect { .. } => "the database cannot be reached",
        Error::Migration { .. } => "the schema cannot be brought up to date",
        Error::Config { .. } | Error::Service { .. } => "a setting of the server cannot work",
        Error::File { .. } | Error::FileTooLarge { .. } => {
            "the server cannot read or write a file of its own"
        }
        Error::Panicked { .. } => "a defect of the server",
        Error::Invalid { .. }
        | Error::NotFound { .. }
        | Error::Conflict { .. }
        | Error::PoolTimeout { .. }
        | Error::Query { .. }
        | Error::Full { .. }
        | Error::SchemaNewer { .. }
        | Error::SchemaOlder { .. }
        | Error::QueueFull { .. }
        | Error::WriteLockHeld { .. }
        | Error::Closed
        | Error::CommitUnknown { .. }
        | Error::Rejected { .. }
        | Error::Line { .. }
        | Error::NotRunning { .. }
        | Error::Corrupt { .. }
        | Error::TooManyConnections { .. }
        | Error::ReadOnlyServer { .. }
        | Error::FileChanged { .. }
        | Error::WouldDelete { .. } => return error.to_string(),
    };
    format!("{kind}; the server's log has more under the x-request-id")
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Invalid { .. } => return Self::within("body", error),
            Error::Line { line, .. } => return Self::Line(*line, error.to_string()),
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Conflict { .. } => StatusCode::CONFLICT,
            Error::NotRunning { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ if database::is_temporary(&error) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            // Here it is handled, so here it is logged, with its whole chain.
            tracing::error!(
                error = error.chain(),
                status = status.as_u16(),
                "request failed"
            );
        }
        match error {
            Error::CommitUnknown { .. } => Self::UnknownOutcome(public_text(&error)),
            other => Self::Status(status, public_text(&other)),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let outcome = matches!(self, Self::UnknownOutcome(_)).then_some("unknown");
        let (status, line, detail) = match self {
            Self::Status(status, detail) => (status, None, detail),
            Self::Line(line, detail) => (StatusCode::UNPROCESSABLE_ENTITY, Some(line), detail),
            Self::UnknownOutcome(detail) => (StatusCode::SERVICE_UNAVAILABLE, None, detail),
            Self::Violations(mut detail) => {
                detail.iter_mut().for_each(FieldError::shorten);
                let told = ToldRefusal::of_places(&detail);
                let body = axum::Json(ValidationBody { detail });
                let mut response = (StatusCode::UNPROCESSABLE_ENTITY, body).into_response();
                response.extensions_mut().insert(told);
                return response;
            }
        };
        let detail = shortened(&detail, TEXT_BYTES_MAX).into_owned();
        let told = ToldRefusal {
            line,
            ..ToldRefusal::new(&*detail)
        };
        let mut response = (status, axum::Json(ErrorBody { detail, outcome })).into_response();
        response.extensions_mut().insert(told);
        let headers = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Answers that any request to the data may get, for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "the document reads the variants, no code builds them"
)]
pub(super) enum ReadErrors {
    /// The token is missing or wrong, where reads need one
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// Without a token: the header host names none of the server's hosts
    #[response(status = 421)]
    Misdirected(ErrorBody),
    /// A parameter breaks a rule
    #[response(status = 422)]
    Invalid(ValidationBody),
    /// The database failed
    #[response(status = 500)]
    Failed(ErrorBody),
    /// Busy, not started yet, or the database is away; `Retry-After` says when to try again
    #[response(status = 503)]
    Busy(ErrorBody),
}

/// Answers that a request with a body may get.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "the document reads the variants, no code builds them"
)]
enum BodyErrors {
    /// The request's head or body cannot be read
    #[response(status = 400)]
    Malformed(ErrorBody),
    /// A page of another origin sends it
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// The body comes too slowly
    #[response(status = 408)]
    TooSlow(ErrorBody),
    /// The body is larger than the server takes
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body's type or encoding is none that the path takes
    #[response(status = 415)]
    Unsupported(ErrorBody),
    /// The body or a parameter breaks a rule
    #[response(status = 422)]
    Invalid(ValidationBody),
}

/// Answers that a caller who wants to write may get.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "the document reads the variants, no code builds them"
)]
enum PermissionErrors {
    /// The token is missing or wrong
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The token may read only, writes are closed because the server listens to other machines and
    /// has no token, or a page of another origin sends it
    #[response(status = 403)]
    Forbidden(ErrorBody),
}

/// Answers that a read with parameters in its body may get, for the OpenAPI document.
pub(super) enum PostedReadErrors {}

/// Answers that any write may get, for the OpenAPI document.
pub(super) enum WriteErrors {}

type Responses = BTreeMap<String, RefOr<utoipa::openapi::Response>>;

impl IntoResponses for PostedReadErrors {
    fn responses() -> Responses {
        with::<BodyErrors>(ReadErrors::responses())
    }
}

impl IntoResponses for WriteErrors {
    fn responses() -> Responses {
        with::<PermissionErrors>(PostedReadErrors::responses())
    }
}

/// These and more; where both have a status, the words of `More` are the more exact ones.
fn with<More: IntoResponses>(mut responses: Responses) -> Responses {
    responses.extend(More::responses());
    responses
}

/// A text with so many bytes at most; one that was longer ends in dots.
pub(super) fn shortened(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(bytes_max);
    Cow::Owned(format!("{}..", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(error: Error) -> u16 {
        ApiError::from(error).into_response().status().as_u16()
    }

    #[test]
    fn each_error_has_the_status_that_tells_a_client_what_to_do() {
        let full = Error::QueueFull {
            queued: 1,
            limit: 1,
        };
        assert_eq!(
            status(Error::invalid("name", "it is empty", "give one")),
            422
        );
        assert_eq!(status(Error::not_found("instrument 1", "list them")), 404);
        assert_eq!(status(full), 503);
        assert_eq!(status(Error::Closed), 503);
        assert_eq!(status(Error::NotRunning { service: "any" }), 503);
        assert_eq!(status(diesel::result::Error::NotFound.into()), 500);
    }

    #[test]
    fn a_client_is_told_neither_where_the_database_is_nor_what_it_says() {
        let (target, reason) = (
            "postgres://desk@db7.internal:5432/ticks".to_owned(),
            "could not translate host name \"db7.internal\" in /etc/hosts".to_owned(),
        );
        let (name, path, remedy) = (target.clone(), target.clone(), "ask db7".to_owned());
        let service = "monitoring";
        for error in [
            Error::config(&target, &reason, &remedy),
            Error::service(service, &reason, &remedy),
            Error::Connect {
                target,
                reason: reason.clone(),
                remedy: remedy.clone(),
            },
            Error::Migration {
                name,
                reason: reason.clone(),
            },
            Error::File {
                path,
                reason: reason.clone(),
                remedy,
            },
            Error::Panicked {
                op: "instrument.get",
                message: reason,
            },
        ] {
            let text = public_text(&error);
            for private in ["db7", "5432", "translate", "/etc", "://"] {
                assert!(!text.contains(private), "{text}");
            }
            assert!(text.contains("x-request-id"), "{text}");
        }
        let missing = Error::not_found("instrument 7", "list them");
        assert_eq!(public_text(&missing), "instrument 7 not found; list them");
    }

    #[test]
    fn a_busy_server_says_when_to_try_again() {
        let response = ApiError::from(Error::Closed).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = ApiError::new(StatusCode::UNAUTHORIZED, "no token").into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
