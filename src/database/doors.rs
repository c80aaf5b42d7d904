//! The two doors, read and write, and their asynchronous forms: what every call has around it.
//!
//! Timing, counting, spans and retries hang here. How a connection is had, and how a write is
//! committed, is the pool's and the lane's.

use std::sync::Arc;

use super::backpressure::BatchSize;
#[cfg(not(feature = "postgres"))]
use super::no_backend;
use super::retry::{again, backoff, cause_to_close};
#[cfg(feature = "postgres")]
use super::write_postgres;
use super::{BackendConnection, Database, instrumentation, nested_write};
// The documentation links to it.
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;

impl Database {
    /// Runs `work` on a pooled, read-only connection and blocks until it is done. It may run
    /// again when the connection broke.
    ///
    /// # Errors
    /// What `work` returns, with `op` in it; [`Error::PoolTimeout`], [`Error::Connect`] or
    /// [`Error::Closed`] when no connection could be had.
    pub fn read<T>(
        &self,
        op: &'static str,
        mut work: impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        let _span = tracing::debug_span!("db.read", op).entered();
        let call = self.inner.operations.begin(op);
        if let Some(outcome) = self.read_on_replica(&call, &mut work) {
            return call.end(outcome);
        }
        let mut attempt = 1;
        let outcome = loop {
            let outcome = self.read_once(&call, &mut work);
            match again(&outcome, attempt) {
                None => break outcome,
                Some(failure) => call.retried(failure),
            }
            std::thread::sleep(backoff(attempt));
            attempt += 1;
        };
        call.end(outcome)
    }

    /// How the transaction of a read begins, where a read is one.
    fn begin_read(&self) -> Option<Arc<str>> {
        #[cfg(feature = "postgres")]
        return self.inner.begin_read.clone();
        #[cfg(not(feature = "postgres"))]
        None
    }

    fn read_once<T>(
        &self,
        call: &instrumentation::Call,
        work: &mut impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut checkout = self.inner.pools.checkout(call.account().op())?;
        let begin = self.begin_read();
        let reads = |conn: &mut BackendConnection<'_>| conn.reads(begin.as_deref(), &mut *work);
        let (outcome, counts) = checkout.with(|conn| Ok(call.account().run(conn, reads)))?;
        if outcome.is_ok() {
            call.account().add_counts(&counts);
        }
        if let Some(cause) = cause_to_close(&outcome) {
            checkout.close(cause);
        }
        outcome
    }

    /// [`Database::read`] without blocking the thread.
    ///
    /// # Errors
    /// As [`Database::read`]; [`Error::Panicked`] when `work` panicked.
    pub async fn read_async<T, F>(&self, op: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let call = self.inner.operations.begin(op);
        let outcome = self.attempts_async(op, &call, work).await;
        call.end(outcome)
    }

    #[tracing::instrument(level = "debug", name = "db.read", skip(self, call, work))]
    async fn attempts_async<T, F>(
        &self,
        op: &'static str,
        call: &instrumentation::Call,
        mut work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let (on_replica, back) = self.read_on_replica_async(call, work).await?;
        work = back;
        if let Some(outcome) = on_replica {
            return outcome;
        }
        let mut attempt = 1;
        loop {
            let mut checkout = self.inner.pools.checkout_async(op).await?;
            let (begin, account) = (self.begin_read(), call.account().clone());
            let ((outcome, counts), back) = checkout
                .interact(op, move |conn| {
                    let run = account.run(conn, |conn| conn.reads(begin.as_deref(), &mut work));
                    (run, work)
                })
                .await?;
            work = back;
            if outcome.is_ok() {
                call.account().add_counts(&counts);
            }
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

    /// Runs `work` in a transaction that may write, and returns after its commit. Blocks the
    /// thread.
    ///
    /// Nothing of `work` is kept when it returns an error or panics. It may run again (its
    /// neighbours' transaction died, PostgreSQL asked for it), so it must not count on running
    /// once; only its last run is kept. It must return the first database error that it meets,
    /// and must not end the transaction itself, nor replace the instrumentation of the connection.
    /// A write inside `work` is refused.
    ///
    /// # Errors
    /// What `work` returns, with `op` in it; [`Error::Closed`] after [`Database::close`];
    /// [`Error::Invalid`] inside another write, and of a replaced instrumentation; [`Error::FileChanged`] on SQLite when the database
    /// file was deleted or replaced; [`Error::CommitUnknown`] on PostgreSQL when the connection
    /// broke during COMMIT.
    pub fn write<T, F>(&self, op: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        self.write_batch(op, BatchSize::ONE, work)
    }

    /// [`Database::write`] of many rows: the queue before the writer is bounded in rows.
    ///
    /// # Errors
    /// As [`Database::write`]; with [`WhenFull::Fail`](super::WhenFull::Fail)
    /// [`Error::QueueFull`] when there is no room in the queue, and on PostgreSQL
    /// [`Error::PoolTimeout`] when no connection is free.
    pub fn write_batch<T, F>(&self, op: &'static str, size: BatchSize, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let _span = tracing::debug_span!("db.write", op).entered();
        let call = self.inner.operations.begin(op);
        if let Err(nested) = nested_write::refuse(op) {
            return call.end_write(Err(nested));
        }
        #[cfg(feature = "sqlite")]
        if let Some(lane) = &self.inner.lane {
            let outcome = lane.write(call.account().clone(), size, work);
            return call.end_write(outcome);
        }
        #[cfg(feature = "postgres")]
        let outcome =
            write_postgres::write(&self.inner.pools, &self.inner.writes, size, &call, work);
        #[cfg(not(feature = "postgres"))]
        let outcome = Err(no_backend(work));
        call.end_write(outcome)
    }

    /// [`Database::write`] without blocking the thread. A caller that goes away before the answer
    /// does not stop a write that is under way.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_async<T, F>(&self, op: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        self.write_batch_async(op, BatchSize::ONE, work).await
    }

    /// [`Database::write_batch`] without blocking the thread.
    ///
    /// # Errors
    /// As [`Database::write_batch`].
    pub async fn write_batch_async<T, F>(
        &self,
        op: &'static str,
        size: BatchSize,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let call = self.inner.operations.begin(op);
        if let Err(nested) = nested_write::refuse(op) {
            return call.end_write(Err(nested));
        }
        #[cfg(feature = "sqlite")]
        if let Some(lane) = &self.inner.lane {
            let account = call.account().clone();
            let outcome = lane.write_async(account, size, work).await;
            return call.end_write(outcome);
        }
        #[cfg(feature = "postgres")]
        let outcome =
            write_postgres::write_async(&self.inner.pools, &self.inner.writes, size, &call, work)
                .await;
        #[cfg(not(feature = "postgres"))]
        let outcome = Err(no_backend(work));
        call.end_write(outcome)
    }
}
