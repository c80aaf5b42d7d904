//! Prices of the rows of the table, in the order of their keys: passes, and moments of them. What is archived
//! is not among them.

use diesel::dsl;
use diesel::prelude::*;

use super::keys::TickRange;
use crate::database::BackendConnection;
use crate::domain::BarPrice;
use crate::domain::bar_price::mid;
use crate::error::Result;
use crate::repository::SortOrder;
#[cfg(feature = "archive")]
use crate::repository::archive::PassedTick;
use crate::repository::optional::{IfSome, if_some};
use crate::repository::pass::each_row;
#[cfg(feature = "archive")]
use crate::segment::WantedColumns;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::market_data;
use crate::timestamp::Timestamp;

/// The values of a tick that a bar needs.
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
type PriceRow = (Timestamp, Option<f64>, Option<f64>);

impl PricePoint {
    fn of((timestamp, price, volume): PriceRow) -> Option<Self> {
        price.map(|price| Self {
            timestamp,
            price,
            volume,
        })
    }
}

fn hot_prices(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    (first, last): (Timestamp, Timestamp),
    each: &mut impl FnMut(PricePoint) -> Result<()>,
) -> Result<usize> {
    let query = prices_query(instrument_id, first, last);
    each_row!(conn, query, PriceRow, |row| PricePoint::of(row)
        .map_or(Ok(()), &mut *each))
}

/// The prices to read of an instrument's ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PricesOf {
    pub(crate) instrument_id: i64,
    /// Only those of this source.
    pub(crate) source_id: Option<i64>,
    pub(crate) price: BarPrice,
}

/// The columns of quotes; those that the price needs are not absent.
type QuoteRow = (Timestamp, Option<f64>, Option<f64>);

impl PricesOf {
    /// True when it is what [`prices`](super::prices::prices) shows: its statement stays one, and prepared.
    fn is_plain(self) -> bool {
        self.source_id.is_none() && self.price == BarPrice::Last
    }

    /// The columns that the price needs.
    #[cfg(feature = "archive")]
    pub(super) fn wanted(self) -> WantedColumns {
        let mut values = [false; 9];
        let [price, volume, bid, ask, ..] = &mut values;
        match self.price {
            BarPrice::Last => (*price, *volume) = (true, true),
            BarPrice::Bid => *bid = true,
            BarPrice::Ask => *ask = true,
            BarPrice::Mid => (*bid, *ask) = (true, true),
        }
        WantedColumns {
            keys: self.source_id.is_some(),
            values,
        }
    }

    #[cfg(feature = "archive")]
    pub(super) fn of_tick(self, tick: &PassedTick<'_>) -> Option<PricePoint> {
        if self
            .source_id
            .is_some_and(|source| source != tick.source_id())
        {
            return None;
        }
        match self.price {
            BarPrice::Last => PricePoint::of((tick.timestamp(), tick.price(), tick.volume())),
            _ => self.of_quote((tick.timestamp(), tick.bid(), tick.ask())),
        }
    }

    fn of_quote(self, (timestamp, bid, ask): QuoteRow) -> Option<PricePoint> {
        let price = match self.price {
            BarPrice::Last => None,
            BarPrice::Bid => bid,
            BarPrice::Ask => ask,
            BarPrice::Mid => bid.zip(ask).map(|(bid, ask)| mid(bid, ask)),
        };
        price.map(|price| PricePoint {
            timestamp,
            price,
            volume: None,
        })
    }
}

pub(super) fn hot_prices_of(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
    (first, last): (Timestamp, Timestamp),
    each: &mut impl FnMut(PricePoint) -> Result<()>,
) -> Result<usize> {
    if of.is_plain() {
        return hot_prices(conn, of.instrument_id, (first, last), each);
    }
    if of.price == BarPrice::Last {
        let query = having_query(of, first, last).select((
            market_data::timestamp,
            market_data::price,
            market_data::volume,
        ));
        return each_row!(conn, query, PriceRow, |row| PricePoint::of(row)
            .map_or(Ok(()), &mut *each));
    }
    let query = having_query(of, first, last).select((
        market_data::timestamp,
        market_data::bid,
        market_data::ask,
    ));
    each_row!(conn, query, QuoteRow, |row| of
        .of_quote(row)
        .map_or(Ok(()), &mut *each))
}

