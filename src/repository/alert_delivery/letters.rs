//! Looking at deliveries: of an alert, given up, waiting; and trying again what was given up.

use diesel::dsl;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::AlertDeliveryRepository;
use super::outcome::roll_up;
use super::queue::{LiveAlert, live_alert};
use crate::database::{BackendConnection, Touch};
use crate::domain::DeliveryState;
use crate::error::Result;
use crate::models::AlertDelivery;
use crate::repository::{KEYS_PER_STATEMENT_MAX, bounds};
use crate::tables::alert_deliveries;
use crate::timestamp::Timestamp;

/// How much of a channel waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelDepth {
    /// The channel's name.
    pub channel: String,
    /// Deliveries that are neither done nor given up.
    pub open: i64,
    /// When the oldest of them was queued.
    pub oldest: Option<Timestamp>,
    /// Deliveries that were given up.
    pub dead: i64,
}

/// The deliveries of an alert, by channel.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn of_alert(conn: &mut BackendConnection<'_>, alert_id: i64) -> Result<Vec<AlertDelivery>> {
    Ok(crate::on_backend!(conn, |c| {
        AlertDelivery::query()
            .filter(alert_deliveries::alert_id.eq(alert_id))
            .order(alert_deliveries::channel.asc())
            .load(c)
    })?)
}

/// In the words of the index.
const DEAD: &str = "status = 'dead'";

#[dsl::auto_type(no_type_alias)]
pub(super) fn dead_query(before: i64, limit: i64) -> _ {
    let (dead, live): (SqlLiteral<Bool>, LiveAlert) = (dsl::sql(DEAD), live_alert());
    alert_deliveries::table
        .filter(dead)
        .filter(alert_deliveries::id.lt(before))
        .filter(dsl::exists(live))
        .order(alert_deliveries::id.desc())
        .limit(limit)
}

/// Deliveries that were given up, newest first.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit out of range;
/// [`Error::Query`](crate::Error::Query).
pub fn dead_letters(
    conn: &mut BackendConnection<'_>,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<AlertDelivery>> {
    let limit = bounds::rows(limit, AlertDeliveryRepository::LIMIT_MAX)?;
    let query = dead_query(before.unwrap_or(i64::MAX), limit);
    Ok(crate::on_backend!(conn, |c| {
        query.select(AlertDelivery::as_select()).load(c)
    })?)
}

/// Makes dead letters due again; returns how many of these deliveries were dead.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn retry(conn: &mut BackendConnection<'_>, ids: &[i64], now: Timestamp) -> Result<usize> {
    let _said = conn.touches(Touch::Nothing);
    let mut alerts: Vec<i64> = Vec::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let dead = alert_deliveries::table
            .filter(alert_deliveries::id.eq_any(ids))
            .filter(alert_deliveries::status.eq(DeliveryState::Dead));
        let update = diesel::update(dead).set((
            alert_deliveries::status.eq(DeliveryState::Pending),
            alert_deliveries::attempts.eq(0),
            alert_deliveries::next_attempt_at.eq(now),
            alert_deliveries::completed_at.eq(None::<Timestamp>),
        ));
        let of: Vec<i64> = crate::on_backend!(&mut *conn, |c| {
            update.returning(alert_deliveries::alert_id).get_results(c)
        })?;
        alerts.extend(of);
    }
    let changed = alerts.len();
    alerts.sort_unstable();
    alerts.dedup();
    for alert in alerts {
        roll_up(conn, alert, now)?;
    }
    Ok(changed)
}

/// The open deliveries of a channel, oldest first.
#[dsl::auto_type(no_type_alias)]
pub(super) fn open_query<'a>(channel: &'a str, limit: i64) -> _ {
    alert_deliveries::table
        .filter(alert_deliveries::channel.eq(channel))
        .filter(alert_deliveries::next_attempt_at.is_not_null())
        .order((
            alert_deliveries::next_attempt_at.asc(),
            alert_deliveries::id.asc(),
        ))
        .limit(limit)
        .select(alert_deliveries::id)
}

/// Gives up what is open on a channel, oldest first, `limit` at most; returns how many that were.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit out of range;
/// [`Error::Query`](crate::Error::Query).
pub fn abandon(
    conn: &mut BackendConnection<'_>,
    channel: &str,
    now: Timestamp,
    limit: usize,
) -> Result<usize> {
    let _said = conn.touches(Touch::Nothing);
    let limit = bounds::rows(limit, AlertDeliveryRepository::LIMIT_MAX)?;
    let open = open_query(channel, limit);
    let ids: Vec<i64> = crate::on_backend!(&mut *conn, |c| open.load(c))?;
    // One that was delivered since is left alone.
    let still = alert_deliveries::table
        .filter(alert_deliveries::id.eq_any(&ids))
        .filter(alert_deliveries::next_attempt_at.is_not_null());
    let update = diesel::update(still).set((
        alert_deliveries::status.eq(DeliveryState::Dead),
        alert_deliveries::next_attempt_at.eq(None::<Timestamp>),
        alert_deliveries::completed_at.eq(now),
        alert_deliveries::last_error.eq("its channel was abandoned"),
    ));
    let mut alerts: Vec<i64> = crate::on_backend!(&mut *conn, |c| {
        update.returning(alert_deliveries::alert_id).get_results(c)
    })?;
    alerts.sort_unstable();
    for alert in &alerts {
        roll_up(conn, *alert, now)?;
    }
    Ok(alerts.len())
}

/// How much waits, channel by channel.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn depth(conn: &mut BackendConnection<'_>) -> Result<Vec<ChannelDepth>> {
    let open = alert_deliveries::table
        .filter(alert_deliveries::next_attempt_at.is_not_null())
        .filter(dsl::exists(live_alert()))
        .group_by(alert_deliveries::channel)
        .order(alert_deliveries::channel.asc())
        .select((
            alert_deliveries::channel,
            dsl::count_star(),
            dsl::min(alert_deliveries::created_at),
        ));
    let dead = alert_deliveries::table
        .filter(dsl::sql::<Bool>(DEAD))
        .filter(dsl::exists(live_alert()))
        .group_by(alert_deliveries::channel)
        .order(alert_deliveries::channel.asc())
        .select((alert_deliveries::channel, dsl::count_star()));
    type Open = (String, i64, Option<Timestamp>);
    let open: Vec<Open> = crate::on_backend!(&mut *conn, |c| open.load(c))?;
    let dead: Vec<(String, i64)> = crate::on_backend!(conn, |c| dead.load(c))?;
    let mut all: Vec<ChannelDepth> = open
        .into_iter()
        .map(|(channel, open, oldest)| ChannelDepth {
            channel,
            open,
            oldest,
            dead: 0,
        })
        .collect();
    for (channel, dead) in dead {
        match all.iter_mut().find(|depth| depth.channel == channel) {
            Some(depth) => depth.dead = dead,
            None => all.push(ChannelDepth {
                channel,
                open: 0,
                oldest: None,
                dead,
            }),
        }
    }
    Ok(all)
}
