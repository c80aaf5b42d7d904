//! The time of day that all who share a database agree on. It reads no table.

use super::BackendConnection;
#[cfg(feature = "sqlite")]
use crate::clock::Clock;
use crate::error::Result;
use crate::timestamp::Timestamp;

#[cfg(feature = "postgres")]
diesel::define_sql_function! {
    /// This moment, also in a transaction that began long ago.
    fn clock_timestamp() -> crate::sql_types::Timestamp
}

impl BackendConnection<'_> {
    /// The time of day by the clock of the database. With their own clocks, a process that is ahead
    /// would take over what another one is still at.
    ///
    /// SQLite has no clock of its own; those who share a file are on one machine, whose clock it is.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query).
    pub fn shared_now(&mut self) -> Result<Timestamp> {
        Ok(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Clock::system().now(),
            #[cfg(feature = "postgres")]
            Self::Postgres(c) => {
                diesel::RunQueryDsl::get_result(diesel::select(clock_timestamp()), *c)?
            }
        })
    }
}
