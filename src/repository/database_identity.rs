//! The row that says which database it is, and in a backup when it was made.

use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::error::Result;
use crate::models::DatabaseIdentity;
use crate::tables::tickbase_database;
#[cfg(feature = "sqlite")]
use crate::timestamp::Timestamp;

/// Which database it is; `None` when somebody has deleted the row.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn get(conn: &mut BackendConnection<'_>) -> Result<Option<DatabaseIdentity>> {
    Ok(crate::on_backend!(conn, |c| {
        let query = tickbase_database::table.select(DatabaseIdentity::as_select());
        query.first(c).optional()
    })?)
}

/// Says of a copy that it is a backup of this moment.
#[cfg(feature = "sqlite")]
pub(crate) fn mark_as_backup(
    conn: &mut BackendConnection<'_>,
    backed_up_at: Timestamp,
) -> Result<()> {
    let mark = diesel::update(tickbase_database::table)
        .set(tickbase_database::backed_up_at.eq(backed_up_at));
    crate::on_backend!(conn, |c| mark.execute(c))?;
    Ok(())
}

/// Says of a copy of a backup that it is a database in use, which begins a history of its own.
#[cfg(feature = "sqlite")]
pub(crate) fn mark_as_restored(conn: &mut BackendConnection<'_>) -> Result<()> {
    let history: String = (0..32).map(|_| fastrand::char('a'..='f')).collect();
    let mark = diesel::update(tickbase_database::table).set((
        tickbase_database::backed_up_at.eq(None::<Timestamp>),
        tickbase_database::history.eq(history),
    ));
    crate::on_backend!(conn, |c| mark.execute(c))?;
    Ok(())
}
