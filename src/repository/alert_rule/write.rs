//! Insertion and changes of rules.

use diesel::prelude::*;

use super::read::{by_id_query, find};
use super::{instrument_deleted, not_found};
use crate::database::{BackendConnection, Invalidation};
use crate::domain::RuleShape;
use crate::error::{Error, Result};
use crate::models::{AlertRule, AlertRuleChange, NewAlertRule};
use crate::repository::instrument;
use crate::repository::rows::Recorded;
use crate::soft_delete::SoftDeletable;
use crate::tables::alert_rules;
use crate::timestamp::Timestamp;

/// Adds a rule.
///
/// # Errors
/// [`Error::Invalid`] when it could never fire as it is written; [`Error::NotFound`] when its
/// instrument is unknown or deleted; [`Error::Query`].
pub fn insert(
    conn: &mut BackendConnection<'_>,
    new: &NewAlertRule,
    now: Timestamp,
) -> Result<AlertRule> {
    new.shape().kind()?;
    insert_as_written(conn, new, now)
}

/// Adds a rule even if it can never fire as it is written, for clients of a service that took any:
/// the alert engine says of it in the log that it fires nothing.
///
/// # Errors
/// [`Error::NotFound`] when its instrument is unknown or deleted; [`Error::Query`], also for a name
/// that is too long and numbers out of range.
pub fn insert_as_written(
    conn: &mut BackendConnection<'_>,
    new: &NewAlertRule,
    now: Timestamp,
) -> Result<AlertRule> {
    let _said = conn.invalidates(Invalidation::Nothing);
    instrument::lock(conn, &[new.instrument_id])?;
    instrument::find(conn, new.instrument_id)?;
    let insert = alert_rules::table.insert().values((
        new,
        alert_rules::created_at.eq(now),
        alert_rules::updated_at.eq(now),
    ));
    let stored = crate::on_backend!(conn, |c| {
        insert.returning(AlertRule::as_returning()).get_result(c)
    })?;
    instrument::rules_changed(conn, &[new.instrument_id])?;
    Ok(stored).recorded(conn)
}

/// Changes a rule; an empty change sets `updated_at` alone.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Invalid`] when the changed rule could never fire;
/// [`Error::Conflict`] when it is switched on while its instrument is deleted; [`Error::Query`].
pub fn update(
    conn: &mut BackendConnection<'_>,
    id: i64,
    change: &AlertRuleChange,
    now: Timestamp,
) -> Result<AlertRule> {
    update_if(conn, id, change, now, |shape| shape.kind().map(|_| ()))
}

/// Changes a rule even if it can never fire afterwards; see [`insert_as_written`].
///
/// # Errors
/// Those of [`update`] but for a rule that could never fire.
pub fn update_as_written(
    conn: &mut BackendConnection<'_>,
    id: i64,
    change: &AlertRuleChange,
    now: Timestamp,
) -> Result<AlertRule> {
    update_if(conn, id, change, now, |_| Ok(()))
}

/// Changes a rule that passes the check afterwards.
fn update_if(
    conn: &mut BackendConnection<'_>,
    id: i64,
    change: &AlertRuleChange,
    now: Timestamp,
    check: impl Fn(&RuleShape<'_>) -> Result<()>,
) -> Result<AlertRule> {
    let _said = conn.invalidates(Invalidation::Nothing);
    // A rule never moves to another instrument. With that one locked no other change comes
    // between the look at the rule and the update.
    let instrument_id = find(conn, id)?.instrument_id;
    instrument::lock(conn, &[instrument_id])?;
    let rule = find(conn, id)?;
    check(&change.shape_of(&rule))?;
    if change.active == Some(true) {
        instrument::find(conn, instrument_id).map_err(|error| match error {
            Error::NotFound { .. } => instrument_deleted(id, instrument_id, "switched on"),
            other => other,
        })?;
    }
    let update = diesel::update(by_id_query(id)).set((change, alert_rules::updated_at.eq(now)));
    let changed = crate::on_backend!(conn, |c| {
        let update = update.returning(AlertRule::as_returning());
        update.get_result(c).optional()
    })?;
    instrument::rules_changed(conn, &[instrument_id])?;
    changed.ok_or_else(|| not_found(id)).recorded(conn)
}
