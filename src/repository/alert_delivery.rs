//! The outbox of alerts: what is to be delivered on which channel, what was tried, what came of it.
//!
//! `alert_logs` itself is the queue: a row of it that fired and that nothing was tried for is due,
//! whoever wrote it. Only committed rows are seen, so nothing is delivered that was taken back. It
//! delivers nothing, and decides neither when to try again nor when to give up. Every moment that is
//! stored or compared here, `now` above all, is by the clock of the database, which all processes
//! share: [`BackendConnection::shared_now`](crate::database::BackendConnection::shared_now).

mod alert_status;
mod dead_letters;
mod outcome;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use dead_letters::{
    ChannelDepth, DeadLetterFilter, abandon, dead_letters, depth, of_alerts, resend, resend_page,
};
pub use outcome::{DeliveryOutcome, Tried, record};
pub use queue::{Look, claim, enqueue, look};

use crate::database::Database;
use crate::domain::{ChannelKind, PriceDecimals, Symbol};
use crate::error::Result;
use crate::models::{AlertDelivery, AlertLog};
use crate::repository::rows::CountRows;
use crate::timestamp::Timestamp;

/// The most rows of one call.
pub const LIMIT_MAX: usize = 1_000;

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

/// Makes all dead letters that pass the filter due again, [`LIMIT_MAX`] in a transaction; returns how
/// many. Those that are given up meanwhile are not among them.
///
/// # Errors
/// Those of [`Database::write`]; what was made due until then stays so.
pub fn resend_all(db: &Database, filter: &DeadLetterFilter) -> Result<usize> {
    let (mut resent, mut before) = (0, None);
    loop {
        let filter = filter.clone();
        let (count, next) = db.write("alert_delivery.resend", move |conn| {
            resend_page(conn, &filter, before, LIMIT_MAX)
        })?;
        resent += count;
        if next.is_none() {
            return Ok(resent);
        }
        before = next;
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
