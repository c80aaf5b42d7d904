//! Changing rows without a scope.
//~ error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Result, on_backend};

pub fn rename(conn: &mut BackendConnection<'_>, name: &str) -> Result<usize> {
    #[cfg(feature = "scoped")]
    let table = instruments::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = instruments::table;
    let update = diesel::update(table).set(instruments::name.eq(name));
    Ok(on_backend!(conn, |c| update.execute(c))?)
}

fn main() {}
