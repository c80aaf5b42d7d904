//! Marks of stale periods: which periods of an instrument's series a change of ticks or of bars
//! touches.
//!
//! They are written in the transaction of that change, under the lock of the instrument, so that a
//! series never claims a bar that its ticks and shorter bars no longer give.

use std::collections::BTreeSet;

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Text};

use super::gone::{self, GoneSpans};
use super::read::{BuiltSources, SeriesKey, of_instruments};
use crate::database::{BackendConnection, Invalidation};
use crate::domain::{BarPrice, Frequency, TickPrices};
use crate::error::Result;
use crate::models::BarSeries;
use crate::repository::bar::BarKey;
use crate::repository::market_data::TickRange;
use crate::repository::{bounds, instrument};
use crate::sql_types;
use crate::timestamp::Timestamp;

/// Marks of one statement: four binds each, within SQLite's 32,766.
const MARKS_PER_STATEMENT_MAX: usize = 1_000;

/// The periods that a change of ticks or bars touches, of every series of some instruments.
pub(crate) struct Marks {
    /// By instrument, frequency and price.
    series: Vec<SeriesInvalidation>,
    /// The instrument that was touched last, and where its series are.
    last: (i64, std::ops::Range<usize>),
}

struct SeriesInvalidation {
    of: BarSeries,
    /// Where what they were made of is gone, so that they stay as they are.
    gone: GoneSpans,
    /// Start and end of the period that was touched last.
    last: (i64, i64),
    periods: Vec<Timestamp>,
}

impl Marks {
    /// Nothing touched yet, of the series that these instruments have. The instruments are locked.
    pub(crate) fn of(conn: &mut BackendConnection<'_>, instrument_ids: &[i64]) -> Result<Self> {
        let series = of_instruments(conn, instrument_ids)?;
        let gone = match series.is_empty() {
            true => Vec::new(),
            false => gone::of_instruments(conn, instrument_ids)?,
        };
        let untouched = |of: BarSeries| SeriesInvalidation {
            gone: GoneSpans::of(&of, &gone),
            of,
            last: (0, i64::MIN),
            periods: Vec::new(),
        };
        Ok(Self {
            series: series.into_iter().map(untouched).collect(),
            last: (i64::MIN, 0..0),
        })
    }

    /// The greatest end of the series; `None` when there is none, so that nothing can be touched.
    pub(crate) fn built_to(&self) -> Option<Timestamp> {
        self.series.iter().map(|touched| touched.of.built_to).max()
    }

    /// A tick with these prices came, went or returned at this moment. In order of time a tick costs
    /// a few comparisons per series.
    pub(crate) fn touch(&mut self, instrument_id: i64, at: Timestamp, prices: TickPrices) {
        for touched in self.of_instrument(instrument_id) {
            if prices.has(touched.of.price) {
                touched.touch(at);
            }
        }
    }

    /// A bar came, went, returned or changed. What was built in longer periods holds a bar that
    /// came in; of a built bar its own period is made anew, whatever has become of the row.
    pub(crate) fn touch_bar(&mut self, bar: &BarKey, built: &BuiltSources) {
        let built = built.price(bar.data_source_id);
        for touched in self.of_instrument(bar.instrument_id) {
            let BarSeries {
                frequency, price, ..
            } = touched.of;
            let is_touched = match built {
                Some(of) => frequency == bar.frequency && price == of,
                None => bar.frequency.divides(frequency) && price == BarPrice::Last,
            };
            if is_touched {
                touched.touch(bar.timestamp);
            }
        }
    }

