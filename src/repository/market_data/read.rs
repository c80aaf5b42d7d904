//! Reads of ticks: pages of a range, counts.

use diesel::dsl;
use diesel::prelude::*;

use super::key_order::{BeforeKey, BehindKey, before_key, behind_key};
use super::keys::{TickKey, TickRange};
use crate::database::{BackendConnection, Page};
use crate::error::Result;
use crate::models::MarketData;
#[cfg(feature = "archive")]
use crate::repository::archive::{self, MergedTicks};
use crate::repository::rows::Recorded;
use crate::repository::{RangeQuery, SortOrder};
use crate::soft_delete::{Active, ActiveOn, SoftDeletable};
use crate::tables::{instruments, market_data};
use crate::timestamp::Timestamp;

impl MarketData {
    /// The values of the tick, in the order of the columns, for those who write them out.
    #[must_use]
    pub fn values(&self) -> [Option<f64>; 9] {
        [
            self.price,
            self.volume,
            self.bid,
            self.ask,
            self.bid_size,
            self.ask_size,
            self.open_price,
            self.high_price,
            self.low_price,
        ]
    }

    /// The identity of the tick.
    #[must_use]
    pub fn key(&self) -> TickKey {
        TickKey {
            instrument_id: self.instrument_id,
            timestamp: self.timestamp,
            source_id: self.source_id,
            sequence: self.sequence,
        }
    }
}

type TicksOfInstrument = dsl::Filter<
    Active<market_data::table>,
    dsl::And<
        dsl::Eq<market_data::instrument_id, i64>,
        dsl::Between<market_data::timestamp, Timestamp, Timestamp>,
    >,
>;

fn of_instrument(of: &TickRange) -> Result<TicksOfInstrument> {
    let (first, last) = of.bounds()?;
    Ok(market_data::table.active().filter(
        market_data::instrument_id
            .eq(of.instrument_id)
            .and(market_data::timestamp.between(first, last)),
    ))
}

/// A page of one instrument's active ticks.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit out of range or a start after the end;
/// [`Error::Query`](crate::Error::Query).
pub fn range(
    conn: &mut BackendConnection<'_>,
    query: &RangeQuery<TickRange, TickKey>,
) -> Result<Page<MarketData, TickKey>> {
    find_range(conn, query).recorded(conn)
}

/// [`range`] on the way to a write, whose rows are those that it writes.
pub(crate) fn find_range(
    conn: &mut BackendConnection<'_>,
    query: &RangeQuery<TickRange, TickKey>,
) -> Result<Page<MarketData, TickKey>> {
    let (limit, order, from) = query.plan()?;
    let (first, last) = query.range.bounds()?;
    let of = query.range.instrument_id;
    // A snapshot for one statement: in it PostgreSQL is told to read in the order of the key, not
    // to sort.
    let rows: Result<Vec<MarketData>> = conn.snapshot(|conn| {
        #[cfg(feature = "archive")]
        {
            let files = archive::segments(conn, of, (first, last))?;
            if !files.is_empty() {
                return merged_page(
                    conn,
                    MergedTicks::new(of, files, (first, last), order, from),
                    limit,
                );
            }
        }
        Ok(match order {
            SortOrder::Ascending => {
                let from = from.unwrap_or(TickKey::before_all(of, first));
                crate::on_backend!(conn, |c| {
                    ascending_query(of, from, last, limit)
                        .select(MarketData::as_select())
                        .load(c)
                })?
            }
            SortOrder::Descending => {
                let from = from.unwrap_or(TickKey::after_all(of, last));
                crate::on_backend!(conn, |c| {
                    descending_query(of, from, first, limit)
                        .select(MarketData::as_select())
                        .load(c)
                })?
            }
        })
    });
    Ok(Page::of(
        rows?,
        query.limit,
        query.cursor.as_ref(),
        MarketData::key,
    ))
}

#[cfg(feature = "archive")]
fn merged_page(
    conn: &mut BackendConnection<'_>,
    mut ticks: MergedTicks,
    limit: i64,
) -> Result<Vec<MarketData>> {
    let mut rows = Vec::new();
    while (rows.len() as i64) < limit
        && let Some(tick) = ticks.next(conn)?
    {
        rows.push(tick);
    }
    Ok(rows)
}

/// Active ticks behind a key.
#[dsl::auto_type(no_type_alias)]
pub(crate) fn ascending_query(of: i64, from: TickKey, last: Timestamp, limit: i64) -> _ {
    let active: Active<market_data::table> = market_data::table.active();
    let stamp: Timestamp = from.timestamp;
    let later: BehindKey = behind_key(from);
    active
        .filter(market_data::instrument_id.eq(of))
        .filter(market_data::timestamp.between(stamp, last))
        .filter(later)
        .order((
            market_data::timestamp.asc(),
            market_data::source_id.asc(),
            market_data::sequence.asc(),
        ))
        .limit(limit)
}

/// [`ascending_query`] the other way round.
#[dsl::auto_type(no_type_alias)]
pub(super) fn descending_query(of: i64, from: TickKey, first: Timestamp, limit: i64) -> _ {
    let active: Active<market_data::table> = market_data::table.active();
    let stamp: Timestamp = from.timestamp;
    let earlier: BeforeKey = before_key(from);
    active
        .filter(market_data::instrument_id.eq(of))
        .filter(market_data::timestamp.between(first, stamp))
        .filter(earlier)
        .order((
            market_data::timestamp.desc(),
            market_data::source_id.desc(),
            market_data::sequence.desc(),
        ))
        .limit(limit)
}

