//! Storing alerts once, soft delete and restore.

use diesel::dsl;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::database::{BackendConnection, Invalidation};
use crate::domain::{DeletedKind, DeliveryStatus, FiredStatus, TraceId};
use crate::error::{Error, Result};
use crate::models::{AlertLog, NewAlertLog};
use crate::repository::KEYS_PER_STATEMENT_MAX;
use crate::repository::alert_silence::{self, SilenceInForce};
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::rows::Recorded;
use crate::soft_delete::{Active, Deleted, SoftDeletable};
use crate::tables::alert_logs;
use crate::timestamp::Timestamp;

/// Alerts of one statement: 15 binds each, within SQLite's 32,766.
const ALERTS_PER_STATEMENT_MAX: usize = 2_000;

/// Stores an alert; `None` when the rule has fired for this tick before, even if that alert was
/// deleted.
///
/// # Errors
/// [`Error::Invalid`] for a value that is not finite; [`Error::NotFound`] when there is no such
/// rule, instrument or source; [`Error::Query`].
pub fn insert(conn: &mut BackendConnection<'_>, new: &NewAlertLog) -> Result<Option<AlertLog>> {
    store(conn, new, None).recorded(conn)
}

/// An alert as it is stored.
#[derive(Insertable)]
#[diesel(table_name = alert_logs, treat_none_as_default_value = false)]
struct AlertRow {
    #[diesel(embed)]
    new: NewAlertLog,
    silence_id: Option<i64>,
    trace_id: Option<String>,
}

impl AlertRow {
    /// The row of an alert that is stored now. Whether it is silenced is decided here and not when
    /// it is delivered: whoever delivers it may look long after the silence has ended.
    fn new(new: &NewAlertLog, silences: &[SilenceInForce], trace: Option<TraceId>) -> Result<Self> {
        new.check()?;
        let is_delivered = new.fired_status == FiredStatus::Fired
            && new.delivery_status == DeliveryStatus::Pending;
        let silence = silences.iter().find(|(_, rule, instrument)| {
            *rule == Some(new.rule_id) || *instrument == Some(new.instrument_id)
        });
        let silence = silence.filter(|_| is_delivered);
        let mut row = Self {
            new: new.clone(),
            silence_id: silence.map(|(id, _, _)| *id),
            trace_id: trace.map(|trace| trace.to_string()),
        };
        if silence.is_some() {
            row.new.delivery_status = DeliveryStatus::Silenced;
        }
        Ok(row)
    }
}

fn store(
    conn: &mut BackendConnection<'_>,
    new: &NewAlertLog,
    trace: Option<TraceId>,
) -> Result<Option<AlertLog>> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let row = AlertRow::new(new, &alert_silence::in_force(conn)?, trace)?;
    let insert = alert_logs::table
        .insert()
        .values(row)
        .on_conflict((
            alert_logs::rule_id,
            alert_logs::instrument_id,
            alert_logs::timestamp,
            alert_logs::source_id,
            alert_logs::sequence,
        ))
        .do_nothing();
    let stored = crate::on_backend!(conn, |c| {
        let insert = insert.returning(AlertLog::as_returning());
        insert.get_result(c).optional()
    });
    stored.map_err(|error| match error {
        DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Error::not_found(
            format!(
                "rule {}, instrument {} or data source {} of the alert",
                new.rule_id, new.instrument_id, new.source_id
            ),
            "store an alert only for rows that are there",
        ),
        other => other.into(),
    })
}

/// Stores alerts, each once; returns those that were not there before, deleted ones included, in
/// the order of their ids.
pub(crate) fn insert_many(
    conn: &mut BackendConnection<'_>,
    new: &[NewAlertLog],
    trace: Option<TraceId>,
) -> Result<Vec<AlertLog>> {
    let _said = conn.invalidates(Invalidation::Nothing);
    // One is the usual number, and its statement stays prepared.
    if let [one] = new {
        return Ok(store(conn, one, trace)?.into_iter().collect());
    }
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let silences = alert_silence::in_force(conn)?;
    let mut stored = Vec::with_capacity(new.len());
    for new in new.chunks(ALERTS_PER_STATEMENT_MAX) {
        let rows = new.iter().map(|new| AlertRow::new(new, &silences, trace));
        let rows: Vec<AlertRow> = rows.collect::<Result<_>>()?;
        let insert = alert_logs::table.insert().values(rows);
        // The unique key makes an alert fire once, whatever engine of whatever process evaluates
        // the tick again.
        let insert = insert.on_conflict_do_nothing();
        let mut some: Vec<AlertLog> = crate::on_backend!(&mut *conn, |c| {
            insert.returning(AlertLog::as_returning()).get_results(c)
        })?;
        stored.append(&mut some);
    }
    // RETURNING keeps no order, and subscribers take alerts in the order of their firing.
    stored.sort_unstable_by_key(|alert| alert.id);
    Ok(stored)
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn active_query<'a>(ids: &'a [i64]) -> _ {
    let active: Active<alert_logs::table> = alert_logs::table.active();
    active.filter(alert_logs::id.eq_any(ids))
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn deleted_query<'a>(ids: &'a [i64]) -> _ {
    let deleted: Deleted<alert_logs::table> = alert_logs::table.deleted();
    deleted.filter(alert_logs::id.eq_any(ids))
}

/// Moves the alerts with these ids to the trash; returns how many were active.
///
/// # Errors
/// [`Error::Query`].
pub fn soft_delete(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let update =
            diesel::update(active_query(ids)).set(alert_logs::deleted_at.eq(batch.deleted_at()));
        changed += crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    }
    batch.add(DeletedKind::Alert, changed);
    Ok(changed).recorded(conn)
}

/// Moves the alerts of an instrument to the trash; returns how many were active.
pub(crate) fn soft_delete_all(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let of = alert_logs::table
        .active()
        .filter(alert_logs::instrument_id.eq(instrument_id));
    let update = diesel::update(of).set(alert_logs::deleted_at.eq(batch.deleted_at()));
    let changed = crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    batch.add(DeletedKind::Alert, changed);
    Ok(changed).recorded(conn)
}

/// Takes the alerts with these ids out of the trash; returns how many were in it. Nothing can
/// stand in the way: a deleted alert keeps its key.
///
/// # Errors
/// [`Error::Query`].
pub fn restore(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let update =
            diesel::update(deleted_query(ids)).set(alert_logs::deleted_at.eq(None::<Timestamp>));
        changed += crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    }
    Ok(changed).recorded(conn)
}
