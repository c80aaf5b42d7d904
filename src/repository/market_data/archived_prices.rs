//! Passes over prices where files of the archive have ticks of the range: piece by piece, each from its
//! file and the rows over it, or from the table alone.

use std::ops::ControlFlow;

use diesel::prelude::*;

use super::hot_prices::{
    PricePoint, PricesOf, hot_first_stamp, hot_newest_stamps, hot_nth_stamp, hot_prices_of,
};
use super::keys::TickRange;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::SortOrder;
use crate::repository::archive::{self, ColdChunk, RangePiece};
use crate::soft_delete::SoftDeletable;
use crate::tables::market_data;
use crate::timestamp::Timestamp;

/// [`prices_of`](super::prices::prices_of) of a range in pieces.
pub(super) fn archived_prices(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
    pieces: Vec<RangePiece>,
    each: &mut impl FnMut(PricePoint) -> Result<()>,
) -> Result<usize> {
    let mut shown = 0;
    for piece in pieces {
        let Some(segment) = piece.segment else {
            shown += hot_prices_of(conn, of, piece.bounds, each)?;
            continue;
        };
        let order = (SortOrder::Ascending, ColdChunk::Group);
        let _ = archive::each_tick(conn, segment, piece.bounds, order, of.wanted(), |tick| {
            if let Some(point) = of.of_tick(&tick) {
                shown += 1;
                each(point)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(shown)
}

pub(super) fn archived_first_stamp(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
    pieces: Vec<RangePiece>,
) -> Result<Option<Timestamp>> {
    let mut found = None;
    for piece in pieces {
        match piece.segment {
            None => found = hot_first_stamp(conn, of, piece.bounds)?,
            Some(segment) => {
                let order = (SortOrder::Ascending, ColdChunk::Page);
                let _ =
                    archive::each_tick(conn, segment, piece.bounds, order, of.wanted(), |tick| {
                        found = of.of_tick(&tick).map(|point| point.timestamp);
                        Ok(match found {
                            Some(_) => ControlFlow::Break(()),
                            None => ControlFlow::Continue(()),
                        })
                    })?;
            }
        }
        if found.is_some() {
            break;
        }
    }
    Ok(found)
}

pub(super) fn archived_newest_stamps(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
    pieces: Vec<RangePiece>,
    limit: usize,
) -> Result<Vec<Timestamp>> {
    let mut stamps = Vec::new();
    for piece in pieces.into_iter().rev() {
        let left = limit.saturating_sub(stamps.len());
        if left == 0 {
            break;
        }
        let Some(segment) = piece.segment else {
            stamps.extend(hot_newest_stamps(conn, of, piece.bounds, left)?);
            continue;
        };
        let order = (SortOrder::Descending, ColdChunk::Page);
        let _ = archive::each_tick(conn, segment, piece.bounds, order, of.wanted(), |tick| {
            stamps.extend(of.of_tick(&tick).map(|point| point.timestamp));
            Ok(match stamps.len() >= limit {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        })?;
    }
    Ok(stamps)
}

/// Of a file it is one of the same page: it bounds how much is read.
pub(super) fn archived_nth_stamp(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    mut pieces: Vec<RangePiece>,
    order: SortOrder,
    mut n: usize,
) -> Result<Option<Timestamp>> {
    if order == SortOrder::Descending {
        pieces.reverse();
    }
    for piece in pieces {
        let range = piece.ticks(instrument_id);
        let hot = hot_nth_stamp(conn, &range, order, n)?;
        match piece.segment {
            None if hot.is_some() => return Ok(hot),
            None => n = n.saturating_sub(stored_count(conn, &range)?),
            // Rows over a file are few, and as many more.
            Some(segment) => match archive::nth_stamp(conn, &segment, piece.bounds, order, n)? {
                ControlFlow::Break(at) => return Ok(Some(at)),
                ControlFlow::Continue(_) if hot.is_some() => return Ok(hot),
                ControlFlow::Continue(rows) => n = n.saturating_sub(rows),
            },
        }
    }
    Ok(None)
}

/// Ticks of a range in the table, deleted ones included.
fn stored_count(conn: &mut BackendConnection<'_>, of: &TickRange) -> Result<usize> {
    let (first, last) = of.bounds()?;
    let query = market_data::table
        .with_deleted("a pass over the ticks reads them, too")
        .filter(market_data::instrument_id.eq(of.instrument_id))
        .filter(market_data::timestamp.between(first, last))
        .count();
    let count: i64 = crate::on_backend!(conn, |c| query.get_result(c))?;
    Ok(usize::try_from(count).unwrap_or(0))
}
