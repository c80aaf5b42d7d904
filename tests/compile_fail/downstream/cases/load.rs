//! Reading all rows without a scope.
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
    let query = table.select(instruments::symbol);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
