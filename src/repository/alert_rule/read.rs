//! Reads of active rules.

use diesel::dsl;
use diesel::prelude::*;

use super::not_found;
use crate::database::{BackendConnection, Cursor, Page};
use crate::domain::RuleType;
use crate::error::Result;
use crate::models::AlertRule;
use crate::repository::optional::{IfSome, if_some};
use crate::repository::rows::Recorded;
use crate::repository::{KEYS_PER_STATEMENT_MAX, bounds};
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::alert_rules;
use crate::timestamp::Timestamp;

/// A filter of rules; the default takes all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleFilter {
    /// Only those of this instrument.
    pub instrument_id: Option<i64>,
    /// Only those that are evaluated.
    pub active_only: bool,
    /// Only those of this type.
    pub rule_type: Option<RuleType>,
}

type RuleInstrumentFilter = IfSome<dsl::Eq<alert_rules::instrument_id, i64>>;
type IfOn = IfSome<dsl::Eq<alert_rules::active, bool>>;
type RuleTypeFilter = IfSome<dsl::Eq<alert_rules::rule_type, RuleType>>;

#[dsl::auto_type(type_case = "PascalCase")]
pub(super) fn list_query(filter: RuleFilter) -> _ {
    let rules: Active<alert_rules::table> = alert_rules::table.active();
    let id = filter.instrument_id;
    let of_instrument: RuleInstrumentFilter =
        if_some(id.map(|id| alert_rules::instrument_id.eq(id)));
    let on: IfOn = if_some(filter.active_only.then(|| alert_rules::active.eq(true)));
    let kind = filter.rule_type;
    let of_type: RuleTypeFilter = if_some(kind.map(|kind| alert_rules::rule_type.eq(kind)));
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
    let rows = crate::on_backend!(conn, |c| {
        list_query(filter).select(AlertRule::as_select()).load(c)
    });
    Ok(rows.recorded(conn)?)
}

/// The place of a rule in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleKey {
    /// When it was added.
    pub created_at: Timestamp,
    /// Its number.
    pub id: i64,
}

impl AlertRule {
    /// Its place in a list.
    #[must_use]
    pub fn key(&self) -> RuleKey {
        RuleKey {
            created_at: self.created_at,
            id: self.id,
        }
    }
}

/// The query of a page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulePage {
    /// The filter of the list.
    pub filter: RuleFilter,
    /// Rules of a page, 1 to [`RulePage::LIMIT_MAX`].
    pub limit: usize,
    /// The page begins after this rule; `None` for the first page.
    pub after: Option<RuleKey>,
}

impl RulePage {
    /// The most rules that one page holds.
    pub const LIMIT_MAX: usize = 10_000;
}

/// Before every rule of a list: no rule is added later, and none has this number.
const BEFORE_ALL: RuleKey = RuleKey {
    created_at: Timestamp::MAX,
    id: i64::MAX,
};

#[dsl::auto_type(no_type_alias)]
pub(super) fn page_query(filter: RuleFilter, after: RuleKey, limit: i64) -> _ {
    let (added, id): (Timestamp, i64) = (after.created_at, after.id);
    let same_moment = alert_rules::created_at
        .eq(added)
        .and(alert_rules::id.lt(id));
    let list: ListQuery = list_query(filter);
    list.filter(alert_rules::created_at.lt(added).or(same_moment))
        .limit(limit)
}

/// A page of the rules that pass the filter, newest first.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit out of range;
/// [`Error::Query`](crate::Error::Query).
pub fn page(conn: &mut BackendConnection<'_>, page: &RulePage) -> Result<Page<AlertRule, RuleKey>> {
    let probe = bounds::probe(page.limit, RulePage::LIMIT_MAX)?;
    let after = page.after.unwrap_or(BEFORE_ALL);
    let rows: Vec<AlertRule> = crate::on_backend!(conn, |c| {
        page_query(page.filter, after, probe)
            .select(AlertRule::as_select())
            .load(c)
    })?;
    let cursor = page.after.map(Cursor::After);
    Ok(Page::of(rows, page.limit, cursor.as_ref(), AlertRule::key)).recorded(conn)
}

/// The name of a rule, shown with its alerts.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[non_exhaustive]
pub struct RuleLabel {
    /// The rule.
    pub id: i64,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The kind of the rule.
    pub rule_type: RuleType,
}

type EveryRule = <alert_rules::table as SoftDeletable>::Raw;

#[dsl::auto_type(no_type_alias)]
pub(super) fn labels_of_all_query<'a>(ids: &'a [i64]) -> _ {
    let all: EveryRule = alert_rules::table.with_deleted("alerts outlive their rule");
    all.filter(alert_rules::id.eq_any(ids)).select((
        alert_rules::id,
        alert_rules::name,
        alert_rules::rule_type,
    ))
}

/// The labels of the rules, deleted ones included, in no order: for alerts, which outlive their
/// rule.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn labels_of_all(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<Vec<RuleLabel>> {
    let mut labels = Vec::with_capacity(ids.len());
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let found: Vec<RuleLabel> =
            crate::on_backend!(&mut *conn, |c| labels_of_all_query(ids).load(c))?;
        labels.extend(found);
    }
    Ok(labels)
}

/// Counts of rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleCounts {
    /// Rules that are not deleted.
    pub total: i64,
    /// Rules that are evaluated, among those.
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
    find(conn, id).recorded(conn)
}

/// [`get`] on the way to a write, whose rows are those that it writes.
pub(super) fn find(conn: &mut BackendConnection<'_>, id: i64) -> Result<AlertRule> {
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
    find_of_instruments(conn, instrument_ids).recorded(conn)
}

/// [`of_instruments`] on the way to a write, whose rows are those that it writes.
pub(crate) fn find_of_instruments(
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
