//! Instruments: lists, look-ups by id and symbol, insertion, changes, soft delete and restore.
//!
//! A symbol belongs to one active instrument; a deleted one gives it free. An instrument that a
//! rule still watches is not deleted. It reads no ticks.

mod delete;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use delete::{lock, lock_active, rules_changed};
pub use delete::{restore, soft_delete};
pub use read::{
    InstrumentFilter, InstrumentLabel, InstrumentPage, InstrumentSummary, active_ids, by_symbol,
    get, labels, labels_by_symbol, labels_of_all, list, page, summary,
};
pub use rules::{list_with_rules, with_rules};
pub use write::{insert, update};

use crate::database::Database;
use crate::domain::Symbol;
use crate::error::{Error, Result};
use crate::models::{AlertRule, Instrument, InstrumentChange, NewInstrument};
use crate::repository::rows::Recorded;

/// Reads and writes instruments.
#[derive(Debug, Clone, Copy)]
pub struct InstrumentRepository<'a> {
    db: &'a Database,
}

impl<'a> InstrumentRepository<'a> {
    /// The instruments of a database.
    #[must_use]
    pub fn new(db: &'a Database) -> Self {
        Self { db }
    }

    /// The active instruments that pass the filter, by symbol.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn list(&self, filter: InstrumentFilter) -> Result<Vec<Instrument>> {
        self.db
            .read("instrument.list", |conn| list(conn, filter).recorded(conn))
    }

    /// The active instruments that pass the filter, by symbol, each with its rules, by id: two
    /// statements, however many instruments there are.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn list_with_rules(
        &self,
        filter: InstrumentFilter,
    ) -> Result<Vec<(Instrument, Vec<AlertRule>)>> {
        self.db.read("instrument.list_with_rules", |conn| {
            list_with_rules(conn, filter).recorded(conn)
        })
    }

    /// The active instrument with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; those of [`Database::read`].
    pub fn get(&self, id: i64) -> Result<Instrument> {
        self.db
            .read("instrument.get", |conn| get(conn, id).recorded(conn))
    }

    /// The active instrument with this symbol.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn by_symbol(&self, symbol: &Symbol) -> Result<Option<Instrument>> {
        self.db.read("instrument.by_symbol", |conn| {
            by_symbol(conn, symbol).recorded(conn)
        })
    }

    /// Adds an instrument.
    ///
    /// # Errors
    /// [`Error::Conflict`] naming the active instrument that has the symbol; those of
    /// [`Database::write`].
    pub fn insert(&self, new: NewInstrument) -> Result<Instrument> {
        let now = self.db.clock().now();
        self.db.write("instrument.insert", move |conn| {
            insert(conn, &new, now).recorded(conn)
        })
    }

    /// Changes an active instrument; an empty change sets `updated_at` alone.
    ///
    /// # Errors
    /// [`Error::NotFound`]; those of [`Database::write`].
    pub fn update(&self, id: i64, change: InstrumentChange) -> Result<Instrument> {
        let now = self.db.clock().now();
        self.db.write("instrument.update", move |conn| {
            update(conn, id, &change, now).recorded(conn)
        })
    }

    /// Moves the instruments with these ids to the trash, all or none; returns how many were
    /// active. Their ticks, bars and alerts stay.
    ///
    /// # Errors
    /// [`Error::Conflict`] naming a rule that still watches one of them; those of
    /// [`Database::write`].
    pub fn soft_delete(&self, ids: Vec<i64>) -> Result<usize> {
        let now = self.db.clock().now();
        self.db.write("instrument.soft_delete", move |conn| {
            soft_delete(conn, &ids, now).recorded(conn)
        })
    }

    /// Takes the instruments with these ids out of the trash, all or none; returns how many were
    /// in it.
    ///
    /// # Errors
    /// [`Error::Conflict`] naming the active instrument that took a symbol meanwhile; those of
    /// [`Database::write`].
    pub fn restore(&self, ids: Vec<i64>) -> Result<usize> {
        self.db.write("instrument.restore", move |conn| {
            restore(conn, &ids).recorded(conn)
        })
    }
}

/// An instrument that is not there, or is in the trash.
pub(crate) fn not_found(id: i64) -> Error {
    Error::not_found(
        format!("instrument {id}"),
        "list the instruments, or restore this one if it was deleted",
    )
}
