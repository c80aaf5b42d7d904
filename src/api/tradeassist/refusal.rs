//! Errors as the original answers them: `{"detail": "<text>"}`, and 422 with a list of problems.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::problem::Problem;
use crate::api::error::{ApiError, FieldError, PathSegment};
use crate::error::Error;

/// Problems in the order of their fields: a map of JSON would sort the names in each.
#[derive(Debug, Serialize)]
struct ProblemList {
    detail: Vec<Problem>,
}

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A status and the original's text for it.
    Told(StatusCode, String),
    /// Values that cannot be read.
    Problems(Vec<Problem>),
    /// What the native API says of it, but for values: the original has no words for it.
    Native(ApiError),
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::Told(status, detail.into())
    }

    /// The error, or the original's text for a row that is not there.
    pub(super) fn or_missing(error: Error, detail: &str) -> Self {
        match error {
            Error::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, detail),
            other => other.into(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        ApiError::from(error).into()
    }
}

impl From<ApiError> for Refusal {
    /// Places that break a rule are problems in this contract's shape.
    fn from(error: ApiError) -> Self {
        let problem = |place: FieldError| {
            let loc = place.loc.iter().map(|step| match step {
                PathSegment::Name(name) => json!(name),
                PathSegment::Index(index) => json!(index),
            });
            Problem::told(loc.collect(), &place.msg)
        };
        match error {
            ApiError::Violations(places) => {
                Self::Problems(places.into_iter().map(problem).collect())
            }
            other => Self::Native(other),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Told(status, detail) => {
                (status, axum::Json(json!({ "detail": detail }))).into_response()
            }
            Self::Problems(problems) => {
                let body = axum::Json(ProblemList { detail: problems });
                (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
            }
            Self::Native(error) => error.into_response(),
        }
    }
}
