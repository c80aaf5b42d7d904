//! Parts of a request as typed values: parameters of path and query, and JSON bodies. What does
//! not fit is answered with 422 and the place; an unknown name is refused, never ignored.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::error::{ApiError, FieldError, PathSegment};
use super::state::ApiState;
use super::types::JsonObject;

/// Larger bodies are read off the runtime, whose threads may not be kept for as long.
const READ_AT_ONCE_BYTES_MAX: usize = 64 * 1_024;
const NO_VALUE: &str = "it has no value; give it one, or leave it out";

/// The parameters of the query.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

/// The id in the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) i64);

/// The id in the path of a file: `12.parquet`.
#[cfg(feature = "archive")]
#[derive(Debug, Clone, Copy)]
pub(super) struct ParquetId(pub(super) i64);

/// A JSON body, which is an object.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let text = parts.uri.query().unwrap_or_default();
        let pairs = serde_html_form::Deserializer::from_bytes(text.as_bytes());
        let query = serde_path_to_error::deserialize(pairs)
            .map_err(|error| violation("query", error.path(), &no_value(error.inner())))?;
        refuse_empty(text)?;
        Ok(Self(query))
    }
}

/// A parameter without a value would count as one that is not there.
fn refuse_empty(query: &str) -> Result<(), ApiError> {
    let pairs: Vec<(String, String)> = serde_html_form::from_str(query).unwrap_or_default();
    match pairs.iter().find(|(_, value)| value.is_empty()) {
        None => Ok(()),
        Some((name, _)) => Err(ApiError::violation(["query", name], NO_VALUE)),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (name, text) = last_parameter(parts, state).await?;
        let id = text.parse().map(Self);
        id.map_err(|_| ApiError::violation(["path", &name], "not a 64-bit integer"))
    }
}

/// Name and text of the last parameter in the path.
async fn last_parameter<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<(String, String), ApiError> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|error| {
        ApiError::violation(["path", "id"], format!("it cannot be read: {error}"))
    })?;
    let last = params.iter().last();
    let last = last.map(|(name, text)| (name.to_owned(), text.to_owned()));
    last.ok_or_else(|| ApiError::violation(["path"], "there is no id in it"))
}

#[cfg(feature = "archive")]
impl<S: Send + Sync> FromRequestParts<S> for ParquetId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (name, text) = last_parameter(parts, state).await?;
        let digits = text.strip_suffix(".parquet");
        let is_number = |of: &&str| !of.starts_with('0') && of.bytes().all(|b| b.is_ascii_digit());
        let id = digits.filter(is_number).and_then(|id| id.parse().ok());
        id.map(Self).ok_or_else(|| {
            let msg = "give a number and .parquet: 12.parquet";
            ApiError::violation(["path", &name], msg)
        })
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<ApiState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let media = media_type(request.headers());
        if !is_json(&media) {
            return Err(unsupported(&media, "application/json"));
        }
        let bytes = body(request).await?;
        if bytes.len() <= READ_AT_ONCE_BYTES_MAX {
            return read_json(&bytes);
        }
        state.body_memory().read(move || read_json(&bytes)).await?
    }
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<Json<T>, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let JsonObject(value) = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| violation("body", error.path(), &no_object(error.inner(), bytes)))?;
    json.end().map_err(|error| {
        let msg = format!("it goes on after its end: {error}; send one object");
        ApiError::violation(["body"], msg)
    })?;
    Ok(Json(value))
}

/// The body, which was received before the request is worked on.
pub(super) async fn body(request: Request) -> Result<Bytes, ApiError> {
    let bytes = to_bytes(request.into_body(), usize::MAX).await;
    bytes.map_err(|error| {
        let detail = format!("the body cannot be read: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, detail)
    })
}

/// The media type, in lower case and without its parameters; empty when none is given.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = text.split(';').next().unwrap_or("");
    media.trim().to_ascii_lowercase()
}

/// `application/json` and the types derived from it.
pub(super) fn is_json(media: &str) -> bool {
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

pub(super) fn unsupported(media: &str, accepted: &str) -> ApiError {
    let given = if media.is_empty() {
        "there is no content-type".to_owned()
    } else {
        format!("the content-type {media:?} is not taken here")
    };
    let detail = format!("{given}; send {accepted}");
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
}

/// Why a parameter cannot be read: what the parsers of numbers say names no remedy.
fn no_value(error: &serde_html_form::de::Error) -> String {
    let said = error.to_string();
    let plain = match said.as_str() {
        "invalid digit found in string"
        | "number too large to fit in target type"
        | "number too small to fit in target type" => {
            "not an integer within its range; write it in digits, like 24"
        }
        "invalid float literal" => "not a number; write it like 1.5",
        "cannot parse integer from empty string" | "cannot parse float from empty string" => {
            NO_VALUE
        }
        "unsupported value" => "it is there more than once; give it once",
        _ => return said,
    };
    plain.to_owned()
}

/// Why a body is not the object that is asked for.
fn no_object(error: &serde_json::Error, text: &[u8]) -> String {
    let said = error.to_string();
    let is_json = || serde_json::from_slice::<IgnoredAny>(text).is_ok();
    match error.classify() {
        Category::Data | Category::Io => said,
        _ if text.is_empty() => "it is empty; send a JSON object".to_owned(),
        _ if !is_json() => format!("invalid JSON: {said}; send a JSON object"),
        // So serde_json says that a word is asked for and there is null, or a number.
        _ if said.starts_with("expected value") => {
            "not a text; write one of the words of the OpenAPI document, or leave it out".to_owned()
        }
        _ => said,
    }
}

/// A text with its middle left out, if it is long: what was sent is not sent back without end.
fn shortened(text: &str) -> String {
    const HEAD_CHARS: usize = 200;
    const TAIL_CHARS: usize = 800;
    let chars = text.chars().count();
    if chars <= HEAD_CHARS + TAIL_CHARS {
        return text.to_owned();
    }
    let head: String = text.chars().take(HEAD_CHARS).collect();
    let tail: String = text.chars().skip(chars - TAIL_CHARS).collect();
    format!("{head}...{tail}")
}

fn violation(part: &str, path: &serde_path_to_error::Path, msg: &str) -> ApiError {
    use serde_path_to_error::Segment;
    let mut loc = vec![PathSegment::from(part)];
    loc.extend(path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(PathSegment::Name(shortened(key))),
        Segment::Enum { variant } => Some(PathSegment::Name(shortened(variant))),
        Segment::Seq { index } => Some(PathSegment::Index(*index)),
        Segment::Unknown => None,
    }));
    ApiError::Violations(vec![FieldError {
        loc,
        msg: shortened(msg),
        r#type: "value_error",
    }])
}
