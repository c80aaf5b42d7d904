//! The service of history: extends and repairs every series of built bars, again and again.
//!
//! Which bars are missing or stale is `repository::bar_series`'; here is when to look, and what
//! becomes of errors. A series whose build fails holds up no other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::config::HistoryConfig;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::repository::bar_series::{BarSeriesRepository, BuildReport};
use crate::services::{Service, ServiceRecord, ServiceStatus, panic_text};

const NAME: &str = "historical_data";

/// Keeps the series of built bars up to date: those that `tickbase bars build`, or
/// [`BarSeriesRepository::build`], has begun.
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
    worker: Mutex<Option<Worker>>,
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

#[derive(Debug)]
struct Worker {
    thread: JoinHandle<()>,
    stop: Arc<Stop>,
}

/// What the thread and the callers share.
#[derive(Debug)]
struct Keeper {
    db: Database,
    config: HistoryConfig,
    record: ServiceRecord,
    /// One look at a time.
    round: Mutex<()>,
}

impl HistoricalDataService {
    /// Of this database, which it keeps open. It does not start.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work.
    pub fn new(db: Database, config: HistoryConfig) -> Result<Self> {
        config.validate()?;
        let keeper = Keeper {
            db,
            config,
            record: ServiceRecord::default(),
            round: Mutex::default(),
        };
        Ok(Self {
            keeper: Arc::new(keeper),
            worker: Mutex::default(),
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
        NAME
    }

    fn start(&self) -> Result<()> {
        let mut worker = lock(&self.worker);
        if worker.as_ref().is_some_and(|w| !w.thread.is_finished()) {
            return Err(refused("it runs already", "stop it first"));
        }
        let stop = Arc::<Stop>::default();
        let (keeper, asked) = (Arc::clone(&self.keeper), Arc::clone(&stop));
        self.keeper.record.started(self.keeper.db.clock().now());
        let thread = std::thread::Builder::new()
            .name("tickbase-history".to_owned())
            .spawn(move || keeper.run(&asked))
            .map_err(|error| {
                self.keeper.record.stopped();
                refused(&error.to_string(), "raise the limit of threads")
            })?;
        *worker = Some(Worker { thread, stop });
        Ok(())
    }

    /// Ends after the transaction that is under way.
    fn stop(&self) {
        // A second caller waits here until the first one's wait is over.
        let mut worker = lock(&self.worker);
        let Some(running) = worker.take() else {
            return;
        };
        running.stop.ask();
        // It cannot have panicked: the loop catches what rounds throw.
        drop(running.thread.join());
    }

    fn status(&self) -> ServiceStatus {
        self.keeper.record.status()
    }
}

impl Drop for HistoricalDataService {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Keeper {
    fn run(&self, stop: &Stop) {
        let looped = catch_unwind(AssertUnwindSafe(|| self.rounds(stop)));
        match looped {
            Ok(()) => self.record.stopped(),
            Err(payload) => {
                let text = panic_text(payload.as_ref());
                self.record.failed(self.db.clock().now(), text);
            }
        }
    }

    fn rounds(&self, stop: &Stop) {
        let goes_on = || !stop.asked_within(Duration::ZERO);
        loop {
            let began = Instant::now();
            let round = catch_unwind(AssertUnwindSafe(|| self.round(&goes_on)));
            if let Err(payload) = round {
                self.record.panicked();
                self.ended(Some(panic_text(payload.as_ref())));
            }
            // A round that took longer than the interval is not made up for.
            let left = self.config.refresh_interval.saturating_sub(began.elapsed());
            if stop.asked_within(left) {
                return;
            }
        }
    }

    fn round(&self, goes_on: &dyn Fn() -> bool) -> RefreshReport {
        let _one_at_a_time = lock(&self.round);
        let mut report = RefreshReport::default();
        if let Err(error) = self.refresh_all(goes_on, &mut report) {
            report.errors.push(error.chain());
        }
        self.ended((!report.errors.is_empty()).then(|| report.errors.join("; ")));
        report
    }

    /// Shorter frequencies come first: the longer ones are then made of their bars.
    fn refresh_all(&self, goes_on: &dyn Fn() -> bool, report: &mut RefreshReport) -> Result<()> {
        let series = BarSeriesRepository::new(&self.db);
        for status in series.list()?.iter().filter(|status| status.is_due()) {
            if !goes_on() {
                break;
            }
            let of = status.series;
            match series.refresh(of.instrument_id, of.frequency, goes_on) {
                Ok(built) => report.add(&built),
                Err(error) => {
                    let name = format!("{} {}", status.symbol, of.frequency);
                    report.errors.push(format!("{name}: {}", error.chain()));
                }
            }
        }
        Ok(())
    }

    /// Notes down the end of a round. What fails again and again is logged once, and once more
    /// when it is over.
    fn ended(&self, error: Option<String>) {
        let was_failing = self.record.status().failing_runs > 0;
        match &error {
            Some(error) if !was_failing => {
                tracing::warn!(error, "bars cannot be built; the next round tries again");
            }
            None if was_failing => tracing::info!("bars are built again"),
            _ => {}
        }
        self.record.ran(self.db.clock().now(), error);
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

/// Asks the thread to stop, and lets it sleep until then.
#[derive(Debug, Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn ask(&self) {
        *lock(&self.asked) = true;
        self.changed.notify_all();
    }

    /// Sleeps for this long or until stopping was asked for; whether it was.
    fn asked_within(&self, time: Duration) -> bool {
        let asked = lock(&self.asked);
        let waited = self
            .changed
            .wait_timeout_while(asked, time, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn refused(reason: &str, remedy: &str) -> Error {
    Error::Service {
        service: NAME,
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
