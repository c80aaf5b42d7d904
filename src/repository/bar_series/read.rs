//! Reads of series: what is built, and which periods of it are stale.

use diesel::dsl;
use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::domain::{BarPrice, Frequency};
use crate::error::{Error, Result};
use crate::models::BarSeries;
use crate::repository::KEYS_PER_STATEMENT_MAX;
use crate::tables::{bar_series, data_sources, stale_bars};
use crate::timestamp::Timestamp;

/// The source of bars that are built of trades; a migration adds it, as the others.
pub const BUILT_SOURCE_NAME: &str = "tickbase-bars";

/// The name of the source of built bars of a price.
const fn source_name(price: BarPrice) -> &'static str {
    match price {
        BarPrice::Last => BUILT_SOURCE_NAME,
        BarPrice::Bid => "tickbase-bars-bid",
        BarPrice::Ask => "tickbase-bars-ask",
        BarPrice::Mid => "tickbase-bars-mid",
    }
}

/// What names a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The instrument.
    pub instrument_id: i64,
    /// Length of the periods.
    pub frequency: Frequency,
    /// The price of ticks that the bars are made of.
    pub price: BarPrice,
}

impl SeriesKey {
    /// The series of the price of trades.
    #[must_use]
    pub fn of_trades(instrument_id: i64, frequency: Frequency) -> Self {
        Self {
            instrument_id,
            frequency,
            price: BarPrice::Last,
        }
    }
}

impl BarSeries {
    /// What names the series.
    #[must_use]
    pub fn key(&self) -> SeriesKey {
        SeriesKey {
            instrument_id: self.instrument_id,
            frequency: self.frequency,
            price: self.price,
        }
    }
}

/// The data sources whose bars are built: nobody else writes bars of theirs.
#[derive(Debug, Clone)]
pub(crate) struct BuiltSources(Vec<(i64, BarPrice)>);

impl BuiltSources {
    pub(crate) fn load(conn: &mut BackendConnection<'_>) -> Result<Self> {
        let named = |price| data_sources::name.eq(source_name(price));
        let trades = named(BarPrice::Last);
        let quotes = named(BarPrice::Bid).or(named(BarPrice::Ask));
        let query = data_sources::table
            .filter(trades.or(quotes).or(named(BarPrice::Mid)))
            .select((data_sources::id, data_sources::name));
        let rows: Vec<(i64, String)> = crate::on_backend!(conn, |c| query.load(c))?;
        let price = |name: &str| {
            let mut all = BarPrice::ALL.iter().copied();
            all.find(|price| source_name(*price) == name)
        };
        let sources = rows
            .iter()
            .filter_map(|(id, name)| Some((*id, price(name)?)));
        Ok(Self(sources.collect()))
    }

    /// The source of the built bars of a price; `None` when somebody has renamed it.
    pub(crate) fn of(&self, price: BarPrice) -> Option<i64> {
        let found = self.0.iter().find(|(_, of)| *of == price);
        found.map(|(id, _)| *id)
    }

    /// The price of the built bars of a source; `None` for a source of bars that come in.
    pub(crate) fn price(&self, source_id: i64) -> Option<BarPrice> {
        let found = self.0.iter().find(|(id, _)| *id == source_id);
        found.map(|(_, price)| *price)
    }

    pub(crate) fn contains(&self, source_id: i64) -> bool {
        self.price(source_id).is_some()
    }
}

/// The id of the source of the built bars of a price.
///
/// # Errors
/// [`Error::NotFound`] when somebody has renamed it; [`Error::Query`].
pub fn source_id(conn: &mut BackendConnection<'_>, price: BarPrice) -> Result<i64> {
    let source = BuiltSources::load(conn)?.of(price);
    source.ok_or_else(|| {
        Error::not_found(
            format!("data source {:?}", source_name(price)),
            "give the source of built bars its name back",
        )
    })
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn series_query<'a>(instrument_ids: &'a [i64]) -> _ {
    bar_series::table.filter(bar_series::instrument_id.eq_any(instrument_ids))
}

/// The series of these instruments, by instrument, frequency, shortest first, and price.
pub(super) fn of_instruments(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
) -> Result<Vec<BarSeries>> {
    let mut all = Vec::new();
    for ids in instrument_ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = series_query(ids);
        let some: Vec<BarSeries> = crate::on_backend!(&mut *conn, |c| {
            query.select(BarSeries::as_select()).load(c)
        })?;
        all.extend(some);
    }
    all.sort_unstable_by_key(BarSeries::key);
    Ok(all)
}

/// The series of an instrument, shortest frequency first.
///
/// # Errors
/// [`Error::Query`].
pub fn of_instrument(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
) -> Result<Vec<BarSeries>> {
    of_instruments(conn, &[instrument_id])
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn stale_query(of: SeriesKey, first: Timestamp, end: Timestamp) -> _ {
    let (id, frequency, price): (i64, Frequency, BarPrice) =
        (of.instrument_id, of.frequency, of.price);
    stale_bars::table
        .filter(stale_bars::instrument_id.eq(id))
        .filter(stale_bars::frequency.eq(frequency))
        .filter(stale_bars::price.eq(price))
        .filter(stale_bars::timestamp.ge(first))
        .filter(stale_bars::timestamp.lt(end))
        .order(stale_bars::timestamp.asc())
        .select(stale_bars::timestamp)
}

/// The starts of the stale periods of a series from `start` (included) to `end` (excluded), the
/// first `limit` of them.
///
/// # Errors
/// [`Error::Query`].
pub fn stale_between(
    conn: &mut BackendConnection<'_>,
    of: SeriesKey,
    start: Timestamp,
    end: Timestamp,
    limit: usize,
) -> Result<Vec<Timestamp>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = stale_query(of, start, end).limit(limit);
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}
