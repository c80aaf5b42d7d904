//! The archive: ticks of periods that are over, in one file for an instrument and a period.
//!
//! The bytes of the files lie in the database (`archive_parts`), and what they are in
//! `archive_segments`. From the commit that seals a file on, readers merge it with the rows of
//! `market_data`, hot rows, by key: a hot row wins, and one that is deleted hides the tick of the file.
//! Only then do the hot rows go that the file holds, some thousands a transaction. Whatever changes
//! later (late ticks, deletions, restorations) is a hot row over the file, until the file is made anew.
//!
//! The reasons are in docs/decisions/0037.

mod bring_back;
mod catalogue;
mod checkpoint;
mod cold;
mod due;
mod files;
mod hot;
mod identity;
mod merged;
mod newest;
mod parts;
mod pieces;
mod removal;
mod rows_over_files;
mod run;
#[cfg(test)]
mod tests;
mod trash;

pub(crate) use bring_back::{FilesOf, bring_back_keys, bring_back_range};
pub(crate) use cold::{ColdChunk, segments};
pub use due::{ArchiveRequest, PeriodReport, run};
pub(crate) use due::{DuePeriod, last_boundary, next_due};
pub(crate) use files::with_trash;
pub use files::{LIMIT_MAX, byte_range, bytes, get, list, page, require_hot, verify};
pub(crate) use identity::{KeyFate, fates, next_sequences};
pub(crate) use merged::MergedTicks;
pub(crate) use newest::{ArchivedInstrument, archived, with_archived};
pub(crate) use pieces::{PassedTick, RangePiece, count, each_tick, nth_stamp, own_count, pieces};
pub(crate) use rows_over_files::{
    PurgedPage, count_kept, overlaid, periods_over_trash, purge_page,
};
pub use run::{Archiver, LEASE, PeriodOutcome};
pub(crate) use trash::{
    TrashedFile, count_old_segments, instruments_in_trash, purge_segment, restore_segments,
    segments_in_trash, soft_delete_covered, soft_delete_segments,
};

/// The table of archived periods, by which reports name it.
pub(crate) const TABLE_NAME: &str = "archive_segments";
