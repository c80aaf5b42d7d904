//! Deletion and counting of alerts, which take along what was tried to deliver them.
//!
//! A delivery has no life of its own: it tells what became of an alert that nobody can see any
//! more. The foreign key refuses to cascade, so both go here, in one transaction.

use diesel::dsl;
use diesel::prelude::*;

use crate::database::{BackendConnection, Invalidation};
use crate::error::Result;
use crate::soft_delete::{Deleted, SoftDeletable};
use crate::tables::{alert_deliveries, alert_logs};
use crate::timestamp::Timestamp;

/// Alerts, and deliveries of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AlertRows {
    pub(super) alerts: usize,
    pub(super) deliveries: usize,
}

/// The oldest alerts of the trash.
#[dsl::auto_type(no_type_alias)]
pub(super) fn oldest_query(cut_off: Timestamp, limit: i64) -> _ {
    let deleted: Deleted<alert_logs::table> = alert_logs::table.deleted();
    deleted
        .filter(alert_logs::deleted_at.le(cut_off))
        .order(alert_logs::deleted_at.asc())
        .limit(limit)
        .select(alert_logs::id)
}

/// Deletes the oldest alerts of the trash, `limit` at most, and their deliveries. On PostgreSQL the
/// alerts are locked first, so that nobody restores one or queues a delivery of it meanwhile.
pub(super) fn delete_chunk(
    conn: &mut BackendConnection<'_>,
    cut_off: Timestamp,
    limit: i64,
) -> Result<AlertRows> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let query = oldest_query(cut_off, limit);
    let ids: Vec<i64> = match &mut *conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => query.load(*c)?,
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => query.for_update().load(*c)?,
    };
    let deliveries =
        diesel::delete(alert_deliveries::table.filter(alert_deliveries::alert_id.eq_any(&ids)));
    // First: their foreign key is RESTRICT, so that no other deletion takes them along by mistake.
    let deliveries = crate::on_backend!(&mut *conn, |c| deliveries.execute(c))?;
    let alerts = alert_logs::table
        .deleted()
        .filter(alert_logs::id.eq_any(&ids));
    let alerts = crate::on_backend!(conn, |c| diesel::delete(alerts).execute(c))?;
    conn.record_rows(alerts + deliveries);
    Ok(AlertRows { alerts, deliveries })
}

/// Counts the alerts of the trash that are old enough, and their deliveries.
pub(super) fn count(conn: &mut BackendConnection<'_>, cut_off: Timestamp) -> Result<AlertRows> {
    let old = || {
        alert_logs::table
            .deleted()
            .filter(alert_logs::deleted_at.le(cut_off))
    };
    let of_old = alert_deliveries::table
        .filter(alert_deliveries::alert_id.eq_any(old().select(alert_logs::id)))
        .count();
    let alerts: i64 = crate::on_backend!(&mut *conn, |c| old().count().get_result(c))?;
    let deliveries: i64 = crate::on_backend!(conn, |c| of_old.get_result(c))?;
    Ok(AlertRows {
        alerts: usize::try_from(alerts).unwrap_or(0),
        deliveries: usize::try_from(deliveries).unwrap_or(0),
    })
}
