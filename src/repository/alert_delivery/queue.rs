//! Queueing alerts, and taking what is due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use diesel::dsl;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::{AlertNotice, ChannelKey, Claim, LIMIT_MAX, after, between};
use crate::database::{BackendConnection, Invalidation};
use crate::domain::{DeliveryState, PriceDecimals, Symbol};
use crate::error::Result;
use crate::models::{AlertDelivery, AlertLog};
use crate::repository::bounds;
use crate::repository::rows::Recorded;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::{alert_deliveries, alert_logs, alert_rules, instruments};
use crate::timestamp::Timestamp;

/// The deliveries that wait for some channels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// When it was looked, by the clock of the database.
    pub at: Timestamp,
    /// True when an alert is to be queued; not asked while every free channel has something due.
    pub unqueued: bool,
    /// For each channel when its next delivery is due.
    pub next_due: Vec<Option<Timestamp>>,
}

impl Look {
    /// The time until a moment; nothing for one that is past.
    #[must_use]
    pub fn until(&self, moment: Timestamp) -> Duration {
        between(self.at, moment)
    }
}

/// The alert of a delivery, unless it is deleted.
#[dsl::auto_type(type_case = "PascalCase")]
pub(super) fn live_alert() -> _ {
    let active: Active<alert_logs::table> = alert_logs::table.active();
    active
        .filter(alert_logs::id.eq(alert_deliveries::alert_id))
        .select(alert_logs::id)
}

/// Alerts that fired, that nothing was tried for, and that lack a delivery on one of the channels.
/// The words are those of the index.
#[dsl::auto_type(no_type_alias)]
pub(super) fn unqueued_query<'a>(names: &'a [&'a str], wanted: i64, limit: i64) -> _ {
    let active: Active<alert_logs::table> = alert_logs::table.active();
    let queued = alert_deliveries::table
        .filter(alert_deliveries::alert_id.eq(alert_logs::id))
        .filter(alert_deliveries::channel.eq_any(names))
        .count()
        .single_value();
    let fired: SqlLiteral<Bool> =
        dsl::sql("delivery_status = 'pending' AND fired_status = 'fired'");
    active
        .filter(fired)
        .filter(alert_logs::delivery_attempted_at.is_null())
        .filter(queued.lt(wanted))
        .order(alert_logs::id.asc())
        .limit(limit)
        .select(alert_logs::id)
}

/// Deliveries of a channel that are due, oldest first.
#[dsl::auto_type(no_type_alias)]
pub(super) fn due_query<'a>(channel: &'a str, now: Timestamp, limit: i64) -> _ {
    let live: LiveAlert = live_alert();
    alert_deliveries::table
        .filter(alert_deliveries::channel.eq(channel))
        .filter(alert_deliveries::next_attempt_at.le(now))
        .filter(dsl::exists(live))
        .order((
            alert_deliveries::next_attempt_at.asc(),
            alert_deliveries::id.asc(),
        ))
        .limit(limit)
        .select(alert_deliveries::id)
}

/// When the next delivery of a channel is due.
#[dsl::auto_type(no_type_alias)]
pub(super) fn next_due_query<'a>(channel: &'a str) -> _ {
    let live: LiveAlert = live_alert();
    alert_deliveries::table
        .filter(alert_deliveries::channel.eq(channel))
        .filter(alert_deliveries::next_attempt_at.is_not_null())
        .filter(dsl::exists(live))
        .order((
            alert_deliveries::next_attempt_at.asc(),
            alert_deliveries::id.asc(),
        ))
        .limit(1_i64)
        .select(alert_deliveries::next_attempt_at)
}

