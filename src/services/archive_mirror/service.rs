//! The service that keeps a mirror of the archive up to date, in an interval.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[allow(unused_imports)] // The documentation links to it.
use super::sync;
use super::{MirrorReport, sync_while};
use crate::config::ArchiveConfig;
use crate::database::Database;
use crate::error::Result;
use crate::repository::archive::Archiver;
use crate::services::{Service, ServiceStatus, Wakeup, Worker, WorkerText};

const TEXT: WorkerText = WorkerText {
    service: "archive mirror",
    thread: "tickbase-mirror",
    failing: "the mirror of the archive is not up to date; it is tried again",
    recovered: "the mirror of the archive is up to date again",
};

/// Brings a directory up to date with the archive: when it starts, and in an interval from then on.
#[derive(Debug)]
pub struct ArchiveMirrorService {
    keeper: Arc<MirrorKeeper>,
}

#[derive(Debug)]
struct MirrorKeeper {
    db: Database,
    directory: PathBuf,
    every: Duration,
    worker: Worker,
}

impl ArchiveMirrorService {
    /// Of this database; `None` when the settings name no directory. It does not start.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for settings that cannot work.
    pub fn new(db: &Database, config: &ArchiveConfig) -> Result<Option<Self>> {
        config.validate()?;
        let keeper = config.directory.clone().map(|directory| MirrorKeeper {
            db: db.clone(),
            directory,
            every: config.every,
            worker: Worker::new(TEXT, db.clock().clone()),
        });
        Ok(keeper.map(|keeper| Self {
            keeper: Arc::new(keeper),
        }))
    }

    /// Brings the directory up to date at once, whether the service runs or not.
    ///
    /// # Errors
    /// Those of [`sync`].
    pub fn sync_now(&self) -> Result<MirrorReport> {
        self.keeper.sync(&|| true)
    }
}

impl Service for ArchiveMirrorService {
    fn name(&self) -> &'static str {
        TEXT.service
    }

    fn start(&self) -> Result<()> {
        let keeper = Arc::clone(&self.keeper);
        self.keeper.worker.start(move |bell| keeper.rounds(bell))
    }

    /// Waits for a file that is being written.
    fn stop(&self) {
        self.keeper.worker.stop();
    }

    fn status(&self) -> ServiceStatus {
        self.keeper.worker.status()
    }
}

impl Drop for ArchiveMirrorService {
    fn drop(&mut self) {
        self.stop();
    }
}

impl MirrorKeeper {
    fn rounds(&self, bell: &Wakeup) {
        self.worker.repeat(bell, self.every, || {
            let outcome = self.sync(&|| !bell.is_stopped());
            // One that was given up has not failed.
            if !bell.is_stopped() {
                self.worker.ended(outcome.err().map(|error| error.chain()));
            }
        });
    }

    fn sync(&self, goes_on: &dyn Fn() -> bool) -> Result<MirrorReport> {
        let archiver = Archiver::default();
        let report = sync_while(&self.db, &archiver, &self.directory, goes_on)?;
        let MirrorReport {
            written, removed, ..
        } = report;
        if written + removed > 0 {
            let path = self.directory.display();
            tracing::info!(%path, written, removed, "mirrored the archive");
        }
        Ok(report)
    }
}
