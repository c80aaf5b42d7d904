//! Alerts: storing each firing once, pages newest first, counts, soft delete and restore.
//!
//! A rule fires at most once for a tick: (rule, tick) is unique, deleted alerts included. It
//! decides nothing about firing.

mod read;
mod stats;
#[cfg(test)]
mod tests;
mod write;

pub use read::{
    AlertFilter, AlertKey, AlertSummary, NumberedPage, PageQuery, count, get, numbered, page,
    summary,
};
pub use stats::{AlertFigures, AlertGroup, groups_since};
pub(crate) use write::insert_many;
pub use write::{insert, restore, soft_delete};

use crate::database::{Database, Page};
use crate::error::Result;
use crate::models::{AlertLog, NewAlertLog};
use crate::repository::rows::Recorded;

/// Reads and writes alerts.
#[derive(Debug, Clone, Copy)]
pub struct AlertLogRepository<'a> {
    db: &'a Database,
}

impl<'a> AlertLogRepository<'a> {
    /// The alerts of a database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self { db }
    }

    /// Stores an alert; `None` when the rule has fired for this tick before, even if that alert
    /// was deleted.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a value that is not finite;
    /// [`Error::NotFound`](crate::Error::NotFound) when there is no such rule, instrument or
    /// source; those of [`Database::write`].
    pub fn insert(&self, new: NewAlertLog) -> Result<Option<AlertLog>> {
        self.db.write("alert_log.insert", move |conn| {
            insert(conn, &new).recorded(conn)
        })
    }

    /// A page of the active alerts that pass the filter, newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above
    /// [`PageQuery::LIMIT_MAX`], or a start after the end; those of [`Database::read`].
    pub fn page(&self, query: &PageQuery) -> Result<Page<AlertLog, AlertKey>> {
        self.db
            .read("alert_log.page", |conn| page(conn, query).recorded(conn))
    }

    /// How many active alerts pass the filter.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a start after the end; those of
    /// [`Database::read`].
    pub fn count(&self, filter: AlertFilter) -> Result<i64> {
        self.db
            .read("alert_log.count", |conn| count(conn, filter).recorded(conn))
    }

    /// The active alert with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound); those of [`Database::read`].
    pub fn get(&self, id: i64) -> Result<AlertLog> {
        self.db
            .read("alert_log.get", |conn| get(conn, id).recorded(conn))
    }

    /// Moves the alerts with these ids to the trash; returns how many were active.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn soft_delete(&self, ids: Vec<i64>) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("alert_log.soft_delete", move |conn| {
            soft_delete(conn, &ids, now).recorded(conn)
        })
    }

    /// Takes the alerts with these ids out of the trash; returns how many were in it.
    ///
    /// # Errors
    /// Those of [`Database::write`].
    pub fn restore(&self, ids: Vec<i64>) -> Result<usize> {
        self.db.write("alert_log.restore", move |conn| {
            restore(conn, &ids).recorded(conn)
        })
    }
}
