//! One transaction of the write lane: several jobs, each in a savepoint of its own.
//!
//! One caller's error undoes that caller's savepoint alone. If the transaction itself died (a
//! full disk rolls all of it back under the callers' feet), nothing later runs in it: it is
//! undone, the connection replaced, and each job is run again alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::result::QueryResult;
use diesel::{Connection, SqliteConnection};

use super::job::{Job, Ran};
use super::{LaneCounters, Opener, Wal, add_time};
use crate::database::attachments::Attachments;
use crate::database::connection::at_top_level;
use crate::database::files::{DatabaseFiles, FileChange};
use crate::database::observer;
use crate::database::retry::{AttemptFailure, classify_query};
use crate::database::transaction::Ending;
use crate::database::write_lock;
use crate::error::{Error, Result};

/// A BEGIN that takes as long has waited: SQLite's first pause for a lock is one millisecond, and
/// without a lock it takes microseconds.
const LOCK_WAIT_LEAST: Duration = Duration::from_millis(1);

/// How long the end waits for locks of other processes.
const CLOSING_WAIT_MAX: Duration = Duration::from_millis(100);

/// The write connection and how to get another one.
pub(super) struct LaneWriter {
    connection: Option<SqliteConnection>,
    opener: Opener,
    lock_wait_max: Duration,
    counters: Arc<LaneCounters>,
    wal: Wal,
    files: Arc<DatabaseFiles>,
    attachments: Arc<Attachments>,
    closed: bool,
}

/// Why a group was not committed.
enum Broken {
    /// The transaction is gone or not to be trusted.
    Dead,
    /// There was none: another process has held the lock for so long.
    Locked(Duration),
    /// What it has written, a restart would not find.
    Lost(FileChange),
}

/// Why a transaction is not acknowledged.
enum Unacknowledged {
    /// COMMIT failed.
    Failed(diesel::result::Error),
    /// A restart would not find it.
    Lost(FileChange),
}

impl LaneWriter {
    pub(super) fn open(
        opener: Opener,
        lock_wait_max: Duration,
        wal: Wal,
        files: Arc<DatabaseFiles>,
        attachments: Arc<Attachments>,
        counters: Arc<LaneCounters>,
    ) -> Result<Self> {
        let connection = Some(files.open_by(&opener)?);
        Ok(Self {
            connection,
            opener,
            lock_wait_max,
            counters,
            wal,
            files,
            attachments,
            closed: false,
        })
    }

