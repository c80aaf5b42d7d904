//! The right side of a left join without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)
//~ error: the right side of a join is `table.active_on(condition)`

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{instruments, market_data};
use tickbase::{Result, on_backend};

pub fn prices(conn: &mut BackendConnection<'_>) -> Result<Vec<(String, Option<f64>)>> {
    let on = market_data::instrument_id.eq(instruments::id);
    #[cfg(feature = "scoped")]
    let ticks = market_data::table.active_on(on);
    #[cfg(not(feature = "scoped"))]
    let ticks = market_data::table.on(on);
    let query = instruments::table
        .active()
        .left_join(ticks)
        .select((instruments::symbol, market_data::price.nullable()));
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
