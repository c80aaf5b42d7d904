//! Takes the hot rows away that a file holds: the one deletion of active rows, under a permit that is
//! only ever true inside of its transaction.
//!
//! It goes from page to page of the file, whose keys alone are read.

use std::sync::Arc;

use diesel::dsl;
use diesel::prelude::*;

use super::catalogue::{self, SegmentClaim};
use super::checkpoint::Checkpoints;
use super::parts::PartBytes;
use crate::database::{BackendConnection, Database, Invalidation};
use crate::error::Result;
use crate::models::ArchiveSegment;
use crate::repository::market_data::{TickKey, ascending_query};
use crate::segment::{Segment, SegmentKey, SegmentPage, WantedColumns};
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::{archive_permit, market_data};
use crate::timestamp::Timestamp;

/// Rows of one transaction: the writer is held for some 10 ms.
const ROWS_PER_TRANSACTION: i64 = 2_500;

/// Deletes the active hot rows of a period that its file holds; returns how many. A deleted one hides
/// the tick of the file, and stays; one that came after the file was written stays, too.
pub(super) fn remove_rows(
    db: &Database,
    segment: &ArchiveSegment,
    claim: impl Fn(Timestamp) -> Result<SegmentClaim>,
) -> Result<usize> {
    let of = segment.clone();
    let file = db.read("archive.open_file", move |conn| {
        conn.snapshot(|conn| Segment::open(&mut PartBytes::of(conn, &of)))
    })?;
    let file = Arc::new(file);
    let (mut rows_removed, mut checkpoints) = (0, Checkpoints::default());
    // Nobody replaces the file while it is ours: it is read on from page to page.
    for page in file.pages_of((Timestamp::MIN, Timestamp::MAX)) {
        let (of, file) = (segment.clone(), Arc::clone(&file));
        let keys = db.read("archive.read_keys", move |conn| {
            conn.snapshot(|conn| keys_over_rows(conn, &of, &file, &page))
        })?;
        let (Some(first), Some(last)) = (keys.first().copied(), keys.last().copied()) else {
            continue;
        };
        let keys = Arc::new(keys);
        let mut from = TickKey::before_all(segment.instrument_id, first.0);
        loop {
            let (of, now) = (segment.clone(), db.clock().now());
            let (claim, keys) = (claim(now)?, Arc::clone(&keys));
            let (deleted, next) = db.write("archive.remove_rows", move |conn| {
                // What readers see stays the same.
                let _said = conn.invalidates(Invalidation::Nothing);
                // From here to the commit no row comes, goes or comes back: a run is what it was when
                // it was looked at.
                catalogue::lock(conn, of.instrument_id)?;
                catalogue::held(conn, of.id, &claim, now)?;
                let hot = hot_keys(conn, from, last.0)?;
                let deleted = delete_runs(conn, of.instrument_id, &runs_of(&hot, &keys))?;
                Ok((deleted, hot.last().copied()))
            })?;
            checkpoints.committed(db)?;
            rows_removed += deleted;
            match next {
                Some(next) => from = TickKey::at(segment.instrument_id, next),
                None => break,
            }
        }
    }
    Ok(rows_removed)
}

/// The keys of a page of the file; none where no hot row is.
fn keys_over_rows(
    conn: &mut BackendConnection<'_>,
    of: &ArchiveSegment,
    file: &Segment,
    page: &SegmentPage,
) -> Result<Vec<SegmentKey>> {
    let whole = (Timestamp::MIN, Timestamp::MAX);
    let rows = file.page(
        &mut PartBytes::of(conn, of),
        page,
        whole,
        WantedColumns::KEYS,
    )?;
    let keys: Vec<SegmentKey> = (0..rows.len()).filter_map(|row| rows.key(row)).collect();
    let (Some(first), Some(last)) = (keys.first().copied(), keys.last().copied()) else {
        return Ok(keys);
    };
    let hot = run_query(of.instrument_id, first, last)
        .select(market_data::timestamp)
        .limit(1);
    let hot: Option<Timestamp> = crate::on_backend!(conn, |c| hot.first(c).optional())?;
    Ok(match hot {
        Some(_) => keys,
        None => Vec::new(),
    })
}

/// The next active hot rows behind a key, up to a moment.
fn hot_keys(
    conn: &mut BackendConnection<'_>,
    from: TickKey,
    last: Timestamp,
) -> Result<Vec<SegmentKey>> {
    let query = ascending_query(from.instrument_id, from, last, ROWS_PER_TRANSACTION).select((
        market_data::timestamp,
        market_data::source_id,
        market_data::sequence,
    ));
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

/// Hot rows that stand one behind the other and that the file holds: first key, last key.
fn runs_of(hot: &[SegmentKey], file: &[SegmentKey]) -> Vec<(SegmentKey, SegmentKey)> {
    let mut runs: Vec<(SegmentKey, SegmentKey)> = Vec::new();
    let mut is_open = false;
    let mut file = file;
    for key in hot {
        // Both ascend: what lies before this key is not looked at again. Nearly always it is the next.
        if file.first() < Some(key) {
            let before = file.partition_point(|held| held < key);
            file = file.get(before..).unwrap_or_default();
        }
        let is_held = file.first() == Some(key);
        if is_held {
            file = file.get(1..).unwrap_or_default();
        }
        match runs.last_mut().filter(|_| is_open) {
            Some(run) if is_held => run.1 = *key,
            None if is_held => runs.push((*key, *key)),
            _ => {}
        }
        is_open = is_held;
    }
    runs
}

fn delete_runs(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    runs: &[(SegmentKey, SegmentKey)],
) -> Result<usize> {
    if runs.is_empty() {
        return Ok(0);
    }
    permit(conn, true)?;
    let mut deleted = 0;
    for (first, last) in runs {
        let rows = run_query(instrument_id, *first, *last);
        let delete = diesel::delete(rows);
        deleted += crate::on_backend!(&mut *conn, |c| delete.execute(c))?;
    }
    permit(conn, false)?;
    Ok(deleted)
}

/// The active rows from one key to another, both included. The bounds of the moments let the planner
/// seek in the key; the rest of it is compared at both ends.
#[dsl::auto_type(no_type_alias)]
fn run_query(instrument_id: i64, first: SegmentKey, last: SegmentKey) -> _ {
    let active: Active<market_data::table> = market_data::table.active();
    let (start, start_source, start_number): (Timestamp, i64, i64) = first;
    let (end, end_source, end_number): (Timestamp, i64, i64) = last;
    let from_first = market_data::timestamp.gt(start).or(market_data::source_id
        .gt(start_source)
        .or(market_data::source_id
            .eq(start_source)
            .and(market_data::sequence.ge(start_number))));
    let to_last = market_data::timestamp
        .lt(end)
        .or(market_data::source_id
            .lt(end_source)
            .or(market_data::source_id
                .eq(end_source)
                .and(market_data::sequence.le(end_number))));
    active
        .filter(market_data::instrument_id.eq(instrument_id))
        .filter(market_data::timestamp.between(start, end))
        .filter(from_first)
        .filter(to_last)
}

fn permit(conn: &mut BackendConnection<'_>, permitted: bool) -> Result<()> {
    let update = diesel::update(archive_permit::table).set(archive_permit::permitted.eq(permitted));
    crate::on_backend!(conn, |c| update.execute(c))?;
    Ok(())
}
