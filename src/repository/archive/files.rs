//! The files that are archived, for those who list, copy and verify them.

use bytes::{Bytes, BytesMut};
use diesel::prelude::*;

use super::parts::PartBytes;
use super::run::sha256;
use crate::database::BackendConnection;
use crate::error::{Error, Result};
use crate::models::ArchiveSegment;
use crate::repository::bounds;
use crate::repository::market_data::TickRange;
use crate::repository::optional::{IfSome, if_some};
use crate::segment::{Segment, SegmentBytes, SegmentKey, WantedColumns};
use crate::tables::{archive_parts, archive_segments};
use crate::timestamp::Timestamp;

/// The most periods of one page.
pub const LIMIT_MAX: usize = 1_000;

/// The archived periods of these instruments, or of all, by instrument and time; those in the trash are
/// none, nor are those that have no file yet.
///
/// # Errors
/// [`Error::Query`].
pub fn list(
    conn: &mut BackendConnection<'_>,
    instrument_id: Option<i64>,
) -> Result<Vec<ArchiveSegment>> {
    let all = archive_segments::table
        .filter(archive_segments::version.gt(0))
        .filter(archive_segments::deleted_at.is_null())
        .order((
            archive_segments::instrument_id.asc(),
            archive_segments::starts_at.asc(),
        ));
    let of = instrument_id.map(|id| archive_segments::instrument_id.eq(id));
    Ok(match of {
        None => crate::on_backend!(conn, |c| all.select(ArchiveSegment::as_select()).load(c))?,
        Some(of) => crate::on_backend!(conn, |c| {
            all.filter(of).select(ArchiveSegment::as_select()).load(c)
        })?,
    })
}

/// The archived periods with numbers above one, by number, `limit` of them at most.
///
/// # Errors
/// As [`list`]; [`Error::Invalid`] for a limit of 0 or above [`LIMIT_MAX`].
pub fn page(
    conn: &mut BackendConnection<'_>,
    instrument_id: Option<i64>,
    after: i64,
    limit: usize,
) -> Result<Vec<ArchiveSegment>> {
    let limit = bounds::rows(limit, LIMIT_MAX)?;
    let of: IfSome<diesel::dsl::Eq<archive_segments::instrument_id, i64>> =
        if_some(instrument_id.map(|id| archive_segments::instrument_id.eq(id)));
    let query = archive_segments::table
        .filter(archive_segments::version.gt(0))
        .filter(archive_segments::deleted_at.is_null())
        .filter(archive_segments::id.gt(after))
        .filter(of)
        .order(archive_segments::id.asc())
        .limit(limit);
    Ok(crate::on_backend!(conn, |c| {
        query.select(ArchiveSegment::as_select()).load(c)
    })?)
}

/// All periods that have files, those in the trash included.
pub(crate) fn with_trash(conn: &mut BackendConnection<'_>) -> Result<Vec<ArchiveSegment>> {
    let all = archive_segments::table
        .filter(archive_segments::version.gt(0))
        .order(archive_segments::id.asc());
    Ok(crate::on_backend!(conn, |c| {
        all.select(ArchiveSegment::as_select()).load(c)
    })?)
}

/// An archived period by its number; one in the trash, or without a file, is none.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Query`].
pub fn get(conn: &mut BackendConnection<'_>, id: i64) -> Result<ArchiveSegment> {
    let query = archive_segments::table
        .find(id)
        .filter(archive_segments::version.gt(0))
        .filter(archive_segments::deleted_at.is_null());
    let found: Option<ArchiveSegment> = crate::on_backend!(conn, |c| {
        query
            .select(ArchiveSegment::as_select())
            .first(c)
            .optional()
    })?;
    found.ok_or_else(|| Error::not_found(format!("archived period {id}"), "list the archive"))
}

