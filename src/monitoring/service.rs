//! The loop: looks at the database in every interval, remembers, compares, tells.
//!
//! Its thread survives every error and panic of a round, and says so in the service's status.
//! What is seen and what is thought of it is `collect`'s and `check`'s.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::check::{Alert, Change, CheckState, Level, evaluate};
use super::collect::{self, Before, Counts};
use super::health::HealthStatus;
use super::rates::Samples;
use super::snapshot::MonitoringSnapshot;
use super::statistics::Statistics;
use super::told::Told;
use crate::config::MonitoringConfig;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::services::{Registration, Service, ServiceRecord, ServiceStatus, panic_text};

const NAME: &str = "database_monitoring";

/// The longest time between two looks at the counts alone, so that the rate over the last minute
/// is one over the last minute also when rounds are an hour apart.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// Watches a database: takes snapshots, raises and clears alerts, tells who wants to know.
///
/// While it runs it also has the database explain slow statements that have no plan yet. It looks
/// and compares also when it is not started, whenever [`check_now`](Self::check_now) is called. It
/// stops when it goes.
///
/// ```
/// use tickbase::config::MonitoringConfig;
/// use tickbase::monitoring::{DatabaseMonitoringService, HealthStatus};
/// use tickbase::services::Service;
/// # fn main() -> tickbase::Result<()> {
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
///
/// let config = MonitoringConfig::default();
/// let monitoring = DatabaseMonitoringService::new(db.database().clone(), config)?;
/// let told = monitoring.on_change(|change| println!("{change:?}"));
/// monitoring.start()?;
/// let snapshot = monitoring.check_now();
/// assert_eq!(snapshot.health, HealthStatus::Healthy);
/// assert!(monitoring.alerts().is_empty());
/// monitoring.stop();
/// drop(told);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DatabaseMonitoringService {
    watch: Arc<Watch>,
    worker: Mutex<Option<Worker>>,
}

#[derive(Debug)]
struct Worker {
    thread: JoinHandle<()>,
    stop: Arc<Stop>,
}

/// What the thread and the callers share.
struct Watch {
    db: Database,
    config: MonitoringConfig,
    record: ServiceRecord,
    told: Told,
    /// One round at a time; held while the database is asked.
    round: Mutex<()>,
    /// Held for moments only.
    known: Mutex<Known>,
    /// Slow statements of which plans were asked for.
    explained: AtomicU64,
}

struct Known {
    before: Before,
    history: VecDeque<Arc<MonitoringSnapshot>>,
}

impl DatabaseMonitoringService {
    /// Of this database, which it keeps open. It does not start.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work.
    pub fn new(db: Database, config: MonitoringConfig) -> Result<Self> {
        config.validate()?;
        let counts = Counts::now(&db);
        let mut samples = Samples::default();
        samples.push(counts.sample());
        let before = Before {
            counts,
            samples,
            checks: CheckState::default(),
            storage: None,
            postgres: None,
        };
        let watch = Watch {
            db,
            config,
            record: ServiceRecord::default(),
            told: Told::default(),
            round: Mutex::default(),
            known: Mutex::new(Known {
                before,
                history: VecDeque::new(),
            }),
            explained: AtomicU64::new(0),
        };
        Ok(Self {
            watch: Arc::new(watch),
            worker: Mutex::default(),
        })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &MonitoringConfig {
        &self.watch.config
    }

    /// The database that it watches.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.watch.db
    }

    /// A round at once: a snapshot that is stored, compared with the thresholds and told. It blocks
    /// for as long as the database takes to answer, at most some `probe_timeout`.
    pub fn check_now(&self) -> Arc<MonitoringSnapshot> {
        self.watch.round()
    }

    /// A snapshot of this moment that is not stored and compared with nothing; its window is that
    /// since the last round. It blocks as [`check_now`](Self::check_now) does.
    #[must_use]
    pub fn snapshot_now(&self) -> MonitoringSnapshot {
        let before = self.watch.known().before.clone();
        collect::look(&self.watch.db, &self.watch.config, &before).0
    }

    /// The snapshot of the last round; `None` before the first.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<MonitoringSnapshot>> {
        self.watch.known().history.back().cloned()
    }

    /// The snapshots of the last rounds, newest first, at most `limit`.
    #[must_use]
    pub fn history(&self, limit: usize) -> Vec<Arc<MonitoringSnapshot>> {
        let known = self.watch.known();
        known.history.iter().rev().take(limit).cloned().collect()
    }

    /// The alerts that are raised.
    #[must_use]
    pub fn alerts(&self) -> Vec<Alert> {
        let known = self.watch.known();
        let statuses = known.before.checks.statuses();
        statuses.filter(|status| status.level > Level::Ok).collect()
    }

    /// Has `callback` called once for each change of a level, in order, on the thread of the
    /// round. One that panics harms neither the others nor the service; it is logged, counted in
    /// the status, and called again at the next change.
    pub fn on_change(&self, callback: impl Fn(&Change) + Send + Sync + 'static) -> Registration {
        self.watch.told.register(callback)
    }
}

