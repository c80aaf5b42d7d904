//! The bars of a span of whole periods: folded from ticks or from a finer series, and stored in
//! the place of those that are there. It decides nothing about which span.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::read::{of_instrument, source_id, stale_between};
use crate::database::BackendConnection;
use crate::domain::{Aggregator, BarAggregator, Frequency, PeriodBar};
use crate::error::Result;
use crate::models::{MarketDataBar, NewMarketDataBar};
use crate::repository::bar;
use crate::repository::market_data::{TickRange, prices};
use crate::soft_delete::SoftDeletable;
use crate::tables::{market_data, market_data_bars};
use crate::timestamp::Timestamp;

/// Finer bars that one transaction folds: those of a month of minutes, whole.
const FINER_BARS_MAX: i64 = 50_000;

/// Whose bars.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) instrument_id: i64,
    pub(super) frequency: Frequency,
}

/// The moment of an instrument's first tick with a price.
pub(super) fn first_tick(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
) -> Result<Option<Timestamp>> {
    let query = market_data::table
        .active()
        .filter(market_data::instrument_id.eq(instrument_id))
        .filter(market_data::price.is_not_null())
        .order(market_data::timestamp.asc())
        .select(market_data::timestamp);
    Ok(crate::on_backend!(conn, |c| query.first(c).optional())?)
}

/// Every tick from `from` to `to`: what a pass over them reads, deleted ones included.
macro_rules! stored_stamps {
    ($of:expr, $from:expr, $to:expr) => {
        market_data::table
            .with_deleted("a pass over the ticks reads them, too")
            .filter(market_data::instrument_id.eq($of.instrument_id))
            .filter(market_data::timestamp.ge($from))
            .filter(market_data::timestamp.lt($to))
            .select(market_data::timestamp)
    };
}

/// The end of as many periods from `from` on as have some `limit` ticks: `end`, if all of them
/// have no more, and one period at least.
pub(super) fn cut_after(
    conn: &mut BackendConnection<'_>,
    of: Place,
    from: Timestamp,
    end: Timestamp,
    limit: usize,
) -> Result<Timestamp> {
    let query = stored_stamps!(of, from, end)
        .order(market_data::timestamp.asc())
        .offset(i64::try_from(limit).unwrap_or(i64::MAX))
        .limit(1);
    let beyond: Option<Timestamp> = crate::on_backend!(conn, |c| query.first(c).optional())?;
    let Some(beyond) = beyond else {
        return Ok(end);
    };
    let cut = of.frequency.period_start(beyond);
    Ok(if cut > from {
        cut
    } else {
        of.frequency.period_end(from).min(end)
    })
}

/// [`cut_after`] the other way round: the start of the last periods before `to`.
pub(super) fn cut_before(
    conn: &mut BackendConnection<'_>,
    of: Place,
    start: Timestamp,
    to: Timestamp,
    limit: usize,
) -> Result<Timestamp> {
    let query = stored_stamps!(of, start, to)
        .order(market_data::timestamp.desc())
        .offset(i64::try_from(limit).unwrap_or(i64::MAX))
        .limit(1);
    let beyond: Option<Timestamp> = crate::on_backend!(conn, |c| query.first(c).optional())?;
    let Some(beyond) = beyond else {
        return Ok(start);
    };
    let cut = of.frequency.period_end(beyond);
    let last = of.frequency.period_start(to.saturating_add_micros(-1));
    Ok(if cut < to { cut } else { last.max(start) })
}

/// The coarsest series whose bars make up those from `from` on, and how far they do: at most to
/// `end`, in whole periods, of which none is stale.
pub(super) fn basis(
    conn: &mut BackendConnection<'_>,
    of: Place,
    from: Timestamp,
    end: Timestamp,
) -> Result<Option<(Frequency, Timestamp)>> {
    let finer = of_instrument(conn, of.instrument_id)?;
    let finer = finer.into_iter().rev();
    for series in finer.filter(|series| series.frequency.divides(of.frequency)) {
        let covered = of.frequency.period_start(end.min(series.built_to));
        if covered <= from || has_ticks(conn, of, from, series.built_from)? {
            continue;
        }
        let (id, frequency) = (of.instrument_id, series.frequency);
        if stale_between(conn, id, frequency, from, covered, 1)?.is_empty() {
            let to = cut_after_bars(conn, of, frequency, from, covered)?;
            return Ok(Some((frequency, to)));
        }
    }
    Ok(None)
}

/// Whether a tick with a price comes from `from` to `to`: before the first bar of a series, its
/// first period begins later than the coarser one that holds it.
fn has_ticks(
    conn: &mut BackendConnection<'_>,
    of: Place,
    from: Timestamp,
    to: Timestamp,
) -> Result<bool> {
    if to <= from {
        return Ok(false);
    }
    let query = market_data::table
        .active()
        .filter(market_data::instrument_id.eq(of.instrument_id))
        .filter(market_data::timestamp.ge(from))
        .filter(market_data::timestamp.lt(to))
        .filter(market_data::price.is_not_null())
        .order(market_data::timestamp.asc())
        .select(market_data::timestamp);
    let first: Option<Timestamp> = crate::on_backend!(conn, |c| query.first(c).optional())?;
    Ok(first.is_some())
}

