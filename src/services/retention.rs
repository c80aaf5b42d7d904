//! The service that does what retention policies ask for, in an interval.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{ArchiveConfig, RetentionConfig};
use crate::database::Database;
use crate::domain::ArchivePeriod;
use crate::error::Result;
use crate::models::NewDeletion;
use crate::repository::archive::Archiver;
use crate::repository::retention::{
    self, RetentionOutcome, RetentionReport, RetentionRequest, RetentionStep,
};
use crate::services::{Service, ServiceStatus, Wakeup, Worker, WorkerText};

const TEXT: WorkerText = WorkerText {
    service: "retention",
    thread: "tickbase-retention",
    failing: "retention failed; it is tried again",
    recovered: "retention succeeds again",
};

/// Does what the policies of the database ask for: when it starts, and in an interval from then on.
/// Without a policy, and without an age for the trash, it does nothing. It stops when it goes, between two
/// transactions.
#[derive(Debug)]
pub struct RetentionService {
    keeper: Arc<RetentionKeeper>,
}

#[derive(Debug)]
struct RetentionKeeper {
    db: Database,
    every: Duration,
    purge_after: Option<Duration>,
    period: ArchivePeriod,
    worker: Worker,
}

impl RetentionService {
    /// Of this database. It does not start.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for settings that cannot work.
    pub fn new(db: &Database, config: &RetentionConfig, archive: &ArchiveConfig) -> Result<Self> {
        config.validate()?;
        archive.validate()?;
        let keeper = RetentionKeeper {
            db: db.clone(),
            every: config.every,
            purge_after: config.purge_after,
            period: archive.period,
            worker: Worker::new(TEXT, db.clock().clone()),
        };
        Ok(Self {
            keeper: Arc::new(keeper),
        })
    }

    /// Does what the policies ask for at once, whether the service runs or not.
    ///
    /// # Errors
    /// Those of [`retention::run`].
    pub fn run_now(&self) -> Result<RetentionReport> {
        self.keeper.run(&|| true)
    }
}

impl Service for RetentionService {
    fn name(&self) -> &'static str {
        TEXT.service
    }

    fn start(&self) -> Result<()> {
        let keeper = Arc::clone(&self.keeper);
        self.keeper.worker.start(move |bell| keeper.rounds(bell))
    }

    fn stop(&self) {
        self.keeper.worker.stop();
    }

    fn status(&self) -> ServiceStatus {
        self.keeper.worker.status()
    }
}

impl Drop for RetentionService {
    fn drop(&mut self) {
        self.stop();
    }
}

impl RetentionKeeper {
    fn rounds(&self, bell: &Wakeup) {
        self.worker.repeat(bell, self.every, || {
            let failure = match self.run(&|| !bell.is_stopped()) {
                Ok(report) => report.failures.into_iter().next().map(|of| of.error),
                Err(error) => Some(error.chain()),
            };
            self.worker.ended(failure);
        });
    }

    fn run(&self, goes_on: &dyn Fn() -> bool) -> Result<RetentionReport> {
        let request = RetentionRequest {
            period: self.period,
            purge_after: self.purge_after,
            dry_run: false,
            deletion: NewDeletion::of("retention policies"),
        };
        let report = retention::run(&self.db, &Archiver::default(), &request, goes_on)?;
        tell(&report);
        Ok(report)
    }
}

/// What was done, what failed, and what has to wait, in one line each.
fn tell(report: &RetentionReport) {
    for of in &report.failures {
        let (instrument_id, error) = (of.instrument_id, &of.error);
        tracing::warn!(instrument_id, error, "retention leaves out an instrument");
    }
    let rows_of = |holds: fn(&RetentionStep) -> bool| -> i64 {
        let done = |of: &&retention::RetentionLine| of.outcome == RetentionOutcome::Done;
        let lines = report.lines.iter().filter(done);
        lines.filter(|of| holds(&of.step)).map(|of| of.rows).sum()
    };
    let archived = rows_of(|of| matches!(of, RetentionStep::ArchiveTicks));
    let ticks = rows_of(|of| matches!(of, RetentionStep::DeleteTicks));
    let bars = rows_of(|of| matches!(of, RetentionStep::DeleteBars { .. }));
    if archived + ticks + bars > 0 {
        let deletion = report.deletion.as_ref().map(crate::models::Deletion::id);
        tracing::info!(
            archived,
            deleted_ticks = ticks,
            deleted_bars = bars,
            deletion,
            "retention"
        );
    }
    for line in &report.lines {
        let why = match line.outcome {
            RetentionOutcome::Done | RetentionOutcome::WouldBeDone => continue,
            RetentionOutcome::Busy => "another process archives it",
            RetentionOutcome::BarsWait => {
                "built bars are made of it, and wait to be built or repaired"
            }
        };
        let (instrument_id, rows) = (line.instrument_id, line.rows);
        tracing::warn!(
            instrument_id,
            rows,
            why,
            "kept until a later run of retention"
        );
    }
}
