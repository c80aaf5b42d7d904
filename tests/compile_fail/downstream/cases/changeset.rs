//! A derived change of a gated table, for rows without a scope.
//~ error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Result, on_backend};

#[derive(AsChangeset)]
#[diesel(table_name = instruments)]
pub struct Renamed {
    pub name: Option<String>,
}

pub fn rename(conn: &mut BackendConnection<'_>, renamed: &Renamed) -> Result<usize> {
    #[cfg(feature = "scoped")]
    let table = instruments::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = instruments::table;
    let update = diesel::update(table).set(renamed);
    Ok(on_backend!(conn, |c| update.execute(c))?)
}

fn main() {}
