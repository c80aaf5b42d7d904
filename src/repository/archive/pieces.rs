//! A range of time in pieces: those that a file has ticks of, and those that have hot rows alone.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use diesel::prelude::*;

use super::cold::{ColdChunk, ColdTicks, segments};
use super::hot::HotRows;
use super::parts::PartBytes;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::{ArchiveSegment, MarketData};
use crate::repository::SortOrder;
use crate::repository::market_data::TickRange;
use crate::segment::{Segment, SegmentKey, SegmentRows, WantedColumns};
use crate::soft_delete::SoftDeletable;
use crate::tables::market_data;
use crate::timestamp::Timestamp;

/// A part of a range of time, both moments included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangePiece {
    pub(crate) bounds: (Timestamp, Timestamp),
    /// The file that has ticks of it; `None` where only hot rows are.
    pub(crate) segment: Option<ArchiveSegment>,
}

impl RangePiece {
    /// The ticks of it.
    pub(crate) fn ticks(&self, instrument_id: i64) -> TickRange {
        let (first, last) = self.bounds;
        TickRange {
            instrument_id,
            start: Some(first),
            end: (last < Timestamp::MAX).then(|| last.saturating_add_micros(1)),
        }
    }
}

/// A tick of a pass, where it lies: of a file it has the values that were wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PassedTick<'r> {
    /// Rows of a file, and which of them.
    Cold(&'r SegmentRows, usize),
    Hot(&'r MarketData),
}

impl PassedTick<'_> {
    pub(crate) fn timestamp(&self) -> Timestamp {
        match self {
            Self::Cold(rows, row) => {
                let micros = rows.moments.get(*row).copied().unwrap_or(0);
                Timestamp::from_micros_clamped(micros)
            }
            Self::Hot(row) => row.timestamp,
        }
    }

    /// Its source, if sources were wanted.
    pub(crate) fn source_id(&self) -> i64 {
        match self {
            Self::Cold(rows, row) => rows.source_id(*row).unwrap_or(0),
            Self::Hot(row) => row.source_id,
        }
    }

    pub(crate) fn price(&self) -> Option<f64> {
        match self {
            Self::Cold(rows, row) => rows.value(0, *row),
            Self::Hot(row) => row.price,
        }
    }

    pub(crate) fn volume(&self) -> Option<f64> {
        match self {
            Self::Cold(rows, row) => rows.value(1, *row),
            Self::Hot(row) => row.volume,
        }
    }

    pub(crate) fn bid(&self) -> Option<f64> {
        match self {
            Self::Cold(rows, row) => rows.value(2, *row),
            Self::Hot(row) => row.bid,
        }
    }

    pub(crate) fn ask(&self) -> Option<f64> {
        match self {
            Self::Cold(rows, row) => rows.value(3, *row),
            Self::Hot(row) => row.ask,
        }
    }
}

/// The pieces of a range, in order; none when no file has ticks of it, which is the usual answer.
pub(crate) fn pieces(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    bounds: (Timestamp, Timestamp),
) -> Result<Vec<RangePiece>> {
    Ok(cut(segments(conn, instrument_id, bounds)?, bounds))
}

fn cut(segments: Vec<ArchiveSegment>, (first, last): (Timestamp, Timestamp)) -> Vec<RangePiece> {
    let mut pieces = Vec::new();
    if segments.is_empty() {
        return pieces;
    }
    let mut from = first;
    for segment in segments {
        let (start, end) = (segment.starts_at.max(first), segment.ends_at);
        if from < start {
            pieces.push(RangePiece {
                bounds: (from, start.saturating_add_micros(-1)),
                segment: None,
            });
        }
        pieces.push(RangePiece {
            bounds: (start, end.saturating_add_micros(-1).min(last)),
            segment: Some(segment),
        });
        from = end;
    }
    if from <= last {
        pieces.push(RangePiece {
            bounds: (from, last),
            segment: None,
        });
    }
    pieces
}

