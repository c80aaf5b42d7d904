//! Joining from a table without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{instruments, market_data};
use tickbase::{Result, on_backend};

pub fn traded(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    #[cfg(feature = "scoped")]
    let table = instruments::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = instruments::table;
    let ticks = market_data::table.active_on(market_data::instrument_id.eq(instruments::id));
    let query = table.inner_join(ticks).select(instruments::symbol);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
