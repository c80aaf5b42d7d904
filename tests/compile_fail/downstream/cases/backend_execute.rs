//! A change on the connection of a door, without `on_backend!`.
//~ every error: the trait bound `BackendConnection<'_>: Connection` is not satisfied

use diesel::prelude::*;
use tickbase::Result;
use tickbase::database::BackendConnection;
#[cfg(feature = "scoped")]
use tickbase::on_backend;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;

pub fn rename(conn: &mut BackendConnection<'_>, name: &str) -> Result<usize> {
    let update = diesel::update(instruments::table.active()).set(instruments::name.eq(name));
    #[cfg(feature = "scoped")]
    let changed = on_backend!(conn, |c| update.execute(c));
    #[cfg(not(feature = "scoped"))]
    let changed = update.execute(conn);
    Ok(changed?)
}

fn main() {}
