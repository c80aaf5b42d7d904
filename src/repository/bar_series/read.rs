//! Reads of series: what is built, and which periods of it are stale.

use std::collections::HashMap;

use diesel::dsl;
use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::domain::{Frequency, Symbol};
use crate::error::{Error, Result};
use crate::models::BarSeries;
use crate::repository::{KEYS_PER_STATEMENT_MAX, data_source};
use crate::soft_delete::{ActiveOn, SoftDeletable};
use crate::tables::{bar_series, instruments, stale_bars};
use crate::timestamp::Timestamp;

/// The source of built bars; a migration adds it.
pub const BUILT_SOURCE_NAME: &str = "tickbase-bars";

/// The data sources whose bars are built: nobody else writes bars of theirs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BuiltSources(Option<i64>);

impl BuiltSources {
    pub(crate) fn load(conn: &mut BackendConnection<'_>) -> Result<Self> {
        let source = data_source::by_name(conn, BUILT_SOURCE_NAME)?;
        Ok(Self(source.map(|source| source.id)))
    }

    pub(crate) fn contains(&self, source_id: i64) -> bool {
        self.0 == Some(source_id)
    }
}

/// A series, and how much of it waits for repair.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeriesStatus {
    /// The instrument's symbol.
    pub symbol: Symbol,
    /// The series.
    pub series: BarSeries,
    /// Periods whose ticks have changed since their bars were built.
    pub stale_periods: i64,
    /// The instrument's newest tick.
    pub last_tick: Option<Timestamp>,
}

impl SeriesStatus {
    /// Whether a period has closed that is not built, or a built one is stale.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let closed = |at: Timestamp| self.series.frequency.period_start(at) > self.series.built_to;
        self.stale_periods > 0 || self.last_tick.is_some_and(closed)
    }
}

/// The id of the source of built bars.
///
/// # Errors
/// [`Error::NotFound`] when somebody has renamed it; [`Error::Query`].
pub fn source_id(conn: &mut BackendConnection<'_>) -> Result<i64> {
    let source = data_source::by_name(conn, BUILT_SOURCE_NAME)?;
    source.map(|source| source.id).ok_or_else(|| {
        Error::not_found(
            format!("data source {BUILT_SOURCE_NAME:?}"),
            "give the source of built bars its name back",
        )
    })
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn series_query<'a>(instrument_ids: &'a [i64]) -> _ {
    bar_series::table.filter(bar_series::instrument_id.eq_any(instrument_ids))
}

/// The series of these instruments, by instrument and frequency, shortest first.
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
    all.sort_unstable_by_key(|series| (series.instrument_id, series.frequency));
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
pub(super) fn stale_query(of: i64, frequency: Frequency, first: Timestamp, end: Timestamp) -> _ {
    stale_bars::table
        .filter(stale_bars::instrument_id.eq(of))
        .filter(stale_bars::frequency.eq(frequency))
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
    instrument_id: i64,
    frequency: Frequency,
    start: Timestamp,
    end: Timestamp,
    limit: usize,
) -> Result<Vec<Timestamp>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = stale_query(instrument_id, frequency, start, end).limit(limit);
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

type OfInstrument = dsl::Eq<bar_series::instrument_id, instruments::id>;

#[dsl::auto_type(no_type_alias)]
pub(super) fn list_query() -> _ {
    let on: OfInstrument = bar_series::instrument_id.eq(instruments::id);
    let active: ActiveOn<instruments::table, OfInstrument> = instruments::table.active_on(on);
    bar_series::table.inner_join(active)
}

/// Every series of an active instrument, by symbol and frequency, shortest first.
///
/// # Errors
/// [`Error::Query`].
pub fn list(conn: &mut BackendConnection<'_>) -> Result<Vec<SeriesStatus>> {
    let rows: Vec<(Symbol, Option<Timestamp>, BarSeries)> = crate::on_backend!(&mut *conn, |c| {
        let instrument = (instruments::symbol, instruments::last_tick);
        list_query()
            .select((instrument.0, instrument.1, BarSeries::as_select()))
            .load(c)
    })?;
    let query = stale_bars::table
        .group_by((stale_bars::instrument_id, stale_bars::frequency))
        .select((
            stale_bars::instrument_id,
            stale_bars::frequency,
            dsl::count_star(),
        ));
    let stale: Vec<(i64, Frequency, i64)> = crate::on_backend!(conn, |c| query.load(c))?;
    let stale: HashMap<(i64, Frequency), i64> = stale
        .into_iter()
        .map(|(id, frequency, count)| ((id, frequency), count))
        .collect();
    let status = |(symbol, last_tick, series): (Symbol, _, BarSeries)| SeriesStatus {
        symbol,
        last_tick,
        stale_periods: stale
            .get(&(series.instrument_id, series.frequency))
            .copied()
            .unwrap_or(0),
        series,
    };
    let mut all: Vec<SeriesStatus> = rows.into_iter().map(status).collect();
    all.sort_by(|a, b| {
        let key = |of: &SeriesStatus| (of.symbol.to_string(), of.series.frequency);
        key(a).cmp(&key(b))
    });
    Ok(all)
}
