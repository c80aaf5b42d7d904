//! Boxing a query without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Result, on_backend};

pub fn symbols(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    #[cfg(feature = "scoped")]
    let table = instruments::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = instruments::table;
    on_backend!(conn, |c| {
        let query = table.into_boxed();
        Ok(query.select(instruments::symbol).load(c)?)
    })
}

fn main() {}
