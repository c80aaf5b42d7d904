//! Instruments: lists, look-ups by id and symbol, insertion, changes, soft delete and restore.
//!
//! A symbol belongs to one active instrument; a deleted one gives it free. An instrument that a
//! rule still watches is not deleted. It reads no ticks.

mod delete;
mod lock;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod write;

pub use delete::{restore, soft_delete};
pub(crate) use lock::{lock, lock_active, rules_changed};
#[cfg(feature = "archive")]
pub(crate) use read::all_ids;
pub(crate) use read::find;
pub use read::{
    InstrumentFilter, InstrumentLabel, InstrumentPage, InstrumentSummary, active_ids, by_symbol,
    get, labels, labels_by_symbol, labels_of_all, list, page, summary,
};
pub use rules::{list_with_rules, with_rules};
pub use write::{insert, update};

use crate::error::Error;

/// An instrument that is not there, or is in the trash.
pub(crate) fn not_found(id: i64) -> Error {
    Error::not_found(
        format!("instrument {id}"),
        "list the instruments, or restore this one if it was deleted",
    )
}
