//! Deletion and restoration of archived ticks. A file that a deletion covers goes to the trash as one
//! row; of others the ticks come back among the rows, which are marked then.

use super::keys::{TickKey, TickRange};
use super::last_ticks::refresh_last_ticks;
use crate::database::{BackendConnection, Invalidation};
use crate::domain::DeletedKind;
use crate::error::Result;
use crate::models::ArchiveSegment;
use crate::repository::archive::{self, FilesOf, TrashedFile};
use crate::repository::bar_series;
use crate::repository::data_change::ChangedSpan;
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::instrument;
use crate::timestamp::Timestamp;

/// Brings archived ones of these ticks, which are in key order, back among the rows: those that are to be
/// marked as deleted, or, without a mark, those whose file is in the trash; returns how many of those.
pub(super) fn bring_back_keys(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    keys: &[TickKey],
    mark: Option<Timestamp>,
) -> Result<usize> {
    let mut restored = 0;
    for of in archive::archived(conn, Some(ids))? {
        let is_old = |key: &&TickKey| key.instrument_id == of.id && key.timestamp < of.archived_to;
        let old = keys.iter().filter(is_old).map(TickKey::position);
        let old: Vec<_> = old.collect();
        match mark {
            Some(_) => drop(archive::bring_back_keys(
                conn,
                of.id,
                &old,
                FilesOf::Archive,
            )?),
            None => restored += archive::bring_back_keys(conn, of.id, &old, FilesOf::Trash)?,
        }
    }
    Ok(restored)
}

/// Moves the files that a range covers to the trash, and brings what it has of others back among the rows;
/// returns how many ticks went. The instrument is locked.
pub(super) fn delete_range(
    conn: &mut BackendConnection<'_>,
    of: &TickRange,
    deleted_at: Timestamp,
) -> Result<usize> {
    let bounds = of.bounds()?;
    let covered = archive::soft_delete_covered(conn, of.instrument_id, bounds, deleted_at)?;
    mark_bars(conn, &covered)?;
    archive::bring_back_range(conn, of.instrument_id, bounds, FilesOf::Archive)?;
    Ok(ticks_of(&covered))
}

/// Brings ticks of a range whose files are in the trash back among the rows; returns how many. The
/// instrument is locked.
pub(super) fn restore_range(conn: &mut BackendConnection<'_>, of: &TickRange) -> Result<usize> {
    let restored = archive::bring_back_range(conn, of.instrument_id, of.bounds()?, FilesOf::Trash)?;
    if restored > 0 {
        bar_series::mark_stale(conn, of)?;
    }
    Ok(restored)
}

/// Moves all files of an instrument to the trash; returns how many ticks went. The instrument is locked.
pub(crate) fn soft_delete_files(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Ticks(&[instrument_id]));
    let files = archive::soft_delete_segments(conn, instrument_id, batch.deleted_at())?;
    mark_bars(conn, &files)?;
    let ticks = ticks_of(&files);
    batch.add(DeletedKind::Tick, ticks);
    refresh(conn, &files)?;
    Ok(ticks)
}

/// Takes the files of a batch out of the trash; returns how many ticks came back.
pub(crate) fn restore_files(
    conn: &mut BackendConnection<'_>,
    deleted_at: Timestamp,
) -> Result<usize> {
    let ids = archive::instruments_in_trash(conn, deleted_at)?;
    if ids.is_empty() {
        return Ok(0);
    }
    let _said = conn.invalidates(Invalidation::Ticks(&ids));
    instrument::lock(conn, &ids)?;
    let files = archive::restore_segments(conn, deleted_at)?;
    mark_bars(conn, &files)?;
    refresh(conn, &files)?;
    Ok(ticks_of(&files))
}

fn ticks_of(files: &[TrashedFile]) -> usize {
    let ticks: i64 = files.iter().map(|file| file.ticks).sum();
    usize::try_from(ticks).unwrap_or(0)
}

/// What is built of the ticks of these files is no longer what they make.
fn mark_bars(conn: &mut BackendConnection<'_>, files: &[TrashedFile]) -> Result<()> {
    for file in files.iter().filter(|file| file.ticks > 0) {
        let span = TickRange {
            instrument_id: file.segment.instrument_id,
            start: Some(file.segment.starts_at),
            end: Some(file.segment.ends_at),
        };
        bar_series::mark_stale(conn, &span)?;
    }
    Ok(())
}

/// The files of each instrument, with the first and the last period of them.
fn by_instrument(
    files: &[TrashedFile],
) -> impl Iterator<Item = (&[TrashedFile], &ArchiveSegment, &ArchiveSegment)> {
    let same =
        |a: &TrashedFile, b: &TrashedFile| a.segment.instrument_id == b.segment.instrument_id;
    files.chunk_by(same).filter_map(|files| {
        let (first, last) = (files.first()?, files.last()?);
        Some((files, &first.segment, &last.segment))
    })
}

/// Says which last tick each instrument of the files has, and that its ticks are others.
fn refresh(conn: &mut BackendConnection<'_>, files: &[TrashedFile]) -> Result<()> {
    for (files, first, last) in by_instrument(files) {
        let rows = ticks_of(files);
        if rows > 0 {
            let span = ChangedSpan {
                from: Some(first.starts_at),
                to: Some(last.ends_at.saturating_add_micros(-1)),
                rows: Some(rows as u64),
            };
            refresh_last_ticks(conn, &[first.instrument_id], span)?;
        }
    }
    Ok(())
}
