//! Soft delete and restore of rules.

use std::collections::BTreeSet;

use diesel::dsl;
use diesel::prelude::*;

use super::instrument_deleted;
use crate::database::{BackendConnection, Invalidation};
use crate::domain::DeletedKind;
use crate::error::Result;
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::rows::Recorded;
use crate::repository::{KEYS_PER_STATEMENT_MAX, instrument};
use crate::soft_delete::{Active, Deleted, SoftDeletable};
use crate::tables::alert_rules;
use crate::timestamp::Timestamp;

#[dsl::auto_type(no_type_alias)]
pub(super) fn active_query<'a>(ids: &'a [i64]) -> _ {
    let rules: Active<alert_rules::table> = alert_rules::table.active();
    rules.filter(alert_rules::id.eq_any(ids))
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn deleted_query<'a>(ids: &'a [i64]) -> _ {
    let rules: Deleted<alert_rules::table> = alert_rules::table.deleted();
    rules.filter(alert_rules::id.eq_any(ids))
}

/// Moves the rules with these ids to the trash; returns how many were active.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn soft_delete(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    batch: &mut DeletionBatch,
) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let query = active_query(ids).select(alert_rules::instrument_id);
        let of: Vec<i64> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
        let of: BTreeSet<i64> = of.into_iter().collect();
        let of: Vec<i64> = of.into_iter().collect();
        instrument::lock(conn, &of)?;
        let update =
            diesel::update(active_query(ids)).set(alert_rules::deleted_at.eq(batch.deleted_at()));
        changed += crate::on_backend!(conn, |c| update.execute(c))?;
        instrument::rules_changed(conn, &of)?;
    }
    batch.add(DeletedKind::Rule, changed);
    Ok(changed).recorded(conn)
}

/// Takes the rules with these ids out of the trash; returns how many were in it.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) naming a rule whose instrument is deleted;
/// [`Error::Query`](crate::Error::Query). The caller's transaction must be undone then.
pub fn restore(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let mut changed = 0;
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let of = lock_instruments(conn, ids)?;
        let update =
            diesel::update(deleted_query(ids)).set(alert_rules::deleted_at.eq(None::<Timestamp>));
        changed += crate::on_backend!(conn, |c| update.execute(c))?;
        instrument::rules_changed(conn, &of)?;
    }
    Ok(changed).recorded(conn)
}

/// The instruments of deleted rules, which are locked now; an error when one of them is deleted.
fn lock_instruments(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<Vec<i64>> {
    let query = deleted_query(ids)
        .select((alert_rules::id, alert_rules::instrument_id))
        .order(alert_rules::id);
    let rules: Vec<(i64, i64)> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let wanted: BTreeSet<i64> = rules.iter().map(|(_, instrument)| *instrument).collect();
    let active = instrument::lock_active(conn, &wanted)?;
    match rules
        .iter()
        .find(|(_, instrument)| !active.contains(instrument))
    {
        Some((rule, instrument)) => Err(instrument_deleted(*rule, *instrument, "restored")),
        None => Ok(active.into_iter().collect()),
    }
}
