//! The path to the table behind a gate.
//~ error: module `schema` is private

use diesel::prelude::*;
use tickbase::database::BackendConnection;
#[cfg(not(feature = "scoped"))]
use tickbase::schema::instruments;
use tickbase::soft_delete::SoftDeletable;
#[cfg(feature = "scoped")]
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
