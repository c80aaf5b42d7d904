//! Reads of active bars: pages of a range, counts, and the bars of given keys.

use diesel::dsl;
use diesel::prelude::*;

use super::keys::{BarKey, BarRange};
use super::store::{BAR_KEYS_PER_STATEMENT_MAX, KeyIn};
use crate::database::{BackendConnection, Page};
use crate::domain::{Frequency, PeriodBar};
use crate::error::Result;
use crate::models::MarketDataBar;
use crate::repository::bar_series::BuiltSources;
use crate::repository::optional::{IfSome, if_some};
use crate::repository::pass::each_row;
use crate::repository::rows::Recorded;
use crate::repository::{RangeQuery, SortOrder};
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::market_data_bars;
use crate::timestamp::Timestamp;

/// The place of a bar among those of its instrument and frequency.
type BarPosition = (Timestamp, i64);

/// A page of the active bars of one instrument and frequency.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit out of range or a start after the end;
/// [`Error::Query`](crate::Error::Query).
pub fn range(
    conn: &mut BackendConnection<'_>,
    query: &RangeQuery<BarRange, BarKey>,
) -> Result<Page<MarketDataBar, BarKey>> {
    let (limit, order, from) = query.plan()?;
    let (first, last) = query.range.bounds()?;
    let from = from.map(|key| (key.timestamp, key.data_source_id));
    let of = query.range;
    let rows: Result<Vec<MarketDataBar>> = conn.snapshot(|conn| {
        Ok(match order {
            SortOrder::Ascending => {
                let from = from.unwrap_or((first, i64::MIN));
                crate::on_backend!(conn, |c| {
                    ascending_query(of, from, last, limit)
                        .select(MarketDataBar::as_select())
                        .load(c)
                })?
            }
            SortOrder::Descending => {
                let from = from.unwrap_or((last, i64::MAX));
                crate::on_backend!(conn, |c| {
                    descending_query(of, from, first, limit)
                        .select(MarketDataBar::as_select())
                        .load(c)
                })?
            }
        })
    });
    let cursor = query.cursor.as_ref();
    Ok(Page::of(rows?, query.limit, cursor, MarketDataBar::key)).recorded(conn)
}

pub(super) type BarSourceFilter = IfSome<dsl::Eq<market_data_bars::data_source_id, i64>>;

/// Only bars of this source, if there is one.
pub(super) fn of_source(source: Option<i64>) -> BarSourceFilter {
    if_some(source.map(|id| market_data_bars::data_source_id.eq(id)))
}

