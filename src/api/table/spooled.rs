//! Parts of a table: readers of Parquet ask for its end first, then for what they need, others for its
//! size and for one piece after the other. It is written once, into a file, and all parts are of that.

use std::io::Write;
use std::ops::Range;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::stream::{TableStream, blocking};
use crate::api::error::ApiError;
use crate::api::guard;
use crate::api::spooled_files::SpooledFile;
use crate::api::state::ApiState;
use crate::error::Error;
use crate::export::{Table, TableFormat};

/// The age of a file that a reader takes which begins: it asks for the size or the end first.
const AGE_AT_BEGIN: Duration = Duration::from_secs(2);
/// The same of one that asks for the first bytes, with which one may also go on.
const AGE_AT_FIRST_BYTES: Duration = Duration::from_secs(10);
/// Bytes that are read of a file at once.
const PIECE_BYTES: usize = 256 * 1_024;

pub(super) async fn answer(
    state: &ApiState,
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    table: Table,
    format: TableFormat,
) -> Result<Response, ApiError> {
    let key = format!("{format} {uri}");
    let files = state.spooled_files();
    let file = match files.get(&key, age_max(method, headers)) {
        Some(file) => file,
        None => {
            let file = make(state, table, format).await?;
            files.insert(key, file.clone());
            file
        }
    };
    // A part of another file than the one that the client has begun is of no use to it.
    let is_same = headers
        .get(header::IF_RANGE)
        .is_none_or(|tag| *tag == file.tag);
    // A range means something with GET alone (RFC 9110, 14.2).
    let is_part = is_same && method == Method::GET;
    let range = headers.get(header::RANGE).filter(|_| is_part);
    let range = range.and_then(|range| range.to_str().ok());
    Ok(match range.and_then(|text| bytes_of(text, file.size)) {
        None => part(&file, format, StatusCode::OK, 0..file.size),
        Some(Some(range)) => part(&file, format, StatusCode::PARTIAL_CONTENT, range),
        Some(None) => {
            let detail = format!("the file has {} bytes; ask for some of these", file.size);
            let refused = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
            let mut refused = refused.into_response();
            let size = HeaderValue::try_from(format!("bytes */{}", file.size));
            if let Ok(size) = size {
                refused.headers_mut().insert(header::CONTENT_RANGE, size);
            }
            refused
        }
    })
}

/// How old a file this request takes: who begins to read sees what is stored now, who goes on the
/// rest of what it has begun.
fn age_max(method: &Method, headers: &HeaderMap) -> Option<Duration> {
    if headers.contains_key(header::IF_RANGE) {
        return None;
    }
    let range = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    match range {
        Some(range) if method == Method::GET && !range.starts_with("bytes=-") => {
            range.starts_with("bytes=0-").then_some(AGE_AT_FIRST_BYTES)
        }
        _ => Some(AGE_AT_BEGIN),
    }
}

/// Writes the whole table into a file that nobody else can open.
async fn make(
    state: &ApiState,
    table: Table,
    format: TableFormat,
) -> Result<SpooledFile, ApiError> {
    let place = guard::place_of_long_read(state)?;
    let (mut table, mut bytes) = TableStream::begin(state.clone(), table, format, Some(place))?;
    let cannot = |error: std::io::Error| Error::File {
        path: "a temporary file".to_owned(),
        reason: error.to_string(),
        remedy: "free space in the directory of temporary files".to_owned(),
    };
    let mut file = blocking(move || tempfile::tempfile().map_err(cannot)).await?;
    let mut size = 0;
    loop {
        size += bytes.len() as u64;
        let write = move || file.write_all(&bytes).map(|()| file).map_err(cannot);
        file = blocking(write).await?;
        match table.next().await? {
            Some(more) => bytes = more,
            None => break,
        }
    }
    Ok(SpooledFile::new(file, size))
}

fn part(
    file: &SpooledFile,
    format: TableFormat,
    status: StatusCode,
    range: Range<u64>,
) -> Response {
    let length = range.end - range.start;
    let place = format!(
        "bytes {}-{}/{}",
        range.start,
        range.end.max(1) - 1,
        file.size
    );
    let of = file.clone();
    let pieces = stream::try_unfold(range, move |range| {
        let file = of.clone();
        async move {
            let length = (range.end - range.start).min(PIECE_BYTES as u64);
            if length == 0 {
                return Ok::<_, std::io::Error>(None);
            }
            let from = range.start;
            let read = tokio::task::spawn_blocking(move || file.read(from, length as usize));
            let piece = read.await.map_err(std::io::Error::other)??;
            Ok(Some((Bytes::from(piece), from + length..range.end)))
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static(format.media_type());
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, file.tag.clone());
    if let (StatusCode::PARTIAL_CONTENT, Ok(place)) = (status, HeaderValue::try_from(place)) {
        headers.insert(header::CONTENT_RANGE, place);
    }
    response
}

/// The bytes that a header `range` names of a file of this size: none when it is to be ignored, as one of
/// several parts is (RFC 9110, 14.2); within that none when the file has no such part.
fn bytes_of(header: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
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
    fn one_part_of_a_file_is_read_from_the_header() {
        for (header, expected) in [
            ("bytes=0-3", Some(Some(0..4))),
            ("bytes=4-", Some(Some(4..10))),
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

    #[test]
    fn who_begins_to_read_gets_a_young_file_and_who_goes_on_the_one_it_began() {
        let age = |method: Method, range: Option<&'static str>, tag: bool| {
            let mut headers = HeaderMap::new();
            if let Some(range) = range {
                headers.insert(header::RANGE, HeaderValue::from_static(range));
            }
            if tag {
                headers.insert(header::IF_RANGE, HeaderValue::from_static("\"a\""));
            }
            age_max(&method, &headers)
        };
        assert_eq!(age(Method::HEAD, None, false), Some(AGE_AT_BEGIN));
        assert_eq!(
            age(Method::HEAD, Some("bytes=8-9"), false),
            Some(AGE_AT_BEGIN)
        );
        assert_eq!(
            age(Method::GET, Some("bytes=-8"), false),
            Some(AGE_AT_BEGIN)
        );
        assert_eq!(
            age(Method::GET, Some("bytes=0-7"), false),
            Some(AGE_AT_FIRST_BYTES)
        );
        assert_eq!(age(Method::GET, Some("bytes=8-9"), false), None);
        assert_eq!(age(Method::GET, Some("bytes=-8"), true), None);
    }
}
