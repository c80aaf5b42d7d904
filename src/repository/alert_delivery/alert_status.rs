//! The state of an alert's delivery, by its deliveries on the channels.

use diesel::dsl;
use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::domain::{ChannelKind, DeliveryState, DeliveryStatus};
use crate::error::Result;
use crate::soft_delete::SoftDeletable;
use crate::tables::{alert_deliveries, alert_logs};
use crate::timestamp::Timestamp;

/// Writes down how the delivery of alerts stands, one alert for each of its deliveries that
/// changed; returns how many these were.
pub(super) fn roll_up_all(
    conn: &mut BackendConnection<'_>,
    mut alerts: Vec<i64>,
    now: Timestamp,
) -> Result<usize> {
    let changed = alerts.len();
    alerts.sort_unstable();
    alerts.dedup();
    for alert in alerts {
        roll_up(conn, alert, now)?;
    }
    Ok(changed)
}

/// A delivery, as far as its alert is concerned.
pub(super) type DeliveryPart = (String, ChannelKind, DeliveryState, Option<String>);

#[dsl::auto_type(no_type_alias)]
pub(super) fn parts_query(alert_id: i64) -> _ {
    alert_deliveries::table
        .filter(alert_deliveries::alert_id.eq(alert_id))
        .order(alert_deliveries::channel.asc())
        .select((
            alert_deliveries::channel,
            alert_deliveries::kind,
            alert_deliveries::status,
            alert_deliveries::last_error,
        ))
}

/// Writes down how the delivery of an alert stands, by its deliveries. One at a time for each
/// alert: of two channels that end at once, the second must see what came of the first.
pub(super) fn roll_up(
    conn: &mut BackendConnection<'_>,
    alert_id: i64,
    now: Timestamp,
) -> Result<()> {
    let row = || {
        alert_logs::table
            .with_deleted("what was delivered is true of a deleted alert, too")
            .filter(alert_logs::id.eq(alert_id))
    };
    match &mut *conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => {} // The write lane is the lock.
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            // FOR NO KEY UPDATE: deliveries that refer to the alert may be stored meanwhile.
            let lock = row().select(alert_logs::id).for_no_key_update();
            lock.execute(*c)?;
        }
    }
    let parts: Vec<DeliveryPart> =
        crate::on_backend!(&mut *conn, |c| parts_query(alert_id).load(c))?;
    if parts.is_empty() {
        return Ok(());
    }
    let ended = parts
        .iter()
        .all(|(_, _, state, _)| matches!(state, DeliveryState::Delivered | DeliveryState::Dead));
    let update = diesel::update(row()).set((
        alert_logs::delivery_status.eq(status(&parts)),
        alert_logs::delivery_completed_at.eq(ended.then_some(now)),
        alert_logs::error_message.eq(errors(&parts)),
    ));
    crate::on_backend!(conn, |c| update.execute(c))?;
    Ok(())
}

/// The furthest that is true of the alert: given up on a channel, delivered on all, else Slack
/// before the application.
pub(super) fn status(parts: &[DeliveryPart]) -> DeliveryStatus {
    let delivered = |wanted: ChannelKind| {
        parts
            .iter()
            .any(|(_, kind, state, _)| *kind == wanted && *state == DeliveryState::Delivered)
    };
    let all = |wanted: DeliveryState| parts.iter().all(|(_, _, state, _)| *state == wanted);
    let dead = parts
        .iter()
        .any(|(_, _, state, _)| *state == DeliveryState::Dead);
    match () {
        () if dead => DeliveryStatus::Failed,
        () if all(DeliveryState::Delivered) => DeliveryStatus::AllDelivered,
        () if delivered(ChannelKind::Slack) => DeliveryStatus::SlackSent,
        () if delivered(ChannelKind::InApp) => DeliveryStatus::InAppSent,
        () => DeliveryStatus::Pending,
    }
}

/// What failed on channels that did not get through yet, or were given up.
fn errors(parts: &[DeliveryPart]) -> Option<String> {
    let open = parts
        .iter()
        .filter(|(_, _, state, _)| *state != DeliveryState::Delivered);
    let errors: Vec<String> = open
        .filter_map(|(channel, _, _, error)| Some(format!("{channel}: {}", error.as_ref()?)))
        .collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}