/// The active bars of a range between two moments, both included.
#[dsl::auto_type(type_case = "PascalCase")]
pub(super) fn between_query(of: BarRange, first: Timestamp, last: Timestamp) -> _ {
    let active: Active<market_data_bars::table> = market_data_bars::table.active();
    let (instrument_id, frequency): (i64, Frequency) = (of.instrument_id, of.frequency);
    let source: BarSourceFilter = of_source(of.data_source_id);
    active
        .filter(market_data_bars::instrument_id.eq(instrument_id))
        .filter(market_data_bars::frequency.eq(frequency))
        .filter(market_data_bars::timestamp.between(first, last))
        .filter(source)
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn ascending_query(of: BarRange, from: BarPosition, last: Timestamp, limit: i64) -> _ {
    let (stamp, source): (Timestamp, i64) = from;
    let later_source = market_data_bars::timestamp
        .eq(stamp)
        .and(market_data_bars::data_source_id.gt(source));
    let later = market_data_bars::timestamp.gt(stamp).or(later_source);
    let between: BetweenQuery = between_query(of, stamp, last);
    between
        .filter(later)
        .order((
            market_data_bars::timestamp.asc(),
            market_data_bars::data_source_id.asc(),
        ))
        .limit(limit)
}

/// [`ascending_query`] the other way round.
#[dsl::auto_type(no_type_alias)]
pub(super) fn descending_query(of: BarRange, from: BarPosition, first: Timestamp, limit: i64) -> _ {
    let (stamp, source): (Timestamp, i64) = from;
    let earlier_source = market_data_bars::timestamp
        .eq(stamp)
        .and(market_data_bars::data_source_id.lt(source));
    let earlier = market_data_bars::timestamp.lt(stamp).or(earlier_source);
    let between: BetweenQuery = between_query(of, first, stamp);
    between
        .filter(earlier)
        .order((
            market_data_bars::timestamp.desc(),
            market_data_bars::data_source_id.desc(),
        ))
        .limit(limit)
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn scan_query(of: BarRange, first: Timestamp, last: Timestamp) -> _ {
    let between: BetweenQuery = between_query(of, first, last);
    between.order((
        market_data_bars::timestamp.asc(),
        market_data_bars::data_source_id.asc(),
    ))
}

/// Start and source of each bar of [`scan_query`].
#[dsl::auto_type(no_type_alias)]
fn starts_query(of: BarRange, first: Timestamp, last: Timestamp) -> _ {
    let between: BetweenQuery = between_query(of, first, last);
    between
        .order((
            market_data_bars::timestamp.asc(),
            market_data_bars::data_source_id.asc(),
        ))
        .select((
            market_data_bars::timestamp,
            market_data_bars::data_source_id,
        ))
}

/// The values of a stored bar that other bars are made of.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = market_data_bars)]
pub(crate) struct ScannedBar {
    pub(crate) timestamp: Timestamp,
    pub(crate) data_source_id: i64,
    open_price: f64,
    high_price: f64,
    low_price: f64,
    close_price: f64,
    volume: f64,
    pub(crate) open_interest: Option<f64>,
    turnover: Option<f64>,
    tick_count: Option<i64>,
}

impl From<ScannedBar> for PeriodBar {
    fn from(bar: ScannedBar) -> Self {
        Self {
            timestamp: bar.timestamp,
            open: bar.open_price,
            high: bar.high_price,
            low: bar.low_price,
            close: bar.close_price,
            volume: bar.volume,
            turnover: bar.turnover,
            tick_count: bar.tick_count,
            open_interest: bar.open_interest,
        }
    }
}

/// Shows the active bars of a range, by start of the period and then by source; nothing is
/// collected. Returns how many there were.
///
/// # Errors
/// As [`count`]; those of `each`.
pub(crate) fn scan(
    conn: &mut BackendConnection<'_>,
    of: &BarRange,
    each: impl FnMut(ScannedBar) -> Result<()>,
) -> Result<usize> {
    let (first, last) = of.bounds()?;
    let query = scan_query(*of, first, last);
    each_row!(
        conn,
        query.select(ScannedBar::as_select()),
        ScannedBar,
        each
    )
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn newest_starts_query(
    of: BarRange,
    first: Timestamp,
    last: Timestamp,
    limit: i64,
) -> _ {
    let between: BetweenQuery = between_query(of, first, last);
    between
        .order((
            market_data_bars::timestamp.desc(),
            market_data_bars::data_source_id.desc(),
        ))
        .select((
            market_data_bars::timestamp,
            market_data_bars::data_source_id,
        ))
        .limit(limit)
}

/// The starts of the first active bars of a range in this order, each with its source; one per bar,
/// up to `limit`. No bar is passed over: those of one source alone would be looked for among all of
/// the others, however few there are.
///
/// # Errors
/// As [`count`].
pub(crate) fn outermost_starts(
    conn: &mut BackendConnection<'_>,
    of: &BarRange,
    order: SortOrder,
    limit: usize,
) -> Result<Vec<(Timestamp, i64)>> {
    let (first, last) = of.bounds()?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (newest, oldest) = (
        newest_starts_query(*of, first, last, limit),
        starts_query(*of, first, last).limit(limit),
    );
    Ok(crate::on_backend!(conn, |c| match order {
        SortOrder::Ascending => oldest.load(c),
        SortOrder::Descending => newest.load(c),
    })?)
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn of_frequency_query(instrument_id: i64, frequency: Frequency) -> _ {
    let active: Active<market_data_bars::table> = market_data_bars::table.active();
    active
        .filter(market_data_bars::instrument_id.eq(instrument_id))
        .filter(market_data_bars::frequency.eq(frequency))
        .select(market_data_bars::frequency)
}

/// Whether there are bars of each frequency, shortest first.
macro_rules! stored_query {
    ($id:expr) => {{
        let [a, b, c, d, e, f, g, h, i] =
            Frequency::ALL.map(|of| diesel::dsl::exists(of_frequency_query($id, of)));
        diesel::select((a, b, c, d, e, f, g, h, i))
    }};
}

/// The frequencies of which an instrument has active bars, shortest first: a look at the first
/// entry of each in the index, in one statement.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub(crate) fn stored_frequencies(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
) -> Result<Vec<Frequency>> {
    type Each = (bool, bool, bool, bool, bool, bool, bool, bool, bool);
    let (a, b, c, d, e, f, g, h, i): Each =
        crate::on_backend!(conn, |conn| stored_query!(instrument_id).get_result(conn))?;
    let each = Frequency::ALL.into_iter().zip([a, b, c, d, e, f, g, h, i]);
    Ok(each
        .filter(|(_, is_stored)| *is_stored)
        .map(|(of, _)| of)
        .collect())
}
#[cfg(test)]
pub(super) use stored_query;

/// The count of active bars in a range.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a start after the end;
/// [`Error::Query`](crate::Error::Query).
pub fn count(conn: &mut BackendConnection<'_>, of: &BarRange) -> Result<i64> {
    let (first, last) = of.bounds()?;
    let query = between_query(*of, first, last).count();
    Ok(crate::on_backend!(conn, |c| query.get_result(c)).recorded(conn)?)
}

/// How many periods of a range have more than one active bar that came in, of several sources or at
/// several moments.
///
/// # Errors
/// As [`count`].
pub(crate) fn contested_periods(
    conn: &mut BackendConnection<'_>,
    of: &BarRange,
    built: &BuiltSources,
) -> Result<u64> {
    let (first, last) = of.bounds()?;
    let query = starts_query(*of, first, last);
    let (mut contested, mut of_period, mut end) = (0, 0_u64, i64::MIN);
    type BarPeriodKey = (Timestamp, i64);
    each_row!(
        conn,
        query,
        BarPeriodKey,
        |(start, source): BarPeriodKey| {
            if built.contains(source) {
                return Ok(());
            }
            if start.micros() >= end {
                end = of.frequency.period_micros(start.micros()).1;
                of_period = 0;
            }
            of_period += 1;
            contested += u64::from(of_period == 2);
            Ok(())
        }
    )?;
    Ok(contested)
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn of_keys_query<'a>(keys: &'a [BarKey]) -> _ {
    let active: Active<market_data_bars::table> = market_data_bars::table.active();
    let among: KeyIn<'a> = KeyIn(keys);
    active.filter(among)
}

/// The active bars of these keys, in any order.
pub(super) fn of_keys(
    conn: &mut BackendConnection<'_>,
    keys: &[BarKey],
) -> Result<Vec<MarketDataBar>> {
    let mut bars = Vec::new();
    for keys in keys.chunks(BAR_KEYS_PER_STATEMENT_MAX) {
        let chunk: Vec<MarketDataBar> = crate::on_backend!(&mut *conn, |c| {
            of_keys_query(keys)
                .select(MarketDataBar::as_select())
                .load(c)
        })?;
        bars.extend(chunk);
    }
    Ok(bars)
}
