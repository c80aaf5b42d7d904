//! Passes over rows: each is shown as it comes, nothing is collected. No SQL.

use diesel::result::QueryResult;

use crate::error::Result;

/// Reads a query row by row, on PostgreSQL too, whose default is to hold all of it; returns how
/// many rows were shown. The query is written once for each backend: what names one, as
/// `Row::as_select()` does, may stand in it.
macro_rules! each_row {
    ($conn:expr, $query:expr, $row:ty, $each:expr) => {
        match $conn {
            #[cfg(feature = "sqlite")]
            $crate::database::BackendConnection::Sqlite(conn) => {
                let rows = $query.load_iter::<$row, diesel::connection::DefaultLoadingMode>(*conn);
                $crate::repository::pass::show_all(rows?, $each)
            }
            #[cfg(feature = "postgres")]
            $crate::database::BackendConnection::Postgres(conn) => {
                let rows = $query.load_iter::<$row, diesel::pg::PgRowByRowLoadingMode>(*conn);
                $crate::repository::pass::show_all(rows?, $each)
            }
        }
    };
}
pub(crate) use each_row;

/// Shows every row; returns how many there were.
pub(crate) fn show_all<R>(
    rows: impl Iterator<Item = QueryResult<R>>,
    mut each: impl FnMut(R) -> Result<()>,
) -> Result<usize> {
    let mut shown = 0;
    for row in rows {
        each(row?)?;
        shown += 1;
    }
    Ok(shown)
}
