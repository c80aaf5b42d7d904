//! All SQL of the tables.
#[cfg(feature = "sqlite")]
pub(crate) mod adoption;
/// Deliveries of alerts.
pub mod alert_delivery;
/// Alerts that fired.
pub mod alert_log;
/// When to raise an alert.
pub mod alert_rule;
pub mod alert_silence;
#[cfg(feature = "archive")]
pub mod archive;
/// Open, high, low, close and volume of a period.
pub mod bar;
pub(crate) mod bar_composition;
/// Bars that are built from ticks: what is built, and building it.
pub mod bar_series;
pub(crate) mod bounds;
pub mod check;
pub mod data_change;
/// Origins of ticks and bars.
pub mod data_source;
/// Which database it is.
pub mod database_identity;
/// Batches of soft deletes: what each of them deleted, and undoing it.
pub mod deletion;
pub(crate) mod deletion_batch;
pub(crate) mod ingest_batch;
/// Instruments that are traded or watched.
pub mod instrument;
pub mod market_data;
mod optional;
mod pass;
/// The only hard delete.
pub mod purge;
mod range_query;
#[cfg(feature = "archive")]
pub mod retention;
pub mod retention_policy;
pub(crate) mod rows;
/// Queries for bars that users keep under a name.
pub mod saved_query;
pub mod storage;
#[cfg(test)]
mod test_rows;
#[cfg(test)]
mod tests;
pub(crate) mod tick_key_list;
#[cfg(feature = "sqlite")]
pub(crate) mod tradeassist;
#[cfg(feature = "sqlite")]
pub(crate) mod write_marks;

pub use range_query::{PAGE_ROWS_MAX, RangeQuery, SortOrder};

use crate::error::Error;

pub(crate) const KEYS_PER_STATEMENT_MAX: usize = 10_000;

/// Turns the error of a write that met a row which another writer had just stored into a conflict;
/// other errors stay what they are. Repositories look for that row first, so that only a race comes
/// to this.
fn or_conflict(error: diesel::result::Error, what: impl Into<String>) -> Error {
    use diesel::result::{DatabaseErrorKind, Error as DieselError};
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Error::Conflict {
            what: what.into(),
            existing: "another writer has just stored a row with this key; read it and decide"
                .to_owned(),
        },
        other => other.into(),
    }
}
