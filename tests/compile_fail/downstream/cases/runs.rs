//! Every method that runs a query, on a table without a scope.
//~ every error: choose .active(), .deleted() or .with_deleted(reason)

use diesel::prelude::*;
use tickbase::Timestamp;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::{Result, on_backend};

use downstream::tables::notes;

type Row = (i64, i64, i64, String, Option<Timestamp>);

pub fn rows(conn: &mut BackendConnection<'_>) -> Result<()> {
    #[cfg(feature = "scoped")]
    let table = notes::table.active();
    #[cfg(not(feature = "scoped"))]
    let table = notes::table;
    on_backend!(conn, |c| {
        let _: Vec<Row> = table.load(c)?;
        let _ = table.load::<Row>(c)?;
        let _: Row = table.first(c)?;
        let _ = table.first::<Row>(c)?;
        let _: Row = table.get_result(c)?;
        let _: Vec<Row> = table.get_results(c)?;
        table.execute(c)?;
    });
    Ok(())
}

fn main() {}
