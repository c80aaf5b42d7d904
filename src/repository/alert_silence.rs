//! Silences of alerts: what a rule, or all rules of an instrument, fire until a moment is stored and
//! not delivered. Every moment is by the clock of the database, which all processes share.
//!
//! Whether an alert is silenced is decided when it is stored, by [`alert_log`](super::alert_log), and
//! stays so: see docs/decisions/0013.

#[cfg(test)]
mod tests;

use diesel::prelude::*;

#[cfg(feature = "postgres")]
use crate::database::shared_moment;
use crate::database::{BackendConnection, Invalidation};
use crate::error::{Error, Result};
use crate::models::{AlertSilence, NewAlertSilence, SilenceSubject, check_who};
use crate::repository::optional::{IfSome, if_some};
use crate::repository::rows::Recorded;
use crate::repository::{alert_rule, bounds, instrument};
use crate::tables::alert_silences;
use crate::timestamp::Timestamp;

/// The most rows of one call.
pub const LIMIT_MAX: usize = 1_000;

/// A filter of silences; the default takes those in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SilenceFilter {
    /// Those that ended, too.
    pub with_ended: bool,
    /// Only those of this rule.
    pub rule_id: Option<i64>,
    /// Only those of this instrument.
    pub instrument_id: Option<i64>,
}

/// Adds a silence, from now on.
///
/// # Errors
/// [`Error::Invalid`] as [`NewAlertSilence::checked_end`]; [`Error::NotFound`] when no active rule or
/// instrument has the id; [`Error::Query`].
pub fn insert(conn: &mut BackendConnection<'_>, new: &NewAlertSilence) -> Result<AlertSilence> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let now = conn.shared_now()?;
    let until = new.checked_end(now)?;
    let (rule_id, instrument_id) = match new.subject {
        SilenceSubject::Rule(id) => (Some(alert_rule::get(conn, id)?.id), None),
        SilenceSubject::Instrument(id) => (None, Some(instrument::get(conn, id)?.id)),
    };
    let row = (
        alert_silences::rule_id.eq(rule_id),
        alert_silences::instrument_id.eq(instrument_id),
        alert_silences::until.eq(until),
        alert_silences::reason.eq(&new.reason),
        alert_silences::created_by.eq(&new.created_by),
        alert_silences::created_at.eq(now),
    );
    let insert = diesel::insert_into(alert_silences::table).values(row);
    let stored = crate::on_backend!(&mut *conn, |c| insert
        .returning(AlertSilence::as_returning())
        .get_result(c))?;
    Ok(stored).recorded(conn)
}

type SilencesOfRule = IfSome<diesel::dsl::Eq<alert_silences::rule_id, i64>>;
type SilencesOfInstrument = IfSome<diesel::dsl::Eq<alert_silences::instrument_id, i64>>;

#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn list_query(filter: SilenceFilter, before: i64, limit: i64) -> _ {
    let (rule, instrument): (Option<i64>, Option<i64>) = (filter.rule_id, filter.instrument_id);
    let of_rule: SilencesOfRule = if_some(rule.map(|id| alert_silences::rule_id.eq(id)));
    let of_instrument: SilencesOfInstrument =
        if_some(instrument.map(|id| alert_silences::instrument_id.eq(id)));
    alert_silences::table
        .filter(of_rule)
        .filter(of_instrument)
        .filter(alert_silences::id.lt(before))
        .order(alert_silences::id.desc())
        .limit(limit)
}

