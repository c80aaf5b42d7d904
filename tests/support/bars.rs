//! Bars of any form, stored as the operation of its name.

use tickbase::Result;
use tickbase::database::Database;
use tickbase::domain::Frequency;
use tickbase::models::NewMarketDataBar;
use tickbase::repository::bar::{self, BarInsertReport, UpsertReport};
use tickbase::repository::bar_series::{self, BuildSpan, SeriesKey};

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
