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
//! A request is a POST of the JSON that the channel's [template](crate::domain::AlertTemplate) makes,
//! by default `{"event": "alert_fired", "version": "1.0", "alert": {..}}`, with the channel's headers
//! and these:
//!
//! - `Idempotency-Key`: the same for each attempt to deliver this alert on this channel. Whoever
//!   has seen it has the alert already, and answers 200.
//! - `X-Tickbase-Timestamp`: when this attempt was made, in whole seconds since the epoch.
//! - `X-Tickbase-Signature`, when the channel has a secret: `sha256=` and, in hexadecimal, the
//!   HMAC-SHA256 by that secret of the timestamp as it stands in its header, a full stop, and the
//!   bytes of the body. To verify, compute it over the bytes as they came, compare in constant
//!   time, and refuse a timestamp that is more than some minutes away.
//!
//! - `traceparent`, when the request whose tick fired the alert had one: its trace goes on
//!   (<https://www.w3.org/TR/trace-context/>).
//!
//! Any 2xx means that it arrived. 429, and any 4xx or 5xx with `Retry-After` (seconds or a date, an
//! hour at most), pauses the channel: nothing is sent on it until then, and that was no attempt.
//! 408, 425 and 5xx are tried again; so are timeouts and broken connections. Every other answer is
//! final, redirects included: they are not followed; so is an alert of which the template makes no
//! JSON. What has not arrived for
//! [`AlertsConfig::age_max`] is given up, and is a dead letter.
//!
//! The reasons are in docs/decisions/0013.

mod backoff;
mod channel;
mod channel_test;
#[cfg(feature = "server")]
mod http;
#[cfg_attr(
    not(feature = "server"),
    expect(dead_code, reason = "only receivers over HTTP ask for time")
)]
mod pacing;
#[cfg(feature = "server")]
mod payload;
mod run;
mod send_outcome;
mod snapshot;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::broadcast;

pub use channel_test::{ChannelTest, test_channel};
pub use snapshot::{ChannelSnapshot, DeliverySnapshot};

use super::{Service, ServiceStatus, Wakeup, Worker, WorkerText, lock};
use crate::config::AlertsConfig;
use crate::database::Database;
use crate::error::Result;
use crate::repository::alert_delivery::{self, AlertNotice};
use channel::Channel;
use run::Outbox;
use snapshot::QueueDepth;

const TEXT: WorkerText = WorkerText {
    service: "alert_delivery",
    thread: "tickbase-alerts",
    failing: "looking for alerts to deliver failed; it goes on",
    recovered: "alerts are delivered again",
};

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
/// use tickbase::services::{Service, alert_delivery::AlertDeliveryService};
/// # fn main() -> tickbase::Result<()> {
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
///
/// let delivery = AlertDeliveryService::new(db.database().clone(), AlertsConfig::default())?;
/// let alerts = delivery.subscribe(); // A `tokio::sync::broadcast::Receiver`.
/// delivery.start()?;
/// delivery.wake(); // Looks at once, instead of after `poll_interval`.
/// delivery.stop(); // Ends what is under way.
/// # drop(alerts);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AlertDeliveryService {
    outbox: Arc<Outbox>,
}

impl AlertDeliveryService {
    /// Makes the service for a database, which it keeps open; it does not start it.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for settings that cannot work.
    pub fn new(db: Database, config: AlertsConfig) -> Result<Self> {
        config.validate()?;
        let subscribers = broadcast::Sender::new(config.subscriber_buffer);
        let channels = config.all_channels()?;
        let channels = channels
            .iter()
            .map(|channel| Channel::new(channel, &config, &subscribers));
        let outbox = Outbox {
            channels: channels.collect::<Result<_>>()?,
            worker: Worker::new(TEXT, db.clock().clone()),
            db,
            config,
            subscribers,
            depth: Mutex::default(),
        };
        Ok(Self {
            outbox: Arc::new(outbox),
        })
    }

    /// Has it look for due deliveries at once; cheap, and welcome after every commit of alerts.
    /// Does nothing while it does not run: it looks when it starts.
    pub fn wake(&self) {
        self.outbox.worker.notify();
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
        snapshot::of(&self.outbox.channels, depth.as_ref())
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
    /// [`alert_delivery::dead_letters`] lists them.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn resend(&self, ids: Vec<i64>) -> Result<usize> {
        let changed = self.outbox.db.write("alert_delivery.resend", move |conn| {
            let now = conn.shared_now()?;
            alert_delivery::resend(conn, &ids, now)
        })?;
        self.wake();
        Ok(changed)
    }
}

impl Service for AlertDeliveryService {
    fn name(&self) -> &'static str {
        TEXT.service
    }

    fn start(&self) -> Result<()> {
        let prepare = |bell: &Arc<Wakeup>| run::prepare(&self.outbox, bell);
        self.outbox.worker.start_with(prepare)
    }

    fn stop(&self) {
        self.outbox.worker.stop();
    }

    fn status(&self) -> ServiceStatus {
        self.outbox.worker.status()
    }
}

impl Drop for AlertDeliveryService {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Outbox {
    /// Asks the database how much waits.
    fn look_at_depth(&self) -> Result<()> {
        let channels = self.db.read("alert_delivery.depth", |conn| {
            let now = conn.shared_now()?;
            alert_delivery::depth(conn, now)
        })?;
        *lock(&self.depth) = Some(QueueDepth {
            taken_at: self.db.clock().now(),
            taken: Instant::now(),
            channels,
        });
        Ok(())
    }
}
