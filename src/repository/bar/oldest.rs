//! What there is of old bars, for retention: their sources, their first and last one, and up to where a
//! transaction may go.

use diesel::dsl;
use diesel::prelude::*;

use super::keys::BarRange;
use super::read::between_query;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::tables::market_data_bars;
use crate::timestamp::Timestamp;

/// The sources of the active bars of a range.
pub(crate) fn sources_of(conn: &mut BackendConnection<'_>, of: &BarRange) -> Result<Vec<i64>> {
    let (first, last) = of.bounds()?;
    let query = between_query(*of, first, last)
        .select(market_data_bars::data_source_id)
        .distinct()
        .order(market_data_bars::data_source_id.asc());
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

/// The starts of the first and the last active bar of a range; `None` when it has none.
pub(crate) fn ends(
    conn: &mut BackendConnection<'_>,
    of: &BarRange,
) -> Result<Option<(Timestamp, Timestamp)>> {
    let (first, last) = of.bounds()?;
    let query = between_query(*of, first, last).select((
        dsl::min(market_data_bars::timestamp),
        dsl::max(market_data_bars::timestamp),
    ));
    let ends: (Option<Timestamp>, Option<Timestamp>) =
        crate::on_backend!(conn, |c| query.get_result(c))?;
    Ok(ends.0.zip(ends.1))
}

/// The start of the first active bar of a range; `None` when it has none.
pub(crate) fn first_start(
    conn: &mut BackendConnection<'_>,
    of: &BarRange,
) -> Result<Option<Timestamp>> {
    let (first, last) = of.bounds()?;
    let query = between_query(*of, first, last)
        .order(market_data_bars::timestamp.asc())
        .select(market_data_bars::timestamp);
    Ok(crate::on_backend!(conn, |c| query.first(c).optional())?)
}

/// The start of the last one of the first bars of a range, `limit` of them at most; `None` when it has
/// none. What lies behind them is not read, or a deletion in parts would read all of it for each part.
pub(crate) fn last_of_first(
    conn: &mut BackendConnection<'_>,
    of: &BarRange,
    limit: usize,
) -> Result<Option<Timestamp>> {
    let (first, last) = of.bounds()?;
    let offset = i64::try_from(limit.saturating_sub(1)).unwrap_or(i64::MAX);
    let query = between_query(*of, first, last)
        .order(market_data_bars::timestamp.asc())
        .offset(offset)
        .select(market_data_bars::timestamp);
    let nth: Option<Timestamp> = crate::on_backend!(&mut *conn, |c| query.first(c).optional())?;
    // There are fewer: all of them are looked at once.
    match nth {
        Some(nth) => Ok(Some(nth)),
        None => Ok(ends(conn, of)?.map(|(_, last)| last)),
    }
}
