//! A gated alias without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::tables::market_data;
use tickbase::{Result, on_backend};

tickbase::soft_delete_alias!(market_data as earlier: Earlier);

pub fn prices(conn: &mut BackendConnection<'_>) -> Result<Vec<Option<f64>>> {
    #[cfg(feature = "scoped")]
    let rows = earlier.active();
    #[cfg(not(feature = "scoped"))]
    let rows = earlier;
    let query = rows.select(earlier.field(market_data::price));
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
