//! `/api/archive/segments`: what is archived, and its files for DuckDB, pandas, polars and Spark.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody, ReadErrors};
use super::extract::{ParquetId, Query};
use super::guard;
use super::ranged::{self, RangedBytes};
use super::state::ApiState;
use super::types::{ArchiveSegmentItem, ArchiveSegmentList, ArchiveSegmentQuery, TableBytes};
use crate::models::ArchiveSegment;
use crate::repository::archive;
use crate::repository::instrument;

/// Periods of one page, unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 100;
const MEDIA_TYPE: &str = "application/vnd.apache.parquet";

pub(super) fn reads() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(file))
}

/// What is archived: one file for an instrument and a period, by number
///
/// The files hold the ticks of when they were made: what came late since, and what was deleted since, is
/// in `GET /api/market-data` alone.
#[utoipa::path(
    get,
    path = "/api/archive/segments",
    operation_id = "archive_segments",
    tag = "archive",
    params(ArchiveSegmentQuery),
    responses((status = 200, body = ArchiveSegmentList), ReadErrors)
)]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<ArchiveSegmentQuery>,
) -> Result<axum::Json<ArchiveSegmentList>, ApiError> {
    let (of, after) = (query.instrument_id, query.after.unwrap_or(i64::MIN));
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let read = state.read("archive.page", move |conn| {
        conn.snapshot(|conn| {
            let segments = archive::page(conn, of, after, limit)?;
            let ids: Vec<i64> = segments.iter().map(|of| of.instrument_id).collect();
            Ok((segments, instrument::labels(conn, &ids)?))
        })
    });
    let (segments, labels) = read
        .await
        .map_err(|error| ApiError::within("query", error))?;
    let symbols: HashMap<i64, String> = labels
        .into_iter()
        .map(|label| (label.id, label.symbol.to_string()))
        .collect();
    let is_full = segments.len() == limit;
    let next = segments.last().map(|of| of.id).filter(|_| is_full);
    let segments = segments.into_iter().map(|of| {
        let symbol = symbols.get(&of.instrument_id).cloned();
        ArchiveSegmentItem::new(of, symbol)
    });
    Ok(axum::Json(ArchiveSegmentList {
        segments: segments.collect(),
        next,
    }))
}

/// The file of an archived period, as Parquet
///
/// Parts of it can be asked for (`range`). Its entity tag changes when it is made anew.
#[utoipa::path(
    get,
    path = "/api/archive/segments/{file}",
    operation_id = "archive_segment_file",
    tag = "archive",
    params(("file" = String, Path, description = "Number of the period, and `.parquet`", pattern = r"^([1-9]|[1-9][0-9]{1,17})\.parquet$", example = "12.parquet")),
    responses(
        (status = 200, content_type = "application/vnd.apache.parquet", body = TableBytes, headers(
            ("etag", description = "The hash of the file (SHA-256)"),
            ("accept-ranges", description = "`bytes`")
        )),
        (status = 206, content_type = "application/vnd.apache.parquet", body = TableBytes, description = "The part that was asked for"),
        (status = 304, description = "The client has it: the tag of `if-none-match` is its own"),
        (status = 404, body = ErrorBody, description = "No archived period has this number"),
        (status = 416, body = ErrorBody, description = "The file has no such part"),
        ReadErrors,
    )
)]
async fn file(
    State(state): State<ApiState>,
    ParquetId(id): ParquetId,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let segment = state
        .read("archive.get", move |conn| archive::get(conn, id))
        .await?;
    let size = u64::try_from(segment.bytes).unwrap_or(0);
    let file = SegmentFile {
        state,
        segment: Arc::new(segment),
        size,
        place: None,
    };
    ranged::answer(&method, &headers, file)
}

/// A version of the file of a period.
#[derive(Clone)]
struct SegmentFile {
    state: ApiState,
    segment: Arc<ArchiveSegment>,
    size: u64,
    /// Its place among those that are sent.
    place: Option<Arc<OwnedSemaphorePermit>>,
}

impl RangedBytes for SegmentFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn tag(&self) -> HeaderValue {
        let hash = self.segment.sha256.as_deref().unwrap_or_default();
        let tag = HeaderValue::try_from(format!("\"{hash}\""));
        tag.unwrap_or(HeaderValue::from_static("\"\""))
    }

    fn media_type(&self) -> &'static str {
        MEDIA_TYPE
    }

    fn take_place(&mut self) -> Result<(), ApiError> {
        self.place = Some(Arc::new(guard::place_of_long_read(&self.state)?));
        Ok(())
    }

    async fn read(&self, range: Range<u64>) -> std::io::Result<Bytes> {
        let segment = Arc::clone(&self.segment);
        let read = self.state.read("archive.file_part", move |conn| {
            archive::byte_range(conn, &segment, range.clone())
        });
        read.await.map_err(std::io::Error::other)
    }
}
