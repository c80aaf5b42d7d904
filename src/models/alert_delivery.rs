//! The row of an alert's delivery on one channel. Only the repository writes such rows.

use diesel::prelude::*;

use crate::domain::{ChannelKind, DeliveryState};
use crate::tables::alert_deliveries;
use crate::timestamp::Timestamp;

/// The delivery of an alert on one channel; a pair has one.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = alert_deliveries)]
#[non_exhaustive]
pub struct AlertDelivery {
    /// Its number.
    pub id: i64,
    /// The alert.
    pub alert_id: i64,
    /// The channel's name in the settings.
    pub channel: String,
    /// The kind of that channel when this was queued.
    pub kind: ChannelKind,
    /// The state of the delivery.
    pub status: DeliveryState,
    /// Attempts that were begun, but for those that the receiver put off.
    pub attempts: i32,
    /// When it is due, or may be taken over from a process that has not told its outcome; none
    /// when nothing is left to try.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt that failed did so.
    pub last_error: Option<String>,
    /// When the first attempt was begun.
    pub first_attempted_at: Option<Timestamp>,
    /// When it was delivered, or given up.
    pub completed_at: Option<Timestamp>,
    /// When it was queued; again, when it was given up and is sent again.
    pub created_at: Timestamp,
}
