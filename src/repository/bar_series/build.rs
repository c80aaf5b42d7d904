//! One step of building a series: what is missing or stale next, within one transaction.
//!
//! Each step looks at the series anew, under the lock of the instrument: so two that build the
//! same series help each other, and what a crash leaves is gone on with.

use diesel::prelude::*;

use super::bars;
use super::read::{SeriesKey, stale_between};
use crate::database::{BackendConnection, Invalidation};
use crate::domain::{BarPrice, Frequency};
use crate::error::{Error, Result};
use crate::models::BarSeries;
use crate::repository::bar_composition::{Composition, TimeSpan};
use crate::repository::instrument;
use crate::tables::{bar_series, instrument_state, stale_bars};
use crate::timestamp::Timestamp;

/// Stale periods that one step looks at.
const STALE_PERIODS_MAX: usize = 1_000;

/// The periods to build: those that start from the one of `start` to `end` (excluded).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BuildSpan {
    /// A moment of the first period; `None` for that of the instrument's first tick.
    pub start: Option<Timestamp>,
    /// The first moment that is no longer built; `None` for as far as periods are closed.
    pub end: Option<Timestamp>,
}

impl BuildSpan {
    pub(super) fn checked(self) -> Result<Self> {
        crate::repository::bounds::moments(self.start, self.end)?;
        Ok(self)
    }
}

/// What a build is to reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    key: SeriesKey,
    span: BuildSpan,
    /// Whether only a series that exists is extended, at its end alone.
    refreshes: bool,
    /// Stale periods before this one had their turn.
    repaired_to: Timestamp,
}

impl Goal {
    pub(super) fn build(key: SeriesKey, span: BuildSpan) -> Self {
        Self {
            key,
            span,
            refreshes: false,
            repaired_to: Timestamp::MIN,
        }
    }

    pub(super) fn refresh(key: SeriesKey) -> Self {
        Self {
            refreshes: true,
            ..Self::build(key, BuildSpan::default())
        }
    }

    pub(super) fn operation(&self) -> &'static str {
        if self.refreshes {
            "bar_series.refresh"
        } else {
            "bar_series.build"
        }
    }

    /// Where stale periods had their turn up to `done`: those marked again meanwhile are the next
    /// run's, or a feed of late ticks would keep this one for ever.
    pub(super) fn goes_on_from(&mut self, done: Option<Timestamp>) {
        self.repaired_to = done.unwrap_or(self.repaired_to);
    }
}

/// What a step did.
#[derive(Debug)]
pub(super) enum BuildStep {
    /// It did something; there may be more to do.
    Built(BuildWork),
    /// Nothing is left to do. There is no series when there is nothing to make it of.
    Done(Option<BarSeries>),
}

#[derive(Debug, Default)]
pub(super) struct BuildWork {
    pub(super) ticks_read: usize,
    pub(super) bars_read: usize,
    pub(super) bars_written: usize,
    pub(super) bars_removed: usize,
    pub(super) periods_repaired: usize,
    /// What reading took, in ticks.
    cost: usize,
    /// The end of the last stale period that it repaired.
    pub(super) repaired_to: Option<Timestamp>,
}

/// What a build did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildReport {
    /// The instrument.
    pub instrument_id: i64,
    /// Length of the periods.
    pub frequency: Frequency,
    /// The price of ticks that the bars are made of.
    pub price: BarPrice,
    /// The series as it is now; `None` when there is none, for want of a tick or a shorter bar, or
    /// because the build was ended early.
    pub series: Option<BarSeries>,
    /// Transactions that changed something.
    pub transactions: usize,
    /// Ticks that were folded into bars.
    pub ticks_read: usize,
    /// Bars of shorter frequencies that were folded instead.
    pub bars_read: usize,
    /// Bars that are new or have other values.
    pub bars_written: usize,
    /// Bars of periods that have lost all that they were made of.
    pub bars_removed: usize,
    /// Stale periods that were built again.
    pub periods_repaired: usize,
}

impl BuildReport {
    pub(super) fn new(goal: &Goal) -> Self {
        Self {
            instrument_id: goal.key.instrument_id,
            frequency: goal.key.frequency,
            price: goal.key.price,
            series: None,
            transactions: 0,
            ticks_read: 0,
            bars_read: 0,
            bars_written: 0,
            bars_removed: 0,
            periods_repaired: 0,
        }
    }

    /// Adds up; whether there may be more to do.
    pub(super) fn add(&mut self, step: BuildStep) -> Option<BuildWork> {
        match step {
            BuildStep::Done(series) => {
                self.series = series;
                None
            }
            BuildStep::Built(work) => {
                self.transactions += 1;
                self.ticks_read += work.ticks_read;
                self.bars_read += work.bars_read;
                self.bars_written += work.bars_written;
                self.bars_removed += work.bars_removed;
                self.periods_repaired += work.periods_repaired;
                Some(work)
            }
        }
    }
}

