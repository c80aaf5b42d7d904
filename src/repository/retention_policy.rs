//! Retention policies: how long ticks and bars stay. What they ask for is done by
//! [`retention`](super::retention).
//!
//! Policies of an instrument that is in the trash are not listed, and come back with it.

use diesel::prelude::*;

use crate::database::{BackendConnection, Invalidation};
use crate::domain::{Frequency, RetentionKind, RetentionPolicies, RetentionPolicyText, Symbol};
use crate::error::{Error, Result};
use crate::models::{NewRetentionPolicy, RetentionPolicy};
use crate::repository::{data_source, instrument};
use crate::soft_delete::SoftDeletable;
use crate::tables::{instruments, retention_policies};
use crate::timestamp::{Timestamp, format_span, parse_span};

/// A policy with the names of what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedPolicy {
    /// The policy.
    pub policy: RetentionPolicy,
    /// The symbol of its instrument.
    pub symbol: Option<Symbol>,
    /// The name of its data source.
    pub source: Option<String>,
}

impl NamedPolicy {
    /// It, as files and requests write it.
    #[must_use]
    pub fn text(&self) -> RetentionPolicyText {
        let of = &self.policy;
        RetentionPolicyText {
            kind: of.kind.to_string(),
            symbol: self.symbol.as_ref().map(ToString::to_string),
            source: self.source.clone(),
            frequency: of.frequency.map(|of| of.to_string()),
            archive_after: of.archive_after().map(format_span),
            delete_after: of.delete_after().map(format_span),
        }
    }
}

/// What became of the policies when all of them were set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyChanges {
    /// Policies that are new.
    pub added: usize,
    /// Policies that have other ages.
    pub changed: usize,
    /// Policies that are as they were.
    pub unchanged: usize,
    /// Policies that are gone.
    pub removed: usize,
}

/// Reads a policy as files and requests write it.
///
/// # Errors
/// [`Error::Invalid`] naming what is wrong in it, as [`NewRetentionPolicy::checked`] too;
/// [`Error::NotFound`] when no active instrument has the symbol, or no source the name; [`Error::Query`].
pub fn of_text(
    conn: &mut BackendConnection<'_>,
    text: &RetentionPolicyText,
) -> Result<NewRetentionPolicy> {
    let instrument_id = match &text.symbol {
        None => None,
        Some(symbol) => {
            let symbol = Symbol::new(symbol)?;
            let found = instrument::by_symbol(conn, &symbol)?;
            let remedy = "check the symbol; `tickbase instruments` lists all";
            let found =
                found.ok_or_else(|| Error::not_found(format!("instrument {symbol}"), remedy))?;
            Some(found.id)
        }
    };
    let data_source_id = match &text.source {
        None => None,
        Some(name) => {
            let found = data_source::by_name(conn, name)?;
            let remedy = "check the name; an import with --create-source adds one";
            let found =
                found.ok_or_else(|| Error::not_found(format!("data source {name:?}"), remedy))?;
            Some(found.id)
        }
    };
    let age = |name: &'static str, text: &Option<String>| {
        let age = text.as_deref().map(parse_span).transpose();
        age.map_err(|error| match error {
            Error::Invalid { reason, remedy, .. } => Error::invalid(name, reason, remedy),
            other => other,
        })
    };
    NewRetentionPolicy {
        kind: text.kind.parse()?,
        instrument_id,
        data_source_id,
        frequency: text.frequency.as_deref().map(str::parse).transpose()?,
        archive_after: age("archive_after", &text.archive_after)?,
        delete_after: age("delete_after", &text.delete_after)?,
    }
    .checked()
}

/// [`of_text`] of all of a list; an error names the place in it: `policies[1].delete_after`.
///
/// # Errors
/// As [`of_text`].
pub fn of_texts(
    conn: &mut BackendConnection<'_>,
    all: &RetentionPolicies,
) -> Result<Vec<NewRetentionPolicy>> {
    let mut read = Vec::with_capacity(all.policies.len());
    for (at, text) in all.policies.iter().enumerate() {
        let policy = of_text(conn, text).map_err(|error| match error {
            Error::Invalid {
                name,
                reason,
                remedy,
            } => Error::Invalid {
                name: format!("policies[{at}].{name}"),
                reason,
                remedy,
            },
            other => other,
        });
        read.push(policy?);
    }
    Ok(read)
}

