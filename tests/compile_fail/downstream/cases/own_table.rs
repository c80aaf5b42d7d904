//! A gated table of the downstream crate's own without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use downstream::tables::notes;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::{Result, on_backend};

pub fn bodies(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    #[cfg(feature = "scoped")]
    let table = notes::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = notes::table;
    let query = table.select(notes::body);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
