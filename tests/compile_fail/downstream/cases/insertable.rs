//! A derived row for a gated table, inserted past the gate.
//~ error: choose .active(), .deleted() or .with_deleted(reason)
//~ error: new rows go in by `table.insert()`

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::market_data;
use tickbase::{Result, Timestamp, on_backend};

#[derive(Insertable)]
#[diesel(table_name = market_data)]
#[diesel(treat_none_as_default_value = false)]
pub struct Trade {
    pub instrument_id: i64,
    pub timestamp: Timestamp,
    pub source_id: i64,
    pub sequence: i64,
    pub price: Option<f64>,
}

pub fn add(conn: &mut BackendConnection<'_>, trades: &[Trade]) -> Result<usize> {
    #[cfg(feature = "scoped")]
    let insert = market_data::table.insert();
    #[cfg(not(feature = "scoped"))]
    let insert = diesel::insert_into(market_data::table);
    let insert = insert.values(trades);
    Ok(on_backend!(conn, |c| insert.execute(c))?)
}

fn main() {}
