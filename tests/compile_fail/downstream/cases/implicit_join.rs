//! The right side of a join by foreign key without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)
//~ error: the right side of a join is `table.active_on(condition)`

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{instruments, market_data};
use tickbase::{Result, on_backend};

pub fn prices(conn: &mut BackendConnection<'_>) -> Result<Vec<Option<f64>>> {
    #[cfg(feature = "scoped")]
    let ticks = market_data::table.active_on(market_data::instrument_id.eq(instruments::id));
    #[cfg(not(feature = "scoped"))]
    let ticks = market_data::table;
    let query = instruments::table
        .active()
        .inner_join(ticks)
        .select(market_data::price);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
