//! What a transaction changes of that which caches hold.

/// Instruments that one transaction remembers; one that touches more has touched everything.
const INSTRUMENTS_REMEMBERED_MAX: usize = 4_096;

/// What statements change of that which the crate's cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation<'a> {
    /// Nothing of it: tables of one's own, rules, alerts, deliveries, rows that are deleted already.
    Nothing,
    /// Ticks of these instruments, and what the instruments show as their last tick.
    Ticks(&'a [i64]),
    /// Bars of these instruments.
    Bars(&'a [i64]),
    /// The rows of these instruments.
    Instruments(&'a [i64]),
    /// Anything.
    Everything,
}

/// What a transaction has touched so far.
#[derive(Debug, Default)]
pub(super) struct Invalidations {
    pub(super) everything: bool,
    /// Whether the row of an instrument changed beyond what it shows as its last tick.
    pub(super) members: bool,
    /// Instruments whose ticks or rows changed.
    pub(super) shown: Vec<i64>,
    /// Instruments whose bars changed.
    pub(super) bars: Vec<i64>,
}

/// How much of it there was when a savepoint began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InvalidationMark {
    everything: bool,
    members: bool,
    shown: usize,
    bars: usize,
}

impl Invalidations {
    pub(super) fn add(&mut self, what: Invalidation<'_>) {
        match what {
            Invalidation::Nothing => {}
            Invalidation::Ticks(ids) => self.everything |= remember(&mut self.shown, ids),
            Invalidation::Bars(ids) => self.everything |= remember(&mut self.bars, ids),
            Invalidation::Instruments(ids) => {
                self.members = true;
                self.everything |= remember(&mut self.shown, ids);
            }
            Invalidation::Everything => self.everything = true,
        }
    }

    pub(super) fn savepoint(&self) -> InvalidationMark {
        InvalidationMark {
            everything: self.everything,
            members: self.members,
            shown: self.shown.len(),
            bars: self.bars.len(),
        }
    }

    pub(super) fn rollback_to(&mut self, mark: InvalidationMark) {
        self.everything = mark.everything;
        self.members = mark.members;
        self.shown.truncate(mark.shown);
        self.bars.truncate(mark.bars);
    }
}

/// Adds instruments, unless they are those that were added last; whether they are too many. What
/// was added stays in its place, for marks are lengths.
fn remember(known: &mut Vec<i64>, ids: &[i64]) -> bool {
    if known.len() + ids.len() > INSTRUMENTS_REMEMBERED_MAX {
        return true;
    }
    if !known.ends_with(ids) {
        known.extend_from_slice(ids);
    }
    false
}
