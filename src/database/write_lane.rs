//! The one writer of a SQLite database.
//!
//! SQLite has one writer at a time, so one connection writes. An idle lane lets a blocking caller
//! commit on its own thread; otherwise the caller's job waits in a bounded queue, and the writer
//! thread puts all that is waiting into one transaction (group commit). Every caller is answered
//! after its commit. What happens inside one transaction is in [`group`]; the lane owns the
//! connection, the queue and the thread.

mod group;
mod job;
#[cfg(test)]
mod tests;
mod wal;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use diesel::SqliteConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::backpressure::{BatchSize, WhenFull};
use super::connection::{BackendConnection, transaction_depth};
use super::histogram::{Histogram, HistogramCounts};
use super::instrumentation::Account;
use super::tally::Run;
use super::{park, scope::Attachments};
use crate::config::WriteConfig;
use crate::error::{Error, Result};
use group::Writer;
pub(crate) use job::Answer;
use job::{Job, TypedJob};
pub(crate) use wal::Wal;

/// The operation of the lane's own statements: BEGIN, COMMIT, savepoints, checkpoints.
const LANE: &str = "write_lane";

/// Opens the write connection; called again when a connection had to be given up.
pub(crate) type Opener = Box<dyn Fn() -> Result<SqliteConnection> + Send + Sync>;

/// The state of the write lane at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriterSnapshot {
    /// Rows waiting in the queue; a write that is no batch counts as one.
    pub queued_rows: usize,
    /// The bound of the queue, in rows.
    pub queue_rows_max: usize,
    /// Callers that found the queue full and waited for room.
    pub queue_waits: u64,
    /// How long they waited, in all.
    pub queue_wait_us: u64,
    /// Callers that found the queue full and did not want to wait.
    pub queue_refusals: u64,
    /// Jobs committed.
    pub committed_jobs: u64,
    /// Rows that committed jobs recorded; `committed_rows / commits` is the mean group.
    pub committed_rows: u64,
    /// Jobs that failed and left nothing behind.
    pub failed_jobs: u64,
    /// Transactions committed; `committed_jobs / commits` is the mean group.
    pub commits: u64,
    /// Commits that a caller made on its own thread because the lane was idle.
    pub led_commits: u64,
    /// The largest group so far, in jobs.
    pub group_jobs_max_seen: u64,
    /// The largest group so far, in rows that its jobs recorded.
    pub group_rows_max_seen: u64,
    /// Transactions that died (disk full, ..) and whose jobs were run again one by one.
    pub broken_groups: u64,
    /// Write connections that were replaced.
    pub replaced_connections: u64,
    /// Times that another process held the lock longer than the busy timeout.
    pub busy_waits: u64,
    /// How long the writer waited for locks of other processes, in all.
    pub lock_wait_us: u64,
    /// Bytes of the WAL when it was last looked at, which is about every second of writing.
    pub wal_bytes: u64,
    /// Whether the WAL is past its limit because a reader does not end.
    pub wal_starved: bool,
    /// Looks at which it was.
    pub wal_starvations: u64,
    /// Times that the WAL was past its limit and could be begun anew.
    pub wal_resets: u64,
    /// From BEGIN to the end of COMMIT.
    pub commit: HistogramCounts,
    /// The writer's own checkpoints: those that begin the WAL anew past its limit, whether they
    /// could or not. SQLite's own, which are part of a commit, are in `commit`.
    pub checkpoint: HistogramCounts,
}

#[derive(Debug, Default)]
struct Counters {
    queue_waits: AtomicU64,
    queue_wait_us: AtomicU64,
    queue_refusals: AtomicU64,
    committed_jobs: AtomicU64,
    committed_rows: AtomicU64,
    failed_jobs: AtomicU64,
    commits: AtomicU64,
    led_commits: AtomicU64,
    group_jobs_max_seen: AtomicU64,
    group_rows_max_seen: AtomicU64,
    broken_groups: AtomicU64,
    replaced_connections: AtomicU64,
    busy_waits: AtomicU64,
    lock_wait_us: AtomicU64,
    wal_bytes: AtomicU64,
    wal_starved: AtomicBool,
    wal_starvations: AtomicU64,
    wal_resets: AtomicU64,
    commit: Histogram,
    checkpoint: Histogram,
}

