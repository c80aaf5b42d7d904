//! What a transaction touches of that which caches hold, and the versions that rise by it: after
//! the commit and before anyone is told of it, so that who begins to read after an
//! acknowledgement asks for a version that nobody has filled with older rows.
//!
//! Functions that write say what they touch ([`BackendConnection::invalidates`]). It is safe not to:
//! a committed closure in which nothing was said, or in which a statement ran that no
//! [`Invalidation`] covers, is taken to have touched everything. The observer of the connection tells of
//! each statement; it is not told of a COPY, nor of anything once a closure has put an observer of
//! its own in its place, so such a closure says what it touches. It holds no rows and no cache.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BackendConnection, Database, transaction_context};
use crate::error::{Error, Result};

/// Instruments that have a version of their own; others share one with one of these, and are read
/// again when that one changes. A power of two.
const VERSION_SLOTS: usize = 4_096;
/// Instruments that one transaction remembers; one that touches more has touched everything.
const INSTRUMENTS_REMEMBERED_MAX: usize = 4_096;

thread_local! {
    static WORK: Cell<DoorCall> = const { Cell::new(DoorCall::NONE) };
}

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

/// While it lives, the statements of its thread are covered by what was said.
#[derive(Debug)]
#[must_use = "statements are covered as long as it lives"]
pub struct InvalidationGuard(PhantomData<*const ()>);

impl BackendConnection<'_> {
    /// Says what statements in a write touch: those that run until the answer is dropped. What is
    /// said counts when the transaction is committed.
    ///
    /// Without a word everything counts as touched, which is always right, and makes the cache
    /// read again what it holds. Say it where the crate's own functions are not used, and
    /// writes are frequent.
    ///
    /// ```
    /// # fn main() -> tickbase::Result<()> {
    /// use tickbase::database::Touch;
    /// use tickbase::diesel::prelude::*;
    /// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
    /// db.write("example.own_table", |conn| {
    ///     let _said = conn.touches(Touch::Nothing);
    ///     let own = tickbase::diesel::sql_query("CREATE TABLE own (id BIGINT)");
    ///     tickbase::on_backend!(conn, |c| own.execute(c))?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn invalidates(&self, what: Invalidation<'_>) -> InvalidationGuard {
        transaction_context::touch(|touched| touched.add(what));
        let mut work = WORK.get();
        work.said = true;
        InvalidationGuard::begin(work)
    }
}

impl InvalidationGuard {
    fn begin(mut work: DoorCall) -> Self {
        work.covers += 1;
        WORK.set(work);
        Self(PhantomData)
    }
}

impl Drop for InvalidationGuard {
    fn drop(&mut self) {
        let mut work = WORK.get();
        work.covers = work.covers.saturating_sub(1);
        WORK.set(work);
    }
}

/// The closure of a write door that runs on a thread.
#[derive(Debug, Clone, Copy)]
struct DoorCall {
    runs: bool,
    said: bool,
    /// Words that cover what runs now.
    covers: u32,
    /// Whether a statement ran that none has covered.
    uncovered: bool,
}

impl DoorCall {
    const NONE: Self = Self {
        runs: false,
        said: false,
        covers: 0,
        uncovered: false,
    };
}

/// Puts the work of the door around this one back.
struct Outer(DoorCall);

impl Drop for Outer {
    fn drop(&mut self) {
        WORK.set(self.0);
    }
}

/// Runs the closure of a write door; what it does without a word counts as everything.
pub(super) fn of_work<R>(work: impl FnOnce() -> R) -> R {
    let _outer = Outer(WORK.replace(DoorCall {
        runs: true,
        ..DoorCall::NONE
    }));
    let answer = work();
    let done = WORK.get();
    if !done.said || done.uncovered {
        transaction_context::touch(|touched| touched.everything = true);
    }
    answer
}

/// Whether this thread is inside the closure of a write door.
pub(super) fn is_in_work() -> bool {
    WORK.get().runs
}

/// Refuses a write inside a write: it would wait for the lane of the write around it, or be
/// committed on a connection of its own, whatever becomes of that.
pub(super) fn refuse_nested(op: &'static str) -> Result<()> {
    if !is_in_work() {
        return Ok(());
    }
    Err(Error::invalid(
        op,
        "it was called inside another write",
        "use the connection that the closure was given",
    ))
}

