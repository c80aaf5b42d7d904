//! Reads of active alerts.

use diesel::dsl;
use diesel::prelude::*;
use diesel::sql_types::{Double, Nullable};

use super::stats::sum_of_ms;
use crate::database::{BackendConnection, Cursor, Page};
use crate::domain::{DeliveryStatus, FiredStatus};
use crate::error::{Error, Result};
use crate::models::AlertLog;
use crate::repository::bounds;
use crate::repository::optional::{IfSome, if_some};
use crate::repository::rows::Recorded;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::alert_logs;
use crate::timestamp::Timestamp;

/// A filter of alerts; the default takes all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Only those of this instrument.
    pub instrument_id: Option<i64>,
    /// Only those of this rule.
    pub rule_id: Option<i64>,
    /// Only those that ended so.
    pub fired_status: Option<FiredStatus>,
    /// Only those whose delivery got so far.
    pub delivery_status: Option<DeliveryStatus>,
    /// Only those of ticks from this moment on.
    pub start: Option<Timestamp>,
    /// Only those of ticks before this moment.
    pub end: Option<Timestamp>,
}

/// The place of an alert among all, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// Time of the tick that fired it.
    pub timestamp: Timestamp,
    /// Its number.
    pub id: i64,
}

impl AlertLog {
    /// Its place among all alerts.
    #[must_use]
    pub fn key(&self) -> AlertKey {
        AlertKey {
            timestamp: self.timestamp,
            id: self.id,
        }
    }
}

/// The query of a page of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageQuery {
    /// The filter.
    pub filter: AlertFilter,
    /// Rows of a page, 1 to [`PageQuery::LIMIT_MAX`].
    pub limit: usize,
    /// The place where the page continues; `None` for the first page.
    pub cursor: Option<Cursor<AlertKey>>,
}

impl PageQuery {
    /// The most rows that one page holds.
    pub const LIMIT_MAX: usize = 1_000;

    /// The first page.
    #[must_use]
    pub fn new(filter: AlertFilter, limit: usize) -> Self {
        Self {
            filter,
            limit,
            cursor: None,
        }
    }
}

/// A page of the active alerts that pass the filter, newest first.
///
/// # Errors
/// [`Error::Invalid`] for a limit out of range or a start after the end; [`Error::Query`].
pub fn page(
    conn: &mut BackendConnection<'_>,
    query: &PageQuery,
) -> Result<Page<AlertLog, AlertKey>> {
    let limit = bounds::probe(query.limit, PageQuery::LIMIT_MAX)?;
    let filter = query.filter;
    let (first, last) = bounds::moments(filter.start, filter.end)?;
    let rows: Vec<AlertLog> = match query.cursor {
        Some(Cursor::Before(from)) => crate::on_backend!(conn, |c| {
            newer_query(filter, from, last, limit)
                .select(AlertLog::as_select())
                .load(c)
        })?,
        Some(Cursor::After(from)) => older(conn, filter, from, first, limit)?,
        None => {
            let from = AlertKey {
                timestamp: last,
                id: i64::MAX,
            };
            older(conn, filter, from, first, limit)?
        }
    };
    let cursor = query.cursor.as_ref();
    Ok(Page::of(rows, query.limit, cursor, AlertLog::key)).recorded(conn)
}

fn older(
    conn: &mut BackendConnection<'_>,
    filter: AlertFilter,
    from: AlertKey,
    first: Timestamp,
    limit: i64,
) -> Result<Vec<AlertLog>> {
    Ok(crate::on_backend!(conn, |c| {
        older_query(filter, from, first, limit)
            .select(AlertLog::as_select())
            .load(c)
    })?)
}

type AlertInstrumentFilter = IfSome<dsl::Eq<alert_logs::instrument_id, i64>>;
type OfRule = IfSome<dsl::Eq<alert_logs::rule_id, i64>>;
type IfFired = IfSome<dsl::Eq<alert_logs::fired_status, FiredStatus>>;
type IfDelivered = IfSome<dsl::Eq<alert_logs::delivery_status, DeliveryStatus>>;