/// The lane; dropping it drains the queue and closes the connection.
pub(crate) struct WriteLane {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    thread_id: ThreadId,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Room in the queue; a waiting job holds one permit for each of its rows.
    room: Arc<Semaphore>,
    writer: Mutex<Writer>,
    counters: Arc<Counters>,
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
        attachments: Arc<Attachments>,
        opener: Opener,
    ) -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let writer = Writer::open(
            opener,
            lock_wait_max,
            wal,
            attachments,
            Arc::clone(&counters),
        )?;
        let shared = Arc::new(Shared {
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
        account: impl Into<Account>,
        size: BatchSize,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        let account = account.into();
        let op = account.op();
        refuse_nested(op)?;
        let (job, answer) = TypedJob::new(account, work);
        if let Some(mut writer) = self.shared.lead() {
            let run = Run::begin(LANE);
            writer.run_alone(Box::new(job));
            drop(run);
            self.shared
                .counters
                .led_commits
                .fetch_add(1, Ordering::Relaxed);
            self.shared.release(writer);
        } else {
            let room = match self.shared.room_at_once(size)? {
                Some(room) => room,
                None => park::block_on(self.shared.room(size))?,
            };
            self.shared.enqueue(Box::new(job), size, room)?;
        }
        receive(op, park::block_on(answer))
    }

    /// Runs a job and returns after its commit, without blocking the thread.
    pub(crate) async fn write_async<T, F>(
        &self,
        account: impl Into<Account>,
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
        refuse_nested("exclusive")?;
        let mut writer = lock(&self.shared.writer);
        let conn = writer.connection()?;
        let run = || work(&mut BackendConnection::from(&mut *conn));
        let (done, _) = Run::of("exclusive", || catch_unwind(AssertUnwindSafe(run)));
        if done.is_err() || !matches!(transaction_depth(conn), Ok(0)) {
            writer.give_up_connection();
        }
        self.shared.release(writer);
        done.unwrap_or_else(|payload| resume_unwind(payload))
    }

    pub(crate) fn snapshot(&self) -> WriterSnapshot {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        WriterSnapshot {
            queued_rows: self.shared.queued_rows(),
            queue_rows_max: self.shared.limits.queue_rows_max,
            queue_waits: count(&counters.queue_waits),
            queue_wait_us: count(&counters.queue_wait_us),
            queue_refusals: count(&counters.queue_refusals),
            committed_jobs: count(&counters.committed_jobs),
            committed_rows: count(&counters.committed_rows),
            failed_jobs: count(&counters.failed_jobs),
            commits: count(&counters.commits),
            led_commits: count(&counters.led_commits),
            group_jobs_max_seen: count(&counters.group_jobs_max_seen),
            group_rows_max_seen: count(&counters.group_rows_max_seen),
            broken_groups: count(&counters.broken_groups),
            replaced_connections: count(&counters.replaced_connections),
            busy_waits: count(&counters.busy_waits),
            lock_wait_us: count(&counters.lock_wait_us),
            wal_bytes: count(&counters.wal_bytes),
            wal_starved: counters.wal_starved.load(Ordering::Relaxed),
            wal_starvations: count(&counters.wal_starvations),
            wal_resets: count(&counters.wal_resets),
            commit: counters.commit.counts(),
            checkpoint: counters.checkpoint.counts(),
        }
    }

    /// Refuses new jobs, drains the queue, closes the connection. Later calls do nothing.
    pub(crate) fn close(&self) {
        lock(&self.shared.queue).closed = true;
        self.shared.room.close();
        self.shared.arrived.notify_all();
        // A job that closes the database, or drops its last handle, holds the connection that
        // the writer's thread waits for, or is on that thread.
        if job::running_on_this_thread() || std::thread::current().id() == self.thread_id {
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

/// A write inside a write would wait for itself.
fn refuse_nested(op: &'static str) -> Result<()> {
    if !job::running_on_this_thread() {
        return Ok(());
    }
    Err(Error::invalid(
        op,
        "it was called inside another write, which holds the write lane",
        "use the connection that the closure was given",
    ))
}

fn receive<T>(op: &'static str, answer: Result<Answer<T>, oneshot::error::RecvError>) -> Result<T> {
    match answer {
        Ok(Answer::Done(outcome)) => outcome,
        Ok(Answer::Panicked(payload)) => resume_unwind(payload),
        // The job was dropped unanswered: the lane ended before it ran.
        Err(_) => Err(Error::Closed.during(op)),
    }
}

impl Shared {
    /// The write connection, when the lane is idle: then the caller commits on its own thread.
    fn lead(&self) -> Option<MutexGuard<'_, Writer>> {
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
    fn release(&self, writer: MutexGuard<'_, Writer>) {
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
        let _run = Run::begin(LANE);
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

fn record_commit(counters: &Counters, jobs: u64, rows: u64, began: Instant) {
    let add = |counter: &AtomicU64, more| counter.fetch_add(more, Ordering::Relaxed);
    let raise = |counter: &AtomicU64, seen| counter.fetch_max(seen, Ordering::Relaxed);
    counters.commit.record(began.elapsed());
    add(&counters.commits, 1);
    add(&counters.committed_jobs, jobs);
    add(&counters.committed_rows, rows);
    raise(&counters.group_jobs_max_seen, jobs);
    raise(&counters.group_rows_max_seen, rows);
}

fn add_time(counter: &AtomicU64, began: Instant) {
    let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    counter.fetch_add(us, Ordering::Relaxed);
}
