//! A gated alias without a scope as the right side of a join.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::market_data;
use tickbase::{Result, on_backend};

tickbase::soft_delete_alias!(market_data as earlier: Earlier);

pub fn prices(conn: &mut BackendConnection<'_>) -> Result<Vec<Option<f64>>> {
    #[cfg(feature = "scoped")]
    let before = {
        let same = earlier
            .field(market_data::instrument_id)
            .eq(market_data::instrument_id);
        earlier.active_on(same)
    };
    #[cfg(not(feature = "scoped"))]
    let before = earlier;
    let query = market_data::table
        .active()
        .inner_join(before)
        .select(market_data::price);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
