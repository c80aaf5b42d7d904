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
pub(crate) use read::find_of_instruments;
pub use read::{
    RuleCounts, RuleFilter, RuleKey, RuleLabel, RulePage, counts, get, labels_of_all, list,
    of_instruments, page,
};
pub(crate) use triggered::triggered;
pub use write::{insert, insert_as_written, update, update_as_written};

use crate::error::Error;

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