/// The active alerts that pass the filter, between two moments, both included.
#[dsl::auto_type(type_case = "PascalCase")]
pub(super) fn between_query(filter: AlertFilter, first: Timestamp, last: Timestamp) -> _ {
    let active: Active<alert_logs::table> = alert_logs::table.active();
    let instrument = filter.instrument_id;
    let of_instrument: AlertInstrumentFilter =
        if_some(instrument.map(|id| alert_logs::instrument_id.eq(id)));
    let rule = filter.rule_id;
    let of_rule: OfRule = if_some(rule.map(|id| alert_logs::rule_id.eq(id)));
    let fired = filter.fired_status;
    let if_fired: IfFired = if_some(fired.map(|status| alert_logs::fired_status.eq(status)));
    let delivery = filter.delivery_status;
    let if_delivered: IfDelivered =
        if_some(delivery.map(|status| alert_logs::delivery_status.eq(status)));
    active
        .filter(of_instrument)
        .filter(of_rule)
        .filter(alert_logs::timestamp.between(first, last))
        .filter(if_fired)
        .filter(if_delivered)
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn older_query(filter: AlertFilter, from: AlertKey, first: Timestamp, limit: i64) -> _ {
    let (stamp, id): (Timestamp, i64) = (from.timestamp, from.id);
    let between: BetweenQuery = between_query(filter, first, stamp);
    // Row values would say it in one comparison; Diesel has none. The range of stamps is what leads
    // to the index.
    let same_stamp = alert_logs::timestamp.eq(stamp).and(alert_logs::id.lt(id));
    let older = alert_logs::timestamp.lt(stamp).or(same_stamp);
    between
        .filter(older)
        .order((alert_logs::timestamp.desc(), alert_logs::id.desc()))
        .limit(limit)
}

/// [`older_query`] the other way round.
#[dsl::auto_type(no_type_alias)]
pub(super) fn newer_query(filter: AlertFilter, from: AlertKey, last: Timestamp, limit: i64) -> _ {
    let (stamp, id): (Timestamp, i64) = (from.timestamp, from.id);
    let between: BetweenQuery = between_query(filter, stamp, last);
    let same_stamp = alert_logs::timestamp.eq(stamp).and(alert_logs::id.gt(id));
    let newer = alert_logs::timestamp.gt(stamp).or(same_stamp);
    between
        .filter(newer)
        .order((alert_logs::timestamp.asc(), alert_logs::id.asc()))
        .limit(limit)
}

/// A page by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberedPage {
    /// The filter.
    pub filter: AlertFilter,
    /// Rows of a page, 1 to [`PageQuery::LIMIT_MAX`].
    pub limit: usize,
    /// The page, from 1.
    pub number: u64,
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn numbered_query(
    filter: AlertFilter,
    first: Timestamp,
    last: Timestamp,
    limit: i64,
    offset: i64,
) -> _ {
    let between: BetweenQuery = between_query(filter, first, last);
    between
        .order((alert_logs::timestamp.desc(), alert_logs::id.desc()))
        .limit(limit)
        .offset(offset)
}

/// A page by its number, newest first; the page of a deep number passes over all before it, and
/// [`page`] does not.
///
/// # Errors
/// As [`page`]; [`Error::Invalid`] for page 0.
pub fn numbered(
    conn: &mut BackendConnection<'_>,
    query: &NumberedPage,
) -> Result<Page<AlertLog, AlertKey>> {
    let limit = bounds::probe(query.limit, PageQuery::LIMIT_MAX)?;
    let (first, last) = bounds::moments(query.filter.start, query.filter.end)?;
    let Some(before) = query.number.checked_sub(1) else {
        return Err(Error::invalid("page", "there is no page 0", "count from 1"));
    };
    let offset = before.saturating_mul(query.limit as u64);
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let rows: Vec<AlertLog> = crate::on_backend!(conn, |c| {
        numbered_query(query.filter, first, last, limit, offset)
            .select(AlertLog::as_select())
            .load(c)
    })?;
    Ok(Page::of(rows, query.limit, None, AlertLog::key)).recorded(conn)
}

/// How many active alerts pass the filter: one pass over those that its index finds.
///
/// # Errors
/// [`Error::Invalid`] for a start after the end; [`Error::Query`].
pub fn count(conn: &mut BackendConnection<'_>, filter: AlertFilter) -> Result<i64> {
    let (first, last) = bounds::moments(filter.start, filter.end)?;
    #[cfg(feature = "sqlite")]
    #[allow(irrefutable_let_patterns)]
    if filter == AlertFilter::default()
        && let BackendConnection::Sqlite(c) = conn
    {
        return count_all_on_sqlite(c).recorded(conn);
    }
    let query = between_query(filter, first, last).count();
    Ok(crate::on_backend!(conn, |c| query.get_result(c)).recorded(conn)?)
}

/// SQLite looks at each row of a partial index for the moment of deletion, though the index says
/// that there is none. All alerts and those in the trash are counted in indexes alone: in a
/// fifth of the time.
#[cfg(feature = "sqlite")]
fn count_all_on_sqlite(conn: &mut SqliteConnection) -> Result<i64> {
    let trash: i64 = alert_logs::table.deleted().count().get_result(conn)?;
    let all: i64 = all_query().count().get_result(conn)?;
    // A purge may come between the two.
    Ok((all - trash).max(0))
}

#[cfg(feature = "sqlite")]
type EveryAlert = <alert_logs::table as SoftDeletable>::Raw;

#[cfg(feature = "sqlite")]
pub(super) fn all_query() -> EveryAlert {
    alert_logs::table.with_deleted("all, less those in the trash, are the active ones")
}

/// The alerts from a moment on, in figures, and the newest of all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct AlertSummary {
    /// Event time of the newest alert.
    pub last: Option<Timestamp>,
    /// Alerts from the moment on.
    pub count: i64,
    /// Mean time that evaluating their rules took, in microseconds; `None` without alerts.
    pub evaluation_us_mean: Option<f64>,
    /// The same, each alert rounded to whole milliseconds, in milliseconds.
    pub evaluation_ms_mean: Option<f64>,
}

