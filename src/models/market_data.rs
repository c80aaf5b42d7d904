//! Ticks: the row as it is read.

use diesel::prelude::*;

use crate::domain::StoredTick;
use crate::models::soft_deletable_row;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::market_data;
use crate::timestamp::Timestamp;

/// A stored tick. Its identity is (instrument_id, timestamp, source_id, sequence).
#[doc(alias = "Tick")]
#[derive(Debug, Clone, PartialEq, HasQuery)]
#[diesel(table_name = market_data)]
#[diesel(base_query = market_data::table.active(), base_query_type = Active<market_data::table>)]
pub struct MarketData {
    /// The instrument.
    pub instrument_id: i64,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its data source.
    pub source_id: i64,
    /// Its number within the stamp and the source.
    pub sequence: i64,
    /// Trade price, in the instrument's currency.
    pub price: Option<f64>,
    /// Traded size, in contracts, shares or coins.
    pub volume: Option<f64>,
    /// Best bid price.
    pub bid: Option<f64>,
    /// Best ask price.
    pub ask: Option<f64>,
    /// Size at the best bid.
    pub bid_size: Option<f64>,
    /// Size at the best ask.
    pub ask_size: Option<f64>,
    /// Opening price of the session so far.
    pub open_price: Option<f64>,
    /// Highest price of the session so far.
    pub high_price: Option<f64>,
    /// Lowest price of the session so far.
    pub low_price: Option<f64>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
}
soft_deletable_row!(MarketData);

impl From<&MarketData> for StoredTick {
    fn from(row: &MarketData) -> Self {
        Self {
            instrument_id: row.instrument_id,
            timestamp: row.timestamp,
            source_id: row.source_id,
            sequence: row.sequence,
            price: row.price,
            volume: row.volume,
        }
    }
}
