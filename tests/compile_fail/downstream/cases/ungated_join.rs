//! The right side of a join without a scope, from an own table that is not gated.
//~ error: cannot join `Unscoped<tickbase::schema::instruments::table>` to `visits::table`

use diesel::prelude::*;
use tickbase::Result;
use tickbase::database::BackendConnection;
use tickbase::on_backend;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;

mod schema {
    diesel::table! {
        visits (id) {
            id -> BigInt,
            instrument_id -> BigInt,
        }
    }
}
use schema::visits;
tickbase::allow_in_same_query!(schema::visits: instruments);

pub fn symbols(conn: &mut BackendConnection<'_>) -> Result<Vec<String>> {
    #[cfg(feature = "scoped")]
    let visited = instruments::table.active_on(instruments::id.eq(visits::instrument_id));
    #[cfg(not(feature = "scoped"))]
    let visited = instruments::table;
    let query = visits::table
        .inner_join(visited)
        .select(instruments::symbol);
    Ok(on_backend!(conn, |c| query.load(c))?)
}

fn main() {}