/// All policies but those of instruments in the trash, the most specific ones last.
///
/// # Errors
/// [`Error::Query`].
pub fn list(conn: &mut BackendConnection<'_>) -> Result<Vec<NamedPolicy>> {
    let query = retention_policies::table.order(retention_policies::id.asc());
    let all: Vec<RetentionPolicy> = crate::on_backend!(&mut *conn, |c| {
        query.select(RetentionPolicy::as_select()).load(c)
    })?;
    let ids: Vec<i64> = all.iter().filter_map(|of| of.instrument_id).collect();
    let symbols = instruments::table
        .active()
        .filter(instruments::id.eq_any(&ids))
        .select((instruments::id, instruments::symbol));
    let symbols: Vec<(i64, Symbol)> = crate::on_backend!(&mut *conn, |c| symbols.load(c))?;
    let sources = data_source::list(conn, false)?;
    let mut named = Vec::with_capacity(all.len());
    for policy in all {
        let symbol = symbols
            .iter()
            .find(|(id, _)| policy.instrument_id == Some(*id));
        if policy.instrument_id.is_some() && symbol.is_none() {
            continue;
        }
        let source = sources
            .iter()
            .find(|of| policy.data_source_id == Some(of.id));
        named.push(NamedPolicy {
            symbol: symbol.map(|(_, symbol)| symbol.clone()),
            source: source.map(|of| of.name.clone()),
            policy,
        });
    }
    let key = |of: &NamedPolicy| (of.policy.kind, rank(&of.policy), of.text().symbol);
    named.sort_by_key(|of| (key(of), of.source.clone(), of.policy.frequency));
    conn.record_rows(named.len());
    Ok(named)
}

/// How specific a policy is: of two that hold, the one of the greater rank counts.
pub(crate) fn rank(of: &RetentionPolicy) -> (bool, bool, bool) {
    (
        of.instrument_id.is_some(),
        of.data_source_id.is_some(),
        of.frequency.is_some(),
    )
}

fn subject(of: &RetentionPolicy) -> (RetentionKind, Option<i64>, Option<i64>, Option<Frequency>) {
    (of.kind, of.instrument_id, of.data_source_id, of.frequency)
}

/// Sets a policy, in the place of one of the same kind, instrument, source and frequency.
///
/// # Errors
/// Those of [`NewRetentionPolicy::checked`]; [`Error::Query`].
pub fn set(
    conn: &mut BackendConnection<'_>,
    new: &NewRetentionPolicy,
    now: Timestamp,
) -> Result<NamedPolicy> {
    let new = new.checked()?;
    let known = list(conn)?;
    let known = known.iter().find(|of| is_of(&new, &of.policy));
    let id = match known {
        Some(known) => {
            change(conn, known.policy.id, &new, now)?;
            known.policy.id
        }
        None => add(conn, &new, now)?,
    };
    let stored = list(conn)?.into_iter().find(|of| of.policy.id == id);
    stored.ok_or_else(|| not_found(id))
}

/// What [`replace_all`] would do.
///
/// # Errors
/// As [`replace_all`].
pub fn compare(
    conn: &mut BackendConnection<'_>,
    new: &[NewRetentionPolicy],
) -> Result<PolicyChanges> {
    let planned = plan(conn, new)?;
    let count = |of: fn(&PolicyStep) -> bool| planned.iter().filter(|step| of(step)).count();
    Ok(PolicyChanges {
        added: count(|step| matches!(step, PolicyStep::Add(_))),
        changed: count(|step| matches!(step, PolicyStep::Change(..))),
        unchanged: count(|step| matches!(step, PolicyStep::Keep)),
        removed: count(|step| matches!(step, PolicyStep::Remove(_))),
    })
}

/// Makes the policies those of a list: sets each, and removes others.
///
/// # Errors
/// As [`set`]; [`Error::Invalid`] for two policies of the same kind, instrument, source and frequency.
pub fn replace_all(
    conn: &mut BackendConnection<'_>,
    new: &[NewRetentionPolicy],
    now: Timestamp,
) -> Result<PolicyChanges> {
    let changes = compare(conn, new)?;
    for step in plan(conn, new)? {
        match step {
            PolicyStep::Add(policy) => drop(add(conn, &policy, now)?),
            PolicyStep::Change(id, policy) => change(conn, id, &policy, now)?,
            PolicyStep::Remove(id) => remove(conn, id)?,
            PolicyStep::Keep => {}
        }
    }
    Ok(changes)
}

