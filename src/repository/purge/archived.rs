//! The purge of archived ticks: files that were deleted as a whole, and deleted rows over files. Where a
//! file holds the key of such a row, the file is made anew without it first: else its tick would be there
//! again.

use super::report::{KeptRow, Referrer, TablePurge};
use crate::database::{BackendConnection, Database};
use crate::error::Result;
use crate::models::ArchiveSegment;
use crate::repository::archive::{self, Archiver, PeriodOutcome, PurgedPage};
use crate::repository::rows::Recorded;
use crate::segment::SegmentKey;
use crate::timestamp::Timestamp;

/// Deletes the files for good that were deleted up to a moment; each is a transaction.
pub(super) fn delete_files(db: &Database, cut_off: Timestamp) -> Result<TablePurge> {
    let mut deleted = 0;
    loop {
        let now = db.clock().now();
        let one = db.write("purge.archive_segments", move |conn| {
            archive::purge_segment(conn, cut_off, now).recorded(conn)
        })?;
        if one == 0 {
            return Ok(TablePurge::new(archive::TABLE_NAME, deleted));
        }
        deleted += one;
    }
}

/// Deletes the rows in periods that have files.
pub(super) fn delete_rows_over_files(
    db: &Database,
    cut_off: Timestamp,
    purge: &mut TablePurge,
) -> Result<()> {
    let archiver = Archiver::default();
    let periods = db.read("purge.archived_periods", move |conn| {
        archive::periods_over_trash(conn, cut_off)
    })?;
    for period in periods {
        let mut held = delete_pages(db, &period, cut_off, purge)?;
        if held > 0 && period.deleted_at.is_none() {
            let span = (period.starts_at, period.ends_at);
            let made = archiver.archive_period(db, period.instrument_id, span)?;
            if let PeriodOutcome::Archived { .. } | PeriodOutcome::Empty = made {
                held = delete_pages(db, &period, cut_off, purge)?;
            }
        }
        purge.keep_ticks(kept(&period, held));
    }
    Ok(())
}

/// Deletes the rows of a period whose keys its file does not hold; returns how many others there are.
fn delete_pages(
    db: &Database,
    period: &ArchiveSegment,
    cut_off: Timestamp,
    purge: &mut TablePurge,
) -> Result<usize> {
    let (id, mut after, mut all_held) = (period.id, None::<SegmentKey>, 0);
    loop {
        let page = db.write("purge.archived_ticks", move |conn| {
            let page = archive::purge_page(conn, id, cut_off, after)?;
            if let PurgedPage::Purged { deleted, .. } = &page {
                conn.record_rows(*deleted);
            }
            Ok(page)
        })?;
        match page {
            PurgedPage::Purged {
                deleted,
                held,
                last,
            } => {
                purge.deleted += deleted;
                all_held += held;
                after = Some(last);
            }
            PurgedPage::End => return Ok(all_held),
            PurgedPage::Claimed => {
                let period = ArchiveSegment {
                    owner: Some(String::new()),
                    ..period.clone()
                };
                return db.read("purge.claimed", move |conn| {
                    archive::count_kept(conn, &period, cut_off)
                });
            }
        }
    }
}

/// What the two above would do, to the counts of a dry run.
pub(super) fn count(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    now: Timestamp,
    ticks: &mut TablePurge,
) -> Result<TablePurge> {
    for period in archive::periods_over_trash(conn, cut_off)? {
        if period.deleted_at.is_some_and(|at| at <= cut_off) {
            continue; // It goes first.
        }
        let held = archive::count_kept(conn, &period, cut_off)?;
        ticks.deleted = ticks.deleted.saturating_sub(held);
        ticks.keep_ticks(kept(&period, held));
    }
    let files = archive::count_old_segments(conn, cut_off, now)?;
    let files = usize::try_from(files).unwrap_or(0);
    Ok(TablePurge::new(archive::TABLE_NAME, files))
}

fn kept(period: &ArchiveSegment, rows: usize) -> (KeptRow, usize) {
    let row = format!(
        "ticks of instrument {} from {} to {}",
        period.instrument_id, period.starts_at, period.ends_at
    );
    let referrers = vec![(Referrer::ArchivedPeriods, 1)];
    (KeptRow { row, referrers }, rows)
}
