//! Words of soft deletes: the state of a batch, kinds of rows, and how many of each.

use crate::domain::text_enum;

text_enum! {
    /// The state of a batch of soft deletes.
    pub enum DeletionState = "state" {
        /// It goes on, or was cut off by a crash: resume it, or undo it.
        Running = "running",
        /// All of it is in the trash.
        Done = "done",
        /// It was taken back.
        Undone = "undone",
        /// It was removed for good.
        Purged = "purged",
    }
}

text_enum! {
    /// What a deleted row is.
    pub enum DeletedKind = "kind" {
        /// An instrument.
        Instrument = "instrument",
        /// An alert rule.
        Rule = "rule",
        /// An alert that fired.
        Alert = "alert",
        /// A bar.
        Bar = "bar",
        /// A tick.
        Tick = "tick",
        /// A saved query.
        SavedQuery = "saved_query",
    }
}

/// Rows by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, utoipa::ToSchema))]
pub struct DeletionCounts {
    /// Instruments.
    pub instruments: usize,
    /// Alert rules.
    pub rules: usize,
    /// Alerts that fired.
    pub alerts: usize,
    /// Bars.
    pub bars: usize,
    /// Ticks.
    pub ticks: usize,
    /// Saved queries.
    pub saved_queries: usize,
}

impl DeletionCounts {
    /// Rows of all kinds.
    #[must_use]
    pub fn total(&self) -> usize {
        DeletedKind::ALL.iter().map(|kind| self.of(*kind)).sum()
    }

    /// Rows of a kind.
    #[must_use]
    pub fn of(&self, kind: DeletedKind) -> usize {
        let mut counts = *self;
        *counts.of_mut(kind)
    }

    pub(crate) fn of_mut(&mut self, kind: DeletedKind) -> &mut usize {
        match kind {
            DeletedKind::Instrument => &mut self.instruments,
            DeletedKind::Rule => &mut self.rules,
            DeletedKind::Alert => &mut self.alerts,
            DeletedKind::Bar => &mut self.bars,
            DeletedKind::Tick => &mut self.ticks,
            DeletedKind::SavedQuery => &mut self.saved_queries,
        }
    }
}
