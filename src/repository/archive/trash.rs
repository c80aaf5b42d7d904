//! Files that are deleted as a whole: one row for all their ticks.

use diesel::prelude::*;

use super::pieces::own_count;
use crate::database::{BackendConnection, Invalidation};
use crate::error::Result;
use crate::models::ArchiveSegment;
use crate::tables::archive_segments;
use crate::timestamp::Timestamp;

/// A file that goes to the trash, lies there, or comes out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrashedFile {
    pub(crate) segment: ArchiveSegment,
    /// The ticks that go and come with it: those that no hot row stands for.
    pub(crate) ticks: i64,
}

/// Moves the periods of an instrument to the trash, those too whose first file is being made. The
/// instrument is locked.
pub(crate) fn soft_delete_segments(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    deleted_at: Timestamp,
) -> Result<Vec<TrashedFile>> {
    let all = archive_segments::table
        .filter(archive_segments::instrument_id.eq(instrument_id))
        .filter(archive_segments::deleted_at.is_null())
        .order(archive_segments::starts_at.asc());
    let all: Vec<ArchiveSegment> = crate::on_backend!(&mut *conn, |c| {
        all.select(ArchiveSegment::as_select()).load(c)
    })?;
    mark(conn, all, Some(deleted_at))
}

/// Moves the files of an instrument to the trash that a range covers, both of its moments included. The
/// instrument is locked.
pub(crate) fn soft_delete_covered(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    (first, last): (Timestamp, Timestamp),
    deleted_at: Timestamp,
) -> Result<Vec<TrashedFile>> {
    let mut all = super::segments(conn, instrument_id, (first, last))?;
    let is_covered =
        |of: &ArchiveSegment| first <= of.starts_at && of.ends_at.saturating_add_micros(-1) <= last;
    all.retain(is_covered);
    mark(conn, all, Some(deleted_at))
}

/// The instruments of the files of a batch.
pub(crate) fn instruments_in_trash(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
) -> Result<Vec<i64>> {
    let query = archive_segments::table
        .filter(archive_segments::deleted_at.eq(deleted_at))
        .select(archive_segments::instrument_id)
        .distinct()
        .order(archive_segments::instrument_id.asc());
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

/// Takes the periods of a batch out of the trash, by instrument and time.
pub(crate) fn restore_segments(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
) -> Result<Vec<TrashedFile>> {
    let of_batch = of_stamps(conn, &[deleted_at])?;
    mark(conn, of_batch, None)
}

/// The files that were deleted at these moments.
pub(crate) fn segments_in_trash(
    conn: &mut BackendConnection<'_>,
    stamps: &[Timestamp],
) -> Result<Vec<TrashedFile>> {
    let mut files = Vec::new();
    for segment in of_stamps(conn, stamps)? {
        let ticks = own_ticks(conn, &segment)?;
        files.push(TrashedFile { segment, ticks });
    }
    Ok(files)
}

fn of_stamps(
    conn: &mut BackendConnection<'_>,
    stamps: &[Timestamp],
) -> Result<Vec<ArchiveSegment>> {
    let query = archive_segments::table
        .filter(archive_segments::deleted_at.eq_any(stamps))
        .order((
            archive_segments::instrument_id.asc(),
            archive_segments::starts_at.asc(),
        ));
    Ok(crate::on_backend!(conn, |c| {
        query.select(ArchiveSegment::as_select()).load(c)
    })?)
}

/// Marks periods as deleted, or as not.
fn mark(
    conn: &mut BackendConnection<'_>,
    segments: Vec<ArchiveSegment>,
    deleted_at: Option<Timestamp>,
) -> Result<Vec<TrashedFile>> {
    let mut files = Vec::with_capacity(segments.len());
    for segment in segments {
        let ticks = own_ticks(conn, &segment)?;
        let update = diesel::update(archive_segments::table.find(segment.id))
            .set(archive_segments::deleted_at.eq(deleted_at));
        crate::on_backend!(&mut *conn, |c| update.execute(c))?;
        files.push(TrashedFile { segment, ticks });
    }
    Ok(files)
}

/// The ticks of a file that no hot row stands for, active or deleted.
fn own_ticks(conn: &mut BackendConnection<'_>, segment: &ArchiveSegment) -> Result<i64> {
    if segment.version == 0 {
        return Ok(0);
    }
    let whole = (segment.starts_at, segment.ends_at.saturating_add_micros(-1));
    own_count(conn, segment.clone(), whole)
}

/// Nobody works at it, or who did has said nothing for as long as that may take.
macro_rules! free_at {
    ($now:expr) => {
        archive_segments::claimed_until
            .is_null()
            .or(archive_segments::claimed_until.lt($now).assume_not_null())
    };
}

/// How many periods a purge would delete.
pub(crate) fn count_old_segments(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    now: Timestamp,
) -> Result<i64> {
    let old = archive_segments::table
        .filter(archive_segments::deleted_at.le(cut_off))
        .filter(free_at!(now))
        .count();
    Ok(crate::on_backend!(conn, |c| old.get_result(c))?)
}

/// Deletes a period for good that was deleted up to a moment, with its file; returns how many. One that
/// somebody works at stays.
pub(crate) fn purge_segment(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    now: Timestamp,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let first = archive_segments::table
        .filter(archive_segments::deleted_at.le(cut_off))
        .filter(free_at!(now))
        .order(archive_segments::deleted_at.asc())
        .select(archive_segments::id);
    let first: Option<i64> = crate::on_backend!(&mut *conn, |c| first.first(c).optional())?;
    let Some(id) = first else {
        return Ok(0);
    };
    // Asked again on PostgreSQL: it may be restored meanwhile.
    let delete = diesel::delete(
        archive_segments::table
            .filter(archive_segments::id.eq(id))
            .filter(archive_segments::deleted_at.le(cut_off))
            .filter(free_at!(now)),
    );
    Ok(crate::on_backend!(conn, |c| delete.execute(c))?)
}
