//! A page of a table, which is made before it is sent, with the way to the next one.

use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};

use crate::api::cursor;
use crate::api::error::ApiError;
use crate::api::state::ApiState;
use crate::export::{Table, TableEncoder, TableFormat};

pub(super) async fn answer(
    state: &ApiState,
    uri: &Uri,
    table: Table,
    format: TableFormat,
    limit: usize,
) -> Result<Response, ApiError> {
    let mut batches = Vec::new();
    let columns = table.columns().to_vec();
    let (mut left, mut rest) = (limit, Some(table));
    while let (Some(table), true) = (&rest, left > 0) {
        let (table, rows_max) = (table.clone(), left);
        let read = state.read(table.operation(), move |conn| table.read(conn, rows_max));
        let (batch, after) = read.await?;
        left -= batch.rows().min(left);
        batches.push(batch);
        rest = after;
    }
    let next = rest
        .and_then(|table| table.key())
        .map(|key| key.to_string());
    let encode = move || -> crate::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = TableEncoder::begin(format, &columns, &mut bytes)?;
        for batch in batches {
            encoder.write(batch, &mut bytes)?;
        }
        encoder.finish(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = super::stream::blocking(encode).await?;
    let kind = [(header::CONTENT_TYPE, format.media_type())];
    let link = cursor::next_page(uri, next.as_deref());
    Ok((kind, link, bytes).into_response())
}
