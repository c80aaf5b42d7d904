//! A whole table, sent while it is read: page by page, and only as fast as its reader takes it. Between
//! two pages no connection is held.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::error::ApiError;
use crate::api::guard;
use crate::api::state::ApiState;
use crate::error::{Error, Result, panic_message};
use crate::export::{Table, TableEncoder, TableFormat};
use crate::repository::PAGE_ROWS_MAX;

/// Runs work that takes the processor for milliseconds where it keeps nobody waiting.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Panicked {
            op: "table.encode",
            message: match error.try_into_panic() {
                Ok(payload) => panic_message(payload.as_ref()),
                Err(error) => error.to_string(),
            },
        }),
    }
}

/// A table on its way to its reader.
pub(super) struct TableStream {
    state: ApiState,
    /// None behind the end.
    encoder: Option<TableEncoder>,
    rest: Option<Table>,
    /// Its place among those that are sent.
    place: Option<OwnedSemaphorePermit>,
}

impl TableStream {
    /// Begins a table; returns its first bytes, too.
    pub(super) fn begin(
        state: ApiState,
        table: Table,
        format: TableFormat,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<(Self, Vec<u8>)> {
        let mut bytes = Vec::new();
        let encoder = TableEncoder::begin(format, table.columns(), &mut bytes)?;
        let stream = Self {
            state,
            encoder: Some(encoder),
            rest: Some(table),
            place,
        };
        Ok((stream, bytes))
    }

    /// Its next bytes, which may be none; `None` at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(mut encoder) = self.encoder.take() else {
            return Ok(None);
        };
        let Some(table) = self.rest.take() else {
            let finish = move || {
                let mut bytes = Vec::new();
                encoder.finish(&mut bytes)?;
                Ok(Some(bytes))
            };
            return blocking(finish).await;
        };
        let read = self.state.read(table.operation(), move |conn| {
            table.read(conn, PAGE_ROWS_MAX)
        });
        let (batch, rest) = read.await?;
        self.rest = rest;
        let write = move || {
            let mut bytes = Vec::new();
            encoder.write(batch, &mut bytes)?;
            Ok((encoder, bytes))
        };
        let (encoder, bytes) = blocking(write).await?;
        self.encoder = Some(encoder);
        Ok(Some(bytes))
    }
}

pub(super) async fn answer(
    state: ApiState,
    table: Table,
    format: TableFormat,
) -> Result<Response, ApiError> {
    let (mut table, mut first) = TableStream::begin(state.clone(), table, format, None)?;
    // What cannot be read at all is an answer of its own, not a broken connection.
    first.extend(table.next().await?.unwrap_or_default());
    // A table of one page is sent at once; one that goes on keeps its place for as long as it takes.
    if table.rest.is_some() {
        table.place = Some(guard::place_of_long_read(&state)?);
    }
    let pieces = stream::try_unfold((Some(first), table), |(first, mut table)| async {
        let next = match first {
            Some(first) => Some(first),
            None => table.next().await.inspect_err(|error| {
                tracing::warn!(
                    error = error.chain(),
                    "a table breaks off: its reader is told by the connection"
                );
            })?,
        };
        Ok::<_, Error>(next.map(|bytes| (Bytes::from(bytes), (None, table))))
    });
    let name = format!("attachment; filename=\"table.{}\"", format.extension());
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(format.media_type()),
    );
    headers.insert(
        header::ACCEPT_RANGES,
        header::HeaderValue::from_static("bytes"),
    );
    if let Ok(name) = header::HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
