//! The series with what of them waits to be built.

use std::collections::HashMap;

use diesel::dsl;
use diesel::prelude::*;

use super::read::SeriesKey;
use crate::database::BackendConnection;
use crate::domain::{BarPrice, Frequency, Symbol};
use crate::error::Result;
use crate::models::BarSeries;
use crate::repository::bar_composition::Composition;
use crate::soft_delete::{ActiveOn, SoftDeletable};
use crate::tables::{bar_series, instrument_state, instruments, stale_bars};
use crate::timestamp::Timestamp;

/// A series, and how much of it waits for repair.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeriesStatus {
    /// The instrument's symbol.
    pub symbol: Symbol,
    /// The series.
    pub series: BarSeries,
    /// Periods whose ticks or shorter bars have changed since their bars were built.
    pub stale_periods: i64,
    /// The instrument's newest tick.
    pub last_tick: Option<Timestamp>,
    /// Start of its newest bar, if that is not before the newest tick, that came in and is shorter
    /// than those of the series.
    pub last_bar: Option<Timestamp>,
}

impl SeriesStatus {
    /// Whether a period has closed that is not built, or a built one is stale.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let closed = |at: Timestamp| self.series.frequency.period_start(at) > self.series.built_to;
        self.stale_periods > 0 || self.last_tick.max(self.last_bar).is_some_and(closed)
    }
}

type StateOfSeries = dsl::Eq<instrument_state::instrument_id, bar_series::instrument_id>;
type InstrumentOfSeries = dsl::Eq<bar_series::instrument_id, instruments::id>;

#[dsl::auto_type(no_type_alias)]
pub(super) fn list_query() -> _ {
    let on: InstrumentOfSeries = bar_series::instrument_id.eq(instruments::id);
    let active: ActiveOn<instruments::table, InstrumentOfSeries> = instruments::table.active_on(on);
    let state: StateOfSeries = instrument_state::instrument_id.eq(bar_series::instrument_id);
    bar_series::table
        .inner_join(active)
        .inner_join(instrument_state::table.on(state))
}

/// Every series of an active instrument, by symbol and frequency, shortest first.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn list(conn: &mut BackendConnection<'_>) -> Result<Vec<SeriesStatus>> {
    type NamedSeriesRow = (Symbol, Option<Timestamp>, BarSeries);
    let rows: Vec<NamedSeriesRow> = crate::on_backend!(&mut *conn, |c| {
        let instrument = (instruments::symbol, instrument_state::last_tick);
        list_query()
            .select((instrument.0, instrument.1, BarSeries::as_select()))
            .load(c)
    })?;
    let query = stale_bars::table
        .group_by((
            stale_bars::instrument_id,
            stale_bars::frequency,
            stale_bars::price,
        ))
        .select((
            stale_bars::instrument_id,
            stale_bars::frequency,
            stale_bars::price,
            dsl::count_star(),
        ));
    let stale: Vec<(i64, Frequency, BarPrice, i64)> =
        crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let key = |(instrument_id, frequency, price, count)| {
        let key = SeriesKey {
            instrument_id,
            frequency,
            price,
        };
        (key, count)
    };
    let stale: HashMap<SeriesKey, i64> = stale.into_iter().map(key).collect();
    let mut all = Vec::with_capacity(rows.len());
    for (symbol, last_tick, series) in rows {
        let key = series.key();
        let of = Composition::of_parts(conn, key)?;
        all.push(SeriesStatus {
            symbol,
            series,
            stale_periods: stale.get(&key).copied().unwrap_or(0),
            last_tick,
            last_bar: of.last_imported(conn, last_tick)?,
        });
    }
    all.sort_by(|a, b| {
        let key = |of: &SeriesStatus| (of.symbol.to_string(), of.series.key());
        key(a).cmp(&key(b))
    });
    conn.record_rows(all.len());
    Ok(all)
}
