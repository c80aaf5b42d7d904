//! Built bars, stored in the place of those that are there. It decides nothing about which periods
//! they are of, nor what is in them.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::read::{SeriesKey, source_id};
use crate::database::BackendConnection;
use crate::domain::PeriodBar;
use crate::error::{Error, Result};
use crate::models::{MarketDataBar, NewDeletion, NewMarketDataBar};
use crate::repository::bar;
use crate::repository::deletion_batch::{self, DeletionBatch};
use crate::soft_delete::SoftDeletable;
use crate::tables::market_data_bars;
use crate::timestamp::Timestamp;

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
    of: SeriesKey,
    from: Timestamp,
    to: Timestamp,
    made: Vec<PeriodBar>,
    now: Timestamp,
) -> Result<(usize, usize)> {
    let source = source_id(conn, of.price)?;
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
            bar.check()
                .map_err(|error| cannot_build(of, &bar, &error))?;
            writes.push(bar);
        }
    }
    bar::replace(conn, &writes, now)?;
    let gone: Vec<i64> = stored.into_values().map(|bar| bar.id).collect();
    if gone.is_empty() {
        return Ok((writes.len(), 0));
    }
    let request = format!(
        "build bars of {} of instrument {}",
        of.frequency, of.instrument_id
    );
    let by = NewDeletion::of(request).because("nothing is left of what they were made of");
    let remove = |conn: &mut BackendConnection<'_>, batch: &mut DeletionBatch| {
        bar::remove(conn, &gone, batch)
    };
    let (removed, _) = deletion_batch::batch(conn, &by, now, remove)?;
    Ok((writes.len(), removed))
}

fn cannot_build(of: SeriesKey, bar: &NewMarketDataBar, error: &Error) -> Error {
    Error::invalid(
        format!("bar {} of instrument {}", of.frequency, of.instrument_id),
        format!("the period from {} cannot be built: {error}", bar.timestamp),
        "delete the tick whose price or size cannot be right",
    )
}

fn new_bar(of: SeriesKey, source: i64, bar: PeriodBar) -> NewMarketDataBar {
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
        turnover: bar.turnover,
        tick_count: bar.tick_count,
    }
}
