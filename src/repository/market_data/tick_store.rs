//! The storage of ticks in bulk, which each backend implements, and the values that pass between it
//! and an insertion.

use std::collections::HashMap;

use super::keys::TickKey;
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::timestamp::Timestamp;

/// A tick with its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyedTick<'a> {
    pub(super) key: TickKey,
    pub(super) tick: &'a Tick,
    /// Its place in the batch.
    pub(super) index: usize,
    /// Its key is free for certain: nothing of its instrument is stored at its stamp or later.
    pub(super) fresh: bool,
}

/// (instrument, timestamp, source): where sequences are counted.
pub(super) type Stamp = (i64, Timestamp, i64);

/// The outcome of storing a row, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InsertOutcome {
    /// The key was free, and the row is stored under it.
    Inserted,
    /// The key is taken, with the same values.
    Same,
    /// Other values are stored under it.
    Other,
    /// A deleted tick is stored under it.
    Deleted,
}

impl InsertOutcome {
    /// The fate of a row whose key is taken.
    pub(super) const fn of_taken((same, deleted): (bool, bool)) -> Self {
        match (same, deleted) {
            (_, true) => Self::Deleted,
            (true, false) => Self::Same,
            (false, false) => Self::Other,
        }
    }
}

/// An active instrument, as a batch needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownInstrument {
    pub(super) id: i64,
    /// The last tick that it shows.
    pub(super) last_tick: Option<Timestamp>,
    pub(super) last_price: Option<f64>,
    /// No tick of it is stored after this stamp, deleted ones included; `None` when it has none.
    pub(super) newest: Option<Timestamp>,
    /// The versions of its rules and ticks, with which memory is compared.
    pub(super) rules_version: i64,
    pub(super) ticks_version: i64,
    /// No bar is built of what comes from here on; `None` when none is built at all.
    pub(super) bars_to: Option<Timestamp>,
    /// No tick from here on is archived; `None` when none is at all.
    pub(super) archived_to: Option<Timestamp>,
}

impl KnownInstrument {
    /// Whether a tick of this moment may be archived.
    pub(super) fn is_archived(&self, at: Timestamp) -> bool {
        self.archived_to.is_some_and(|to| at < to)
    }
}

/// Storage of rows in bulk, on one backend.
pub(super) trait TickStore {
    /// Returns the instruments that are active, locked against other writers of this process and
    /// others, where a backend has such.
    fn known_instruments(&mut self, ids: &[i64]) -> Result<Vec<KnownInstrument>>;
    /// Stores the rows whose key is free. They come in key order, each key once.
    fn store(&mut self, rows: &[KeyedTick<'_>]) -> Result<Vec<InsertOutcome>>;
    /// The first free sequence of each stamp that has ticks.
    fn next_sequences(&mut self, stamps: &[Stamp]) -> Result<HashMap<Stamp, i64>>;
    /// What becomes of rows whose keys the archive has; `None` of those that it has not. All of them are
    /// of one instrument.
    #[cfg(feature = "archive")]
    fn archived_fates(&mut self, rows: &[KeyedTick<'_>]) -> Result<Vec<Option<InsertOutcome>>>;
    /// [`TickStore::next_sequences`] of stamps that may be archived.
    #[cfg(feature = "archive")]
    fn next_archived_sequences(&mut self, stamps: &[Stamp]) -> Result<HashMap<Stamp, i64>>;
    /// Writes what the instruments show as their last tick, and that they have others.
    fn update_last_ticks(&mut self, instruments: &[KnownInstrument]) -> Result<()>;
}

/// An instrument of the batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Followed {
    pub(super) known: KnownInstrument,
    /// True when the batch has stored a tick of it.
    pub(super) changed: bool,
}
