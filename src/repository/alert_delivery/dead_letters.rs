//! Looking at deliveries: of an alert, given up, waiting; giving up what waits, and sending again
//! what was given up.

use std::time::Duration;

use diesel::dsl;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::alert_status::roll_up_all;
use super::queue::{LiveAlert, live_alert};
use super::{LIMIT_MAX, between};
use crate::database::{BackendConnection, Invalidation};
use crate::domain::DeliveryState;
use crate::error::Result;
use crate::models::AlertDelivery;
use crate::repository::optional::{IfSome, if_some};
use crate::repository::rows::Recorded;
use crate::repository::{KEYS_PER_STATEMENT_MAX, bounds};
use crate::tables::alert_deliveries;
use crate::timestamp::Timestamp;

/// The deliveries of a channel that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelDepth {
    /// The channel's name.
    pub channel: String,
    /// Deliveries that are neither done nor given up.
    pub open: i64,
    /// The time since the oldest of them was queued.
    pub oldest_age: Option<Duration>,
    /// Deliveries that were given up.
    pub dead: i64,
}

/// The deliveries of alerts, those of an alert by channel.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn of_alerts(
    conn: &mut BackendConnection<'_>,
    alert_ids: &[i64],
) -> Result<Vec<AlertDelivery>> {
    let mut found = Vec::with_capacity(alert_ids.len());
    for ids in alert_ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let rows: QueryResult<Vec<AlertDelivery>> = crate::on_backend!(&mut *conn, |c| {
            AlertDelivery::query()
                .filter(alert_deliveries::alert_id.eq_any(ids))
                .order((
                    alert_deliveries::alert_id.asc(),
                    alert_deliveries::channel.asc(),
                ))
                .load(c)
        });
        found.extend(rows.recorded(conn)?);
    }
    Ok(found)
}

/// A filter of dead letters; the default takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only those of this alert.
    pub alert_id: Option<i64>,
    /// Only those of this channel.
    pub channel: Option<String>,
}

/// In the words of the index.
const DEAD: &str = "status = 'dead'";

type OfAlert = IfSome<dsl::Eq<alert_deliveries::alert_id, i64>>;
type OfChannel<'a> = IfSome<dsl::Eq<alert_deliveries::channel, &'a str>>;

#[dsl::auto_type(no_type_alias)]
pub(super) fn dead_query<'a>(filter: &'a DeadLetterFilter, before: i64, limit: i64) -> _ {
    let (dead, live): (SqlLiteral<Bool>, LiveAlert) = (dsl::sql(DEAD), live_alert());
    let (alert, channel): (Option<i64>, Option<&'a str>) =
        (filter.alert_id, filter.channel.as_deref());
    let of_alert: OfAlert = if_some(alert.map(|id| alert_deliveries::alert_id.eq(id)));
    let of_channel: OfChannel<'a> = if_some(channel.map(|name| alert_deliveries::channel.eq(name)));
    alert_deliveries::table
        .filter(dead)
        .filter(of_alert)
        .filter(of_channel)
        .filter(alert_deliveries::id.lt(before))
        .filter(dsl::exists(live))
        .order(alert_deliveries::id.desc())
        .limit(limit)
}

/// Deliveries that were given up and pass the filter, newest first, those with a number below
/// `before` if that is given. Those of deleted alerts are not among them.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above [`LIMIT_MAX`];
/// [`Error::Query`](crate::Error::Query).
pub fn dead_letters(
    conn: &mut BackendConnection<'_>,
    filter: &DeadLetterFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<AlertDelivery>> {
    let limit = bounds::rows(limit, LIMIT_MAX)?;
    let query = dead_query(filter, before.unwrap_or(i64::MAX), limit);
    let rows = crate::on_backend!(conn, |c| query.select(AlertDelivery::as_select()).load(c));
    Ok(rows.recorded(conn)?)
}

/// Makes dead letters due again, as if they were queued now; returns how many of these deliveries
/// were dead. A service of any process sends them.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn resend(conn: &mut BackendConnection<'_>, ids: &[i64], now: Timestamp) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut alerts: Vec<i64> = Vec::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let dead = alert_deliveries::table
            .filter(alert_deliveries::id.eq_any(ids))
            .filter(alert_deliveries::status.eq(DeliveryState::Dead));
        // Their age counts from now: one that was given up for its age would be so again.
        let update = diesel::update(dead).set((
            alert_deliveries::status.eq(DeliveryState::Pending),
            alert_deliveries::attempts.eq(0),
            alert_deliveries::next_attempt_at.eq(now),
            alert_deliveries::created_at.eq(now),
            alert_deliveries::completed_at.eq(None::<Timestamp>),
        ));
        let of: Vec<i64> = crate::on_backend!(&mut *conn, |c| {
            update.returning(alert_deliveries::alert_id).get_results(c)
        })?;
        alerts.extend(of);
    }
    roll_up_all(conn, alerts, now).recorded(conn)
}

