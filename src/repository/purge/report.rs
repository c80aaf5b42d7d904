//! The report of a purge, or of a dry run. No SQL.

use std::fmt;

/// Kept rows that a report names one by one; of the others it has the numbers.
pub(super) const KEPT_ROWS_NAMED_MAX: usize = 20;

/// The report of a purge, or of a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeReport {
    /// True when nothing was deleted.
    pub dry_run: bool,
    /// Each table, in the order in which it was emptied.
    pub tables: Vec<TablePurge>,
}

impl PurgeReport {
    /// Rows deleted from all tables.
    #[must_use]
    pub fn deleted(&self) -> usize {
        self.tables.iter().map(|table| table.deleted).sum()
    }

    /// Rows kept in all tables.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.tables.iter().map(|table| table.kept).sum()
    }
}

/// The report of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TablePurge {
    /// The table.
    pub table: &'static str,
    /// Rows deleted for good.
    pub deleted: usize,
    /// Rows old enough, but kept: others refer to them.
    pub kept: usize,
    /// The number of rows kept for each reason; a row may have several.
    pub reasons: Vec<KeepReason>,
    /// The first kept rows, 20 at most.
    pub kept_rows: Vec<KeptRow>,
}

impl TablePurge {
    /// A table of which nothing was kept.
    pub(super) fn new(table: &'static str, deleted: usize) -> Self {
        Self {
            table,
            deleted,
            kept: 0,
            reasons: Vec::new(),
            kept_rows: Vec::new(),
        }
    }

    /// Counts rows that are kept.
    pub(super) fn keep(&mut self, rows: Vec<ReferencedRow>) {
        self.kept += rows.len();
        for kept in rows {
            for (referrer, _) in &kept.row.referrers {
                self.count_reason(*referrer, 1);
            }
            if self.kept_rows.len() < KEPT_ROWS_NAMED_MAX {
                self.kept_rows.push(kept.row);
            }
        }
    }

    /// Counts ticks that are kept for one reason, and that have no names of their own.
    #[cfg(feature = "archive")]
    pub(super) fn keep_ticks(&mut self, (row, ticks): (KeptRow, usize)) {
        if ticks == 0 {
            return;
        }
        self.kept += ticks;
        for (referrer, _) in &row.referrers {
            self.count_reason(*referrer, ticks);
        }
        if self.kept_rows.len() < KEPT_ROWS_NAMED_MAX {
            self.kept_rows.push(row);
        }
    }

    fn count_reason(&mut self, referrer: Referrer, rows: usize) {
        match self
            .reasons
            .iter_mut()
            .find(|reason| reason.referrer == referrer)
        {
            Some(reason) => reason.rows += rows,
            None => self.reasons.push(KeepReason { referrer, rows }),
        }
    }
}

/// Why rows were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepReason {
    /// The kind of rows that refer to them.
    pub referrer: Referrer,
    /// The number of rows it keeps.
    pub rows: usize,
}

impl fmt::Display for KeepReason {
    /// `3 are referred to by ticks`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.rows == 1 { "is" } else { "are" };
        write!(
            f,
            "{} {verb} referred to by {}s",
            self.rows,
            self.referrer.noun()
        )
    }
}

/// A row that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptRow {
    /// The row: `instrument 13 "ES"`.
    pub row: String,
    /// The kinds of rows that refer to it, and their numbers.
    pub referrers: Vec<(Referrer, i64)>,
}

impl fmt::Display for KeptRow {
    /// `instrument 13 "ES" is referred to by 3 ticks, 1 bar`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is referred to by ", self.row)?;
        for (i, (referrer, rows)) in self.referrers.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let plural = if *rows == 1 { "" } else { "s" };
            write!(f, "{comma}{rows} {}{plural}", referrer.noun())?;
        }
        Ok(())
    }
}

/// A kind of rows that can refer to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Referrer {
    /// Ticks of an instrument.
    Ticks,
    /// Bars of an instrument.
    Bars,
    /// Rules of an instrument.
    Rules,
    /// Alerts of a rule or an instrument.
    Alerts,
    /// Archived periods: of an instrument; of ticks, those whose files hold their keys, or are being made.
    ArchivedPeriods,
}

impl Referrer {
    fn noun(self) -> &'static str {
        match self {
            Self::Ticks => "tick",
            Self::Bars => "bar",
            Self::Rules => "rule",
            Self::Alerts => "alert",
            Self::ArchivedPeriods => "archived period",
        }
    }
}

/// A kept row, and the instrument that it is or belongs to.
#[derive(Debug)]
pub(super) struct ReferencedRow {
    pub(super) row: KeptRow,
    pub(super) instrument_id: i64,
}
