//! An alias that Diesel makes of a gated table.
//~ every error: expected `table`, found `Unscoped<table>`

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::tables::market_data;
use tickbase::{Result, on_backend};

#[cfg(feature = "scoped")]
tickbase::soft_delete_alias!(market_data as earlier: Earlier);
#[cfg(not(feature = "scoped"))]
diesel::alias!(market_data as earlier: Earlier);

pub fn prices(conn: &mut BackendConnection<'_>) -> Result<Vec<Option<f64>>> {
    #[cfg(feature = "scoped")]
    let rows = earlier.active();
    #[cfg(not(feature = "scoped"))]
    let rows = earlier;
    let query = rows.select(earlier.field(market_data::price));
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
