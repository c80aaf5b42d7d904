//! The clock by which deliveries are due and leased: that of the database. It reads no table.

use crate::clock::Clock;
use crate::database::BackendConnection;
use crate::error::Result;
use crate::timestamp::Timestamp;

#[cfg(feature = "postgres")]
diesel::define_sql_function! {
    /// This moment, also in a transaction that began long ago.
    fn clock_timestamp() -> crate::sql_types::Timestamp
}

/// The time of day that all who share the database agree on: with their own clocks, one that is
/// ahead would take over what another one is still at.
///
/// SQLite has no clock of its own; those who share a file are on one machine, whose clock it is.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub(super) fn database_now(conn: &mut BackendConnection<'_>) -> Result<Timestamp> {
    Ok(match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => Clock::system().now(),
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            diesel::RunQueryDsl::get_result(diesel::select(clock_timestamp()), *c)?
        }
    })
}