/// A statement begins on this thread.
pub(super) fn statement() {
    let mut work = WORK.get();
    if work.runs && work.covers == 0 {
        work.uncovered = true;
        WORK.set(work);
    }
}

/// Statements of the door's own, such as savepoints, until the answer is dropped.
pub(super) fn own_statements() -> InvalidationGuard {
    InvalidationGuard::begin(WORK.get())
}

/// What a transaction has touched so far.
#[derive(Debug, Default)]
pub(super) struct Invalidations {
    everything: bool,
    /// Whether the row of an instrument changed beyond what it shows as its last tick.
    members: bool,
    /// Instruments whose ticks or rows changed.
    shown: Vec<i64>,
    /// Instruments whose bars changed.
    bars: Vec<i64>,
}

/// How much of it there was when a savepoint began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TouchedMark {
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

    pub(super) fn savepoint(&self) -> TouchedMark {
        TouchedMark {
            everything: self.everything,
            members: self.members,
            shown: self.shown.len(),
            bars: self.bars.len(),
        }
    }

    pub(super) fn rollback_to(&mut self, mark: TouchedMark) {
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

/// What an answer stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheTag {
    /// One instrument: its row and its ticks.
    Instrument(i64),
    /// One instrument: its row, its ticks and its bars.
    Bars(i64),
    /// All instruments, with what they show as their last ticks.
    Instruments,
    /// Which instruments there are, and what they are.
    Members,
}

/// The versions of what a database holds. They only rise, and never within a transaction.
pub(super) struct CacheVersions {
    everything: AtomicU64,
    members: AtomicU64,
    instruments: AtomicU64,
    shown: Box<[AtomicU64]>,
    bars: Box<[AtomicU64]>,
}

impl Default for CacheVersions {
    fn default() -> Self {
        let slots = || (0..VERSION_SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self {
            everything: AtomicU64::new(0),
            members: AtomicU64::new(0),
            instruments: AtomicU64::new(0),
            shown: slots(),
            bars: slots(),
        }
    }
}

impl CacheVersions {
    /// The transaction stands, or may stand.
    pub(super) fn raise(&self, touched: &Invalidations) {
        let raise = |version: &AtomicU64| version.fetch_add(1, Ordering::AcqRel);
        if touched.everything {
            raise(&self.everything);
        }
        if touched.members {
            raise(&self.members);
        }
        if touched.members || !touched.shown.is_empty() {
            raise(&self.instruments);
        }
        for id in &touched.shown {
            raise(&self.shown[slot(*id)]);
        }
        for id in &touched.bars {
            raise(&self.bars[slot(*id)]);
        }
    }

    /// Something happened outside of transactions.
    pub(super) fn raise_everything(&self) {
        self.everything.fetch_add(1, Ordering::AcqRel);
    }

    /// A sum, which is as good as the list of its parts: each of them only rises, so that a sum
    /// that was read after a part rose is greater than each that was read before.
    fn of(&self, what: CacheTag) -> u64 {
        let version = |of: &AtomicU64| of.load(Ordering::Acquire);
        let parts = match what {
            CacheTag::Instrument(id) => version(&self.shown[slot(id)]),
            CacheTag::Bars(id) => version(&self.shown[slot(id)]) + version(&self.bars[slot(id)]),
            CacheTag::Instruments => version(&self.instruments),
            CacheTag::Members => version(&self.members),
        };
        parts + version(&self.everything)
    }
}

fn slot(instrument_id: i64) -> usize {
    let low = instrument_id.rem_euclid(VERSION_SLOTS as i64);
    usize::try_from(low).unwrap_or_default()
}

impl Database {
    /// The version of what an answer stands on, now: an answer whose reads began after this is
    /// good for all that find the same version. Only the writes of this handle and its clones
    /// raise it, not those of other processes.
    pub(crate) fn version(&self, of: CacheTag) -> u64 {
        self.inner.attachments.versions().of(of)
    }

    /// The version of what stands on several instruments, with their ticks and bars. It is a sum
    /// for the same reason that each of them is one.
    pub(crate) fn version_of_bars(&self, instrument_ids: &[i64]) -> u64 {
        let versions = instrument_ids.iter();
        versions.map(|id| self.version(CacheTag::Bars(*id))).sum()
    }
}