/// Sums up the active alerts from `start` on.
///
/// # Errors
/// [`Error::Query`].
pub fn summary(conn: &mut BackendConnection<'_>, start: Timestamp) -> Result<AlertSummary> {
    let newest = alert_logs::table
        .active()
        .select(alert_logs::timestamp)
        .order(alert_logs::timestamp.desc())
        .limit(1);
    let last = crate::on_backend!(conn, |c| newest.first(c).optional())?;
    // Diesel's sum of 64-bit numbers is a NUMERIC, which SQLite does not have.
    let sum = dsl::sql::<Nullable<Double>>("CAST(sum(evaluation_time_us) AS DOUBLE PRECISION)");
    let since = alert_logs::table
        .active()
        .filter(alert_logs::timestamp.ge(start))
        .select((dsl::count_star(), sum, sum_of_ms()));
    let (count, sum, whole): (i64, Option<f64>, Option<f64>) =
        crate::on_backend!(conn, |c| since.first(c))?;
    Ok(AlertSummary {
        last,
        count,
        evaluation_us_mean: sum.map(|sum| sum / count as f64),
        evaluation_ms_mean: whole.map(|sum| sum / count as f64),
    })
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn by_id_query(id: i64) -> _ {
    let active: Active<alert_logs::table> = alert_logs::table.active();
    active.filter(alert_logs::id.eq(id))
}

/// The active alert with this id.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Query`].
pub fn get(conn: &mut BackendConnection<'_>, id: i64) -> Result<AlertLog> {
    let found = crate::on_backend!(conn, |c| {
        let query = by_id_query(id).select(AlertLog::as_select());
        query.first(c).optional()
    })?;
    let remedy = "list the alerts, or restore this one if it was deleted";
    let found = found.ok_or_else(|| Error::not_found(format!("alert {id}"), remedy));
    found.recorded(conn)
}
