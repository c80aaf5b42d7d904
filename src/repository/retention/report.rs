//! What a run of the policies did, or would do.

use crate::domain::Frequency;
use crate::models::Deletion;
use crate::repository::purge::PurgeReport;
use crate::timestamp::Timestamp;

/// What a run did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RetentionReport {
    /// Whether it changed nothing.
    pub dry_run: bool,
    /// What became of each instrument; one for which nothing was due has no line.
    pub lines: Vec<RetentionLine>,
    /// Instruments for which it could not be done.
    pub failures: Vec<RetentionFailure>,
    /// The batch of what was deleted, which can be undone; `None` when nothing was.
    pub deletion: Option<Deletion>,
    /// What was removed for good; `None` when that is not asked for.
    pub purge: Option<PurgeReport>,
}

/// Why something could not be done for an instrument: its data is damaged, or was deleted meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionFailure {
    /// The instrument.
    pub instrument_id: i64,
    /// The error, in one line.
    pub error: String,
}

/// A step of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionLine {
    /// The instrument.
    pub instrument_id: i64,
    /// What was to be done.
    pub step: RetentionStep,
    /// What became of it.
    pub outcome: RetentionOutcome,
    /// Ticks or bars.
    pub rows: i64,
    /// Bytes of the files that were made or went; 0 of bars, which have none.
    pub bytes: i64,
    /// Periods of the archive; 0 of bars.
    pub periods: i64,
    /// What it has lies before this moment.
    pub before: Timestamp,
    /// The frequencies of built bars that stay, of all that went.
    pub bars_that_stay: Vec<Frequency>,
}

/// A kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionStep {
    /// Ticks are archived.
    ArchiveTicks,
    /// Ticks are moved to the trash.
    DeleteTicks,
    /// Bars are moved to the trash.
    DeleteBars {
        /// Length of their periods.
        frequency: Frequency,
        /// Their data source.
        data_source_id: i64,
    },
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionOutcome {
    /// It was done.
    Done,
    /// It would be: this is a dry run.
    WouldBeDone,
    /// Another process archives some of it: that stays as it is until a later run.
    Busy,
    /// Built bars are made of it, and are not built or not repaired yet: it stays until a later run.
    BarsWait,
}
