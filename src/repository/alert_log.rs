//! Alerts: storing each firing once, pages newest first, counts, soft delete and restore.
//!
//! A rule fires at most once for a tick: (rule, tick) is unique, deleted alerts included. It
//! decides nothing about firing.

mod acknowledge;
mod read;
mod stats;
#[cfg(test)]
mod tests;
mod write;

pub use acknowledge::{NOTE_LENGTH_MAX, acknowledge};
pub use read::{
    AlertFilter, AlertKey, AlertSummary, NumberedPage, PageQuery, count, get, numbered, page,
    summary,
};
pub use stats::{AlertFigures, AlertGroup, groups_since};
pub use write::{insert, restore, soft_delete};
pub(crate) use write::{insert_many, soft_delete_all};