/// Does what is next, reading about `limit` ticks at most.
pub(super) fn step(
    conn: &mut BackendConnection<'_>,
    goal: &Goal,
    limit: usize,
    now: Timestamp,
) -> Result<BuildStep> {
    let key = goal.key;
    let _said = conn.invalidates(Invalidation::Bars(&[key.instrument_id]));
    conn.prefer_order()?;
    let Some(last_tick) = lock(conn, goal)? else {
        return Ok(BuildStep::Done(None));
    };
    // Looked up anew in each step, under the lock: another builder may have gone on since, and a
    // crash leaves nothing to repair.
    let found = find(conn, key)?;
    let composition = Composition::of_parts(conn, key)?;
    let Some(start) = start(conn, goal, found.as_ref(), &composition)? else {
        return Ok(BuildStep::Done(found));
    };
    let series = match found {
        Some(series) => series,
        None if goal.refreshes => return Ok(BuildStep::Done(None)),
        None => create(conn, key, start, now)?,
    };
    let last_bar = composition.last_imported(conn, last_tick)?;
    // The period of the newest tick or bar is still open: more of it may come.
    let closed = last_tick.max(last_bar);
    let closed = closed.map(|at| key.frequency.period_start(at));
    let asked = goal.span.end.map(|at| key.frequency.period_start(at));
    let end = closed.map(|closed| asked.map_or(closed, |asked| asked.min(closed)));
    let mut builder = Builder {
        conn,
        key,
        composition,
        limit,
        now,
        work: BuildWork::default(),
    };
    // The end first, as it is what readers ask for; then the past, then repairs.
    if let Some(end) = end.filter(|end| *end > series.built_to) {
        builder.forward(&series, end)?;
    } else if start < series.built_from && series.built_from == series.built_to {
        // Nothing is built that it would have to touch: it begins anew, and not before its ticks.
        builder.advance(start, start)?;
    } else if start < series.built_from {
        builder.backward(&series, start)?;
    } else if !builder.repair(&series, start.max(goal.repaired_to), asked)? {
        return Ok(BuildStep::Done(Some(series)));
    }
    let work = builder.work;
    conn.record_rows(work.bars_written + work.bars_removed);
    Ok(BuildStep::Built(work))
}

/// Locks the instrument against other writers, and says what its last tick is: `None` when a
/// refresh finds it deleted.
fn lock(conn: &mut BackendConnection<'_>, goal: &Goal) -> Result<Option<Option<Timestamp>>> {
    instrument::lock(conn, &[goal.key.instrument_id])?;
    let query = instrument_state::table
        .find(goal.key.instrument_id)
        .filter(instrument_state::is_deleted.eq(false))
        .select(instrument_state::last_tick);
    let found: Option<Option<Timestamp>> = crate::on_backend!(conn, |c| query.first(c).optional())?;
    match found {
        None if !goal.refreshes => Err(instrument::not_found(goal.key.instrument_id)),
        other => Ok(other),
    }
}

fn find(conn: &mut BackendConnection<'_>, key: SeriesKey) -> Result<Option<BarSeries>> {
    let query = bar_series::table.find((key.instrument_id, key.frequency, key.price));
    Ok(crate::on_backend!(conn, |c| {
        query.select(BarSeries::as_select()).first(c).optional()
    })?)
}

/// The start of the first period to build; `None` without a tick or a bar to begin with.
fn start(
    conn: &mut BackendConnection<'_>,
    goal: &Goal,
    series: Option<&BarSeries>,
    composition: &Composition,
) -> Result<Option<Timestamp>> {
    let held = series.map(|series| series.built_from);
    if goal.refreshes {
        return Ok(held);
    }
    if let Some(start) = goal.span.start {
        return Ok(Some(goal.key.frequency.period_start(start)));
    }
    let first = composition.first_moment(conn)?;
    let first = first.map(|at| goal.key.frequency.period_start(at));
    // What has lost its ticks at the beginning of a series is stale, and comes with it.
    Ok(first.into_iter().chain(held).min())
}

/// A series of which nothing is built yet.
fn create(
    conn: &mut BackendConnection<'_>,
    key: SeriesKey,
    start: Timestamp,
    now: Timestamp,
) -> Result<BarSeries> {
    let insert = diesel::insert_into(bar_series::table).values((
        bar_series::instrument_id.eq(key.instrument_id),
        bar_series::frequency.eq(key.frequency),
        bar_series::price.eq(key.price),
        bar_series::built_from.eq(start),
        bar_series::built_to.eq(start),
        bar_series::updated_at.eq(now),
    ));
    crate::on_backend!(&mut *conn, |c| insert.execute(c))?;
    find(conn, key)?.ok_or_else(|| {
        let what = format!("the new series {} of {}", key.frequency, key.instrument_id);
        Error::not_found(what, "report this as a defect")
    })
}

