//! Work outside of transactions: migrations, statistics, and what SQLite allows nowhere else.

#[cfg(not(feature = "postgres"))]
use super::no_backend;
#[cfg(feature = "postgres")]
use super::postgres;
use super::{BackendConnection, Database};
use crate::error::Result;

impl Database {
    /// Runs `work` outside a transaction: alone on the write connection of SQLite, on a
    /// connection of its own on PostgreSQL.
    pub(crate) fn exclusive<T>(
        &self,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        let outcome = self.exclusive_untold(work);
        self.inner.attachments.versions().raise_everything();
        outcome
    }

    /// [`Database::exclusive`] for work that changes no row: what caches hold stays good.
    pub(crate) fn exclusive_untold<T>(
        &self,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        #[cfg(feature = "sqlite")]
        if let Some(lane) = &self.inner.lane {
            return lane.exclusive(work);
        }
        #[cfg(feature = "postgres")]
        {
            let _under_way = self.inner.writes.begin()?;
            let mut conn = postgres::open(&self.inner.config)?;
            self.inner.slow.observe(&mut conn);
            let mut conn = BackendConnection::from(&mut conn);
            let outcome = conn.run_as("exclusive", work).0;
            self.inner.writes.lose_position();
            outcome
        }
        #[cfg(not(feature = "postgres"))]
        Err(no_backend(work))
    }
}
