//! The outbox of alerts: what is to be delivered on which channel, what was tried, what came of it.
//!
//! `alert_logs` itself is the queue: a row of it that fired and that nothing was tried for is due,
//! whoever wrote it. Only committed rows are seen, so nothing is delivered that was taken back. It
//! delivers nothing, and decides neither when to try again nor when to give up. Every moment that is
//! stored or compared here is by the clock of the database, which all processes share.

mod alert_status;
mod dead_letters;
mod outcome;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use dead_letters::{
    ChannelDepth, DeadLetterFilter, abandon, dead_letters, depth, of_alert, resend, resend_page,
};
pub use outcome::{DeliveryOutcome, Tried, record};
pub use queue::{Look, claim, enqueue, look};

use crate::database::Database;
use crate::domain::{ChannelKind, PriceDecimals, Symbol};
use crate::error::Result;
use crate::models::{AlertDelivery, AlertLog};
use crate::repository::rows::{CountRows, Recorded};
use crate::timestamp::Timestamp;

/// A channel by the name and kind that its deliveries are stored with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelKey {
    /// Its name in the settings.
    pub name: String,
    /// Its kind.
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
    /// The alert to deliver.
    pub notice: Arc<AlertNotice>,
    /// The time since it was queued.
    pub age: Duration,
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

impl CountRows for Claim {
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
        self.db.read("alert_delivery.look", |conn| {
            let now = conn.shared_now()?;
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
        self.db.write("alert_delivery.enqueue", move |conn| {
            let now = conn.shared_now()?;
            enqueue(conn, &channels, now, limit).recorded(conn)
        })
    }

    /// Takes deliveries of a channel that are due, oldest first, `limit` at most. They are the
    /// caller's for the time of the `lease`; then another may take them over. Each counts as an
    /// attempt.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub fn claim(&self, channel: String, lease: Duration, limit: usize) -> Result<Vec<Claim>> {
        self.db.write("alert_delivery.claim", move |conn| {
            let now = conn.shared_now()?;
            claim(conn, &channel, now, after(now, lease), limit).recorded(conn)
        })
    }

    /// Stores what came of attempts, and how the deliveries of their alerts stand by that; returns
    /// how many were stored. A failure of an attempt whose lease was taken over is not.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn record(&self, tried: Vec<Tried>) -> Result<usize> {
        self.db.write("alert_delivery.record", move |conn| {
            let now = conn.shared_now()?;
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

    /// Deliveries that were given up and pass the filter, newest first, those with a number below
    /// `before` if that is given. Those of deleted alerts are not among them.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above
    /// [`LIMIT_MAX`](Self::LIMIT_MAX); those of [`Database::read`].
    pub fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AlertDelivery>> {
        self.db.read("alert_delivery.dead_letters", |conn| {
            dead_letters(conn, filter, before, limit).recorded(conn)
        })
    }

    /// Makes dead letters due again, as if they were queued now; returns how many of these
    /// deliveries were dead. A service of any process sends them.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn resend(&self, ids: Vec<i64>) -> Result<usize> {
        self.db.write("alert_delivery.resend", move |conn| {
            let now = conn.shared_now()?;
            resend(conn, &ids, now).recorded(conn)
        })
    }

    /// Makes all dead letters that pass the filter due again, 1,000 in a transaction; returns how
    /// many. Those that are given up meanwhile are not among them.
    ///
    /// # Errors
    /// Those of [`Database::write`]; what was made due until then stays so.
    pub fn resend_all(&self, filter: &DeadLetterFilter) -> Result<usize> {
        let (mut resent, mut before) = (0, None);
        loop {
            let filter = filter.clone();
            let (count, next) = self.db.write("alert_delivery.resend", move |conn| {
                let page = resend_page(conn, &filter, before, Self::LIMIT_MAX)?;
                conn.record_rows(page.0);
                Ok(page)
            })?;
            resent += count;
            if next.is_none() {
                return Ok(resent);
            }
            before = next;
        }
    }

    /// Gives up what is open on a channel, oldest first, `limit` at most; returns how many that
    /// were. For a channel that has left the settings: what waits for it would wait for ever, and
    /// keep its alerts from being delivered on all.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub fn abandon(&self, channel: String, limit: usize) -> Result<usize> {
        self.db.write("alert_delivery.abandon", move |conn| {
            let now = conn.shared_now()?;
            abandon(conn, &channel, now, limit).recorded(conn)
        })
    }

    /// How much waits, channel by channel, those of other processes included.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn depth(&self) -> Result<Vec<ChannelDepth>> {
        self.db.read("alert_delivery.depth", |conn| {
            let now = conn.shared_now()?;
            depth(conn, now)
        })
    }
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add_micros(micros(wait))
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    now.saturating_add_micros(-micros(age))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The time from one moment to a later one; nothing from a later to an earlier one.
fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    let micros = later.micros().saturating_sub(earlier.micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
