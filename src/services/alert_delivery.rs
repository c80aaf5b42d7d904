//! Delivery of alerts: takes what fired out of the outbox and brings it to every channel of the
//! settings, again and again until it has arrived or is given up.
//!
//! At least once: an attempt is counted and leased before it is made, and its outcome is stored
//! after it, so a crash in between makes the same attempt again, with the same idempotency key.
//! Nothing is sent before it is committed, as only committed rows are seen. What is a due delivery
//! and how an alert stands by it is the repository's; when to try again is decided here.
//!
//! # Webhooks
//!
//! A request is a POST of JSON, `{"event": "alert_fired", "version": "1.0", "alert": {..}}`, with
//! these headers:
//!
//! - `Idempotency-Key`: the same for each attempt to deliver this alert on this channel. Whoever
//!   has seen it has the alert already, and answers 200.
//! - `X-Tickbase-Timestamp`: when this attempt was made, in whole seconds since the epoch.
//! - `X-Tickbase-Signature`, when the channel has a secret: `sha256=` and, in hexadecimal, the
//!   HMAC-SHA256 by that secret of the timestamp as it stands in its header, a full stop, and the
//!   bytes of the body. To verify, compute it over the bytes as they came, compare in constant
//!   time, and refuse a timestamp that is more than some minutes away.
//!
//! Any 2xx means that it arrived. 408, 425, 429 and 5xx are tried again, 429 and 503 not before
//! what `Retry-After` asks for; so are timeouts and broken connections. Every other answer is
//! final, redirects included: they are not followed.

mod backoff;
mod channel;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod payload;
mod run;
mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::broadcast;

pub use snapshot::{ChannelSnapshot, DeliverySnapshot};

use super::{Service, ServiceRecord, ServiceStatus};
use crate::config::AlertsConfig;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::repository::alert_delivery::{AlertDeliveryRepository, AlertNotice};
use channel::Channel;
use run::{Outbox, Run};
use snapshot::QueueDepth;

const NAME: &str = "alert_delivery";

/// Delivers alerts.
///
/// It has a thread that looks for what is due, and threads of each channel that deliver it, so that
/// a slow receiver holds up nobody but itself. Those who share a PostgreSQL share the work: each
/// alert goes out once on each channel, whoever takes it; they need the same channels. A channel
/// of the kind `in_app` reaches the subscribers of the process that takes the alert: where several
/// processes serve pages, give each one's channel a name of its own.
///
/// ```
/// use tickbase::config::AlertsConfig;
/// use tickbase::services::{Service, alert_delivery::AlertDelivery};
/// # fn main() -> tickbase::Result<()> {
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
///
/// let delivery = AlertDelivery::new(db.database().clone(), AlertsConfig::default())?;
/// let alerts = delivery.subscribe(); // A `tokio::sync::broadcast::Receiver`.
/// delivery.start()?;
/// delivery.wake(); // Looks at once, instead of after `poll_interval`.
/// delivery.stop(); // Ends what is under way.
/// # drop(alerts);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AlertDelivery {
    outbox: Arc<Outbox>,
    /// Held for moments only: whoever wakes must not wait for an end.
    run: Mutex<Option<Arc<Run>>>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl AlertDelivery {
    /// Of this database, which it keeps open. It does not start.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work.
    pub fn new(db: Database, config: AlertsConfig) -> Result<Self> {
        config.validate()?;
        let subscribers = broadcast::Sender::new(config.subscriber_buffer);
        let channels = config
            .channels
            .iter()
            .map(|channel| Channel::new(channel, &config, &subscribers));
        let outbox = Outbox {
            channels: channels.collect::<Result<_>>()?,
            db,
            config,
            record: ServiceRecord::default(),
            subscribers,
            depth: Mutex::default(),
        };
        Ok(Self {
            outbox: Arc::new(outbox),
            run: Mutex::default(),
            worker: Mutex::default(),
        })
    }

    /// Has it look for due deliveries at once; cheap, and welcome after every commit of alerts.
    /// Does nothing while it does not run: it looks when it starts.
    pub fn wake(&self) {
        if let Some(run) = &*lock(&self.run) {
            run.ring();
        }
    }

    /// Something that wakes it from another thread, for as long as it is there.
    pub fn waker(self: &Arc<Self>) -> impl Fn() + Send + Sync + 'static {
        let delivery = Arc::downgrade(self);
        move || {
            if let Some(delivery) = delivery.upgrade() {
                delivery.wake();
            }
        }
    }

    /// Alerts from now on, as channels of the kind `in_app` deliver them: in this process. A
    /// subscriber that falls behind by more than `alerts.subscriber_buffer` misses the oldest,
    /// and is told how many; nobody waits for it.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<AlertNotice>> {
        self.outbox.subscribers.subscribe()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &AlertsConfig {
        &self.outbox.config
    }

    /// The figures of this moment; how much waits is that of the last look, some seconds ago at
    /// most while it runs.
    #[must_use]
    pub fn snapshot(&self) -> DeliverySnapshot {
        let depth = lock(&self.outbox.depth).clone();
        let now = self.outbox.db.clock().now();
        snapshot::of(&self.outbox.channels, depth.as_ref(), now)
    }

    /// The figures of this moment; asks the database how much waits.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn snapshot_now(&self) -> Result<DeliverySnapshot> {
        self.outbox.look_at_depth()?;
        Ok(self.snapshot())
    }

    /// Makes dead letters due again and wakes; returns how many of these deliveries were dead.
    /// [`AlertDeliveryRepository::dead_letters`] lists them.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn retry(&self, ids: Vec<i64>) -> Result<usize> {
        let changed = AlertDeliveryRepository::new(&self.outbox.db).retry(ids)?;
        self.wake();
        Ok(changed)
    }
}

impl Service for AlertDelivery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start(&self) -> Result<()> {
        let mut worker = lock(&self.worker);
        if worker.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Err(refused("it runs already", "stop it first"));
        }
        let run = Arc::new(Run::new(&self.outbox));
        self.outbox.record.started(self.outbox.db.clock().now());
        let started = run::start(&self.outbox, &run).inspect_err(|_| self.outbox.record.stopped());
        let thread =
            started.map_err(|error| refused(&error.to_string(), "raise the limit of threads"))?;
        *lock(&self.run) = Some(run);
        *worker = Some(thread);
        Ok(())
    }

    fn stop(&self) {
        if let Some(run) = lock(&self.run).take() {
            run.stop();
        }
        if run::is_own_thread(&self.outbox) {
            return; // Out of the log, say: the threads end when that has returned.
        }
        // A second caller waits here until the first one's wait is over.
        if let Some(thread) = lock(&self.worker).take() {
            // It cannot have panicked: the loop catches what rounds throw.
            drop(thread.join());
        }
    }

    fn status(&self) -> ServiceStatus {
        self.outbox.record.status()
    }
}

impl Drop for AlertDelivery {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Outbox {
    /// Asks the database how much waits.
    fn look_at_depth(&self) -> Result<()> {
        let channels = AlertDeliveryRepository::new(&self.db).depth()?;
        let taken_at = self.db.clock().now();
        *lock(&self.depth) = Some(QueueDepth { taken_at, channels });
        Ok(())
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
