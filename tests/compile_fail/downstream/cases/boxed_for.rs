//! Boxing a query without a scope, for a backend that is named.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;

pub fn symbols(conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    #[cfg(feature = "scoped")]
    let table = instruments::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = instruments::table;
    let mut query = table.into_boxed::<Sqlite>();
    query = query.filter(instruments::symbol.ne("ES"));
    query.select(instruments::symbol).load(conn)
}

fn main() {}
