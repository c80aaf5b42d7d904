//! A caller's closure on its way through the write lane, and the answer that goes back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::SqliteConnection;
use tokio::sync::oneshot;

use crate::database::connection::BackendConnection;
use crate::database::instrumentation::OperationHandle;
use crate::database::operation_counts::OperationCounts;
use crate::error::{Error, Result};

/// What the caller gets.
pub(crate) enum JobOutcome<T> {
    /// The closure's value after its commit, or why nothing of it was stored.
    Done(Result<T>),
    /// The closure panicked; nothing of it was stored.
    Panicked(Box<dyn Any + Send>),
}

/// How one run of a job ended; the value itself stays in the job until its fate is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    Ok,
    Failed,
    Panicked,
}

/// A job of any type. It may be run again: only the last run counts.
pub(super) trait Job: Send {
    fn run(&mut self, conn: &mut SqliteConnection) -> Ran;
    /// The last run stands: it was committed, or it failed and was undone.
    fn answer(self: Box<Self>);
    /// Nothing of the job was stored, for a reason outside it.
    fn refuse(self: Box<Self>, error: Error);
    /// The rows that the last run has counted.
    fn rows(&self) -> u64;
}

pub(super) struct TypedJob<T, F> {
    account: OperationHandle,
    counts: OperationCounts,
    work: F,
    last: Option<JobOutcome<T>>,
    caller: oneshot::Sender<JobOutcome<T>>,
}

impl<T, F> TypedJob<T, F>
where
    F: FnMut(&mut BackendConnection<'_>) -> Result<T>,
{
    pub(super) fn new(
        account: OperationHandle,
        work: F,
    ) -> (Self, oneshot::Receiver<JobOutcome<T>>) {
        let (caller, answer) = oneshot::channel();
        (
            Self {
                account,
                counts: OperationCounts::default(),
                work,
                last: None,
                caller,
            },
            answer,
        )
    }
}

impl<T, F> Job for TypedJob<T, F>
where
    T: Send + 'static,
    F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
{
    fn run(&mut self, conn: &mut SqliteConnection) -> Ran {
        let (op, work) = (self.account.op(), &mut self.work);
        let (run, counts) = self
            .account
            .run(&mut BackendConnection::from(conn), |conn| {
                catch_unwind(AssertUnwindSafe(|| conn.run_write(op, work)))
            });
        let (ran, last) = match run {
            Ok(Ok(value)) => (Ran::Ok, JobOutcome::Done(Ok(value))),
            Ok(Err(error)) => (Ran::Failed, JobOutcome::Done(Err(error))),
            Err(payload) => (Ran::Panicked, JobOutcome::Panicked(payload)),
        };
        self.last = Some(last);
        self.counts = counts;
        ran
    }

    fn answer(self: Box<Self>) {
        let answer = self.last.unwrap_or(JobOutcome::Done(Err(Error::Closed)));
        if matches!(answer, JobOutcome::Done(Ok(_))) {
            self.account.add_counts(&self.counts);
        }
        // A caller that went away (a dropped future) wants no answer.
        drop(self.caller.send(answer));
    }

    fn refuse(self: Box<Self>, error: Error) {
        let error = error.during(self.account.op());
        drop(self.caller.send(JobOutcome::Done(Err(error))));
    }

    fn rows(&self) -> u64 {
        self.counts.rows
    }
}
