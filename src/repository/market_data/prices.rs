//! One ordered pass over the priced ticks of an instrument, or of all: each is shown to the
//! caller, nothing is collected, so that memory stays flat however many there are.

use diesel::dsl;
use diesel::prelude::*;

use super::keys::TickRange;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::bounds;
use crate::repository::pass::each_row;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::market_data;
use crate::timestamp::Timestamp;

/// What a bar needs of a tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PricePoint {
    /// Event time.
    pub timestamp: Timestamp,
    /// Price of the trade.
    pub price: f64,
    /// Size of the trade, if it is known.
    pub volume: Option<f64>,
}

/// The price is never absent: ticks without one are left out by the query.
type Row = (Timestamp, Option<f64>, Option<f64>);

impl PricePoint {
    fn of((timestamp, price, volume): Row) -> Option<Self> {
        price.map(|price| Self {
            timestamp,
            price,
            volume,
        })
    }
}

/// Shows each active tick of a range that has a price, in key order; returns how many there were.
///
/// The connection is busy until the last one was shown. An error of `each` ends the pass.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a start after the end;
/// [`Error::Query`](crate::Error::Query); those of `each`.
pub fn prices(
    conn: &mut BackendConnection<'_>,
    of: &TickRange,
    mut each: impl FnMut(PricePoint) -> Result<()>,
) -> Result<usize> {
    let (first, last) = of.bounds()?;
    let query = prices_query(of.instrument_id, first, last);
    each_row!(conn, query, Row, |row| PricePoint::of(row)
        .map_or(Ok(()), &mut each))
}

/// [`prices`], only those of one source, if it is named.
///
/// # Errors
/// As [`prices`].
pub(crate) fn prices_of_source(
    conn: &mut BackendConnection<'_>,
    of: &TickRange,
    source_id: Option<i64>,
    mut each: impl FnMut(PricePoint) -> Result<()>,
) -> Result<usize> {
    let Some(source_id) = source_id else {
        return prices(conn, of, each);
    };
    let (first, last) = of.bounds()?;
    let query = prices_query(of.instrument_id, first, last);
    let query = query.filter(market_data::source_id.eq(source_id));
    each_row!(conn, query, Row, |row| PricePoint::of(row)
        .map_or(Ok(()), &mut each))
}

/// [`prices`] of all instruments in one pass, by instrument and then in key order; `each` is told
/// the instrument first. Without a range the whole table is read in its own order.
///
/// # Errors
/// As [`prices`].
pub fn prices_of_all(
    conn: &mut BackendConnection<'_>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    mut each: impl FnMut(i64, PricePoint) -> Result<()>,
) -> Result<usize> {
    let (first, last) = bounds::moments(start, end)?;
    let query = prices_of_all_query(first, last);
    each_row!(conn, query, (i64, Row), |(id, row): (i64, Row)| {
        PricePoint::of(row).map_or(Ok(()), |point| each(id, point))
    })
}

/// The order is that of the clustered key: nothing is sorted.
#[dsl::auto_type(no_type_alias)]
pub(super) fn prices_query(of: i64, first: Timestamp, last: Timestamp) -> _ {
    let active: Active<market_data::table> = market_data::table.active();
    active
        .filter(market_data::instrument_id.eq(of))
        .filter(market_data::timestamp.between(first, last))
        .filter(market_data::price.is_not_null())
        .order((
            market_data::timestamp.asc(),
            market_data::source_id.asc(),
            market_data::sequence.asc(),
        ))
        .select((
            market_data::timestamp,
            market_data::price,
            market_data::volume,
        ))
}

/// [`prices_query`] of every instrument.
#[dsl::auto_type(no_type_alias)]
pub(super) fn prices_of_all_query(first: Timestamp, last: Timestamp) -> _ {
    let active: Active<market_data::table> = market_data::table.active();
    active
        .filter(market_data::timestamp.between(first, last))
        .filter(market_data::price.is_not_null())
        .order((
            market_data::instrument_id.asc(),
            market_data::timestamp.asc(),
            market_data::source_id.asc(),
            market_data::sequence.asc(),
        ))
        .select((
            market_data::instrument_id,
            (
                market_data::timestamp,
                market_data::price,
                market_data::volume,
            ),
        ))
}

/// The newest stamps of an instrument's priced ticks from `first` to `last`, both included, newest
/// first: as many as there are ticks, up to `limit`; only those of one source, if it is named.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub(crate) fn newest_stamps(
    conn: &mut BackendConnection<'_>,
    of: i64,
    source_id: Option<i64>,
    (first, last): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<Timestamp>> {
    let query = newest_stamps_query(of, first, last, i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(match source_id {
        None => crate::on_backend!(conn, |c| query.load(c))?,
        Some(id) => {
            let query = query.filter(market_data::source_id.eq(id));
            crate::on_backend!(conn, |c| query.load(c))?
        }
    })
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn newest_stamps_query(of: i64, first: Timestamp, last: Timestamp, limit: i64) -> _ {
    let active: Active<market_data::table> = market_data::table.active();
    active
        .filter(market_data::instrument_id.eq(of))
        .filter(market_data::timestamp.between(first, last))
        .filter(market_data::price.is_not_null())
        .order(market_data::timestamp.desc())
        .select(market_data::timestamp)
        .limit(limit)
}

/// Every tick of a range: what a pass over them reads, deleted ones included.
macro_rules! stored_stamps {
    ($of:expr) => {{
        let (first, last) = $of.bounds()?;
        market_data::table
            .with_deleted("a pass over the ticks reads them, too")
            .filter(market_data::instrument_id.eq($of.instrument_id))
            .filter(market_data::timestamp.between(first, last))
            .select(market_data::timestamp)
            .limit(1)
    }};
}

/// The stamp of the tick of a range that comes after `n` others, deleted ones included.
///
/// # Errors
/// As [`prices`].
pub(crate) fn nth_stamp(
    conn: &mut BackendConnection<'_>,
    of: &TickRange,
    n: usize,
) -> Result<Option<Timestamp>> {
    let query = stored_stamps!(of)
        .order(market_data::timestamp.asc())
        .offset(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(crate::on_backend!(conn, |c| query.first(c).optional())?)
}

/// [`nth_stamp`] from the end of the range backwards.
///
/// # Errors
/// As [`prices`].
pub(crate) fn nth_stamp_before(
    conn: &mut BackendConnection<'_>,
    of: &TickRange,
    n: usize,
) -> Result<Option<Timestamp>> {
    let query = stored_stamps!(of)
        .order(market_data::timestamp.desc())
        .offset(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(crate::on_backend!(conn, |c| query.first(c).optional())?)
}
