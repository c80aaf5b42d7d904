//! Answers whose parts can be asked for (RFC 9110, 14): a whole of a known size under a tag, read piece by
//! piece, only as fast as its reader takes it.

use std::future::Future;
use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::error::ApiError;

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 256 * 1_024;

/// What parts are asked of. It is the same as long as its tag is.
pub(super) trait RangedBytes: Clone + Send + Sync + 'static {
    /// All bytes.
    fn size(&self) -> u64;
    /// Its entity tag, in quotes.
    fn tag(&self) -> HeaderValue;
    /// What it is.
    fn media_type(&self) -> &'static str;
    /// Takes a place for a long answer, of more than one piece, if there is one.
    fn take_place(&mut self) -> Result<(), ApiError> {
        Ok(())
    }

    /// Some bytes, [`PIECE_BYTES`] of them at most.
    fn read(&self, range: Range<u64>) -> impl Future<Output = std::io::Result<Bytes>> + Send;
}

/// The answer to a request: the whole, the part that it asks for, or that it has it already.
///
/// # Errors
/// Those of [`RangedBytes::take_place`].
pub(super) fn answer<S: RangedBytes>(
    method: &Method,
    headers: &HeaderMap,
    of: S,
) -> Result<Response, ApiError> {
    let given = |name| headers.get(name).and_then(|text| text.to_str().ok());
    let tag = of.tag();
    let tag = tag.to_str().unwrap_or_default();
    let tags = headers.get_all(header::IF_NONE_MATCH).into_iter();
    let mut tags = tags.filter_map(|tags| tags.to_str().ok());
    if tags.any(|tags| tags.split(',').any(|one| matches(one.trim(), tag))) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        response.headers_mut().insert(header::ETAG, of.tag());
        return Ok(response);
    }
    // A part of another file than the one that the client has begun is of no use to it.
    let is_same = given(header::IF_RANGE).is_none_or(|begun| begun == tag);
    // A range means something with GET alone (RFC 9110, 14.2).
    let is_part = is_same && method == Method::GET;
    let range = given(header::RANGE).filter(|_| is_part);
    let size = of.size();
    match range.and_then(|text| bytes_of(text, size)) {
        None => part(of, method, StatusCode::OK, 0..size),
        Some(Some(range)) => part(of, method, StatusCode::PARTIAL_CONTENT, range),
        Some(None) => {
            let detail = format!("the file has {size} bytes; ask for some of these");
            let refused = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
            let mut refused = refused.into_response();
            if let Ok(size) = HeaderValue::try_from(format!("bytes */{size}")) {
                refused.headers_mut().insert(header::CONTENT_RANGE, size);
            }
            Ok(refused)
        }
    }
}

/// Whether a tag of a list names this one; a weak one does, too (RFC 9110, 13.1.2).
fn matches(one: &str, tag: &str) -> bool {
    one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
}

fn part<S: RangedBytes>(
    mut of: S,
    method: &Method,
    status: StatusCode,
    range: Range<u64>,
) -> Result<Response, ApiError> {
    let length = range.end - range.start;
    if method == Method::GET && length > PIECE_BYTES {
        of.take_place()?;
    }
    let place = format!(
        "bytes {}-{}/{}",
        range.start,
        range.end.max(1) - 1,
        of.size()
    );
    let (tag, kind) = (of.tag(), of.media_type());
    let pieces = stream::try_unfold(range, move |range| {
        let of = of.clone();
        async move {
            if range.is_empty() {
                return Ok::<_, std::io::Error>(None);
            }
            let end = range.end.min(range.start + PIECE_BYTES);
            let piece = of.read(range.start..end).await.inspect_err(|error| {
                tracing::warn!(%error, "a file breaks off: its reader is told by the connection");
            })?;
            Ok(Some((piece, end..range.end)))
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, tag);
    if let (StatusCode::PARTIAL_CONTENT, Ok(place)) = (status, HeaderValue::try_from(place)) {
        headers.insert(header::CONTENT_RANGE, place);
    }
    Ok(response)
}

/// The bytes that a header `range` names of a file of this size: none when it is to be ignored, as one of
/// several parts is (RFC 9110, 14.2); within that none when the file has no such part.
fn bytes_of(header: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| text.parse::<u64>().ok();
    let range = match (first, last) {
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..size.min(last.saturating_add(1))
        }
    };
    Some((range.start < range.end).then_some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list() {
        assert!(matches("\"a\"", "\"a\""));
        assert!(matches("W/\"a\"", "\"a\""));
        assert!(matches("*", "\"a\""));
        assert!(!matches("\"b\"", "\"a\""));
    }

    #[test]
    fn one_part_of_a_file_is_read_from_the_header() {
        for (header, expected) in [
            ("bytes=0-3", Some(Some(0..4))),
            ("Bytes=4-", Some(Some(4..10))),
            ("bytes=-4", Some(Some(6..10))),
            ("bytes=-400", Some(Some(0..10))),
            ("bytes=4-400", Some(Some(4..10))),
            ("bytes=10-", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=5-4", None),
            ("bytes=0-1,4-5", None),
            ("bytes=x-y", None),
            ("items=0-3", None),
        ] {
            assert_eq!(bytes_of(header, 10), expected, "{header}");
        }
    }
}
