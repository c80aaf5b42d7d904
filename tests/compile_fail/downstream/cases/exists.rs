//! A table without a scope as a subquery.
//~ error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Result, on_backend};

pub fn any(conn: &mut BackendConnection<'_>) -> Result<bool> {
    #[cfg(feature = "scoped")]
    let table = instruments::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = instruments::table;
    let query = diesel::select(diesel::dsl::exists(table));
    Ok(on_backend!(conn, |c| query.get_result(c))?)
}

fn main() {}
