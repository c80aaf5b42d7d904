//! Stores the outcomes of attempts, and the state of the alert as a whole that follows.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::dsl;
use diesel::prelude::*;

use super::alert_status::roll_up;
use super::dead_letters::give_up;
use super::{LIMIT_MAX, after, before};
use crate::database::{BackendConnection, Invalidation};
use crate::domain::DeliveryState;
use crate::error::Result;
use crate::repository::rows::Recorded;
use crate::tables::alert_deliveries;
use crate::timestamp::Timestamp;

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The alert was delivered.
    Delivered,
    /// The attempt failed and is due again.
    Failed {
        /// In which time.
        retry_in: Duration,
        /// Why it failed.
        error: String,
    },
    /// The receiver takes nothing for now: it is due again, and this was no attempt. What waits
    /// for the channel has waited for the same receiver.
    Deferred {
        /// In which time it is due again.
        retry_in: Duration,
        /// The receiver's words.
        error: String,
        /// Deliveries of the channel that have been due for so long are given up.
        age_max: Duration,
    },
    /// The attempt failed and the delivery is given up.
    Dead {
        /// Why.
        error: String,
    },
}

/// An attempt and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The delivery.
    pub delivery_id: i64,
    /// Its alert.
    pub alert_id: i64,
    /// The number of the attempt, by the count of its claim.
    pub attempts: i32,
    /// Its outcome.
    pub outcome: DeliveryOutcome,
}

/// Stores what came of attempts, and how the deliveries of their alerts stand by that; returns how
/// many were stored.
///
/// That something was delivered is stored whoever holds the delivery by now. A failure is stored
/// only while the attempt is the last one: else the one who took it over tells.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn record(conn: &mut BackendConnection<'_>, tried: &[Tried], now: Timestamp) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut stored = 0;
    for one in tried {
        stored += store(conn, one, now)?;
    }
    // Sorted: outcomes of two channels lock shared alerts in one order.
    let alerts: BTreeSet<i64> = tried.iter().map(|one| one.alert_id).collect();
    for alert in alerts {
        roll_up(conn, alert, now)?;
    }
    Ok(stored).recorded(conn)
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn undelivered_query(id: i64) -> _ {
    let delivered: DeliveryState = DeliveryState::Delivered;
    alert_deliveries::table
        .filter(alert_deliveries::id.eq(id))
        .filter(alert_deliveries::status.ne(delivered))
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn held_query(id: i64, attempts: i32) -> _ {
    alert_deliveries::table
        .filter(alert_deliveries::id.eq(id))
        .filter(alert_deliveries::attempts.eq(attempts))
        .filter(alert_deliveries::next_attempt_at.is_not_null())
}

fn store(conn: &mut BackendConnection<'_>, one: &Tried, now: Timestamp) -> Result<usize> {
    let held = held_query(one.delivery_id, one.attempts);
    let failed = |retry_in: Duration, error: &String| {
        (
            alert_deliveries::status.eq(DeliveryState::Failed),
            alert_deliveries::next_attempt_at.eq(after(now, retry_in)),
            alert_deliveries::last_error.eq(error.clone()),
        )
    };
    Ok(match &one.outcome {
        DeliveryOutcome::Delivered => {
            // Without the check of who holds it: the receiver has the alert, so nobody need send it
            // again.
            let update = diesel::update(undelivered_query(one.delivery_id)).set((
                alert_deliveries::status.eq(DeliveryState::Delivered),
                alert_deliveries::next_attempt_at.eq(None::<Timestamp>),
                alert_deliveries::completed_at.eq(now),
            ));
            crate::on_backend!(conn, |c| update.execute(c))?
        }
        DeliveryOutcome::Failed { retry_in, error } => {
            let update = diesel::update(held).set(failed(*retry_in, error));
            crate::on_backend!(conn, |c| update.execute(c))?
        }
        DeliveryOutcome::Deferred {
            retry_in,
            error,
            age_max,
        } => {
            // What the receiver put off is no attempt; the claim has counted one.
            let uncounted = alert_deliveries::attempts.eq(alert_deliveries::attempts - 1);
            let update = diesel::update(held).set((failed(*retry_in, error), uncounted));
            let of: Option<String> = crate::on_backend!(&mut *conn, |c| {
                let channel = update.returning(alert_deliveries::channel);
                channel.get_result(c).optional()
            })?;
            if let Some(channel) = &of {
                let reason = format!("{error}; it waited for too long, and is given up");
                give_up(
                    conn,
                    channel,
                    before(now, *age_max),
                    &reason,
                    now,
                    LIMIT_MAX,
                )?;
            }
            usize::from(of.is_some())
        }
        DeliveryOutcome::Dead { error } => {
            let update = diesel::update(held).set((
                alert_deliveries::status.eq(DeliveryState::Dead),
                alert_deliveries::next_attempt_at.eq(None::<Timestamp>),
                alert_deliveries::completed_at.eq(now),
                alert_deliveries::last_error.eq(error),
            ));
            crate::on_backend!(conn, |c| update.execute(c))?
        }
    })
}