/// The built bars of a frequency that start from `from` to `to`.
macro_rules! built_bars {
    ($source:expr, $of:expr, $frequency:expr, $from:expr, $to:expr) => {
        market_data_bars::table
            .active()
            .filter(market_data_bars::instrument_id.eq($of.instrument_id))
            .filter(market_data_bars::frequency.eq($frequency))
            .filter(market_data_bars::timestamp.ge($from))
            .filter(market_data_bars::timestamp.lt($to))
            .filter(market_data_bars::data_source_id.eq($source))
            .order(market_data_bars::timestamp.asc())
    };
}

/// As [`cut_after`], by finer bars.
fn cut_after_bars(
    conn: &mut BackendConnection<'_>,
    of: Place,
    finer: Frequency,
    from: Timestamp,
    end: Timestamp,
) -> Result<Timestamp> {
    let source = source_id(conn)?;
    let query = built_bars!(source, of, finer, from, end)
        .select(market_data_bars::timestamp)
        .offset(FINER_BARS_MAX)
        .limit(1);
    let beyond: Option<Timestamp> = crate::on_backend!(conn, |c| query.first(c).optional())?;
    let cut = beyond.map_or(end, |beyond| of.frequency.period_start(beyond));
    Ok(if cut > from {
        cut
    } else {
        of.frequency.period_end(from).min(end)
    })
}

/// Folds the ticks of whole periods; returns how many there were, and the bars.
pub(super) fn from_ticks(
    conn: &mut BackendConnection<'_>,
    of: Place,
    from: Timestamp,
    to: Timestamp,
) -> Result<(usize, Vec<PeriodBar>)> {
    let range = TickRange {
        instrument_id: of.instrument_id,
        start: Some(from),
        end: Some(to),
    };
    let (mut fold, mut made) = (Aggregator::new(of.frequency), Vec::new());
    let read = prices(conn, &range, |tick| {
        if let Some(period) = fold.add(tick.timestamp, tick.price, tick.volume) {
            made.push(period.to_bar());
        }
        Ok(())
    })?;
    if let Some(period) = fold.finish() {
        made.push(period.to_bar());
    }
    Ok((read, made))
}

/// Folds the bars of a finer series; returns how many there were, and the coarser bars.
pub(super) fn from_bars(
    conn: &mut BackendConnection<'_>,
    of: Place,
    finer: Frequency,
    from: Timestamp,
    to: Timestamp,
) -> Result<(usize, Vec<PeriodBar>)> {
    let source = source_id(conn)?;
    let query = built_bars!(source, of, finer, from, to);
    let rows: Vec<MarketDataBar> =
        crate::on_backend!(conn, |c| query.select(MarketDataBar::as_select()).load(c))?;
    let (read, mut fold) = (rows.len(), BarAggregator::new(of.frequency));
    let mut made: Vec<PeriodBar> = rows
        .into_iter()
        .filter_map(|row| fold.add(row.into()))
        .collect();
    made.extend(fold.finish());
    Ok((read, made))
}

/// Puts the bars in the place of those that are stored for the span; returns how many are new or
/// other, and how many periods have none any more.
pub(super) fn replace(
    conn: &mut BackendConnection<'_>,
    of: Place,
    from: Timestamp,
    to: Timestamp,
    made: Vec<PeriodBar>,
    now: Timestamp,
) -> Result<(usize, usize)> {
    let source = source_id(conn)?;
    let query = built_bars!(source, of, of.frequency, from, to);
    let stored: Vec<MarketDataBar> = crate::on_backend!(&mut *conn, |c| {
        query.select(MarketDataBar::as_select()).load(c)
    })?;
    let mut stored: BTreeMap<Timestamp, MarketDataBar> =
        stored.into_iter().map(|bar| (bar.timestamp, bar)).collect();
    let mut writes = Vec::with_capacity(made.len());
    for bar in made {
        let held = stored.remove(&bar.timestamp).map(NewMarketDataBar::from);
        let bar = new_bar(of, source, bar);
        if held.as_ref() != Some(&bar) {
            bar.check()?;
            writes.push(bar);
        }
    }
    bar::replace(conn, &writes, now)?;
    let gone: Vec<i64> = stored.into_values().map(|bar| bar.id).collect();
    let removed = bar::remove(conn, &gone, now)?;
    Ok((writes.len(), removed))
}

fn new_bar(of: Place, source: i64, bar: PeriodBar) -> NewMarketDataBar {
    NewMarketDataBar {
        instrument_id: of.instrument_id,
        timestamp: bar.timestamp,
        frequency: of.frequency,
        open_price: bar.open,
        high_price: bar.high,
        low_price: bar.low,
        close_price: bar.close,
        volume: bar.volume,
        open_interest: bar.open_interest,
        contract_month: None,
        data_source_id: source,
        is_adjusted: false,
        quality_score: None,
        // Prices and sizes at the end of what doubles hold may have a product beyond it.
        turnover: Some(bar.turnover).filter(|turnover| turnover.is_finite()),
        tick_count: bar.tick_count,
    }
}