/// Shows each active tick of a piece that a file has ticks of, in the order of the keys or against it,
/// until it is told to stop.
pub(crate) fn each_tick(
    conn: &mut BackendConnection<'_>,
    segment: ArchiveSegment,
    bounds: (Timestamp, Timestamp),
    (order, chunk): (SortOrder, ColdChunk),
    wanted: WantedColumns,
    mut each: impl FnMut(PassedTick<'_>) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut hot = HotRows::new(segment.instrument_id, bounds, order, None);
    // Where no hot row lies over the file the keys are not read.
    let merges = hot.peek(conn)?.is_some();
    let wanted = WantedColumns {
        keys: wanted.keys || merges,
        ..wanted
    };
    let mut cold = ColdTicks::new(vec![segment], bounds, (order, chunk), wanted);
    while let Some(rows) = cold.next(conn)? {
        for at in 0..rows.len() {
            let row = match order {
                SortOrder::Ascending => at,
                SortOrder::Descending => rows.len() - 1 - at,
            };
            let shown = match merges.then(|| rows.key(row)).flatten() {
                None => ControlFlow::Continue(false),
                Some(key) => show_hot(conn, &mut hot, order, Some(key), &mut each)?,
            };
            let goes_on = match shown {
                ControlFlow::Break(()) => ControlFlow::Break(()),
                ControlFlow::Continue(true) => ControlFlow::Continue(()),
                ControlFlow::Continue(false) => each(PassedTick::Cold(&rows, row))?,
            };
            if goes_on.is_break() {
                return Ok(goes_on);
            }
        }
    }
    match show_hot(conn, &mut hot, order, None, &mut each)? {
        ControlFlow::Break(()) => Ok(ControlFlow::Break(())),
        ControlFlow::Continue(_) => Ok(ControlFlow::Continue(())),
    }
}

/// Shows the hot rows that come before a key of the file, or all that are left without one, and the one
/// that stands for it; says whether there is such a one.
fn show_hot(
    conn: &mut BackendConnection<'_>,
    hot: &mut HotRows,
    order: SortOrder,
    key: Option<SegmentKey>,
    each: &mut impl FnMut(PassedTick<'_>) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<(), bool>> {
    while let Some(next) = hot.peek(conn)? {
        let place = key.map_or(Ordering::Less, |key| match order {
            SortOrder::Ascending => next.key().position().cmp(&key),
            SortOrder::Descending => key.cmp(&next.key().position()),
        });
        if place == Ordering::Greater {
            break;
        }
        if next.deleted_at.is_none() && each(PassedTick::Hot(next))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        hot.pop();
        if place == Ordering::Equal {
            return Ok(ControlFlow::Continue(true));
        }
    }
    Ok(ControlFlow::Continue(false))
}

/// About the moment of the tick of a piece that comes after `n` others in this order: one that does not
/// come later, of the same page of the file. Without one, how many ticks the file has of the piece, or a
/// few more.
pub(crate) fn nth_stamp(
    conn: &mut BackendConnection<'_>,
    segment: &ArchiveSegment,
    (first, last): (Timestamp, Timestamp),
    order: SortOrder,
    n: usize,
) -> Result<ControlFlow<Timestamp, usize>> {
    let file = Segment::open(&mut PartBytes::of(conn, segment))?;
    let mut pages = file.page_counts((first, last));
    if order == SortOrder::Descending {
        pages.reverse();
    }
    let mut before = 0;
    for page in pages {
        if before + page.rows > n {
            let moment = match order {
                SortOrder::Ascending => page.first.max(first),
                SortOrder::Descending => page.last.min(last),
            };
            return Ok(ControlFlow::Break(moment));
        }
        before += page.rows;
    }
    Ok(ControlFlow::Continue(before))
}

/// How many active ticks a piece has that a file has ticks of.
pub(crate) fn count(
    conn: &mut BackendConnection<'_>,
    segment: ArchiveSegment,
    bounds: (Timestamp, Timestamp),
) -> Result<i64> {
    let order = SortOrder::Ascending;
    let whole =
        bounds.0 <= segment.starts_at && segment.ends_at.saturating_add_micros(-1) <= bounds.1;
    if whole
        && HotRows::new(segment.instrument_id, bounds, order, None)
            .peek(conn)?
            .is_none()
    {
        return Ok(segment.rows);
    }
    let nothing = WantedColumns {
        keys: false,
        values: [false; 9],
    };
    let mut count = 0;
    let order = (order, ColdChunk::Group);
    let _ = each_tick(conn, segment, bounds, order, nothing, |_| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

/// How many ticks of a file and a range no hot row stands for, active or deleted.
pub(crate) fn own_count(
    conn: &mut BackendConnection<'_>,
    segment: ArchiveSegment,
    bounds: (Timestamp, Timestamp),
) -> Result<i64> {
    let hot = market_data::table
        .active()
        .filter(market_data::instrument_id.eq(segment.instrument_id))
        .filter(market_data::timestamp.between(bounds.0, bounds.1))
        .count();
    let hot: i64 = crate::on_backend!(&mut *conn, |c| hot.get_result(c))?;
    Ok(count(conn, segment, bounds)? - hot)
}
