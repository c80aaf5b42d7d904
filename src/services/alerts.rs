//! The alert engine as a service: while it runs, each batch of ticks is evaluated in its own
//! transaction, and what fires is stored with the ticks or not at all.
//!
//! It owns the lifecycle, the counts and the telling of those who want to know. Which rules fire is
//! [`alert_engine`](super::alert_engine)'s; it runs on the threads that write ticks, and has one
//! of its own for callbacks alone.

mod engine_run;
mod evaluation;
mod load;
mod notifier;
mod state;
mod watcher;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub use super::Registration;
use super::alert_engine::AlertTotals;
use super::{Service, ServiceRecord, ServiceStatus, lock};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::models::AlertLog;
use crate::repository::market_data::Watcher;
use engine_run::{EngineRun, EngineTotals};
use notifier::AlertNotifier;

const NAME: &str = "alert_engine";

/// Makes rules fire, exactly once for each tick that they match, in the transaction of the tick.
///
/// While it runs, whatever inserts ticks through the crate makes alerts: the repository, the free
/// function in a caller's own transaction, an import, the API. The `alert_logs` rows, the rules'
/// `last_triggered` and the ticks are committed together. It needs no telling of changed rules:
/// a change works from the first tick after its commit, in every process on the database. While
/// it does not run, ticks are stored and fire nothing, then or later.
///
/// What a rule means is in [`alert_engine`](super::alert_engine).
///
/// ```
/// use std::sync::Arc;
/// use tickbase::domain::tick::Tick;
/// use tickbase::domain::{Condition, RuleType};
/// use tickbase::models::NewAlertRule;
/// use tickbase::repository::alert_rule;
/// use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
/// use tickbase::services::{AlertEngine, Service};
/// use tickbase::Timestamp;
/// # fn main() -> tickbase::Result<()> {
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
/// let engine = AlertEngine::new(db.clone());
/// engine.start()?;
/// let (send, fired) = std::sync::mpsc::channel();
/// engine.on_fired(move |alerts| send.send(alerts.to_vec()).unwrap_or_default()).detach();
///
/// let mut above = NewAlertRule::new(1, RuleType::Threshold);
/// above.condition = Some(Condition::Above);
/// above.threshold = Some("1650".parse()?);
/// let now = db.clock().now();
/// db.write("alert_rule.insert", move |conn| alert_rule::insert(conn, &above, now))?;
///
/// let tick = Tick::trade(1, Timestamp::from_micros(1_000_000)?, 1650.25, 3.0)?;
/// MarketDataRepository::new(&db).insert_batch(vec![tick], InsertOptions::default())?;
/// let alerts = fired.recv().unwrap_or_default();
/// assert_eq!(
///     alerts[0].alert_message,
///     "Alert: ES threshold - Price 1650.25 above threshold 1650.0000"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AlertEngine {
    db: Database,
    shared: Arc<EngineTotals>,
    running: Mutex<Option<RunningEngine>>,
}

struct RunningEngine {
    session: Arc<EngineRun>,
    watcher: Arc<Watcher>,
    teller: JoinHandle<()>,
}

impl AlertEngine {
    /// Of this database, which it keeps open. It does not start.
    #[must_use]
    pub fn new(db: Database) -> Self {
        let shared = Arc::new(EngineTotals {
            clock: db.clock().clone(),
            record: ServiceRecord::default(),
            totals: Mutex::default(),
            told: Arc::new(AlertNotifier::default()),
        });
        Self {
            db,
            shared,
            running: Mutex::default(),
        }
    }

    /// Has `callback` called with alerts after their commit, those of one transaction at a time:
    /// never before, and never with what was rolled back. It runs on a thread of the engine, and
    /// may write to the database.
    ///
    /// A callback that panics harms neither the others nor the engine; it is logged, counted in
    /// the status, and called again with the next alerts. While it does not keep up, alerts wait
    /// for it, [`AlertEngine::WAITING_MAX`] at most; what comes then it is not told. It is a
    /// notice, for views of what happens now: what must not miss an alert reads `alert_logs`,
    /// where each one is, also after a crash between the commit and the call.
    pub fn on_fired(&self, callback: impl Fn(&[AlertLog]) + Send + Sync + 'static) -> Registration {
        self.shared.told.register(callback)
    }

    /// The most alerts that wait for callbacks.
    pub const WAITING_MAX: usize = notifier::WAITING_MAX;

    /// Alerts that callbacks were not told, because as many as may were waiting for them.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.shared.told.missed()
    }

    /// What was evaluated and committed since the engine was made, over restarts. It waits for no
    /// transaction.
    #[must_use]
    pub fn totals(&self) -> AlertTotals {
        *lock(&self.shared.totals)
    }

    /// How many matches of a rule its cooldown has held back since the engine was last started;
    /// `None` for a rule that it has not met. It waits for no transaction: while one writes ticks
    /// of the instrument, the count may be a second old.
    #[must_use]
    pub fn suppressed(&self, rule_id: i64) -> Option<u64> {
        let running = lock(&self.running);
        let session = Arc::clone(&running.as_ref()?.session);
        drop(running);
        session.suppressed(rule_id)
    }
}

impl Service for AlertEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start(&self) -> Result<()> {
        let mut running = lock(&self.running);
        if running.is_some() {
            return Err(Error::service(NAME, "it runs already", "stop it first"));
        }
        let session = Arc::new(EngineRun::new(Arc::clone(&self.shared)));
        let watcher = Arc::new(Watcher(Box::new(Arc::clone(&session))));
        if !self.db.attach(Arc::clone(&watcher)) {
            let remedy = "stop that one first; one engine sees every tick of the database";
            return Err(Error::service(
                NAME,
                "another engine runs on this database",
                remedy,
            ));
        }
        let teller = Arc::clone(&self.shared);
        let opened = self.shared.told.open();
        let teller = std::thread::Builder::new()
            .name("tickbase-alerts".to_owned())
            .spawn(move || teller.told.notify(opened, || teller.record.panicked()))
            .map_err(|error| {
                self.db.detach(&watcher);
                Error::service(NAME, error.to_string(), "raise the limit of threads")
            })?;
        self.shared.record.started(self.shared.clock.now());
        *running = Some(RunningEngine {
            session,
            watcher,
            teller,
        });
        Ok(())
    }

    /// Ticks fire nothing from the next transaction on; what has fired is told before it returns.
    /// What the engine knows is forgotten, and read from the database when it is started again.
    fn stop(&self) {
        let Some(running) = lock(&self.running).take() else {
            return;
        };
        self.db.detach(&running.watcher);
        self.shared.told.close();
        self.shared.record.stopped();
        if running.teller.thread().id() == std::thread::current().id() {
            return; // Out of a callback: the thread ends when that has returned.
        }
        // It cannot have panicked: what callbacks throw is caught.
        drop(running.teller.join());
    }

    fn status(&self) -> ServiceStatus {
        self.shared.record.status()
    }
}

impl Drop for AlertEngine {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for RunningEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}
