//! The one writer of a SQLite database.
//!
//! SQLite has one writer at a time, so one connection writes. An idle lane lets a blocking caller
//! commit on its own thread; otherwise the caller's job waits in a bounded queue, and the writer
//! thread puts all that is waiting into one transaction (group commit). Every caller is answered
//! after its commit. What happens inside one transaction is in [`group`]; the lane owns the
//! connection, the queue and the thread.

mod counters;
mod group;
mod job;
#[cfg(test)]
mod tests;
mod wal;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use diesel::SqliteConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::attachments::Attachments;
use super::backpressure::{BatchSize, WhenFull};
use super::connection::{BackendConnection, transaction_depth};
use super::files::DatabaseFiles;
use super::instrumentation::OperationHandle;
use super::{block_on, nested_write};
use crate::config::WriteConfig;
use crate::error::{Error, Result};
pub use counters::WriterSnapshot;
use counters::{LaneCounters, add_time};
use group::LaneWriter;
pub(crate) use job::JobOutcome;
use job::{Job, TypedJob};
pub(crate) use wal::Wal;

/// The operation of the lane's own statements: BEGIN, COMMIT, savepoints, checkpoints.
pub(super) const LANE: &str = "write_lane";

/// Opens the write connection; called again when a connection had to be given up.
pub(crate) type Opener = Box<dyn Fn() -> Result<SqliteConnection> + Send + Sync>;

/// The lane; dropping it drains the queue and closes the connection.
pub(crate) struct WriteLane {
    shared: Arc<LaneShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    thread_id: ThreadId,
}

struct LaneShared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Room in the queue; a waiting job holds one permit for each of its rows.
    room: Arc<Semaphore>,
    writer: Mutex<LaneWriter>,
    counters: Arc<LaneCounters>,
    limits: WriteConfig,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Queued>,
    /// Whether the writer thread shall look at the WAL.
    tend: bool,
    closed: bool,
}

struct Queued {
    job: Box<dyn Job>,
    rows: usize,
    /// Given back when the job leaves the queue.
    _room: OwnedSemaphorePermit,
}

impl WriteLane {
    /// Starts the lane on its first connection. `lock_wait_max` bounds the wait for other
    /// processes.
    pub(crate) fn start(
        limits: WriteConfig,
        lock_wait_max: Duration,
        wal: Wal,
        files: Arc<DatabaseFiles>,
        attachments: Arc<Attachments>,
        opener: Opener,
    ) -> Result<Self> {
        let counters = Arc::new(LaneCounters::default());
        let writer = LaneWriter::open(
            opener,
            lock_wait_max,
            wal,
            files,
            attachments,
            Arc::clone(&counters),
        )?;
        let shared = Arc::new(LaneShared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            room: Arc::new(Semaphore::new(limits.queue_rows_max)),
            writer: Mutex::new(writer),
            counters,
            limits,
        });
        let drained = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("tickbase-writer".to_owned())
            .spawn(move || drained.drain())
            .map_err(|e| Error::Connect {
                target: "the writer thread".to_owned(),
                reason: e.to_string(),
                remedy: "raise the limit of threads".to_owned(),
            })?;
        let thread_id = thread.thread().id();
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
            thread_id,
        })
    }

    /// Runs a job and returns after its commit. Blocks the thread.
    pub(crate) fn write<T, F>(
        &self,
        account: impl Into<OperationHandle>,
        size: BatchSize,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let account = account.into();
        let op = account.op();
        let (job, answer) = TypedJob::new(account, work);
        if let Some(mut writer) = self.shared.lead() {
            writer.run_alone(Box::new(job));
            self.shared
                .counters
                .led_commits
                .fetch_add(1, Ordering::Relaxed);
            self.shared.release(writer);
        } else {
            let room = match self.shared.room_at_once(size)? {
                Some(room) => room,
                None => block_on::block_on(self.shared.room(size))?,
            };
            self.shared.enqueue(Box::new(job), size, room)?;
        }
        receive(op, block_on::block_on(answer))
    }

    /// Runs a job and returns after its commit, without blocking the thread.
    pub(crate) async fn write_async<T, F>(
        &self,
        account: impl Into<OperationHandle>,
        size: BatchSize,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let account = account.into();
        let op = account.op();
        let (job, answer) = TypedJob::new(account, work);
        let room = match self.shared.room_at_once(size)? {
            Some(room) => room,
            None => self.shared.room(size).await?,
        };
        self.shared.enqueue(Box::new(job), size, room)?;
        receive(op, answer.await)
    }

    /// Runs `work` on the write connection alone and outside a transaction: checkpoints, VACUUM,
    /// migrations.
    pub(crate) fn exclusive<T>(
        &self,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        nested_write::refuse("exclusive")?;
        let mut writer = lock(&self.shared.writer);
        let files = writer.files();
        files.check()?;
        let conn = writer.connection()?;
        let run = |conn: &mut BackendConnection<'_>| catch_unwind(AssertUnwindSafe(|| work(conn)));
        let (done, _) = BackendConnection::from(&mut *conn).run_as("exclusive", run);
        if done.is_err() || !matches!(transaction_depth(conn), Ok(0)) {
            writer.give_up_connection();
        }
        // Before the next writer has the connection: what that one does to the file is not ours.
        let kept = files.check();
        self.shared.release(writer);
        let done = done.unwrap_or_else(|payload| resume_unwind(payload))?;
        kept?;
        Ok(done)
    }

    pub(crate) fn snapshot(&self) -> WriterSnapshot {
        let queue_rows_max = self.shared.limits.queue_rows_max;
        let counters = &self.shared.counters;
        counters.snapshot(self.shared.queued_rows(), queue_rows_max)
    }

    /// Refuses new jobs, drains the queue, closes the connection. Later calls do nothing.
    pub(crate) fn close(&self) {
        lock(&self.shared.queue).closed = true;
        self.shared.room.close();
        self.shared.arrived.notify_all();
        // A job that closes the database, or drops its last handle, holds the connection that
        // the writer's thread waits for, or is on that thread.
        if nested_write::is_in_write() || std::thread::current().id() == self.thread_id {
            return;
        }
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer thread ended in a panic");
        }
    }
}

