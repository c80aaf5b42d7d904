//! The rows of `archive_segments`: who works at a period, and what its file is.

use diesel::prelude::*;

use crate::database::{BackendConnection, Invalidation};
use crate::domain::SegmentState;
use crate::error::{Error, Result};
use crate::models::ArchiveSegment;
use crate::tables::{archive_segments, instrument_state};
use crate::timestamp::Timestamp;

/// An instrument's period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentPeriod {
    pub(super) instrument_id: i64,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

impl SegmentPeriod {
    pub(super) fn new(instrument_id: i64, (starts_at, ends_at): (Timestamp, Timestamp)) -> Self {
        Self {
            instrument_id,
            starts_at,
            ends_at,
        }
    }

    /// It, before anything of it is archived.
    pub(super) fn without_file(self) -> ArchiveSegment {
        ArchiveSegment {
            id: 0,
            instrument_id: self.instrument_id,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            state: SegmentState::Writing,
            owner: None,
            claimed_until: None,
            version: 0,
            rows: 0,
            bytes: 0,
            sha256: None,
            created_at: self.starts_at,
            updated_at: self.starts_at,
            deleted_at: None,
        }
    }
}

/// Who works at a period, and until when nobody else may.
#[derive(Debug, Clone)]
pub(super) struct SegmentClaim {
    pub(super) owner: String,
    pub(super) until: Timestamp,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claimed {
    /// It is ours.
    Ours(ArchiveSegment),
    /// Somebody else works at it, or it is in the trash.
    Others(ArchiveSegment),
}

/// Claims a period: of a new one the row is the lock between processes, of an old one its claim, once
/// that is over.
pub(super) fn claim(
    conn: &mut BackendConnection<'_>,
    period: SegmentPeriod,
    claim: &SegmentClaim,
    now: Timestamp,
) -> Result<Claimed> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let insert = diesel::insert_into(archive_segments::table)
        .values((
            archive_segments::instrument_id.eq(period.instrument_id),
            archive_segments::starts_at.eq(period.starts_at),
            archive_segments::ends_at.eq(period.ends_at),
            archive_segments::state.eq(SegmentState::Writing),
            archive_segments::created_at.eq(now),
            archive_segments::updated_at.eq(now),
        ))
        .on_conflict_do_nothing();
    crate::on_backend!(&mut *conn, |c| insert.execute(c))?;
    let free = archive_segments::owner
        .is_null()
        .or(archive_segments::claimed_until.lt(now));
    let update = diesel::update(archive_segments::table)
        .filter(archive_segments::instrument_id.eq(period.instrument_id))
        .filter(archive_segments::starts_at.eq(period.starts_at))
        .filter(archive_segments::deleted_at.is_null())
        .filter(free.assume_not_null())
        .set((
            archive_segments::owner.eq(&claim.owner),
            archive_segments::claimed_until.eq(claim.until),
            archive_segments::updated_at.eq(now),
        ));
    let ours: Option<ArchiveSegment> = crate::on_backend!(&mut *conn, |c| {
        update
            .returning(ArchiveSegment::as_returning())
            .get_result(c)
            .optional()
    })?;
    if let Some(ours) = ours {
        return Ok(Claimed::Ours(ours));
    }
    let others = of_period(conn, period)?;
    others.map(Claimed::Others).ok_or_else(|| {
        let what = format!("archived period from {}", period.starts_at);
        Error::not_found(what, "run it again: it was removed just now")
    })
}

/// The segment, as long as this claim holds and it is not deleted: what is in the trash stays as it is.
/// Locks its row until the commit.
pub(super) fn held(
    conn: &mut BackendConnection<'_>,
    id: i64,
    claim: &SegmentClaim,
    now: Timestamp,
) -> Result<ArchiveSegment> {
    let update = diesel::update(archive_segments::table.find(id))
        .filter(archive_segments::owner.eq(&claim.owner))
        .filter(archive_segments::deleted_at.is_null())
        .set((
            archive_segments::claimed_until.eq(claim.until),
            archive_segments::updated_at.eq(now),
        ));
    let held = crate::on_backend!(conn, |c| {
        update
            .returning(ArchiveSegment::as_returning())
            .get_result(c)
            .optional()
    })?;
    held.ok_or_else(|| Error::Conflict {
        what: format!("the work at archived period {id} cannot go on"),
        existing:
            "its ticks were deleted meanwhile, or another process has taken it over; nothing \
                   is lost"
                .to_owned(),
    })
}