/// A range of one: of an equal source SQLite no longer sees that the key has the order that is asked
/// for, and sorts.
type TickSourceFilter = IfSome<dsl::Between<market_data::source_id, i64, i64>>;
type HasPrice = IfSome<dsl::IsNotNull<market_data::price>>;
type HasBid = IfSome<dsl::IsNotNull<market_data::bid>>;
type HasAsk = IfSome<dsl::IsNotNull<market_data::ask>>;

/// The ticks that have such a price, in key order.
#[dsl::auto_type(no_type_alias)]
pub(super) fn having_query(of: PricesOf, first: Timestamp, last: Timestamp) -> _ {
    let active: Active<market_data::table> = market_data::table.active();
    let instrument_id: i64 = of.instrument_id;
    let (source, price, bid, ask): (TickSourceFilter, HasPrice, HasBid, HasAsk) = conditions(of);
    active
        .filter(market_data::instrument_id.eq(instrument_id))
        .filter(market_data::timestamp.between(first, last))
        .filter(source)
        .filter(price)
        .filter(bid)
        .filter(ask)
        .order((
            market_data::timestamp.asc(),
            market_data::source_id.asc(),
            market_data::sequence.asc(),
        ))
}

fn conditions(of: PricesOf) -> (TickSourceFilter, HasPrice, HasBid, HasAsk) {
    let is = |prices: &[BarPrice]| prices.contains(&of.price);
    let bid = is(&[BarPrice::Bid, BarPrice::Mid]);
    let ask = is(&[BarPrice::Ask, BarPrice::Mid]);
    (
        if_some(
            of.source_id
                .map(|id| market_data::source_id.between(id, id)),
        ),
        if_some(is(&[BarPrice::Last]).then(|| market_data::price.is_not_null())),
        if_some(bid.then(|| market_data::bid.is_not_null())),
        if_some(ask.then(|| market_data::ask.is_not_null())),
    )
}

pub(super) fn hot_first_stamp(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
    (first, last): (Timestamp, Timestamp),
) -> Result<Option<Timestamp>> {
    let query = having_query(of, first, last)
        .select(market_data::timestamp)
        .limit(1);
    Ok(crate::on_backend!(conn, |c| query.first(c).optional())?)
}

pub(super) fn hot_prices_of_all(
    conn: &mut BackendConnection<'_>,
    (first, last): (Timestamp, Timestamp),
    each: &mut impl FnMut(i64, PricePoint) -> Result<()>,
) -> Result<usize> {
    let query = prices_of_all_query(first, last);
    each_row!(conn, query, (i64, PriceRow), |(id, row): (
        i64,
        PriceRow
    )| {
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

pub(super) fn hot_newest_stamps(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
    (first, last): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<Timestamp>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    if of.is_plain() {
        let query = newest_stamps_query(of.instrument_id, first, last, limit);
        return Ok(crate::on_backend!(conn, |c| query.load(c))?);
    }
    let query = having_query(of, first, last)
        .order(market_data::timestamp.desc())
        .select(market_data::timestamp)
        .limit(limit);
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
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

pub(super) fn hot_nth_stamp(
    conn: &mut BackendConnection<'_>,
    of: &TickRange,
    order: SortOrder,
    n: usize,
) -> Result<Option<Timestamp>> {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    let (oldest, newest) = (
        stored_stamps!(of)
            .order(market_data::timestamp.asc())
            .offset(n),
        stored_stamps!(of)
            .order(market_data::timestamp.desc())
            .offset(n),
    );
    Ok(crate::on_backend!(conn, |c| match order {
        SortOrder::Ascending => oldest.first(c).optional(),
        SortOrder::Descending => newest.first(c).optional(),
    })?)
}
