//! What is archived, as the API writes it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::models::ArchiveSegment;

/// A page of the archive.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ArchiveSegmentQuery {
    /// Only periods of this instrument.
    pub(in crate::api) instrument_id: Option<i64>,
    /// Only periods with a greater number: `next` of the page before.
    pub(in crate::api) after: Option<i64>,
    /// At most so many, 1 to 1000. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    pub(in crate::api) limit: Option<usize>,
}

/// Archived periods, by number.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ArchiveSegmentList {
    pub(in crate::api) segments: Vec<ArchiveSegmentItem>,
    /// Where the next page begins; null on the last one.
    pub(in crate::api) next: Option<i64>,
}

/// An archived period: the ticks of an instrument in one file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ArchiveSegment)]
pub(in crate::api) struct ArchiveSegmentItem {
    id: i64,
    instrument_id: i64,
    symbol: Option<String>,
    #[schema(format = DateTime)]
    starts_at: String,
    /// The first moment that is no longer part of it.
    #[schema(format = DateTime)]
    ends_at: String,
    /// Raised whenever the file is made anew.
    version: i64,
    rows: i64,
    bytes: i64,
    sha256: Option<String>,
    /// Where the file is.
    path: String,
}

impl ArchiveSegmentItem {
    pub(in crate::api) fn new(of: ArchiveSegment, symbol: Option<String>) -> Self {
        Self {
            path: format!("/api/archive/segments/{}.parquet", of.id),
            id: of.id,
            instrument_id: of.instrument_id,
            symbol,
            starts_at: of.starts_at.to_string(),
            ends_at: of.ends_at.to_string(),
            version: of.version,
            rows: of.rows,
            bytes: of.bytes,
            sha256: of.sha256,
        }
    }
}