/// A step on its way, under the lock of the instrument.
struct Builder<'a, 'c> {
    conn: &'a mut BackendConnection<'c>,
    key: SeriesKey,
    composition: Composition,
    limit: usize,
    now: Timestamp,
    work: BuildWork,
}

impl Builder<'_, '_> {
    /// Builds on from the end of the series.
    fn forward(&mut self, series: &BarSeries, end: Timestamp) -> Result<()> {
        let (to, _) = self.build(series.built_to, end, self.limit)?;
        self.advance(series.built_from, to)
    }

    /// Builds what comes before the series, the last part of it first, so that no gap opens.
    fn backward(&mut self, series: &BarSeries, start: Timestamp) -> Result<()> {
        let to = series.built_from;
        let before = TimeSpan::between(start, to);
        let from = self
            .composition
            .begin_before(self.conn, before, self.limit)?;
        let from = Timestamp::from_micros_clamped(from);
        // Without a limit: the span was cut before, and a gap before the series may not stay.
        self.build(from, to, usize::MAX)?;
        self.advance(from, series.built_to)
    }

    /// Builds stale periods again; whether there were any.
    fn repair(
        &mut self,
        series: &BarSeries,
        start: Timestamp,
        end: Option<Timestamp>,
    ) -> Result<bool> {
        let end = end.map_or(series.built_to, |end| end.min(series.built_to));
        let stale = stale_between(self.conn, self.key, start, end, STALE_PERIODS_MAX)?;
        for (from, whole) in runs(self.key.frequency, &stale) {
            let left = self.limit.saturating_sub(self.work.cost);
            if left == 0 {
                break;
            }
            let (to, repaired) = self.build(from, whole, left)?;
            self.work.periods_repaired += repaired;
            self.work.repaired_to = Some(to);
            // The limit is used up within a run; the next step goes on there.
            if to < whole {
                break;
            }
        }
        if !stale.is_empty() {
            self.advance(series.built_from, series.built_to)?;
        }
        Ok(!stale.is_empty())
    }

    /// Makes the bars of whole periods what their parts give, some `limit` ticks of them; returns
    /// up to where, and how many were stale.
    fn build(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<(Timestamp, usize)> {
        let made = self
            .composition
            .bars(self.conn, TimeSpan::between(from, to), limit)?;
        let to = Timestamp::from_micros_clamped(made.to);
        self.work.ticks_read += made.ticks_read;
        self.work.bars_read += made.bars_read;
        self.work.cost += made.cost();
        let bars = made.bars.into_iter().map(|made| made.bar).collect();
        let (written, removed) = bars::replace(self.conn, self.key, from, to, bars, self.now)?;
        self.work.bars_written += written;
        self.work.bars_removed += removed;
        let marks = stale_bars::table
            .filter(stale_bars::instrument_id.eq(self.key.instrument_id))
            .filter(stale_bars::frequency.eq(self.key.frequency))
            .filter(stale_bars::price.eq(self.key.price))
            .filter(stale_bars::timestamp.ge(from))
            .filter(stale_bars::timestamp.lt(to));
        // With the bars, in one transaction: a mark that comes later is of a later change, and
        // stays.
        let delete = diesel::delete(marks);
        Ok((
            to,
            crate::on_backend!(&mut *self.conn, |c| delete.execute(c))?,
        ))
    }

    /// Writes down what is built, where ticks are stored too.
    fn advance(&mut self, from: Timestamp, to: Timestamp) -> Result<()> {
        let SeriesKey {
            instrument_id,
            frequency,
            price,
        } = self.key;
        let series = bar_series::table.find((instrument_id, frequency, price));
        let update = diesel::update(series).set((
            bar_series::built_from.eq(from),
            bar_series::built_to.eq(to),
            bar_series::updated_at.eq(self.now),
        ));
        crate::on_backend!(&mut *self.conn, |c| update.execute(c))?;
        let behind = instrument_state::table.find(instrument_id).filter(
            instrument_state::bars_to
                .is_null()
                .or(instrument_state::bars_to.lt(to)),
        );
        // It never falls: a batch that compares its stamps with too great an end only looks in
        // vain.
        let update = diesel::update(behind).set(instrument_state::bars_to.eq(to));
        crate::on_backend!(&mut *self.conn, |c| update.execute(c))?;
        Ok(())
    }
}

/// Periods that follow each other, joined: start of the first, end of the last.
fn runs(frequency: Frequency, periods: &[Timestamp]) -> Vec<(Timestamp, Timestamp)> {
    let mut runs: Vec<(Timestamp, Timestamp)> = Vec::new();
    for start in periods {
        let end = frequency.period_end(*start);
        match runs.last_mut() {
            Some((_, last)) if *last == *start => *last = end,
            _ => runs.push((*start, end)),
        }
    }
    runs
}
