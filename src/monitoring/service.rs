//! The loop: looks at the database in every interval, remembers, compares, tells.
//!
//! Its thread survives every error and panic of a round, and says so in the service's status.
//! `collect` measures, `check` judges.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::check::{Alert, CheckLevel, CheckState, LevelChange, evaluate};
use super::collect::{self, Before, CountsAtMoment};
use super::health::HealthStatus;
use super::notifier::ChangeNotifier;
use super::rates::Samples;
use super::snapshot::MonitoringSnapshot;
use super::statistics::Statistics;
use crate::config::MonitoringConfig;
use crate::database::{Database, HeldConnection};
use crate::error::Result;
use crate::services::{Registration, Service, ServiceStatus, Wakeup, Worker, WorkerText, lock};

const TEXT: WorkerText = WorkerText {
    service: "database_monitoring",
    thread: "tickbase-monitor",
    failing: "a round of monitoring failed; it goes on",
    recovered: "rounds of monitoring succeed again",
};

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
    watch: Arc<MonitoringShared>,
}

/// The state that the thread and the callers share.
struct MonitoringShared {
    db: Database,
    config: MonitoringConfig,
    worker: Worker,
    told: ChangeNotifier,
    /// One round at a time; held while the database is asked.
    round: Mutex<()>,
    /// Held for moments only.
    known: Mutex<MonitoringState>,
    /// Slow statements of which plans were asked for.
    explained: AtomicU64,
}

struct MonitoringState {
    before: Before,
    history: VecDeque<Arc<MonitoringSnapshot>>,
}

impl DatabaseMonitoringService {
    /// Makes the service for a database, which it keeps open; it does not start it.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for settings that cannot work.
    pub fn new(db: Database, config: MonitoringConfig) -> Result<Self> {
        config.validate()?;
        let counts = CountsAtMoment::now(&db);
        let mut samples = Samples::default();
        samples.push(counts.sample());
        let before = Before {
            counts,
            samples,
            checks: CheckState::default(),
            storage: None,
            postgres: None,
        };
        let watch = MonitoringShared {
            worker: Worker::new(TEXT, db.clock().clone()),
            db,
            config,
            told: ChangeNotifier::default(),
            round: Mutex::default(),
            known: Mutex::new(MonitoringState {
                before,
                history: VecDeque::new(),
            }),
            explained: AtomicU64::new(0),
        };
        Ok(Self {
            watch: Arc::new(watch),
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
        statuses
            .filter(|status| status.level > CheckLevel::Ok)
            .collect()
    }

    /// Has `callback` called once for each change of a level, in order, on the thread of the
    /// round. One that panics harms neither the others nor the service; it is logged, counted in
    /// the status, and called again at the next change.
    pub fn on_change(
        &self,
        callback: impl Fn(&LevelChange) + Send + Sync + 'static,
    ) -> Registration {
        self.watch.told.register(callback)
    }
}

impl Service for DatabaseMonitoringService {
    fn name(&self) -> &'static str {
        TEXT.service
    }

    fn start(&self) -> Result<()> {
        let watch = Arc::clone(&self.watch);
        self.watch.worker.start(move |bell| watch.rounds(bell))
    }

    fn stop(&self) {
        self.watch.worker.stop();
    }

    fn status(&self) -> ServiceStatus {
        self.watch.worker.status()
    }
}

impl Drop for DatabaseMonitoringService {
    fn drop(&mut self) {
        self.stop();
    }
}

impl MonitoringShared {
    fn rounds(&self, bell: &Wakeup) {
        let mut due = Instant::now();
        let mut statistics = Statistics::default();
        loop {
            if Instant::now() >= due {
                self.worker.survive(|| self.explain(&self.round()));
                // After the round, and on a thread of its own: it takes the writer, which a round
                // must not wait for.
                statistics.refresh_if_due(&self.db);
                // A round that took longer than the interval is not made up for.
                due = (due + self.config.interval).max(Instant::now());
            } else {
                // Between rounds only counters are read: rates of a minute need samples nearer than
                // an interval of an hour.
                let sample = CountsAtMoment::now(&self.db).sample();
                self.known().before.samples.push(sample);
            }
            let left = due.saturating_duration_since(Instant::now());
            if bell.stopped_within(left.min(SAMPLE_EVERY)) {
                return;
            }
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
        self.db.find_held_connections().iter().for_each(log_held);
        // Lined up under the lock, so that changes stand in the order of rounds; told outside of
        // it, since a callback may make a round of its own.
        self.told.enqueue(changes);
        drop(one_at_a_time);
        self.worker.ended((!errors.is_empty()).then_some(errors));
        self.told.notify(|| self.worker.record().panicked());
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

    fn remember(
        &self,
        counts: CountsAtMoment,
        checks: CheckState,
        snapshot: Arc<MonitoringSnapshot>,
    ) {
        let mut known = self.known();
        known.before.samples.push(counts.sample());
        known.before.counts = counts;
        known.before.checks = checks;
        if snapshot.storage.is_some() {
            known.before.storage.clone_from(&snapshot.storage);
        }
        // A round that could not ask keeps the last known figures.
        known.before.postgres = snapshot.postgres.or(known.before.postgres);
        known.history.push_back(snapshot);
        while known.history.len() > self.config.history_snapshots_max {
            known.history.pop_front();
        }
    }

    fn known(&self) -> MutexGuard<'_, MonitoringState> {
        lock(&self.known)
    }
}

impl std::fmt::Debug for MonitoringShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("db", &self.db)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A connection that does not come back is missing to all others, and nothing else says who has it.
fn log_held(connection: &HeldConnection) {
    tracing::warn!(
        op = connection.op,
        held_seconds = connection.held.as_secs_f64(),
        "a connection of the pool is held for longer than pool.held_warning_ms"
    );
}

/// One line for each change of a level.
fn log(change: &LevelChange) {
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
        CheckLevel::Critical => line!(error),
        CheckLevel::Warning => line!(warn),
        CheckLevel::Ok => line!(info),
    }
}
