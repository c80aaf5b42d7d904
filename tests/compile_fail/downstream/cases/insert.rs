//! Inserting past the gate.
//~ error: choose .active(), .deleted() or .with_deleted(reason)
//~ error: new rows go in by `table.insert()`

use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::models::NewInstrument;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Result, on_backend};

pub fn add(conn: &mut BackendConnection<'_>, new: &NewInstrument) -> Result<usize> {
    #[cfg(feature = "scoped")]
    let insert = instruments::table.insert();
    #[cfg(not(feature = "scoped"))]
    let insert = diesel::insert_into(instruments::table);
    let insert = insert.values((
        new,
        instruments::created_at.eq(tickbase::Timestamp::MIN),
        instruments::updated_at.eq(tickbase::Timestamp::MIN),
    ));
    Ok(on_backend!(conn, |c| insert.execute(c))?)
}

fn main() {}
