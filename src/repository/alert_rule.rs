//! Alert rules: lists, look-ups, insertion and changes of rules that can fire, soft delete and
//! restore.
//!
//! A rule that is evaluated watches an active instrument: who adds, changes or restores one locks
//! the instrument first. Evaluating rules is the alert engine's.

mod delete;
mod read;
#[cfg(test)]
mod tests;
mod triggered;
mod write;

pub use delete::{restore, soft_delete};
pub use read::{
    RuleCounts, RuleFilter, RuleKey, RuleLabel, RulePage, counts, get, labels_of_all, list,
    of_instruments, page,
};
pub(crate) use triggered::triggered;
pub use write::{insert, update};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::models::{AlertRule, AlertRuleChange, NewAlertRule};
use crate::repository::rows::Recorded;

/// Reads and writes alert rules.
#[derive(Debug, Clone, Copy)]
pub struct AlertRuleRepository<'a> {
    db: &'a Database,
}

impl<'a> AlertRuleRepository<'a> {
    /// The rules of a database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self { db }
    }

    /// The rules that pass the filter, newest first.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn list(&self, filter: RuleFilter) -> Result<Vec<AlertRule>> {
        self.db
            .read("alert_rule.list", |conn| list(conn, filter).recorded(conn))
    }

    /// The rule with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; those of [`Database::read`].
    pub fn get(&self, id: i64) -> Result<AlertRule> {
        self.db
            .read("alert_rule.get", |conn| get(conn, id).recorded(conn))
    }

    /// The rules of these instruments, those that are switched off included, by instrument and
    /// id: one statement per 10,000 instruments.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn of_instruments(&self, instrument_ids: &[i64]) -> Result<Vec<AlertRule>> {
        self.db.read("alert_rule.of_instruments", |conn| {
            of_instruments(conn, instrument_ids).recorded(conn)
        })
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it could never fire as it is written; [`Error::NotFound`] when its
    /// instrument is unknown or deleted; those of [`Database::write`].
    pub fn insert(&self, new: NewAlertRule) -> Result<AlertRule> {
        let now = self.db.clock().now();
        self.db.write("alert_rule.insert", move |conn| {
            insert(conn, &new, now).recorded(conn)
        })
    }

    /// Changes a rule; an empty change sets `updated_at` alone.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] when the changed rule could never fire;
    /// [`Error::Conflict`] when it is switched on while its instrument is deleted; those of
    /// [`Database::write`].
    pub fn update(&self, id: i64, change: AlertRuleChange) -> Result<AlertRule> {
        let now = self.db.clock().now();
        self.db.write("alert_rule.update", move |conn| {
            update(conn, id, &change, now).recorded(conn)
        })
    }

    /// Moves the rules with these ids to the trash; returns how many were active. Their alerts
    /// stay.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn soft_delete(&self, ids: Vec<i64>) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("alert_rule.soft_delete", move |conn| {
            soft_delete(conn, &ids, now).recorded(conn)
        })
    }

    /// Takes the rules with these ids out of the trash, all or none; returns how many were in it.
    ///
    /// # Errors
    /// [`Error::Conflict`] naming a rule whose instrument is deleted; those of
    /// [`Database::write`].
    pub fn restore(&self, ids: Vec<i64>) -> Result<usize> {
        self.db.write("alert_rule.restore", move |conn| {
            restore(conn, &ids).recorded(conn)
        })
    }
}

fn not_found(id: i64) -> Error {
    Error::not_found(
        format!("rule {id}"),
        "list the rules, or restore this one if it was deleted",
    )
}

/// The rule would be evaluated for an instrument that is in the trash.
fn instrument_deleted(rule_id: i64, instrument_id: i64, attempt: &str) -> Error {
    Error::Conflict {
        what: format!("rule {rule_id} cannot be {attempt}"),
        existing: format!(
            "its instrument {instrument_id} is deleted; restore the instrument first"
        ),
    }
}
