//! Reads of active rules.

use diesel::dsl;
use diesel::prelude::*;

use super::not_found;
use crate::database::BackendConnection;
use crate::domain::RuleType;
use crate::error::Result;
use crate::models::AlertRule;
use crate::repository::KEYS_PER_STATEMENT_MAX;
use crate::repository::optional::{IfSome, if_some};
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::alert_rules;

/// Which rules a list holds; the default holds all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleFilter {
    /// Only those of this instrument.
    pub instrument_id: Option<i64>,
    /// Only those that are evaluated.
    pub active_only: bool,
    /// Only those of this type.
    pub rule_type: Option<RuleType>,
}

type OfInstrument = IfSome<dsl::Eq<alert_rules::instrument_id, i64>>;
type IfOn = IfSome<dsl::Eq<alert_rules::active, bool>>;
type OfType = IfSome<dsl::Eq<alert_rules::rule_type, RuleType>>;

#[dsl::auto_type(no_type_alias)]
pub(super) fn list_query(filter: RuleFilter) -> _ {
    let rules: Active<alert_rules::table> = alert_rules::table.active();
    let id = filter.instrument_id;
    let of_instrument: OfInstrument = if_some(id.map(|id| alert_rules::instrument_id.eq(id)));
    let on: IfOn = if_some(filter.active_only.then(|| alert_rules::active.eq(true)));
    let kind = filter.rule_type;
    let of_type: OfType = if_some(kind.map(|kind| alert_rules::rule_type.eq(kind)));
    rules
        .filter(of_instrument)
        .filter(on)
        .filter(of_type)
        .order((alert_rules::created_at.desc(), alert_rules::id.desc()))
}

/// The rules that pass the filter, newest first.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn list(conn: &mut BackendConnection<'_>, filter: RuleFilter) -> Result<Vec<AlertRule>> {
    Ok(crate::on_backend!(conn, |c| {
        list_query(filter).select(AlertRule::as_select()).load(c)
    })?)
}

/// How many rules there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleCounts {
    /// Rules that are not deleted.
    pub total: i64,
    /// Of those, the ones that are evaluated.
    pub active: i64,
}

/// Counts the rules.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn counts(conn: &mut BackendConnection<'_>) -> Result<RuleCounts> {
    let by_state = alert_rules::table
        .active()
        .group_by(alert_rules::active)
        .select((alert_rules::active, dsl::count_star()));
    let rows: Vec<(bool, i64)> = crate::on_backend!(conn, |c| by_state.load(c))?;
    let active = rows.iter().filter(|row| row.0).map(|row| row.1).sum();
    Ok(RuleCounts {
        total: rows.iter().map(|row| row.1).sum(),
        active,
    })
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn by_id_query(id: i64) -> _ {
    let rules: Active<alert_rules::table> = alert_rules::table.active();
    rules.filter(alert_rules::id.eq(id))
}

/// The rule with this id.
///
/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound), [`Error::Query`](crate::Error::Query).
pub fn get(conn: &mut BackendConnection<'_>, id: i64) -> Result<AlertRule> {
    let found = crate::on_backend!(conn, |c| {
        let query = by_id_query(id).select(AlertRule::as_select());
        query.first(c).optional()
    })?;
    found.ok_or_else(|| not_found(id))
}

#[dsl::auto_type(no_type_alias)]
pub(super) fn of_instruments_query<'a>(ids: &'a [i64]) -> _ {
    let rules: Active<alert_rules::table> = alert_rules::table.active();
    rules
        .filter(alert_rules::instrument_id.eq_any(ids))
        .order((alert_rules::instrument_id.asc(), alert_rules::id.asc()))
}

/// The rules of these instruments, those that are switched off included, by instrument and id
/// (within each 10,000 instruments).
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn of_instruments(
    conn: &mut BackendConnection<'_>,
    instrument_ids: &[i64],
) -> Result<Vec<AlertRule>> {
    let mut rules = Vec::new();
    for ids in instrument_ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let chunk: Vec<AlertRule> = crate::on_backend!(conn, |c| {
            of_instruments_query(ids)
                .select(AlertRule::as_select())
                .load(c)
        })?;
        rules.extend(chunk);
    }
    Ok(rules)
}
