//! Work inside a transaction of which all is kept or none.

use diesel::connection::{AnsiTransactionManager, Connection, TransactionManager};

use super::connection::{Backend, BackendConnection, HasBackend, transaction_depth};
use super::observer;
use crate::error::Result;

impl BackendConnection<'_> {
    /// Runs `work` so that all of it is kept or none: a savepoint inside a transaction, else a
    /// transaction of its own.
    ///
    /// When it cannot be undone alone, because the outer transaction has died (a full disk), nothing
    /// more can be written on the connection, and the outer transaction fails.
    ///
    /// # Errors
    /// What `work` returns, after its statements were undone; or [`Error::Query`](crate::Error::Query) when the
    /// savepoint itself failed.
    pub fn savepoint<T>(
        &mut self,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => {
                atomic(&mut **conn, |conn| work(&mut BackendConnection::from(conn)))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                atomic(&mut **conn, |conn| work(&mut BackendConnection::from(conn)))
            }
        }
    }
}

pub(super) fn atomic<C, T>(conn: &mut C, work: impl FnOnce(&mut C) -> Result<T>) -> Result<T>
where
    C: Connection<TransactionManager = AnsiTransactionManager> + HasBackend,
{
    let outer = transaction_depth(conn)?;
    let own = observer::cover(conn);
    AnsiTransactionManager::begin_transaction(conn)?;
    drop(own);
    let savepoint = observer::savepoint(conn);
    let outcome = work(conn);
    let _own = observer::cover(conn);
    let ended = match &outcome {
        Ok(_) => AnsiTransactionManager::commit_transaction(conn),
        Err(_) => AnsiTransactionManager::rollback_transaction(conn),
    };
    if outcome.is_err() {
        observer::rollback_to(conn, savepoint);
    }
    let as_before = matches!(transaction_depth(conn), Ok(depth) if depth == outer);
    let not_undone = outer > 0 && outcome.is_err() && ended.is_err();
    if !as_before || not_undone {
        forbid_writing(conn);
    }
    // The first error is the cause of the other.
    outcome.and_then(|value| Ok(ended.map(|()| value)?))
}

/// A transaction that should be open is not, or holds what should have been undone: nothing may be
/// added to it. SQLite would commit what follows statement by statement; PostgreSQL refuses it.
fn forbid_writing<C>(conn: &mut C)
where
    C: Connection<TransactionManager = AnsiTransactionManager> + HasBackend,
{
    if C::BACKEND == Backend::Sqlite
        && let Err(error) = conn.batch_execute("PRAGMA query_only = 1")
    {
        tracing::error!(%error, "a connection without its transaction can still write");
    }
    AnsiTransactionManager::transaction_manager_status_mut(conn).set_in_error();
}