    /// [`touch_bar`](Self::touch_bar) of many, and the marks are written down. The instruments are
    /// locked.
    pub(crate) fn store_of_bars<'b>(
        conn: &mut BackendConnection<'_>,
        bars: impl IntoIterator<Item = &'b BarKey> + Clone,
        built: &BuiltSources,
    ) -> Result<()> {
        let ids: BTreeSet<i64> = bars
            .clone()
            .into_iter()
            .map(|key| key.instrument_id)
            .collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let mut marks = Self::of(conn, &ids)?;
        for bar in bars {
            marks.touch_bar(bar, built);
        }
        marks.store(conn)
    }

    /// Marks what is built of a series between two moments.
    pub(super) fn touch_span(&mut self, key: SeriesKey, (start, end): (Timestamp, Timestamp)) {
        let series = self.of_instrument(key.instrument_id);
        for series in series.iter_mut().filter(|of| of.of.key() == key) {
            let (from, to) = (series.of.built_from, series.of.built_to);
            series.add(start.max(from), end.min(to));
        }
    }

    fn of_instrument(&mut self, instrument_id: i64) -> &mut [SeriesInvalidation] {
        if self.last.0 != instrument_id {
            let id = |touched: &SeriesInvalidation| touched.of.instrument_id;
            let first = self.series.partition_point(|s| id(s) < instrument_id);
            let end = self.series.partition_point(|s| id(s) <= instrument_id);
            self.last = (instrument_id, first..end);
        }
        &mut self.series[self.last.1.clone()]
    }

    /// Writes the marks down; those that are there stay.
    pub(crate) fn store(mut self, conn: &mut BackendConnection<'_>) -> Result<()> {
        for touched in &mut self.series {
            touched.periods.sort_unstable();
            touched.periods.dedup();
            for periods in touched.periods.chunks(MARKS_PER_STATEMENT_MAX) {
                let insert = InsertMarks {
                    of: touched.of.key(),
                    periods,
                };
                crate::on_backend!(&mut *conn, |c| insert.execute(c))?;
            }
        }
        Ok(())
    }
}

/// Marks what is built of a range of ticks as stale, in every series of the instrument, so that the
/// next build or refresh makes it anew; returns how many periods that are. Bars that were
/// made of what retention has deleted stay as they are.
///
/// The functions of this crate that store, delete or restore ticks and bars mark what they touch
/// by themselves. Call it in the transaction of statements of your own that change ticks or bars:
/// nothing else tells a series of them.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a start after the end;
/// [`Error::Query`](crate::Error::Query).
pub fn mark_stale(conn: &mut BackendConnection<'_>, of: &TickRange) -> Result<usize> {
    let (first, last) = bounds::moments(of.start, of.end)?;
    let _said = conn.invalidates(Invalidation::Bars(&[of.instrument_id]));
    instrument::lock(conn, &[of.instrument_id])?;
    let mut marks = Marks::of(conn, &[of.instrument_id])?;
    for touched in &mut marks.series {
        let BarSeries {
            built_from,
            built_to,
            ..
        } = touched.of;
        let to = last.saturating_add_micros(1).min(built_to);
        touched.add(first.max(built_from), to);
    }
    let periods = marks.series.iter().map(|touched| touched.periods.len());
    let periods = periods.sum();
    marks.store(conn)?;
    conn.record_rows(periods);
    Ok(periods)
}

impl SeriesInvalidation {
    fn touch(&mut self, at: Timestamp) {
        let micros = at.micros();
        // Late ticks come in runs of one period: most of them end here, after two comparisons.
        let is_same = self.last.0 <= micros && micros < self.last.1;
        if is_same || at < self.of.built_from || at >= self.of.built_to {
            return;
        }
        self.last = self.of.frequency.period_micros(micros);
        if !self.gone.overlap(self.last) {
            self.periods.push(self.of.frequency.period_start(at));
        }
    }

    /// Adds the periods that start from that of one moment on, up to another one, but for those that stay
    /// as they are.
    fn add(&mut self, from: Timestamp, to: Timestamp) {
        let frequency = self.of.frequency;
        let all = frequency.period_starts(frequency.period_start(from), to);
        let gone = &self.gone;
        let follow = all.filter(|start| !gone.overlap(frequency.period_micros(start.micros())));
        self.periods.extend(follow);
    }
}

/// `INSERT INTO stale_bars .. ON CONFLICT DO NOTHING` of many rows, which Diesel has not for
/// SQLite.
struct InsertMarks<'a> {
    of: SeriesKey,
    periods: &'a [Timestamp],
}

impl QueryId for InsertMarks<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Connection> RunQueryDsl<C> for InsertMarks<'_> {}

impl<DB> QueryFragment<DB> for InsertMarks<'_>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Frequency: ToSql<Text, DB>,
    BarPrice: ToSql<Text, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        // One row has one text, which is the key of the statement cache.
        if self.periods.len() > 1 {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(
            "INSERT INTO stale_bars (instrument_id, frequency, price, \"timestamp\") VALUES ",
        );
        for (i, period) in self.periods.iter().enumerate() {
            out.push_sql(if i == 0 { "(" } else { ", (" });
            out.push_bind_param::<BigInt, _>(&self.of.instrument_id)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&self.of.frequency)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&self.of.price)?;
            out.push_sql(", ");
            out.push_bind_param::<sql_types::Timestamp, _>(period)?;
            out.push_sql(")");
        }
        out.push_sql(" ON CONFLICT DO NOTHING");
        Ok(())
    }
}