/// Silences that pass the filter, newest first, those with a number below `before` if that is given.
///
/// # Errors
/// [`Error::Invalid`] for a limit of 0 or above [`LIMIT_MAX`]; [`Error::Query`].
pub fn list(
    conn: &mut BackendConnection<'_>,
    filter: SilenceFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<AlertSilence>> {
    let limit = bounds::rows(limit, LIMIT_MAX)?;
    let now = conn.shared_now()?;
    let query = list_query(filter, before.unwrap_or(i64::MAX), limit);
    let rows: Vec<AlertSilence> = if filter.with_ended {
        crate::on_backend!(&mut *conn, |c| query
            .select(AlertSilence::as_select())
            .load(c))?
    } else {
        let open = query
            .filter(alert_silences::lifted_at.is_null())
            .filter(alert_silences::until.gt(now));
        crate::on_backend!(&mut *conn, |c| open
            .select(AlertSilence::as_select())
            .load(c))?
    };
    Ok(rows).recorded(conn)
}

/// The silence with this id, ended or not.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Query`].
pub fn get(conn: &mut BackendConnection<'_>, id: i64) -> Result<AlertSilence> {
    let query = alert_silences::table.filter(alert_silences::id.eq(id));
    let found: Option<AlertSilence> = crate::on_backend!(conn, |c| {
        query.select(AlertSilence::as_select()).first(c).optional()
    })?;
    found.ok_or_else(|| Error::not_found(format!("silence {id}"), "list the silences"))
}

/// Ends a silence; one that has ended stays as it is. What fired until now is not delivered.
///
/// # Errors
/// [`Error::Invalid`] for an empty or too long `by`; [`Error::NotFound`], [`Error::Query`].
pub fn lift(conn: &mut BackendConnection<'_>, id: i64, by: &str) -> Result<AlertSilence> {
    let _said = conn.invalidates(Invalidation::Nothing);
    check_who("by", by)?;
    let now = conn.shared_now()?;
    let open = alert_silences::table
        .filter(alert_silences::id.eq(id))
        .filter(alert_silences::lifted_at.is_null())
        .filter(alert_silences::until.gt(now));
    let update = diesel::update(open).set((
        alert_silences::lifted_by.eq(by),
        alert_silences::lifted_at.eq(now),
    ));
    crate::on_backend!(&mut *conn, |c| update.execute(c))?;
    get(conn, id)
}

/// A silence that holds now: its number, and the rule or the instrument.
pub(super) type SilenceInForce = (i64, Option<i64>, Option<i64>);

#[cfg(any(feature = "sqlite", test))]
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn in_force_query(now: Timestamp) -> _ {
    alert_silences::table
        .filter(alert_silences::lifted_at.is_null())
        .filter(alert_silences::until.gt(now))
        .order(alert_silences::id.asc())
        .select((
            alert_silences::id,
            alert_silences::rule_id,
            alert_silences::instrument_id,
        ))
}

/// All silences that hold now, oldest first; there are few. On PostgreSQL its clock is asked in the
/// same statement, as each alert waits for it.
pub(super) fn in_force(conn: &mut BackendConnection<'_>) -> Result<Vec<SilenceInForce>> {
    Ok(match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => {
            let now = conn.shared_now()?;
            crate::on_backend!(conn, |c| in_force_query(now).load(c))?
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => alert_silences::table
            .filter(alert_silences::lifted_at.is_null())
            .filter(alert_silences::until.gt(shared_moment()))
            .order(alert_silences::id.asc())
            .select((
                alert_silences::id,
                alert_silences::rule_id,
                alert_silences::instrument_id,
            ))
            .load(*c)?,
    })
}

/// Deletes for good the silences that ended up to this moment; returns how many.
pub(crate) fn expire(conn: &mut BackendConnection<'_>, cut_off: Timestamp) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let delete = diesel::delete(ended_query(cut_off));
    Ok(crate::on_backend!(conn, |c| delete.execute(c))?)
}

/// Counts the silences that [`expire`] would delete.
pub(crate) fn count_expired(conn: &mut BackendConnection<'_>, cut_off: Timestamp) -> Result<i64> {
    let query = ended_query(cut_off).count();
    Ok(crate::on_backend!(conn, |c| query.get_result(c))?)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn ended_query(cut_off: Timestamp) -> _ {
    let ended = alert_silences::until
        .le(cut_off)
        .or(alert_silences::lifted_at.le(cut_off));
    alert_silences::table.filter(ended)
}
