//! Filtering without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Result, on_backend};

pub fn id_of(conn: &mut BackendConnection<'_>, symbol: &str) -> Result<i64> {
    #[cfg(feature = "scoped")]
    let table = instruments::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = instruments::table;
    let query = table
        .filter(instruments::symbol.eq(symbol))
        .select(instruments::id);
    Ok(on_backend!(conn, |c| query.first(c))?)
}

fn main() {}
