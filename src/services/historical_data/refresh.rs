//! The service of history: extends and repairs every series of built bars, again and again.
//!
//! Which bars are missing or stale is `repository::bar_series`'; here is when to look, and what
//! becomes of errors. A series whose build fails holds up no other.

use std::sync::{Arc, Mutex};

use crate::config::HistoryConfig;
use crate::database::Database;
use crate::error::Result;
use crate::repository::bar_series::{self, BuildReport, TICKS_PER_TRANSACTION_MAX};
use crate::services::{Service, ServiceStatus, Wakeup, Worker, WorkerText, lock};

const TEXT: WorkerText = WorkerText {
    service: "historical_data",
    thread: "tickbase-history",
    failing: "bars cannot be built; the next round tries again",
    recovered: "bars are built again",
};

/// Keeps the series of built bars up to date: those that `tickbase bars build`, or
/// [`bar_series::build()`], has begun.
///
/// In every interval it builds the periods that have closed, and those that late, deleted or
/// restored ticks have touched. Several may run on one database: they take turns. It stops when it
/// goes.
///
/// ```
/// use tickbase::config::HistoryConfig;
/// use tickbase::services::{HistoricalDataService, Service};
/// # fn main() -> tickbase::Result<()> {
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
///
/// let history = HistoricalDataService::new(db.database().clone(), HistoryConfig::default())?;
/// history.start()?;
/// let report = history.refresh_now();
/// assert_eq!((report.series, report.errors.len()), (0, 0)); // Nothing was ever built.
/// history.stop();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HistoricalDataService {
    keeper: Arc<Keeper>,
}

/// What one look at all series did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshReport {
    /// Series that had something to build or to repair.
    pub series: usize,
    /// Bars that are new or have other values.
    pub bars_written: usize,
    /// Bars of periods that have lost all their ticks.
    pub bars_removed: usize,
    /// Stale periods that were built again.
    pub periods_repaired: usize,
    /// What failed, a line per series.
    pub errors: Vec<String>,
}

/// What the thread and the callers share.
#[derive(Debug)]
struct Keeper {
    db: Database,
    config: HistoryConfig,
    worker: Worker,
    /// One look at a time.
    round: Mutex<()>,
}

impl HistoricalDataService {
    /// Of this database, which it keeps open. It does not start.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for settings that cannot work.
    pub fn new(db: Database, config: HistoryConfig) -> Result<Self> {
        config.validate()?;
        let keeper = Keeper {
            worker: Worker::new(TEXT, db.clock().clone()),
            db,
            config,
            round: Mutex::default(),
        };
        Ok(Self {
            keeper: Arc::new(keeper),
        })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &HistoryConfig {
        &self.keeper.config
    }

    /// The database whose series it keeps.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.keeper.db
    }

    /// A look at all series at once, whether the service runs or not; it returns when they are up
    /// to date.
    pub fn refresh_now(&self) -> RefreshReport {
        self.keeper.round(&|| true)
    }
}

impl Service for HistoricalDataService {
    fn name(&self) -> &'static str {
        TEXT.service
    }

    fn start(&self) -> Result<()> {
        let keeper = Arc::clone(&self.keeper);
        self.keeper.worker.start(move |bell| keeper.rounds(bell))
    }

    /// Ends after the transaction that is under way.
    fn stop(&self) {
        self.keeper.worker.stop();
    }

    fn status(&self) -> ServiceStatus {
        self.keeper.worker.status()
    }
}

impl Drop for HistoricalDataService {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Keeper {
    fn rounds(&self, bell: &Wakeup) {
        self.worker.repeat(bell, self.config.refresh_interval, || {
            self.round(&|| !bell.is_stopped());
        });
    }

    fn round(&self, goes_on: &dyn Fn() -> bool) -> RefreshReport {
        let _one_at_a_time = lock(&self.round);
        let mut report = RefreshReport::default();
        if let Err(error) = self.refresh_all(goes_on, &mut report) {
            report.errors.push(error.chain());
        }
        let failed = !report.errors.is_empty();
        self.worker.ended(failed.then(|| report.errors.join("; ")));
        report
    }

    /// Shorter frequencies come first: the longer ones are then made of their bars.
    fn refresh_all(&self, goes_on: &dyn Fn() -> bool, report: &mut RefreshReport) -> Result<()> {
        let all = self.db.read("bar_series.list", bar_series::list)?;
        for status in all.iter().filter(|status| status.is_due()) {
            if !goes_on() {
                break;
            }
            let of = status.series;
            match bar_series::refresh(&self.db, of.key(), TICKS_PER_TRANSACTION_MAX, goes_on) {
                Ok(built) => report.add(&built),
                Err(error) => {
                    let name = format!("{} {} {}", status.symbol, of.frequency, of.price);
                    report.errors.push(format!("{name}: {}", error.chain()));
                }
            }
        }
        Ok(())
    }
}

impl RefreshReport {
    fn add(&mut self, built: &BuildReport) {
        self.series += usize::from(built.transactions > 0);
        self.bars_written += built.bars_written;
        self.bars_removed += built.bars_removed;
        self.periods_repaired += built.periods_repaired;
    }
}
