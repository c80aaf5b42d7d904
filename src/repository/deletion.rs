//! Batches of soft deletes: lists of them and of the trash, deleting an instrument with all that
//! belongs to it, and undoing a batch.
//!
//! Rows belong together by one moment, `deleted_at`, which `batch` gives to all of them and to no
//! others.

mod cascade;
mod conflicts;
#[cfg(feature = "archive")]
mod growing;
mod read;
mod stamps;
#[cfg(test)]
mod tests;
mod trash;
mod undo;

pub use super::deletion_batch::{DeletionBatch, batch};
pub use cascade::{delete_instruments, resume};
pub use conflicts::UndoConflict;
#[cfg(feature = "archive")]
pub(crate) use growing::GrowingBatch;
pub(crate) use read::mark_purged;
pub use read::{LIMIT_MAX, get, list};
pub use trash::{TrashEntry, TrashPage, trash};
pub use undo::{UndoOptions, UndoOutcome, UndoReport, undo};

/// Ticks of one transaction: more of one batch go in several, so that nobody waits long for the
/// writer.
const TICKS_PER_TRANSACTION: usize = 100_000;