/// What waits for these channels, of which some are `free` to deliver; changes nothing. Whether an alert is to be queued is asked only when one of
/// those that are `free` has nothing due: else that would read all of a long queue each time.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn look(
    conn: &mut BackendConnection<'_>,
    channels: &[ChannelKey],
    free: &[bool],
    now: Timestamp,
) -> Result<Look> {
    let mut next_due = Vec::with_capacity(channels.len());
    for channel in channels {
        let next = next_due_query(&channel.name);
        let at: Option<Option<Timestamp>> =
            crate::on_backend!(&mut *conn, |c| next.first(c).optional())?;
        next_due.push(at.flatten());
    }
    let idle = |(free, due): (&bool, &Option<Timestamp>)| *free && due.is_none_or(|at| at > now);
    let idle = free.iter().zip(&next_due).any(idle);
    let unqueued = idle && !unqueued(conn, channels, 1)?.is_empty();
    Ok(Look {
        at: now,
        unqueued,
        next_due,
    })
}

fn unqueued(
    conn: &mut BackendConnection<'_>,
    channels: &[ChannelKey],
    limit: i64,
) -> Result<Vec<i64>> {
    if channels.is_empty() {
        return Ok(Vec::new()); // Every alert has all of its deliveries, and would be read.
    }
    let names: Vec<&str> = channels.iter().map(|c| c.name.as_str()).collect();
    let wanted = i64::try_from(names.len()).unwrap_or(i64::MAX);
    let query = unqueued_query(&names, wanted, limit);
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

#[derive(Insertable)]
#[diesel(table_name = crate::schema::alert_deliveries, treat_none_as_default_value = false)]
struct NewDelivery<'a> {
    alert_id: i64,
    channel: &'a str,
    kind: crate::domain::ChannelKind,
    status: DeliveryState,
    next_attempt_at: Timestamp,
    created_at: Timestamp,
}

/// Queues alerts that fired and that nothing was tried for, oldest first, `limit` at most, on these
/// channels; returns how many deliveries are new. An alert gets those of all channels at once, or it
/// would count as delivered too early.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above [`LIMIT_MAX`];
/// [`Error::Query`](crate::Error::Query).
pub fn enqueue(
    conn: &mut BackendConnection<'_>,
    channels: &[ChannelKey],
    now: Timestamp,
    limit: usize,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let limit = bounds::rows(limit, LIMIT_MAX)?;
    let alerts = unqueued(conn, channels, limit)?;
    if alerts.is_empty() {
        return Ok(0); // SQLite would answer for the statement before.
    }
    let mut queued = 0;
    for channel in channels {
        let rows: Vec<NewDelivery<'_>> = alerts
            .iter()
            .map(|alert_id| NewDelivery {
                alert_id: *alert_id,
                channel: &channel.name,
                kind: channel.kind,
                status: DeliveryState::Pending,
                next_attempt_at: now,
                created_at: now,
            })
            .collect();
        let insert = diesel::insert_into(alert_deliveries::table)
            .values(&rows)
            // Another process may have queued the same alert since the look.
            .on_conflict_do_nothing();
        queued += crate::on_backend!(&mut *conn, |c| insert.execute(c))?;
    }
    Ok(queued).recorded(conn)
}

/// Takes deliveries of a channel that are due, oldest first, `limit` at most. They are the caller's
/// for the time of the `lease`; then another may take them over. Each counts as an attempt.
///
/// # Errors
/// As [`enqueue`].
pub fn claim(
    conn: &mut BackendConnection<'_>,
    channel: &str,
    now: Timestamp,
    lease: Duration,
    limit: usize,
) -> Result<Vec<Claim>> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let limit = bounds::rows(limit, LIMIT_MAX)?;
    let ids = due(conn, channel, now, limit)?;
    let first = diesel::update(
        alert_deliveries::table
            .filter(alert_deliveries::id.eq_any(&ids))
            .filter(alert_deliveries::first_attempted_at.is_null()),
    )
    .set(alert_deliveries::first_attempted_at.eq(now));
    crate::on_backend!(&mut *conn, |c| first.execute(c))?;
    let take = diesel::update(alert_deliveries::table.filter(alert_deliveries::id.eq_any(&ids)))
        .set((
            // A lease is a due moment in the future: when its holder dies, the delivery is due
            // again by itself.
            alert_deliveries::next_attempt_at.eq(after(now, lease)),
            // Counted with the claim: the number tells a late outcome from that of who took over.
            alert_deliveries::attempts.eq(alert_deliveries::attempts + 1),
        ));
    let mut taken: Vec<AlertDelivery> = crate::on_backend!(&mut *conn, |c| {
        take.returning(AlertDelivery::as_returning()).get_results(c)
    })?;
    // RETURNING keeps no order; the longest due goes first.
    taken.sort_by_key(|delivery| ids.iter().position(|id| *id == delivery.id));
    let mut alerts: Vec<i64> = taken.iter().map(|delivery| delivery.alert_id).collect();
    // By id, as every writer of alerts locks them.
    alerts.sort_unstable();
    attempted(conn, &alerts, now)?;
    let notices = notices(conn, &alerts)?;
    let claims = taken.into_iter().filter_map(|delivery| {
        let notice = Arc::clone(notices.get(&delivery.alert_id)?);
        let age = between(delivery.created_at, now);
        Some(Claim {
            delivery,
            notice,
            age,
        })
    });
    Ok(claims.collect::<Vec<_>>()).recorded(conn)
}