/// The new file of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SealedFile {
    pub(super) rows: i64,
    pub(super) bytes: i64,
    pub(super) sha256: String,
}

/// Says that a segment has a new file, from whose commit on it is read, and that everything before its
/// end may be archived.
pub(super) fn seal(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    file: &SealedFile,
    now: Timestamp,
) -> Result<ArchiveSegment> {
    let update = diesel::update(archive_segments::table.find(segment.id)).set((
        archive_segments::state.eq(SegmentState::Removing),
        archive_segments::version.eq(segment.version + 1),
        archive_segments::rows.eq(file.rows),
        archive_segments::bytes.eq(file.bytes),
        archive_segments::sha256.eq(&file.sha256),
        archive_segments::updated_at.eq(now),
    ));
    let sealed = crate::on_backend!(&mut *conn, |c| {
        update
            .returning(ArchiveSegment::as_returning())
            .get_result(c)
    })?;
    let behind = instrument_state::archived_to
        .is_null()
        .or(instrument_state::archived_to.lt(segment.ends_at));
    let state = diesel::update(instrument_state::table.find(segment.instrument_id))
        .filter(behind.assume_not_null())
        .set(instrument_state::archived_to.eq(segment.ends_at));
    crate::on_backend!(conn, |c| state.execute(c))?;
    Ok(sealed)
}

/// Says that all hot rows are gone that the file holds, and gives the claim back.
pub(super) fn finish(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    now: Timestamp,
) -> Result<ArchiveSegment> {
    let update = diesel::update(archive_segments::table.find(segment.id)).set((
        archive_segments::state.eq(SegmentState::Archived),
        archive_segments::owner.eq(None::<String>),
        archive_segments::claimed_until.eq(None::<Timestamp>),
        archive_segments::updated_at.eq(now),
    ));
    Ok(crate::on_backend!(conn, |c| {
        update
            .returning(ArchiveSegment::as_returning())
            .get_result(c)
    })?)
}

/// Gives a claim back, if it is still there.
pub(super) fn release(conn: &mut BackendConnection<'_>, id: i64, owner: &str) -> Result<()> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let update = diesel::update(archive_segments::table.find(id))
        .filter(archive_segments::owner.eq(owner))
        .set((
            archive_segments::owner.eq(None::<String>),
            archive_segments::claimed_until.eq(None::<Timestamp>),
        ));
    crate::on_backend!(conn, |c| update.execute(c))?;
    Ok(())
}

/// The row of a period, if there is one.
pub(super) fn of_period(
    conn: &mut BackendConnection<'_>,
    period: SegmentPeriod,
) -> Result<Option<ArchiveSegment>> {
    let query = archive_segments::table
        .filter(archive_segments::instrument_id.eq(period.instrument_id))
        .filter(archive_segments::starts_at.eq(period.starts_at));
    Ok(crate::on_backend!(conn, |c| {
        query
            .select(ArchiveSegment::as_select())
            .first(c)
            .optional()
    })?)
}

/// Forgets a period that has no ticks: its row and the bytes of its file, whose ticks are all hidden by
/// hot rows.
pub(super) fn forget(conn: &mut BackendConnection<'_>, id: i64) -> Result<()> {
    let delete = diesel::delete(archive_segments::table.find(id));
    crate::on_backend!(conn, |c| delete.execute(c))?;
    Ok(())
}

/// Keeps others from changing the ticks of an instrument, deleted or not, until the commit.
pub(super) fn lock(conn: &mut BackendConnection<'_>, instrument_id: i64) -> Result<()> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => {}
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            let row = instrument_state::table.find(instrument_id);
            let query = row.select(instrument_state::instrument_id);
            let locked: Option<i64> = query.for_no_key_update().first(*c).optional()?;
            tracing::trace!(?locked, "locked");
        }
    }
    let _ = instrument_id;
    Ok(())
}
