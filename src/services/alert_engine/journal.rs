//! What an open batch has changed, so that it can be taken back: its length is that of the changes,
//! not of the state, and for a batch of any length at most that of the state.
//!
//! The state of a rule or of a past is written once for each stretch between two marks, before its
//! first change there. Counts are written one by one, and together once there are as many as
//! rules. Taking back goes from the newest entry to the oldest.
//!
//! Forgetting an instrument at a rollback and reading it again would be simpler, and wrong: late
//! ticks, which its memory had passed over, come in with what is read, so that a write that failed
//! would change what fires afterwards.

use std::ops::Range;

use super::history::{History, SavedHistory};
use super::rule_state::{Cooldown, RuleState};

/// A place to which an open batch can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalMark {
    pub(super) batch: u64,
    pub(super) entries: usize,
}

/// One change, by what was before it.
#[derive(Debug)]
pub(super) enum Undo {
    /// The entries after this one, up to the next of its kind, are about this instrument.
    Instrument(i64),
    History(Box<SavedHistory>),
    Slot {
        number: usize,
        pause: Cooldown,
    },
    Counted {
        group: usize,
        start: u32,
        end: u32,
    },
    /// Many counts, as the differences between neighbouring ranks.
    CountedMany {
        group: usize,
        differences: Vec<i64>,
    },
    Totals(super::AlertTotals),
}

/// How a group's counts were written in a stretch of the journal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GroupCounts {
    stretch: u64,
    entries: usize,
    /// The entry that takes the rest.
    many: Option<usize>,
}

/// The changes of an open batch.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: Vec<Undo>,
    /// Which stretch between two marks this is; never 0, which says "in none".
    stretch: u64,
    /// Which batch this is.
    batch: u64,
}

impl Journal {
    pub(super) fn mark(&mut self) -> JournalMark {
        self.stretch += 1;
        JournalMark {
            batch: self.batch,
            entries: self.entries.len(),
        }
    }

    pub(super) fn totals(&mut self, totals: super::AlertTotals) {
        self.entries.push(Undo::Totals(totals));
    }

    pub(super) fn instrument(&mut self, id: i64) {
        self.entries.push(Undo::Instrument(id));
    }

    pub(super) fn save_history(&mut self, history: &History, saved_in: &mut u64) {
        if *saved_in != self.stretch {
            *saved_in = self.stretch;
            self.entries.push(Undo::History(Box::new(history.save())));
        }
    }

    pub(super) fn save_slot(&mut self, number: usize, slot: &mut RuleState) {
        if slot.saved_in != self.stretch {
            slot.saved_in = self.stretch;
            let pause = slot.pause;
            self.entries.push(Undo::Slot { number, pause });
        }
    }

    /// One match of a stretch of ranks, in a group that has `rules` of them.
    #[allow(clippy::cast_possible_truncation)] // No instrument has 4 billion rules.
    pub(super) fn counted(
        &mut self,
        group: usize,
        ranks: Range<usize>,
        rules: usize,
        tally: &mut GroupCounts,
    ) {
        if tally.stretch != self.stretch {
            *tally = GroupCounts::default();
            tally.stretch = self.stretch;
        }
        if tally.entries < rules {
            tally.entries += 1;
            let (start, end) = (ranks.start as u32, ranks.end as u32);
            return self.entries.push(Undo::Counted { group, start, end });
        }
        let entries = &mut self.entries;
        let many = *tally.many.get_or_insert_with(|| {
            let differences = vec![0; rules + 1];
            entries.push(Undo::CountedMany { group, differences });
            entries.len() - 1
        });
        if let Some(Undo::CountedMany { differences, .. }) = entries.get_mut(many) {
            differences[ranks.start] += 1;
            differences[ranks.end] -= 1;
        }
    }

    /// Takes the entries after a mark out, newest first, each with its instrument. A mark of a
    /// batch that has ended has none.
    pub(super) fn take_after(&mut self, mark: JournalMark) -> Vec<(i64, Undo)> {
        self.stretch += 1;
        if mark.batch != self.batch || mark.entries >= self.entries.len() {
            return Vec::new();
        }
        let mut instrument_id = 0;
        let mut taken = Vec::with_capacity(self.entries.len() - mark.entries);
        for entry in self.entries.drain(mark.entries..) {
            match entry {
                Undo::Instrument(id) => instrument_id = id,
                entry => taken.push((instrument_id, entry)),
            }
        }
        taken.reverse();
        taken
    }

    /// Ends the batch; returns the instruments that it touched.
    pub(super) fn end(&mut self) -> Vec<i64> {
        self.stretch += 1;
        self.batch += 1;
        let touched = self.entries.drain(..).filter_map(|entry| match entry {
            Undo::Instrument(id) => Some(id),
            _ => None,
        });
        let mut touched: Vec<i64> = touched.collect();
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// The mark before everything.
    pub(super) fn beginning(&self) -> JournalMark {
        JournalMark {
            batch: self.batch,
            entries: 0,
        }
    }
}