/// The deliveries that are due. On PostgreSQL they are locked, and those that another process
/// locks right now are left to it; on SQLite nobody else writes.
fn due(
    conn: &mut BackendConnection<'_>,
    channel: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<i64>> {
    let query = due_query(channel, now, limit);
    Ok(match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => query.load(*c)?,
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => query.for_update().skip_locked().load(*c)?,
    })
}

/// Notes down that something is tried for the alerts.
fn attempted(conn: &mut BackendConnection<'_>, alerts: &[i64], now: Timestamp) -> Result<()> {
    let update = diesel::update(
        alert_logs::table
            .active()
            .filter(alert_logs::id.eq_any(alerts))
            .filter(alert_logs::delivery_attempted_at.is_null()),
    )
    .set(alert_logs::delivery_attempted_at.eq(now));
    crate::on_backend!(conn, |c| update.execute(c))?;
    Ok(())
}

/// The alerts with what belongs to them, by number. A rule or instrument may be deleted by now:
/// the alert is not.
fn notices(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
) -> Result<HashMap<i64, Arc<AlertNotice>>> {
    let alerts: Vec<AlertLog> = crate::on_backend!(&mut *conn, |c| {
        AlertLog::query().filter(alert_logs::id.eq_any(ids)).load(c)
    })?;
    let rule_ids: Vec<i64> = alerts.iter().map(|alert| alert.rule_id).collect();
    let rules = alert_rules::table
        .with_deleted("an alert names its rule, deleted or not")
        .filter(alert_rules::id.eq_any(&rule_ids))
        .select((alert_rules::id, alert_rules::name));
    let rules: Vec<(i64, Option<String>)> = crate::on_backend!(&mut *conn, |c| rules.load(c))?;
    let rules: HashMap<i64, Option<String>> = rules.into_iter().collect();
    let instrument_ids: Vec<i64> = alerts.iter().map(|alert| alert.instrument_id).collect();
    let named = instruments::table
        .with_deleted("an alert names its instrument, deleted or not")
        .filter(instruments::id.eq_any(&instrument_ids))
        .select((
            instruments::id,
            instruments::symbol,
            instruments::price_decimals,
        ));
    type NamedInstrumentRow = (i64, Symbol, Option<PriceDecimals>);
    let named: Vec<NamedInstrumentRow> = crate::on_backend!(conn, |c| named.load(c))?;
    let named: HashMap<i64, (Symbol, Option<PriceDecimals>)> =
        named.into_iter().map(|(id, s, d)| (id, (s, d))).collect();
    let notices = alerts.into_iter().filter_map(|alert| {
        let (symbol, price_decimals) = named.get(&alert.instrument_id)?.clone();
        let rule_name = rules.get(&alert.rule_id).cloned().flatten();
        let notice = AlertNotice {
            alert,
            symbol,
            price_decimals,
            rule_name,
        };
        Some((notice.alert.id, Arc::new(notice)))
    });
    Ok(notices.collect())
}
