//! Bars of any form, stored as the operation of its name.

use tickbase::database::Database;
use tickbase::domain::Frequency;
use tickbase::models::NewMarketDataBar;
use tickbase::repository::bar::{self, BarInsertReport, UpsertReport};
use tickbase::repository::bar_series::{self, BuildSpan, SeriesKey};
use tickbase::{Result, Timestamp};

/// A bar of the default source that was at one price all the time.
pub fn flat_bar(
    instrument_id: i64,
    frequency: Frequency,
    timestamp: Timestamp,
    price: f64,
) -> NewMarketDataBar {
    NewMarketDataBar {
        instrument_id,
        timestamp,
        frequency,
        open_price: price,
        high_price: price,
        low_price: price,
        close_price: price,
        volume: 1.0,
        open_interest: None,
        contract_month: None,
        data_source_id: 1,
        is_adjusted: false,
        quality_score: None,
        turnover: None,
        tick_count: None,
    }
}

pub fn insert_bars(
    db: &Database,
    bars: impl IntoIterator<Item = impl Into<NewMarketDataBar>>,
) -> Result<BarInsertReport> {
    let bars: Vec<NewMarketDataBar> = bars.into_iter().map(Into::into).collect();
    let now = db.clock().now();
    db.write("bar.insert_batch", move |conn| {
        bar::insert_batch(conn, &bars, now)
    })
}

pub fn upsert_bars(
    db: &Database,
    bars: impl IntoIterator<Item = impl Into<NewMarketDataBar>>,
) -> Result<UpsertReport> {
    let bars: Vec<NewMarketDataBar> = bars.into_iter().map(Into::into).collect();
    let now = db.clock().now();
    db.write("bar.upsert_batch", move |conn| {
        bar::upsert_batch(conn, &bars, now)
    })
}

/// Builds the series of trades of an instrument as far as its periods are closed.
pub fn build_bars(db: &Database, instrument_id: i64, frequency: Frequency) {
    let (key, span) = (
        SeriesKey::of_trades(instrument_id, frequency),
        BuildSpan::default(),
    );
    bar_series::build(db, key, span, bar_series::TICKS_PER_TRANSACTION_MAX).unwrap();
}
