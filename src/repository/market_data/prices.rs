//! One ordered pass over the priced ticks of an instrument, or of all: each is shown to the
//! caller, nothing is collected, so that memory stays flat however many there are.

#[cfg(feature = "archive")]
use super::archived_prices::{
    archived_first_stamp, archived_newest_stamps, archived_nth_stamp, archived_prices,
};
use super::hot_prices::{
    PricePoint, PricesOf, hot_first_stamp, hot_newest_stamps, hot_nth_stamp, hot_prices_of,
    hot_prices_of_all,
};
use super::keys::TickRange;
use crate::database::BackendConnection;
use crate::domain::BarPrice;
use crate::error::Result;
#[cfg(feature = "archive")]
use crate::repository::archive;
#[cfg(feature = "archive")]
use crate::repository::instrument;
use crate::repository::{SortOrder, bounds};
use crate::timestamp::Timestamp;

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
    let all = PricesOf {
        instrument_id: of.instrument_id,
        source_id: None,
        price: BarPrice::Last,
    };
    prices_of(conn, all, of, &mut each)
}

/// [`prices`] of one source or of quotes. A quote is no trade and has no size.
///
/// # Errors
/// As [`prices`].
pub(crate) fn prices_of(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
    range: &TickRange,
    mut each: impl FnMut(PricePoint) -> Result<()>,
) -> Result<usize> {
    let bounds = range.bounds()?;
    #[cfg(feature = "archive")]
    {
        conn.at_one_moment(|conn| {
            let pieces = archive::pieces(conn, of.instrument_id, bounds)?;
            match pieces.is_empty() {
                true => hot_prices_of(conn, of, bounds, &mut each),
                false => archived_prices(conn, of, pieces, &mut each),
            }
        })
    }
    #[cfg(not(feature = "archive"))]
    hot_prices_of(conn, of, bounds, &mut each)
}

/// The stamp of the first tick that has such a price.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub(crate) fn first_stamp(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
) -> Result<Option<Timestamp>> {
    let whole = (Timestamp::MIN, Timestamp::MAX);
    #[cfg(feature = "archive")]
    {
        conn.at_one_moment(|conn| {
            let pieces = archive::pieces(conn, of.instrument_id, whole)?;
            match pieces.is_empty() {
                true => hot_first_stamp(conn, of, whole),
                false => archived_first_stamp(conn, of, pieces),
            }
        })
    }
    #[cfg(not(feature = "archive"))]
    hot_first_stamp(conn, of, whole)
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
    #[cfg(feature = "archive")]
    {
        conn.at_one_moment(|conn| {
            let archived = archive::archived(conn, None)?;
            if archived.iter().all(|of| of.archived_to <= first) {
                return hot_prices_of_all(conn, (first, last), &mut each);
            }
            let mut shown = 0;
            for instrument_id in instrument::all_ids(conn)? {
                let range = TickRange {
                    instrument_id,
                    start,
                    end,
                };
                shown += prices(conn, &range, |point| each(instrument_id, point))?;
            }
            Ok(shown)
        })
    }
    #[cfg(not(feature = "archive"))]
    hot_prices_of_all(conn, (first, last), &mut each)
}

/// The newest stamps of the ticks that have such a price, from `first` to `last`, both included,
/// newest first: as many as there are ticks, up to `limit`.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub(crate) fn newest_stamps(
    conn: &mut BackendConnection<'_>,
    of: PricesOf,
    (first, last): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<Timestamp>> {
    #[cfg(feature = "archive")]
    {
        let pieces = archive::pieces(conn, of.instrument_id, (first, last))?;
        if !pieces.is_empty() {
            return archived_newest_stamps(conn, of, pieces, limit);
        }
    }
    hot_newest_stamps(conn, of, (first, last), limit)
}

/// The stamp of the tick of a range that comes after `n` others in this order, deleted ones
/// included.
///
/// # Errors
/// As [`prices`].
pub(crate) fn nth_stamp(
    conn: &mut BackendConnection<'_>,
    of: &TickRange,
    order: SortOrder,
    n: usize,
) -> Result<Option<Timestamp>> {
    #[cfg(feature = "archive")]
    {
        let pieces = archive::pieces(conn, of.instrument_id, of.bounds()?)?;
        if !pieces.is_empty() {
            return archived_nth_stamp(conn, of.instrument_id, pieces, order, n);
        }
    }
    hot_nth_stamp(conn, of, order, n)
}
