//! The outbox of alerts: what is to be delivered on which channel, what was tried, what came of it.
//!
//! `alert_logs` itself is the queue: a row of it that fired and that nothing was tried for is due,
//! whoever wrote it. Only committed rows are seen, so nothing is delivered that was taken back. It
//! delivers nothing, and decides neither when to try again nor when to give up.

mod letters;
mod outcome;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use letters::{ChannelDepth, abandon, dead_letters, depth, of_alert, retry};
pub use outcome::{Outcome, Tried, record};
pub use queue::{Look, claim, enqueue, look};

use crate::database::Database;
use crate::domain::{ChannelKind, PriceDecimals, Symbol};
use crate::error::Result;
use crate::models::{AlertDelivery, AlertLog};
use crate::repository::rows::{Recorded, Rows};
use crate::timestamp::Timestamp;

/// A channel by the name and kind that its deliveries are stored with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelKey {
    /// Its name in the settings.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
}

/// An alert as those who are told of it need it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AlertNotice {
    /// The alert.
    pub alert: AlertLog,
    /// The symbol of its instrument.
    pub symbol: Symbol,
    /// The places that its prices are rounded to; none where they are shown as they are stored.
    pub price_decimals: Option<PriceDecimals>,
    /// The name of its rule, if it has one.
    pub rule_name: Option<String>,
}

/// A delivery that the caller holds until its lease ends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Claim {
    /// The delivery, this attempt counted.
    pub delivery: AlertDelivery,
    /// What is to be delivered.
    pub notice: Arc<AlertNotice>,
}

impl Claim {
    /// The key by which a receiver knows the alert again: the same for each attempt on this
    /// channel, in any process. It is the alert's identity, not its number, which another
    /// database gives to another alert.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let alert = &self.notice.alert;
        format!(
            "tickbase-{}-{}-{}-{}-{}-{}",
            alert.rule_id,
            alert.instrument_id,
            alert.timestamp.micros(),
            alert.source_id,
            alert.sequence,
            self.delivery.channel,
        )
    }
}

impl Rows for Claim {
    fn rows(&self) -> usize {
        1
    }
}

/// Reads and writes what is to be delivered.
#[derive(Debug, Clone, Copy)]
pub struct AlertDeliveryRepository<'a> {
    db: &'a Database,
}

impl<'a> AlertDeliveryRepository<'a> {
    /// The most rows of one call.
    pub const LIMIT_MAX: usize = 1_000;

    /// The deliveries of a database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self { db }
    }

    /// What waits for these channels, of which some are `free` to deliver; changes nothing.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn look(&self, channels: &[ChannelKey], free: &[bool]) -> Result<Look> {
        let now = self.db.clock().now();
        self.db.read("alert_delivery.look", |conn| {
            look(conn, channels, free, now)
        })
    }

    /// Queues alerts that fired and that nothing was tried for, oldest first, `limit` at most, on
    /// these channels; returns how many deliveries are new.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above
    /// [`LIMIT_MAX`](Self::LIMIT_MAX); those of [`Database::write`].
    pub fn enqueue(&self, channels: Vec<ChannelKey>, limit: usize) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("alert_delivery.enqueue", move |conn| {
            enqueue(conn, &channels, now, limit).recorded(conn)
        })
    }

    /// Takes deliveries of a channel that are due, oldest first, `limit` at most. They are the
    /// caller's until `lease_until`; then another may take them over. Each counts as an attempt.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub fn claim(
        &self,
        channel: String,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claim>> {
        let now = self.db.clock().now();
        self.db.write("alert_delivery.claim", move |conn| {
            claim(conn, &channel, now, lease_until, limit).recorded(conn)
        })
    }

    /// Stores what came of attempts, and how the deliveries of their alerts stand by that; returns
    /// how many were stored. A failure of an attempt whose lease was taken over is not.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn record(&self, tried: Vec<Tried>) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("alert_delivery.record", move |conn| {
            record(conn, &tried, now).recorded(conn)
        })
    }

    /// The deliveries of an alert, by channel.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn of_alert(&self, alert_id: i64) -> Result<Vec<AlertDelivery>> {
        self.db.read("alert_delivery.of_alert", |conn| {
            of_alert(conn, alert_id).recorded(conn)
        })
    }

    /// Deliveries that were given up, newest first, those with a number below `before` if that is
    /// given. Those of deleted alerts are not among them.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above
    /// [`LIMIT_MAX`](Self::LIMIT_MAX); those of [`Database::read`].
    pub fn dead_letters(&self, before: Option<i64>, limit: usize) -> Result<Vec<AlertDelivery>> {
        self.db.read("alert_delivery.dead_letters", |conn| {
            dead_letters(conn, before, limit).recorded(conn)
        })
    }

    /// Makes dead letters due again, with all their attempts before them; returns how many of
    /// these deliveries were dead.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn retry(&self, ids: Vec<i64>) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("alert_delivery.retry", move |conn| {
            retry(conn, &ids, now).recorded(conn)
        })
    }

    /// Gives up what is open on a channel, oldest first, `limit` at most; returns how many that
    /// were. For a channel that has left the settings: what waits for it would wait for ever, and
    /// keep its alerts from being delivered on all.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub fn abandon(&self, channel: String, limit: usize) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("alert_delivery.abandon", move |conn| {
            abandon(conn, &channel, now, limit).recorded(conn)
        })
    }

    /// How much waits, channel by channel, those of other processes included.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn depth(&self) -> Result<Vec<ChannelDepth>> {
        self.db.read("alert_delivery.depth", depth)
    }
}
