//! What is archived: an instrument's ticks of a period.

use diesel::prelude::*;

use crate::domain::SegmentState;
use crate::tables::archive_segments;
use crate::timestamp::Timestamp;

/// The ticks of an instrument and a period that lie in a file.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = archive_segments)]
#[non_exhaustive]
pub struct ArchiveSegment {
    /// Its number.
    pub id: i64,
    /// The instrument.
    pub instrument_id: i64,
    /// The start of the period.
    pub starts_at: Timestamp,
    /// The end of it, which belongs to the next one.
    pub ends_at: Timestamp,
    /// How far its archiving is.
    pub state: SegmentState,
    /// Who works at it.
    pub owner: Option<String>,
    /// Until when nobody else may.
    pub claimed_until: Option<Timestamp>,
    /// The version of its file; 0 before there is one.
    pub version: i64,
    /// Ticks in the file, those included that hot rows hide.
    pub rows: i64,
    /// Bytes of the file.
    pub bytes: i64,
    /// The hash of the file.
    pub sha256: Option<String>,
    /// When it was first claimed.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted as a whole, if it was.
    pub deleted_at: Option<Timestamp>,
}