/// What becomes of one policy when all are set.
enum PolicyStep {
    Add(NewRetentionPolicy),
    Change(i64, NewRetentionPolicy),
    Keep,
    Remove(i64),
}

fn plan(conn: &mut BackendConnection<'_>, new: &[NewRetentionPolicy]) -> Result<Vec<PolicyStep>> {
    let known = list(conn)?;
    let mut steps = Vec::with_capacity(new.len());
    for (at, policy) in new.iter().enumerate() {
        let policy = policy.checked()?;
        if new[..at].iter().any(|other| is_same(other, &policy)) {
            let reason = "two are of the same kind, symbol, source and frequency";
            return Err(Error::invalid("policies", reason, "leave one of them out"));
        }
        let found = known.iter().find(|of| is_of(&policy, &of.policy));
        steps.push(match found.map(|of| &of.policy) {
            None => PolicyStep::Add(policy),
            Some(of) if ages(&policy) == (of.archive_after_seconds, of.delete_after_seconds) => {
                PolicyStep::Keep
            }
            Some(of) => PolicyStep::Change(of.id, policy),
        });
    }
    let is_gone = |of: &&NamedPolicy| !new.iter().any(|policy| is_of(policy, &of.policy));
    let gone = known.iter().filter(is_gone);
    steps.extend(gone.map(|of| PolicyStep::Remove(of.policy.id)));
    Ok(steps)
}

/// Removes a policy; what it has archived or deleted stays so.
///
/// # Errors
/// [`Error::NotFound`] when no policy has the number; [`Error::Query`].
pub fn remove(conn: &mut BackendConnection<'_>, id: i64) -> Result<()> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let delete = diesel::delete(retention_policies::table.find(id));
    match crate::on_backend!(conn, |c| delete.execute(c))? {
        0 => Err(not_found(id)),
        _ => Ok(()),
    }
}

fn not_found(id: i64) -> Error {
    let remedy = "list the policies: `tickbase retention list`";
    Error::not_found(format!("retention policy {id}"), remedy)
}

fn is_of(new: &NewRetentionPolicy, known: &RetentionPolicy) -> bool {
    let of = (
        new.kind,
        new.instrument_id,
        new.data_source_id,
        new.frequency,
    );
    of == subject(known)
}

fn is_same(one: &NewRetentionPolicy, other: &NewRetentionPolicy) -> bool {
    let ageless = |of: &NewRetentionPolicy| NewRetentionPolicy {
        archive_after: None,
        delete_after: None,
        ..*of
    };
    ageless(one) == ageless(other)
}

fn ages(of: &NewRetentionPolicy) -> (Option<i64>, Option<i64>) {
    let seconds = |age: std::time::Duration| i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    (of.archive_after.map(seconds), of.delete_after.map(seconds))
}

fn add(conn: &mut BackendConnection<'_>, new: &NewRetentionPolicy, now: Timestamp) -> Result<i64> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let (archive_after, delete_after) = ages(new);
    let insert = diesel::insert_into(retention_policies::table).values((
        retention_policies::kind.eq(new.kind),
        retention_policies::instrument_id.eq(new.instrument_id),
        retention_policies::data_source_id.eq(new.data_source_id),
        retention_policies::frequency.eq(new.frequency),
        retention_policies::archive_after_seconds.eq(archive_after),
        retention_policies::delete_after_seconds.eq(delete_after),
        retention_policies::created_at.eq(now),
        retention_policies::updated_at.eq(now),
    ));
    let id = crate::on_backend!(conn, |c| {
        insert.returning(retention_policies::id).get_result(c)
    });
    id.map_err(|error| super::or_conflict(error, "a retention policy"))
}

fn change(
    conn: &mut BackendConnection<'_>,
    id: i64,
    new: &NewRetentionPolicy,
    now: Timestamp,
) -> Result<()> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let (archive_after, delete_after) = ages(new);
    let update = diesel::update(retention_policies::table.find(id)).set((
        retention_policies::archive_after_seconds.eq(archive_after),
        retention_policies::delete_after_seconds.eq(delete_after),
        retention_policies::updated_at.eq(now),
    ));
    crate::on_backend!(conn, |c| update.execute(c))?;
    Ok(())
}
