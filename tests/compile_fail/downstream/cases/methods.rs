//! Every method of a query, on a table without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{data_sources, market_data};
use tickbase::{Result, on_backend};

/// The table, with a scope or without one.
macro_rules! ticks {
    () => {{
        #[cfg(feature = "scoped")]
        let table = market_data::table.active();
        #[cfg(not(feature = "scoped"))]
        let table = market_data::table;
        table
    }};
}

pub fn queries(conn: &mut BackendConnection<'_>) -> Result<()> {
    let of = market_data::instrument_id;
    let source = data_sources::table.on(data_sources::id.eq(market_data::source_id));
    let _ = ticks!().filter(of.eq(1));
    let _ = ticks!().find((1, tickbase::Timestamp::MIN, 1, 1));
    let _ = ticks!().select(market_data::price).distinct();
    let _ = ticks!().order(market_data::timestamp.desc()).limit(10);
    let _ = ticks!().order_by(market_data::timestamp);
    let _ = ticks!().limit(10).offset(10);
    let _ = ticks!().offset(10);
    let _ = ticks!().group_by(of).select(of);
    let _ = ticks!().distinct();
    let _ = ticks!().count();
    let _ = ticks!().inner_join(source);
    let _ = ticks!().left_join(source);
    let _ = ticks!().left_outer_join(source);
    let _ = ticks!().single_value();
    let last = ticks!()
        .filter(of.eq(1))
        .order((market_data::timestamp.desc(), market_data::sequence.desc()))
        .select(market_data::price);
    let _: Option<Option<f64>> = on_backend!(conn, |c| last.first(c).optional())?;
    Ok(())
}

fn main() {}