    /// The connection, opened anew if the last one was given up.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection> {
        if self.connection.is_none() && !self.closed {
            self.connection = Some(self.files.open_by(&self.opener)?);
        }
        self.connection.as_mut().ok_or(Error::Closed)
    }

    /// The files that the connection writes.
    pub(super) fn files(&self) -> Arc<DatabaseFiles> {
        Arc::clone(&self.files)
    }

    /// Closes a connection whose state is unknown; whatever was open on it is rolled back.
    pub(super) fn give_up_connection(&mut self) {
        self.files.closing();
        if self.connection.take().is_some() {
            self.counters
                .replaced_connections
                .fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether it is time to look at the WAL.
    pub(super) fn is_tending_due(&self) -> bool {
        self.wal.is_due()
    }

    /// Keeps the WAL bounded; between transactions.
    pub(super) fn tend(&mut self) {
        if let Some(conn) = &mut self.connection {
            self.wal.tend(conn, &self.counters);
        }
    }

    /// Ends cleanly: statistics for the planner, and no WAL left behind.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.files.closing();
        let Some(mut conn) = self.connection.take() else {
            return;
        };
        // Another process that writes makes up for it when it ends: it is not waited for long.
        let ended = conn.batch_execute(&format!(
            "PRAGMA busy_timeout = {}; PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);",
            CLOSING_WAIT_MAX.as_millis()
        ));
        match ended {
            Err(error) if classify_query(&error) == AttemptFailure::Busy => {}
            Err(error) => {
                tracing::warn!(%error, "the last checkpoint failed; the next start makes up for it");
            }
            Ok(()) => {}
        }
    }

    /// Runs jobs in one transaction and answers each.
    pub(super) fn run_group(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        if jobs.len() == 1
            && let Some(job) = jobs.pop()
        {
            return self.run_alone(job);
        }
        let began = Instant::now();
        match self.try_group(&mut jobs) {
            Ok(outcomes) => {
                let committed = jobs
                    .iter()
                    .zip(&outcomes)
                    .filter(|(_, ran)| **ran == Ran::Ok);
                let (count, rows) = committed.fold((0, 0), |(count, rows), (job, _)| {
                    (count + 1, rows + job.rows())
                });
                self.counters.record_commit(count, rows, began);
                let failed = outcomes.len() as u64 - count;
                self.counters
                    .failed_jobs
                    .fetch_add(failed, Ordering::Relaxed);
                jobs.into_iter().for_each(Job::answer);
            }
            Err(Broken::Locked(waited)) => {
                self.refuse_all(jobs, || Error::WriteLockHeld { waited });
            }
            Err(Broken::Lost(change)) => self.refuse_all(jobs, || change.into()),
            Err(Broken::Dead) => {
                self.counters.broken_groups.fetch_add(1, Ordering::Relaxed);
                self.give_up_connection();
                jobs.into_iter().for_each(|job| self.run_alone(job));
            }
        }
    }

    fn refuse_all(&self, jobs: Vec<Box<dyn Job>>, error: impl Fn() -> Error) {
        let failed = jobs.len() as u64;
        self.counters
            .failed_jobs
            .fetch_add(failed, Ordering::Relaxed);
        jobs.into_iter().for_each(|job| job.refuse(error()));
    }

    fn try_group(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Vec<Ran>, Broken> {
        let (attachments, files) = (Arc::clone(&self.attachments), self.files());
        let conn = self.begin().map_err(|error| match error {
            Error::WriteLockHeld { waited } => Broken::Locked(waited),
            _ => Broken::Dead,
        })?;
        observer::begin(conn, &attachments);
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            outcomes.push(run_in_savepoint(conn, job.as_mut())?);
        }
        match commit(conn, &files) {
            Ok(()) => observer::end(conn, Ending::Committed),
            Err(Unacknowledged::Failed(_)) => return Err(Broken::Dead),
            Err(Unacknowledged::Lost(change)) => {
                observer::end(conn, Ending::Unknown);
                return Err(Broken::Lost(change));
            }
        }
        Ok(outcomes)
    }

    /// Runs one job in a transaction of its own and answers it.
    pub(super) fn run_alone(&mut self, mut job: Box<dyn Job>) {
        let began = Instant::now();
        let (attachments, files) = (Arc::clone(&self.attachments), self.files());
        let conn = match self.begin() {
            Ok(conn) => conn,
            Err(error) => {
                self.counters.failed_jobs.fetch_add(1, Ordering::Relaxed);
                return job.refuse(error);
            }
        };
        observer::begin(conn, &attachments);
        let ran = job.run(conn);
        if ran == Ran::Ok {
            match commit(conn, &files) {
                Ok(()) => {
                    observer::end(conn, Ending::Committed);
                    self.counters.record_commit(1, job.rows(), began);
                    job.answer();
                }
                Err(Unacknowledged::Failed(error)) => {
                    self.abandon();
                    job.refuse(error.into());
                }
                Err(Unacknowledged::Lost(change)) => {
                    observer::end(conn, Ending::Unknown);
                    self.refuse_all(vec![job], || change.into());
                }
            }
            return;
        }
        if ran == Ran::Panicked || observer::context(conn).is_none() || rollback(conn).is_err() {
            // With the connection its transaction goes, which tells the hooks.
            self.give_up_connection();
        } else {
            observer::end(conn, Ending::RolledBack);
        }
        self.counters.failed_jobs.fetch_add(1, Ordering::Relaxed);
        job.answer();
    }

    fn abandon(&mut self) {
        self.counters.failed_jobs.fetch_add(1, Ordering::Relaxed);
        self.give_up_connection();
    }

    /// Opens a transaction that holds the write lock.
    fn begin(&mut self) -> Result<&mut SqliteConnection> {
        let began = Instant::now();
        let locked = self.take_lock();
        if began.elapsed() >= LOCK_WAIT_LEAST {
            add_time(&self.counters.lock_wait_us, began);
        }
        locked?;
        self.connection()
    }

    /// The busy timeout waits for other processes; past it we go on waiting, for a caller must not
    /// see a lock.
    fn take_lock(&mut self) -> Result<()> {
        let (counters, files) = (Arc::clone(&self.counters), self.files());
        let wait_max = self.lock_wait_max;
        let begun = write_lock::begin_immediate(self.connection()?, wait_max, || {
            counters.busy_waits.fetch_add(1, Ordering::Relaxed);
            write_lock::say_who_holds(files.path());
        });
        if !matches!(begun, Ok(()) | Err(Error::WriteLockHeld { .. })) {
            self.give_up_connection();
        }
        begun
    }
}

/// Our savepoints are plain SQL under Diesel's transaction, so that each statement's own error
/// tells whether the transaction still lives: a savepoint that is gone took it along.
fn run_in_savepoint(conn: &mut SqliteConnection, job: &mut dyn Job) -> Result<Ran, Broken> {
    conn.batch_execute("SAVEPOINT tickbase_job")
        .map_err(|_| Broken::Dead)?;
    let savepoint = observer::savepoint(conn);
    let ran = job.run(conn);
    // Without its observer the hooks of the jobs before it are gone.
    if !at_top_level(conn) || observer::context(conn).is_none() {
        return Err(Broken::Dead);
    }
    let end = match ran {
        Ran::Ok => "RELEASE tickbase_job",
        Ran::Failed => "ROLLBACK TO tickbase_job; RELEASE tickbase_job",
        // What the panic left half done inside Diesel is not known.
        Ran::Panicked => return Err(Broken::Dead),
    };
    conn.batch_execute(end).map_err(|_| Broken::Dead)?;
    if ran == Ran::Failed {
        observer::rollback_to(conn, savepoint);
    }
    Ok(ran)
}

/// Commits, if the files are those that were opened; and they must still be so after it, for a
/// commit into a file that was deleted a moment before is lost. The connection is kept: while it
/// is open, the file can be brought back.
fn commit(conn: &mut SqliteConnection, files: &DatabaseFiles) -> Result<(), Unacknowledged> {
    if let Err(change) = files.check_before_commit() {
        rollback(conn).map_err(Unacknowledged::Failed)?;
        return Err(Unacknowledged::Lost(change));
    }
    if !at_top_level(conn) {
        let broken = diesel::result::Error::BrokenTransactionManager;
        return Err(Unacknowledged::Failed(broken));
    }
    <SqliteConnection as Connection>::TransactionManager::commit_transaction(conn)
        .map_err(Unacknowledged::Failed)?;
    files.check_after_commit().map_err(Unacknowledged::Lost)
}

fn rollback(conn: &mut SqliteConnection) -> QueryResult<()> {
    if !at_top_level(conn) {
        return Err(diesel::result::Error::BrokenTransactionManager);
    }
    <SqliteConnection as Connection>::TransactionManager::rollback_transaction(conn)
}
