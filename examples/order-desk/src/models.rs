//! Rows of orders.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use tickbase::soft_delete::{Active, SoftDeletable};
use tickbase::{Decimal, Timestamp};

use crate::tables::orders;

/// An order. `Order::query()` starts from the active ones: those that were not cancelled.
#[derive(Debug, HasQuery, Serialize)]
#[diesel(table_name = orders)]
#[diesel(base_query = orders::table.active(), base_query_type = Active<orders::table>)]
pub struct Order {
    pub id: i64,
    pub instrument_id: i64,
    pub quantity: i64,
    pub stop_price: Decimal,
    pub placed_at: Timestamp,
    pub triggered_at: Option<Timestamp>,
    pub trigger_price: Option<f64>,
}

/// An order with the symbol and the latest price of its instrument.
#[derive(Debug, Queryable, Serialize)]
pub struct PricedOrder {
    #[serde(flatten)]
    pub order: Order,
    pub symbol: String,
    pub last_price: Option<f64>,
}

/// What a client asks for: to buy (a positive quantity) when the price rises above the stop, or to
/// sell (a negative one) when it falls below.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    pub symbol: String,
    pub quantity: i64,
    pub stop_price: Decimal,
}

/// An order to store.
#[derive(Debug, Insertable)]
#[diesel(table_name = orders)]
pub struct NewOrder<'a> {
    pub instrument_id: i64,
    pub rule_id: i64,
    pub quantity: i64,
    pub stop_price: &'a Decimal,
    pub placed_at: Timestamp,
}
