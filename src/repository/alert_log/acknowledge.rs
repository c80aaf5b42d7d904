//! Acknowledging alerts: who has seen one, when, and what was said of it.

use diesel::dsl;
use diesel::prelude::*;

use crate::database::{BackendConnection, Invalidation};
use crate::error::Result;
use crate::models::{AlertLog, check_length, check_who};
use crate::repository::rows::Recorded;
use crate::repository::{KEYS_PER_STATEMENT_MAX, alert_log};
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::alert_logs;
use crate::timestamp::Timestamp;

/// The longest note, in characters.
pub const NOTE_LENGTH_MAX: usize = 1_000;

#[dsl::auto_type(no_type_alias)]
pub(super) fn unacknowledged_query<'a>(ids: &'a [i64]) -> _ {
    let active: Active<alert_logs::table> = alert_logs::table.active();
    active
        .filter(alert_logs::id.eq_any(ids))
        .filter(alert_logs::acknowledged_at.is_null())
}

/// Notes down that somebody has seen these alerts. One that is acknowledged already stays as it is:
/// the first one counts. Returns those that were not, in the order of their ids.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for an empty or too long `by`, or a note of more than
/// [`NOTE_LENGTH_MAX`] characters; [`Error::NotFound`](crate::Error::NotFound) for an id that no active
/// alert has, and then nothing is noted; [`Error::Query`](crate::Error::Query).
pub fn acknowledge(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    by: &str,
    note: Option<&str>,
    now: Timestamp,
) -> Result<Vec<AlertLog>> {
    let _said = conn.invalidates(Invalidation::Nothing);
    check_who("by", by)?;
    check_length("note", note.unwrap_or_default(), NOTE_LENGTH_MAX)?;
    for id in ids {
        alert_log::get(conn, *id)?;
    }
    let mut changed: Vec<AlertLog> = Vec::new();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let update = diesel::update(unacknowledged_query(ids)).set((
            alert_logs::acknowledged_at.eq(now),
            alert_logs::acknowledged_by.eq(by),
            alert_logs::acknowledgement_note.eq(note),
        ));
        let mut some: Vec<AlertLog> = crate::on_backend!(&mut *conn, |c| {
            update.returning(AlertLog::as_returning()).get_results(c)
        })?;
        changed.append(&mut some);
    }
    changed.sort_unstable_by_key(|alert| alert.id);
    Ok(changed).recorded(conn)
}