pub(super) fn count_query(
    of: &TickRange,
) -> Result<dsl::Select<TicksOfInstrument, dsl::CountStar>> {
    Ok(of_instrument(of)?.select(dsl::count_star()))
}

/// The count of active ticks in a range.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a start after the end;
/// [`Error::Query`](crate::Error::Query).
pub fn count(conn: &mut BackendConnection<'_>, of: &TickRange) -> Result<i64> {
    #[cfg(feature = "archive")]
    {
        let bounds = of.bounds()?;
        let count = conn.snapshot(|conn| {
            let pieces = archive::pieces(conn, of.instrument_id, bounds)?;
            match pieces.is_empty() {
                true => hot_count(conn, of),
                false => archived_count(conn, of.instrument_id, pieces),
            }
        });
        Ok(count?).recorded(conn)
    }
    #[cfg(not(feature = "archive"))]
    hot_count(conn, of).recorded(conn)
}

fn hot_count(conn: &mut BackendConnection<'_>, of: &TickRange) -> Result<i64> {
    let query = count_query(of)?;
    Ok(crate::on_backend!(conn, |c| query.get_result(c))?)
}

#[cfg(feature = "archive")]
fn archived_count(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    pieces: Vec<archive::RangePiece>,
) -> Result<i64> {
    let mut count = 0;
    for piece in pieces {
        let range = piece.ticks(instrument_id);
        count += match piece.segment {
            Some(segment) => archive::count(conn, segment, piece.bounds)?,
            None => hot_count(conn, &range)?,
        };
    }
    Ok(count)
}

type SinceOn = dsl::And<
    dsl::Eq<market_data::instrument_id, instruments::id>,
    dsl::GtEq<market_data::timestamp, Timestamp>,
>;

/// It starts from `instruments`, so that each one's ticks are found in the clustered key.
#[dsl::auto_type(no_type_alias)]
pub(super) fn count_since_query(start: Timestamp) -> _ {
    let active: Active<instruments::table> = instruments::table.active();
    let on: SinceOn = market_data::instrument_id
        .eq(instruments::id)
        .and(market_data::timestamp.ge(start));
    let ticks: ActiveOn<market_data::table, SinceOn> = market_data::table.active_on(on);
    active.inner_join(ticks).select(dsl::count_star())
}

/// The count of active ticks of active instruments from a moment on: it reads those ticks alone.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn count_since(conn: &mut BackendConnection<'_>, start: Timestamp) -> Result<i64> {
    #[cfg(feature = "archive")]
    let counted = conn.at_one_moment(|conn| {
        Ok(hot_count_since(conn, start)? + archived_count_since(conn, start)?)
    });
    #[cfg(not(feature = "archive"))]
    let counted = hot_count_since(conn, start);
    counted.recorded(conn)
}

fn hot_count_since(conn: &mut BackendConnection<'_>, start: Timestamp) -> Result<i64> {
    let query = count_since_query(start);
    Ok(crate::on_backend!(conn, |c| query.get_result(c))?)
}

/// Ticks of files alone.
#[cfg(feature = "archive")]
fn archived_count_since(conn: &mut BackendConnection<'_>, start: Timestamp) -> Result<i64> {
    let archived = archive::archived(conn, None)?;
    let since = |of: &archive::ArchivedInstrument| !of.is_deleted && of.archived_to > start;
    let mut count = 0;
    for of in archived.into_iter().filter(since) {
        for piece in archive::pieces(conn, of.id, (start, Timestamp::MAX))? {
            if let Some(segment) = piece.segment {
                count += archive::own_count(conn, segment, piece.bounds)?;
            }
        }
    }
    Ok(count)
}

/// The hot reads as SQLite's SQL, by name, with how each must seek, for those who look at their
/// plans.
#[cfg(feature = "sqlite")]
pub(crate) fn plan_samples() -> Result<[(&'static str, String, &'static str); 3]> {
    use diesel::query_builder::{QueryBuilder, QueryFragment};
    use diesel::sqlite::Sqlite;
    const OF_INSTRUMENT: &str = "SEARCH market_data USING PRIMARY KEY (instrument_id=?";
    const OF_RANGE: &str = "SEARCH market_data USING PRIMARY KEY (instrument_id=? AND timestamp";
    fn text(query: &impl QueryFragment<Sqlite>) -> Result<String> {
        let mut text = diesel::sqlite::query_builder::SqliteQueryBuilder::default();
        query.to_sql(&mut text, &Sqlite)?;
        Ok(text.finish())
    }
    let from = TickKey::before_all(1, Timestamp::MIN);
    let latest = text(&super::latest_sqlite::newest_query(1))?;
    let range = text(&ascending_query(1, from, Timestamp::MAX, 1))?;
    let count = text(&count_query(&TickRange::all(1))?)?;
    Ok([
        ("market_data.latest", latest, OF_INSTRUMENT),
        ("market_data.range", range, OF_RANGE),
        ("market_data.count", count, OF_RANGE),
    ])
}
