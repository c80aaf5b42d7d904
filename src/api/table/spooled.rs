//! Parts of a table: readers of Parquet ask for its end first, then for what they need, others for its
//! size and for one piece after the other. It is written once, into a file, and all parts are of that.

use std::io::Write;
use std::time::Duration;

use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;

use super::stream::{TableStream, blocking};
use crate::api::error::ApiError;
use crate::api::guard;
use crate::api::ranged;
use crate::api::spooled_files::SpooledFile;
use crate::api::state::ApiState;
use crate::error::Error;
use crate::export::{Table, TableFormat};

/// The age of a file that a reader takes which begins: it asks for the size or the end first.
const AGE_AT_BEGIN: Duration = Duration::from_secs(2);
/// The same of one that asks for the first bytes, with which one may also go on.
const AGE_AT_FIRST_BYTES: Duration = Duration::from_secs(10);

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
    ranged::answer(method, headers, file)
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
    Ok(SpooledFile::new(file, size, format.media_type()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

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
