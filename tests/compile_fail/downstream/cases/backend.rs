//! A query on the connection of a door, without `on_backend!`.
//~ every error: the trait bound `BackendConnection<'_>: LoadConnection` is not satisfied

use diesel::prelude::*;
use tickbase::Result;
use tickbase::database::BackendConnection;
#[cfg(feature = "scoped")]
use tickbase::on_backend;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;

pub fn symbols(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    let query = instruments::table.active().select(instruments::symbol);
    #[cfg(feature = "scoped")]
    let found = on_backend!(conn, |c| query.load(c));
    #[cfg(not(feature = "scoped"))]
    let found = query.load(conn);
    Ok(found?)
}

fn main() {}
