//! The table that a row hands out, as the right side of a join.
//~ error: the trait bound `ActiveRows<SelectStatement<..., ..., ..., ...>>: TableNotEqual<...>` is not satisfied

#[cfg(not(feature = "scoped"))]
use diesel::associations::HasTable;
use diesel::prelude::*;
use downstream::tables::notes;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Result, on_backend};

pub fn symbols(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    let on = notes::instrument_id.eq(instruments::id);
    #[cfg(feature = "scoped")]
    let notes = notes::table.active_on(on);
    #[cfg(not(feature = "scoped"))]
    let notes = downstream::models::Note::table().on(on);
    let query = instruments::table
        .active()
        .inner_join(notes)
        .select(instruments::symbol);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
