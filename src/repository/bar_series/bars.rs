//! Built bars, stored in the place of those that are there. It decides nothing about which periods
//! they are of, nor what is in them.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::read::source_id;
use crate::database::BackendConnection;
use crate::domain::{Frequency, PeriodBar};
use crate::error::Result;
use crate::models::{MarketDataBar, NewMarketDataBar};
use crate::repository::bar;
use crate::soft_delete::SoftDeletable;
use crate::tables::{market_data, market_data_bars};
use crate::timestamp::Timestamp;

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
        // It is not known of bars that came in without one. Prices and sizes at the end of what
        // doubles hold may have a product beyond it.
        turnover: Some(bar.turnover).filter(|turnover| turnover.is_finite()),
        tick_count: bar.tick_count,
    }
}
