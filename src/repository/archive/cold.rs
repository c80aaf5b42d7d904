//! The archived ticks of an instrument and a range of time, in order: a page or a group of a file at a time.
//!
//! It reads on the connection of the caller, in whose snapshot it was begun.

use std::collections::VecDeque;

use diesel::prelude::*;

use super::parts::PartBytes;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::ArchiveSegment;
use crate::repository::SortOrder;
use crate::segment::{Segment, SegmentPage, SegmentRows, WantedColumns};
use crate::tables::archive_segments;
use crate::timestamp::Timestamp;

/// The files that have ticks of a range of time, both moments included, by their start: those of a state.
macro_rules! files_of {
    ($conn:expr, $instrument_id:expr, $bounds:expr $(, $state:expr)?) => {{
        let (first, last) = $bounds;
        let query = archive_segments::table
            .filter(archive_segments::instrument_id.eq($instrument_id))
            .filter(archive_segments::starts_at.le(last))
            .filter(archive_segments::ends_at.gt(first))
            .filter(archive_segments::version.gt(0))
            $(.filter($state))?
            .order(archive_segments::starts_at.asc());
        Ok(crate::on_backend!($conn, |c| {
            query.select(ArchiveSegment::as_select()).load(c)
        })?)
    }};
}

/// The files that are read for a range of time: none of those in the trash.
pub(crate) fn segments(
    conn: &mut BackendConnection<'_>,
    of: i64,
    bounds: (Timestamp, Timestamp),
) -> Result<Vec<ArchiveSegment>> {
    files_of!(conn, of, bounds, archive_segments::deleted_at.is_null())
}

/// [`segments`] in the trash.
pub(super) fn deleted_segments(
    conn: &mut BackendConnection<'_>,
    of: i64,
    bounds: (Timestamp, Timestamp),
) -> Result<Vec<ArchiveSegment>> {
    files_of!(conn, of, bounds, archive_segments::deleted_at.is_not_null())
}

/// [`segments`], and those in the trash.
pub(super) fn all_segments(
    conn: &mut BackendConnection<'_>,
    of: i64,
    bounds: (Timestamp, Timestamp),
) -> Result<Vec<ArchiveSegment>> {
    files_of!(conn, of, bounds)
}

/// How much of a file is read at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColdChunk {
    /// Some thousands of ticks, for those who may stop soon.
    Page,
    /// A group of pages, whose dictionaries are read once, for those who read on.
    Group,
}

/// Where a read of archived ticks is.
pub(crate) struct ColdTicks {
    order: SortOrder,
    chunk: ColdChunk,
    bounds: (Timestamp, Timestamp),
    wanted: WantedColumns,
    /// The files that are not begun, in the order of the read.
    segments: VecDeque<ArchiveSegment>,
    open: Option<OpenSegment>,
}

struct OpenSegment {
    row: ArchiveSegment,
    segment: Segment,
    /// The pages that are not read, in the order of the read.
    pages: VecDeque<SegmentPage>,
}

impl ColdTicks {
    /// Those of these files.
    pub(crate) fn new(
        segments: Vec<ArchiveSegment>,
        bounds: (Timestamp, Timestamp),
        (order, chunk): (SortOrder, ColdChunk),
        wanted: WantedColumns,
    ) -> Self {
        let mut segments = VecDeque::from(segments);
        if order == SortOrder::Descending {
            segments = segments.into_iter().rev().collect();
        }
        Self {
            order,
            chunk,
            bounds,
            wanted,
            segments,
            open: None,
        }
    }

    /// The next rows, which ascend; those of the read that descend come page by page backwards. `None`
    /// at the end.
    pub(crate) fn next(&mut self, conn: &mut BackendConnection<'_>) -> Result<Option<SegmentRows>> {
        loop {
            if let Some(open) = &mut self.open
                && let Some(page) = open.pages.pop_front()
            {
                let mut bytes = PartBytes::of(conn, &open.row);
                let rows = open
                    .segment
                    .page(&mut bytes, &page, self.bounds, self.wanted)?;
                if !rows.is_empty() {
                    return Ok(Some(rows));
                }
                continue;
            }
            let Some(row) = self.segments.pop_front() else {
                return Ok(None);
            };
            let segment = Segment::open(&mut PartBytes::of(conn, &row))?;
            let pages = match self.chunk {
                ColdChunk::Page => segment.pages_of(self.bounds),
                ColdChunk::Group => segment.groups_of(self.bounds),
            };
            let mut pages = VecDeque::from(pages);
            if self.order == SortOrder::Descending {
                pages = pages.into_iter().rev().collect();
            }
            self.open = Some(OpenSegment {
                row,
                segment,
                pages,
            });
        }
    }
}
