//! A subquery without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{instruments, market_data};
use tickbase::{Result, on_backend};

pub fn traded(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    #[cfg(feature = "scoped")]
    let ticks = market_data::table.active();
    #[cfg(not(feature = "scoped"))]
    let ticks = market_data::table;
    let query = instruments::table
        .active()
        .filter(instruments::id.eq_any(ticks.select(market_data::instrument_id)))
        .select(instruments::symbol);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
