//! The write door on PostgreSQL: a transaction on a pooled connection.
//!
//! Sessions of the pool are read-only by default; this is the one place that opens a READ WRITE
//! transaction. It runs the work again when PostgreSQL undid it in favour of another transaction,
//! or when the connection broke before COMMIT was sent.

use diesel::PgConnection;
use diesel::connection::{AnsiTransactionManager, Connection, TransactionManager};

use super::backpressure::BatchSize;
use super::connection::BackendConnection;
use super::doors::{again, lost};
use super::instrumentation::Call;
use super::pool::Pools;
use super::retry::{Failure, backoff, classify_query};
use crate::error::{Error, Result};

pub(super) fn write<T>(
    pools: &Pools,
    op: &'static str,
    size: BatchSize,
    call: &Call,
    mut work: impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    let mut attempt = 1;
    loop {
        let mut checkout = pools.checkout_for(size)?;
        let outcome = checkout.with(|conn| transaction(op, conn, &mut work));
        if lost(&outcome) || matches!(outcome, Err(Error::CommitUnknown { .. })) {
            checkout.discard();
        }
        drop(checkout);
        match again(&outcome, attempt) {
            None => return outcome,
            Some(failure) => call.retried(failure),
        }
        std::thread::sleep(backoff(attempt));
        attempt += 1;
    }
}

pub(super) async fn write_async<T, F>(
    pools: &Pools,
    op: &'static str,
    size: BatchSize,
    call: &Call,
    mut work: F,
) -> Result<T>
where
    T: Send + 'static,
    F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
{
    let mut attempt = 1;
    loop {
        let mut checkout = pools.checkout_async_for(size).await?;
        let (outcome, back) = checkout
            .interact(op, move |conn| {
                let outcome = transaction(op, conn, &mut work);
                (outcome, work)
            })
            .await?;
        work = back;
        if lost(&outcome) || matches!(outcome, Err(Error::CommitUnknown { .. })) {
            checkout.discard();
        }
        drop(checkout);
        match again(&outcome, attempt) {
            None => return outcome,
            Some(failure) => call.retried(failure),
        }
        tokio::time::sleep(backoff(attempt)).await;
        attempt += 1;
    }
}

fn transaction<T>(
    op: &'static str,
    conn: &mut BackendConnection<'_>,
    work: &mut impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    #[cfg(feature = "sqlite")]
    let BackendConnection::Postgres(conn) = conn else {
        return Err(Error::Closed); // The pools of PostgreSQL hold no such connection.
    };
    #[cfg(not(feature = "sqlite"))]
    let BackendConnection::Postgres(conn) = conn;
    let conn: &mut PgConnection = conn;
    AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN READ WRITE")?;
    match work(&mut BackendConnection::from(&mut *conn)) {
        Ok(value) => commit(op, conn).map(|()| value),
        Err(error) => {
            // A rollback that fails leaves a broken connection, which the pool closes.
            if let Err(rollback) =
                <PgConnection as Connection>::TransactionManager::rollback_transaction(conn)
            {
                tracing::debug!(op, error = %rollback, "rollback failed");
            }
            Err(error)
        }
    }
}

/// A connection that breaks during COMMIT leaves it open whether the server has committed: the
/// work is not run again, the caller is told.
fn commit(op: &'static str, conn: &mut PgConnection) -> Result<()> {
    let done = <PgConnection as Connection>::TransactionManager::commit_transaction(conn);
    done.map_err(|source| {
        if classify_query(&source) == Failure::ConnectionLost {
            Error::CommitUnknown { op, source }
        } else {
            source.into()
        }
    })
}
