//! The service that makes backups in an interval, and keeps the newest.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::directory::{BackupDirectory, NamedBackup};
use super::{BackupReport, make_while, sqlite_file};
use crate::clock::Clock;
use crate::config::{BackupConfig, DatabaseConfig};
use crate::database::{Database, GoesOn};
use crate::error::{Error, Result};
use crate::services::{Service, ServiceStatus, Wakeup, Worker, WorkerText, lock};
use crate::timestamp::Timestamp;

const TEXT: WorkerText = WorkerText {
    service: "backup",
    thread: "tickbase-backup",
    failing: "a backup failed; it is tried again",
    recovered: "backups succeed again",
};

/// The longest sleep: the clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The longest time before a backup that failed is tried again.
const RETRY_MAX: Duration = Duration::from_secs(3_600);

/// Makes a backup whenever the newest one in the directory is older than the interval, and deletes
/// those beyond the newest few. It stops when it goes; a backup under way is then given up.
#[derive(Debug)]
pub struct BackupService {
    keeper: Arc<BackupKeeper>,
}

#[derive(Debug)]
struct BackupKeeper {
    database: DatabaseConfig,
    clock: Clock,
    every: Duration,
    keep: u32,
    directory: BackupDirectory,
    worker: Worker,
    /// One at a time.
    round: Mutex<()>,
    known: Mutex<KnownBackups>,
}

#[derive(Debug, Default)]
struct KnownBackups {
    newest: Option<NamedBackup>,
    count: usize,
    took: Option<Duration>,
}

/// The backups of a service, as of its last look.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupSnapshot {
    /// The interval in which they are made.
    pub every: Duration,
    /// How many are in the directory.
    pub count: usize,
    /// The newest one.
    pub newest: Option<PathBuf>,
    /// When that was begun.
    pub backed_up_at: Option<Timestamp>,
    /// The time since then, by the database's clock.
    pub age: Option<Duration>,
    /// Its bytes.
    pub bytes: Option<u64>,
    /// How long the last one of this process took, checks included.
    pub took: Option<Duration>,
    /// Whether the last one failed, or the newest is older than twice the interval.
    pub is_overdue: bool,
}

impl BackupService {
    /// Of this database; `None` when the settings name no directory. It does not start.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work, and on PostgreSQL, which is backed up by its
    /// own programs.
    pub fn new(db: &Database, config: &BackupConfig) -> Result<Option<Self>> {
        config.validate()?;
        let Some(directory) = &config.directory else {
            return Ok(None);
        };
        let database = db.config().clone();
        let file = sqlite_file(&database).map_err(|error| match error {
            Error::Config { reason, remedy, .. } => {
                Error::config("backup.directory", reason, remedy)
            }
            other => other,
        })?;
        let keeper = BackupKeeper {
            directory: BackupDirectory::new(directory, file),
            clock: db.clock().clone(),
            every: config.every,
            keep: config.keep,
            worker: Worker::new(TEXT, db.clock().clone()),
            round: Mutex::default(),
            known: Mutex::default(),
            database,
        };
        Ok(Some(Self {
            keeper: Arc::new(keeper),
        }))
    }

    /// Makes a backup at once, whether the service runs or not, and deletes those beyond the newest.
    ///
    /// # Errors
    /// Those of [`make`](super::make()).
    pub fn back_up_now(&self) -> Result<BackupReport> {
        self.keeper.back_up(Box::new(|| true))
    }

    /// The backups, as of the last look.
    #[must_use]
    pub fn snapshot(&self) -> BackupSnapshot {
        self.keeper.snapshot()
    }
}

impl Service for BackupService {
    fn name(&self) -> &'static str {
        TEXT.service
    }

    fn start(&self) -> Result<()> {
        self.keeper.look()?;
        let keeper = Arc::clone(&self.keeper);
        self.keeper.worker.start_with(|bell| {
            let stop = Arc::clone(bell);
            Ok(move |bell: &Wakeup| keeper.rounds(bell, &stop))
        })
    }

    /// Gives up a backup that is under way.
    fn stop(&self) {
        self.keeper.worker.stop();
    }

    fn status(&self) -> ServiceStatus {
        self.keeper.worker.status()
    }
}

impl Drop for BackupService {
    fn drop(&mut self) {
        self.stop();
    }
}

impl BackupKeeper {
    fn rounds(&self, bell: &Wakeup, stop: &Arc<Wakeup>) {
        loop {
            let wait = self.worker.survive(|| self.round(stop));
            let wait = wait.unwrap_or(LOOK_EVERY);
            if bell.stopped_within(wait) {
                return;
            }
        }
    }

    /// Makes a backup if one is due; the time until the next look.
    fn round(&self, stop: &Arc<Wakeup>) -> Duration {
        let due_in = match self.look() {
            Ok(due_in) => due_in,
            Err(error) => {
                self.worker.ended(Some(error.chain()));
                return LOOK_EVERY;
            }
        };
        if !due_in.is_zero() {
            return due_in.min(LOOK_EVERY);
        }
        let bell = Arc::clone(stop);
        match self.back_up(Box::new(move || !bell.is_stopped())) {
            Ok(made) => {
                let path = made.path.display();
                tracing::info!(%path, bytes = made.bytes, took = ?made.took, "backed up");
                self.worker.ended(None);
                self.every.min(LOOK_EVERY)
            }
            // It was given up, and has not failed.
            Err(_) if stop.is_stopped() => Duration::ZERO,
            Err(error) => {
                self.worker.ended(Some(error.chain()));
                (self.every / 10).clamp(LOOK_EVERY, RETRY_MAX)
            }
        }
    }

    fn back_up(&self, goes_on: GoesOn) -> Result<BackupReport> {
        let _one_at_a_time = lock(&self.round);
        let file = self.directory.name(self.clock.now())?;
        let made = make_while(&self.database, &file, &self.clock, goes_on)?;
        let keep = usize::try_from(self.keep).unwrap_or(usize::MAX);
        let pruned = self.directory.prune(keep, self.clock.now());
        lock(&self.known).took = Some(made.took);
        self.look()?;
        // The backup is made; that old ones stay must be said all the same.
        pruned.map(|()| made)
    }

    /// Looks what is in the directory; the time until a backup is due.
    fn look(&self) -> Result<Duration> {
        let all = self.directory.list(self.clock.now())?;
        let mut known = lock(&self.known);
        known.count = all.len();
        known.newest = all.into_iter().next();
        let age = known
            .newest
            .as_ref()
            .map(|newest| self.age(newest.backed_up_at));
        Ok(age.map_or(Duration::ZERO, |age| self.every.saturating_sub(age)))
    }

    /// The time since a moment; one ahead of the clock is now.
    fn age(&self, at: Timestamp) -> Duration {
        let micros = self.clock.now().micros() - at.micros();
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    fn snapshot(&self) -> BackupSnapshot {
        let known = lock(&self.known);
        let backed_up_at = known.newest.as_ref().map(|of| of.backed_up_at);
        let age = backed_up_at.map(|at| self.age(at));
        let fails = self.worker.status().failing_runs > 0;
        BackupSnapshot {
            every: self.every,
            count: known.count,
            newest: known.newest.as_ref().map(|of| of.path.clone()),
            backed_up_at,
            age,
            bytes: known.newest.as_ref().map(|of| of.bytes),
            took: known.took,
            is_overdue: fails || age.is_some_and(|age| age > self.every * 2),
        }
    }
}