/// Makes the newest dead letters that pass the filter due again, `limit` at most, those with a
/// number below `before` if that is given; returns how many, and the `before` of the next ones, if
/// there may be some.
///
/// # Errors
/// As [`dead_letters`].
pub fn resend_page(
    conn: &mut BackendConnection<'_>,
    filter: &DeadLetterFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<(usize, Option<i64>)> {
    let rows = bounds::rows(limit, LIMIT_MAX)?;
    let letters = dead_query(filter, before.unwrap_or(i64::MAX), rows);
    let ids: Vec<i64> =
        crate::on_backend!(&mut *conn, |c| letters.select(alert_deliveries::id).load(c))?;
    let next = ids.get(limit - 1).copied();
    let now = conn.shared_now()?;
    Ok((resend(conn, &ids, now)?, next))
}

/// The open deliveries of a channel that have been due since this moment, oldest first.
#[dsl::auto_type(no_type_alias)]
pub(super) fn open_query<'a>(channel: &'a str, due: Timestamp, limit: i64) -> _ {
    alert_deliveries::table
        .filter(alert_deliveries::channel.eq(channel))
        .filter(alert_deliveries::next_attempt_at.le(due))
        .order((
            alert_deliveries::next_attempt_at.asc(),
            alert_deliveries::id.asc(),
        ))
        .limit(limit)
        .select(alert_deliveries::id)
}

/// Gives up what is open on a channel, oldest first, `limit` at most; returns how many that were. For
/// a channel that has left the settings: what waits for it would wait for ever, and keep its alerts
/// from being delivered on all.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above [`LIMIT_MAX`];
/// [`Error::Query`](crate::Error::Query).
pub fn abandon(
    conn: &mut BackendConnection<'_>,
    channel: &str,
    now: Timestamp,
    limit: usize,
) -> Result<usize> {
    let reason = "its channel was abandoned";
    give_up(conn, channel, Timestamp::MAX, reason, now, limit).recorded(conn)
}

/// Gives up what is open on a channel and has been due since the moment `due`.
pub(super) fn give_up(
    conn: &mut BackendConnection<'_>,
    channel: &str,
    due: Timestamp,
    reason: &str,
    now: Timestamp,
    limit: usize,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let limit = bounds::rows(limit, LIMIT_MAX)?;
    let open = open_query(channel, due, limit);
    let ids: Vec<i64> = crate::on_backend!(&mut *conn, |c| open.load(c))?;
    if ids.is_empty() {
        return Ok(0);
    }
    // One that was delivered or taken since is left alone.
    let still = alert_deliveries::table
        .filter(alert_deliveries::id.eq_any(&ids))
        .filter(alert_deliveries::next_attempt_at.le(due));
    let update = diesel::update(still).set((
        alert_deliveries::status.eq(DeliveryState::Dead),
        alert_deliveries::next_attempt_at.eq(None::<Timestamp>),
        alert_deliveries::completed_at.eq(now),
        alert_deliveries::last_error.eq(reason),
    ));
    let alerts: Vec<i64> = crate::on_backend!(&mut *conn, |c| {
        update.returning(alert_deliveries::alert_id).get_results(c)
    })?;
    roll_up_all(conn, alerts, now)
}

/// How much waits, channel by channel, those of other processes included.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn depth(conn: &mut BackendConnection<'_>, now: Timestamp) -> Result<Vec<ChannelDepth>> {
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
    type OpenDeliveryRow = (String, i64, Option<Timestamp>);
    let open: Vec<OpenDeliveryRow> = crate::on_backend!(&mut *conn, |c| open.load(c))?;
    let dead: Vec<(String, i64)> = crate::on_backend!(conn, |c| dead.load(c))?;
    let mut all: Vec<ChannelDepth> = open
        .into_iter()
        .map(|(channel, open, oldest)| ChannelDepth {
            channel,
            open,
            oldest_age: oldest.map(|at| between(at, now)),
            dead: 0,
        })
        .collect();
    for (channel, dead) in dead {
        match all.iter_mut().find(|depth| depth.channel == channel) {
            Some(depth) => depth.dead = dead,
            None => all.push(ChannelDepth {
                channel,
                open: 0,
                oldest_age: None,
                dead,
            }),
        }
    }
    Ok(all)
}
