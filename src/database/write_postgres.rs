//! The write door on PostgreSQL: a transaction on a pooled connection.
//!
//! Sessions of the pool are read-only by default; this is the one place that opens a READ WRITE
//! transaction. It runs the work again when PostgreSQL undid it in favour of another transaction,
//! or when the connection broke before COMMIT was sent.

use std::sync::Arc;
use std::time::Instant;

use diesel::PgConnection;
use diesel::connection::{
    AnsiTransactionManager, Connection, SimpleConnection, TransactionManager,
};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::backpressure::BatchSize;
use super::connection::{BackendConnection, at_top_level, postgres_of, transaction_depth};
use super::in_flight::InFlightWrites;
use super::instrumentation::{Call, OperationHandle};
use super::observer;
use super::pool::Pools;
use super::postgres;
use super::retry::{again, backoff, cause_to_close};
use super::transaction::Ending;
use crate::error::{Error, Result};

pub(super) fn write<T>(
    pools: &Pools,
    writes: &Arc<InFlightWrites>,
    size: BatchSize,
    call: &Call,
    mut work: impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    let mut attempt = 1;
    loop {
        pools.refuse_waiting(size)?;
        let mut checkout = pools.checkout(call.account().op())?;
        let outcome = checkout.with(|conn| transaction(writes, call.account(), conn, &mut work));
        if let Some(cause) = cause_to_close(&outcome) {
            checkout.close(cause);
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
    writes: &Arc<InFlightWrites>,
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
        pools.refuse_waiting(size)?;
        let mut checkout = pools.checkout_async(call.account().op()).await?;
        let (writes, account) = (Arc::clone(writes), call.account().clone());
        let (outcome, back) = checkout
            .interact(account.op(), move |conn| {
                let outcome = transaction(&writes, &account, conn, &mut work);
                (outcome, work)
            })
            .await?;
        work = back;
        if let Some(cause) = cause_to_close(&outcome) {
            checkout.close(cause);
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
    writes: &Arc<InFlightWrites>,
    account: &OperationHandle,
    conn: &mut BackendConnection<'_>,
    work: &mut impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    let _under_way = writes.begin()?;
    let op = account.op();
    let began = Instant::now();
    let (outcome, counts) = account.run(conn, |conn| {
        observer::begin(postgres_of(conn)?, &writes.attachments);
        AnsiTransactionManager::begin_transaction_sql(postgres_of(conn)?, &writes.begin)?;
        let value = conn.run_write(op, work)?;
        commit(op, postgres_of(conn)?).map(|()| value)
    });
    let conn = postgres_of(conn)?;
    match &outcome {
        Ok(_) => {
            // Before anyone is told of the commit, and so reads.
            writes.note_position(conn);
            observer::end(conn, Ending::Committed);
            account.add_counts(&counts);
            writes.committed(counts.rows, began);
            writes.found_read_only(false);
        }
        Err(error) => {
            roll_back(op, conn);
            let ending = match error {
                Error::CommitUnknown { .. } => {
                    writes.commit_unknown();
                    Ending::Unknown
                }
                _ => Ending::RolledBack,
            };
            observer::end(conn, ending);
        }
    }
    let outcome = outcome.map_err(|error| of_standby(op, error, conn));
    if matches!(outcome, Err(Error::ReadOnlyServer { .. })) {
        writes.found_read_only(true);
    }
    outcome
}

/// The error of a write that failed because the server takes none. Diesel tells of its refusals no
/// more than that they are unknown, but for one, so the server is asked.
fn of_standby(op: &'static str, error: Error, conn: &mut PgConnection) -> Error {
    use DatabaseErrorKind::{ReadOnlyTransaction, Unknown};
    match error {
        Error::Query { source, .. }
            if matches!(
                source,
                DieselError::DatabaseError(Unknown | ReadOnlyTransaction, _)
            ) && matches!(postgres::is_standby(conn), Ok(true)) =>
        {
            Error::ReadOnlyServer { op, source }
        }
        other => other,
    }
}

/// Commits what `work` has written, or says why nothing of it is stored, or that this is unknown.
///
/// PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, which is no error: work
/// that swallowed an error would be acknowledged and lost. A query before it, in the same round
/// trip, fails then. A connection that breaks here leaves it open whether the server has
/// committed, as one does whose server dies while it waits for its standbys: the work is not run
/// again, the caller is told.
fn commit(op: &'static str, conn: &mut PgConnection) -> Result<()> {
    if !at_top_level(conn) {
        return Err(DieselError::BrokenTransactionManager.into());
    }
    let done = conn.batch_execute("SELECT 1; COMMIT");
    done.map_err(|source| match transaction_depth(conn) {
        Ok(_) => source.into(),
        Err(_) => Error::CommitUnknown { op, source },
    })
}

/// A connection on which this fails is broken, and the pool closes it.
fn roll_back(op: &'static str, conn: &mut PgConnection) {
    while let Ok(1..) = transaction_depth(conn) {
        let undone = <PgConnection as Connection>::TransactionManager::rollback_transaction(conn);
        if let Err(error) = undone {
            tracing::debug!(op, %error, "rollback failed");
            return;
        }
    }
}
