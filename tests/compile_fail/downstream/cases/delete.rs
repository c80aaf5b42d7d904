//! Deleting rows without a scope. (Of `active()` it compiles: the database refuses it.)
//~ error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Result, on_backend};

pub fn purge(conn: &mut BackendConnection<'_>) -> Result<usize> {
    #[cfg(feature = "scoped")]
    let table = instruments::table.deleted();
    #[cfg(not(feature = "scoped"))]
    let table = instruments::table;
    let delete = diesel::delete(table);
    Ok(on_backend!(conn, |c| delete.execute(c))?)
}

fn main() {}