/// The whole file of an archived period. Of one that was read in another snapshot it may be another
/// version by now: read both in one.
///
/// # Errors
/// [`Error::Corrupt`] when a part of it is missing; [`Error::Query`].
pub fn bytes(conn: &mut BackendConnection<'_>, segment: &ArchiveSegment) -> Result<Bytes> {
    let query = archive_parts::table
        .filter(archive_parts::segment_id.eq(segment.id))
        .filter(archive_parts::version.eq(segment.version))
        .order(archive_parts::part.asc())
        .select(archive_parts::content);
    let parts: Vec<Vec<u8>> = crate::on_backend!(conn, |c| query.load(c))?;
    let mut all = BytesMut::with_capacity(parts.iter().map(Vec::len).sum());
    parts.iter().for_each(|part| all.extend_from_slice(part));
    if i64::try_from(all.len()).ok() != Some(segment.bytes) {
        let reason = format!("has {} bytes of {}", all.len(), segment.bytes);
        return Err(damaged(segment, reason));
    }
    Ok(all.freeze())
}

/// A part of the file.
///
/// # Errors
/// As [`bytes()`].
pub fn byte_range(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    range: std::ops::Range<u64>,
) -> Result<Bytes> {
    PartBytes::of(conn, segment).read(range)
}

/// Reads all of an archived period, and compares it with what is known of it: hash, rows, order, and
/// that its ticks are of the instrument and the period.
///
/// # Errors
/// [`Error::Corrupt`] when something differs; [`Error::Query`].
pub fn verify(conn: &mut BackendConnection<'_>, segment: &ArchiveSegment) -> Result<()> {
    let mut all = bytes(conn, segment)?;
    if Some(sha256(&all)) != segment.sha256 {
        return Err(damaged(segment, "has another hash".to_owned()));
    }
    let file = Segment::open(&mut all)?;
    if file.instrument_id() != segment.instrument_id {
        return Err(damaged(segment, "is of another instrument".to_owned()));
    }
    let (mut rows, mut last): (i64, Option<SegmentKey>) = (0, None);
    for some in file.rows_of(
        &mut all,
        (Timestamp::MIN, Timestamp::MAX),
        WantedColumns::ALL,
    ) {
        let some = some?;
        for row in 0..some.len() {
            let key = some.key(row);
            let within = |key: &SegmentKey| segment.starts_at <= key.0 && key.0 < segment.ends_at;
            if !key.as_ref().is_some_and(within) {
                return Err(damaged(segment, "has ticks of another time".to_owned()));
            }
            if last >= key {
                return Err(damaged(segment, "has ticks that do not ascend".to_owned()));
            }
            (rows, last) = (rows + 1, key);
        }
    }
    if rows != segment.rows {
        let reason = format!("has {rows} ticks of {}", segment.rows);
        return Err(damaged(segment, reason));
    }
    Ok(())
}

fn damaged(segment: &ArchiveSegment, reason: String) -> Error {
    Error::Corrupt {
        what: "the archive",
        value: format!(
            "segment {} of instrument {} from {}",
            segment.id, segment.instrument_id, segment.starts_at
        ),
        reason: format!("{reason}; restore a backup"),
    }
}

/// Refuses a range that has archived ticks: your own queries of `market_data` do not see them. In a
/// snapshot with the query, and before it.
///
/// # Errors
/// [`Error::Invalid`] when a part of it is archived, or the range is none; [`Error::Query`].
pub fn require_hot(conn: &mut BackendConnection<'_>, of: &TickRange) -> Result<()> {
    let archived = super::segments(conn, of.instrument_id, of.bounds()?)?;
    let (Some(first), Some(last)) = (archived.first(), archived.last()) else {
        return Ok(());
    };
    let (from, to) = (first.starts_at, last.ends_at);
    Err(Error::invalid(
        format!("ticks of {of}"),
        format!("some from {from} to {to} are archived"),
        "read them by repository::market_data, or bring them back by `tickbase archive restore`",
    ))
}