impl Drop for WriteLane {
    fn drop(&mut self) {
        self.close();
    }
}

fn receive<T>(
    op: &'static str,
    answer: Result<JobOutcome<T>, oneshot::error::RecvError>,
) -> Result<T> {
    match answer {
        Ok(JobOutcome::Done(outcome)) => outcome,
        Ok(JobOutcome::Panicked(payload)) => resume_unwind(payload),
        // The job was dropped unanswered: the lane ended before it ran.
        Err(_) => Err(Error::Closed.during(op)),
    }
}

impl LaneShared {
    /// The write connection, when the lane is idle: then the caller commits on its own thread.
    fn lead(&self) -> Option<MutexGuard<'_, LaneWriter>> {
        let queue = lock(&self.queue);
        if queue.closed || !queue.jobs.is_empty() {
            return None;
        }
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Gives the write connection back. What arrived meanwhile has woken the writer, which waits
    /// for the connection: to wake it once more would cost each lone commit two switches of thread.
    fn release(&self, writer: MutexGuard<'_, LaneWriter>) {
        let tend = writer.is_tending_due();
        drop(writer);
        if tend {
            lock(&self.queue).tend = true;
            self.arrived.notify_one();
        }
    }

    fn queued_rows(&self) -> usize {
        let room = self.room.available_permits();
        self.limits.queue_rows_max.saturating_sub(room)
    }

    /// What a job takes of the queue: a batch larger than the queue takes all of it.
    fn permits(&self, size: BatchSize) -> u32 {
        let rows = size.rows.clamp(1, self.limits.queue_rows_max);
        u32::try_from(rows).unwrap_or(u32::MAX)
    }

    /// Room for a job, if there is some now; `None` when the caller may wait for it.
    fn room_at_once(&self, size: BatchSize) -> Result<Option<OwnedSemaphorePermit>> {
        match Arc::clone(&self.room).try_acquire_many_owned(self.permits(size)) {
            Ok(room) => Ok(Some(room)),
            Err(TryAcquireError::Closed) => Err(Error::Closed),
            Err(TryAcquireError::NoPermits) if size.when_full == WhenFull::Wait => {
                self.counters.queue_waits.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            Err(TryAcquireError::NoPermits) => {
                self.counters.queue_refusals.fetch_add(1, Ordering::Relaxed);
                Err(Error::QueueFull {
                    queued: self.queued_rows(),
                    limit: self.limits.queue_rows_max,
                })
            }
        }
    }

    async fn room(&self, size: BatchSize) -> Result<OwnedSemaphorePermit> {
        let began = Instant::now();
        let room = Arc::clone(&self.room).acquire_many_owned(self.permits(size));
        let room = room.await.map_err(|_| Error::Closed);
        add_time(&self.counters.queue_wait_us, began);
        room
    }

    fn enqueue(
        &self,
        job: Box<dyn Job>,
        size: BatchSize,
        room: OwnedSemaphorePermit,
    ) -> Result<()> {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(Error::Closed);
        }
        queue.jobs.push_back(Queued {
            job,
            rows: size.rows,
            _room: room,
        });
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    /// The writer thread: takes what waits, commits it, until the lane is closed and empty.
    fn drain(&self) {
        while self.wait_for_work() {
            // First the connection, then the jobs: while they are in the queue no caller leads,
            // and those that come during the wait join the group.
            let mut writer = lock(&self.writer);
            let group = self.take_group();
            let survived = catch_unwind(AssertUnwindSafe(|| writer.run_group(group)));
            if writer.is_tending_due() {
                writer.tend();
            }
            if survived.is_err() {
                // Jobs catch their own panics, so this is a defect of the lane; the unanswered
                // callers get an error, and the connection is not trusted any more.
                writer.give_up_connection();
                tracing::error!("a group commit panicked; its callers were answered with an error");
            }
        }
        lock(&self.writer).close();
    }

    /// Waits until there is something to do; `false` once the lane is closed and empty. While the
    /// WAL is past its limit it looks again without being asked.
    fn wait_for_work(&self) -> bool {
        let queue = lock(&self.queue);
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed && !queue.tend;
        let mut queue = if self.counters.wal_starved.load(Ordering::Relaxed) {
            let waited = self
                .arrived
                .wait_timeout_while(queue, wal::LOOK_EVERY, idle);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            let waited = self.arrived.wait_while(queue, idle);
            waited.unwrap_or_else(PoisonError::into_inner)
        };
        queue.tend = false;
        !(queue.closed && queue.jobs.is_empty())
    }

    fn take_group(&self) -> Vec<Box<dyn Job>> {
        let mut queue = lock(&self.queue);
        let mut rows = 0;
        let mut jobs = Vec::new();
        while jobs.len() < self.limits.group_jobs_max && rows < self.limits.group_rows_max {
            let Some(queued) = queue.jobs.pop_front() else {
                break;
            };
            rows += queued.rows;
            jobs.push(queued.job);
        }
        jobs
    }
}

/// A lock whose holder panicked is still good: every holder leaves its state whole, and a
/// connection that a panic crossed is replaced.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