impl Service for DatabaseMonitoringService {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start(&self) -> Result<()> {
        let mut worker = lock(&self.worker);
        if worker.as_ref().is_some_and(|w| !w.thread.is_finished()) {
            return Err(refused("it runs already", "stop it first"));
        }
        let stop = Arc::<Stop>::default();
        let (watch, asked) = (Arc::clone(&self.watch), Arc::clone(&stop));
        self.watch.record.started(self.watch.db.clock().now());
        let thread = std::thread::Builder::new()
            .name("tickbase-monitor".to_owned())
            .spawn(move || watch.run(&asked))
            .map_err(|error| {
                self.watch.record.stopped();
                refused(&error.to_string(), "raise the limit of threads")
            })?;
        *worker = Some(Worker { thread, stop });
        Ok(())
    }

    fn stop(&self) {
        // A second caller waits here until the first one's wait is over.
        let mut worker = lock(&self.worker);
        let Some(running) = worker.take() else {
            return;
        };
        running.stop.ask();
        if running.thread.thread().id() == std::thread::current().id() {
            return; // Out of a callback: the thread ends when that has returned.
        }
        // It cannot have panicked: the loop catches what rounds throw.
        drop(running.thread.join());
    }

    fn status(&self) -> ServiceStatus {
        self.watch.record.status()
    }
}

impl Drop for DatabaseMonitoringService {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Watch {
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
        let mut due = Instant::now();
        let mut statistics = Statistics::default();
        loop {
            if Instant::now() >= due {
                self.guarded(|| self.explain(&self.round()));
                statistics.refresh_if_due(&self.db);
                // A round that took longer than the interval is not made up for.
                due = (due + self.config.interval).max(Instant::now());
            } else {
                let sample = Counts::now(&self.db).sample();
                self.known().before.samples.push(sample);
            }
            if stop.asked_before(due.min(Instant::now() + SAMPLE_EVERY)) {
                return;
            }
        }
    }

    /// Runs a round, and notes down a panic.
    fn guarded(&self, round: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(round)) {
            self.record.panicked();
            self.ended(Some(panic_text(payload.as_ref())));
        }
    }

    fn round(&self) -> Arc<MonitoringSnapshot> {
        let one_at_a_time = lock(&self.round);
        let before = self.known().before.clone();
        let (mut snapshot, counts) = collect::look(&self.db, &self.config, &before);
        let facts = collect::facts(&snapshot, &before, &counts);
        let (checks, changes) = evaluate(&before.checks, &facts, &self.config, snapshot.taken_at);
        snapshot.checks = checks.statuses().collect();
        let failed = Some(snapshot.probe.error.is_some());
        snapshot.health = HealthStatus::of(failed, &snapshot.checks);
        let errors = snapshot.errors.join("; ");
        let snapshot = Arc::new(snapshot);
        self.remember(counts, checks, Arc::clone(&snapshot));
        changes.iter().for_each(log);
        self.told.enqueue(changes);
        drop(one_at_a_time);
        self.ended((!errors.is_empty()).then_some(errors));
        self.told.tell(|| self.record.panicked());
        snapshot
    }

    /// Has new slow statements explained, unless no connection is free for it.
    fn explain(&self, snapshot: &MonitoringSnapshot) {
        let slow = snapshot.slow_queries.observed;
        let known = slow == self.explained.load(Ordering::Relaxed);
        if known || snapshot.probe.error.is_some() || collect::exhausted(&snapshot.pool) {
            return;
        }
        match self.db.explain_slow_queries() {
            Ok(_) => self.explained.store(slow, Ordering::Relaxed),
            // What is left is asked for in the next round.
            Err(error) => tracing::debug!(error = error.chain(), "slow statements not explained"),
        }
    }

    fn remember(&self, counts: Counts, checks: CheckState, snapshot: Arc<MonitoringSnapshot>) {
        let mut known = self.known();
        known.before.samples.push(counts.sample());
        known.before.counts = counts;
        known.before.checks = checks;
        if snapshot.storage.is_some() {
            known.before.storage.clone_from(&snapshot.storage);
        }
        known.before.postgres = snapshot.postgres.or(known.before.postgres);
        known.history.push_back(snapshot);
        while known.history.len() > self.config.history_snapshots_max {
            known.history.pop_front();
        }
    }

    /// Notes down the end of a round. What fails again and again is logged once, and once more
    /// when it is over.
    fn ended(&self, error: Option<String>) {
        let was_failing = self.record.status().failing_runs > 0;
        match &error {
            Some(error) if !was_failing => {
                tracing::warn!(error, "a round of monitoring failed; it goes on");
            }
            None if was_failing => tracing::info!("rounds of monitoring succeed again"),
            _ => {}
        }
        self.record.ran(self.db.clock().now(), error);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("db", &self.db)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// One line for each change of a level.
fn log(change: &Change) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                check = change.check.name(),
                from = change.from.as_str(),
                to = change.to.as_str(),
                value = change.value,
                threshold = change.threshold,
                unit = change.check.unit(),
                "alert"
            )
        };
    }
    match change.to {
        Level::Critical => line!(error),
        Level::Warning => line!(warn),
        Level::Ok => line!(info),
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

    /// Sleeps until `moment` or until stopping was asked for; whether it was.
    fn asked_before(&self, moment: Instant) -> bool {
        let timeout = moment.saturating_duration_since(Instant::now());
        let asked = lock(&self.asked);
        let waited = self
            .changed
            .wait_timeout_while(asked, timeout, |asked| !*asked);
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
