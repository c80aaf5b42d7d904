//! What commits change of the ticks and bars of instruments, for those who listen: they are told
//! after the commit, and of nothing that was rolled back with its savepoint or its transaction.
//!
//! Each change raises the instrument's `ticks_version` by one. Who hears of every version but one
//! knows that somebody else has written that one.

#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use diesel::prelude::*;

use super::KEYS_PER_STATEMENT_MAX;
use crate::database::{BackendConnection, Database, Ending, TransactionHook};
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::tables::instrument_state;
use crate::timestamp::Timestamp;

/// Ticks of a batch that are told one by one. It is what one event of `/ws/realtime` holds, so that
/// no client falls behind for a batch that is told so; of a larger one a client reads what it needs.
const BATCH_TICKS_MAX: usize = 256;
/// Ticks that are kept until the commit of one transaction: it bounds their memory. Batches beyond
/// it are told as large ones.
const TRANSACTION_TICKS_MAX: usize = 65_536;

/// What a write changed of one instrument.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DataChange {
    /// The instrument.
    pub instrument_id: i64,
    /// The version of its ticks that the write has made.
    pub version: i64,
    /// Ticks that were stored, with their sequences, in the order of their keys: all of a small
    /// batch, of a large one the newest that is not late.
    pub ticks: Vec<(Tick, i64)>,
    /// What else changed; none when the ticks are all of it.
    pub span: Option<ChangedSpan>,
}

/// Where the data of an instrument changed, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedSpan {
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The last moment.
    pub to: Option<Timestamp>,
    /// Ticks or bars that were stored, deleted or restored.
    pub rows: Option<u64>,
}

impl ChangedSpan {
    /// Around both; a bound that one of them does not know is unknown.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let both = |a: Option<Timestamp>, b: Option<Timestamp>| a.zip(b);
        Self {
            from: both(self.from, other.from).map(|(a, b)| a.min(b)),
            to: both(self.to, other.to).map(|(a, b)| a.max(b)),
            rows: self.rows.zip(other.rows).map(|(a, b)| a + b),
        }
    }
}

/// Hears of changes on the thread that has committed them, before their writer is answered: it must
/// not wait, and not write to the database, for the next write waits for it.
pub trait DataListener: Send + Sync {
    /// Whether it wants to hear of the changes of a transaction.
    fn is_listening(&self) -> bool;
    /// The changes of one commit, in their order.
    fn committed(&self, changes: &[DataChange]);
}

/// The listeners of a database, as they are attached to it.
#[derive(Default)]
struct DataListeners(RwLock<Vec<Weak<dyn DataListener>>>);

impl DataListeners {
    fn all(&self) -> Vec<Arc<dyn DataListener>> {
        let listeners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().filter_map(Weak::upgrade).collect()
    }

    fn is_any_listening(&self) -> bool {
        let listeners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut there = listeners.iter().filter_map(Weak::upgrade);
        there.any(|one| one.is_listening())
    }
}

/// Tells the listener of all that this handle and its clones commit, for as long as it is there.
/// Writes of other processes show in [`versions`].
pub fn listen(db: &Database, listener: &Arc<impl DataListener + 'static>) {
    let listeners = db.attached_or_default::<DataListeners>();
    let mut listeners = listeners.0.write().unwrap_or_else(PoisonError::into_inner);
    listeners.retain(|one| one.strong_count() > 0);
    let listener: Weak<dyn DataListener> = Arc::downgrade(listener) as _;
    listeners.push(listener);
}

/// Keeps changes for those who listen until the commit; without a listener none are made. They are
/// given the number of ticks up to which a batch is told one by one.
pub(crate) fn record(
    conn: &mut BackendConnection<'_>,
    changes: impl FnOnce(usize) -> Vec<DataChange>,
) {
    let Some(listeners) = conn.attached::<DataListeners>() else {
        return;
    };
    if !listeners.is_any_listening() {
        return;
    }
    let pending = conn.hook(|| PendingChanges {
        listeners,
        kept: Mutex::default(),
    });
    if let Some(pending) = pending {
        pending.add(changes);
    }
}

/// Says that the bars of these instruments, which are locked, are others. It raises the version of
/// the ticks: who has state of the instrument in memory reads it again, which costs little as bars
/// come seldom, and a version of their own would be one more to read with each batch of ticks.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub(crate) fn bars_changed(
    conn: &mut BackendConnection<'_>,
    spans: &BTreeMap<i64, ChangedSpan>,
) -> Result<()> {
    let ids: Vec<i64> = spans.keys().copied().collect();
    for ids in ids.chunks(KEYS_PER_STATEMENT_MAX) {
        let of = instrument_state::table
            .filter(instrument_state::instrument_id.eq_any(ids))
            .filter(instrument_state::is_deleted.eq(false));
        let update = diesel::update(of)
            .set(instrument_state::ticks_version.eq(instrument_state::ticks_version + 1))
            .returning((
                instrument_state::instrument_id,
                instrument_state::ticks_version,
            ));
        let raised: Vec<(i64, i64)> = crate::on_backend!(&mut *conn, |c| update.get_results(c))?;
        let change = |(instrument_id, version)| DataChange {
            instrument_id,
            version,
            ticks: Vec::new(),
            span: spans.get(&instrument_id).copied(),
        };
        record(conn, |_| raised.into_iter().map(change).collect());
    }
    Ok(())
}

/// The version of each active instrument's ticks and bars, by id.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn versions(conn: &mut BackendConnection<'_>) -> Result<Vec<(i64, i64)>> {
    let query = instrument_state::table
        .filter(instrument_state::is_deleted.eq(false))
        .select((
            instrument_state::instrument_id,
            instrument_state::ticks_version,
        ));
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

/// The changes of an open transaction.
struct PendingChanges {
    listeners: Arc<DataListeners>,
    kept: Mutex<KeptChanges>,
}

#[derive(Default)]
struct KeptChanges {
    changes: Vec<DataChange>,
    /// Ticks that they hold.
    ticks: usize,
}

impl PendingChanges {
    fn add(&self, changes: impl FnOnce(usize) -> Vec<DataChange>) {
        let mut kept = self.kept();
        let room = TRANSACTION_TICKS_MAX.saturating_sub(kept.ticks);
        let changes = changes(room.min(BATCH_TICKS_MAX));
        kept.ticks += count_ticks(&changes);
        kept.changes.extend(changes);
    }

    fn kept(&self) -> MutexGuard<'_, KeptChanges> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count_ticks(changes: &[DataChange]) -> usize {
    changes.iter().map(|change| change.ticks.len()).sum()
}

impl TransactionHook for PendingChanges {
    fn savepoint(&self) -> u64 {
        self.kept().changes.len() as u64
    }

    fn rollback_to(&self, mark: u64) {
        let length = usize::try_from(mark).unwrap_or(usize::MAX);
        let mut kept = self.kept();
        kept.changes.truncate(length);
        kept.ticks = count_ticks(&kept.changes);
    }

    fn ended(&self, ending: Ending) {
        // Of one that may stand nothing is told: if it does, its versions are heard of by nobody,
        // as those of other writers.
        if ending != Ending::Committed {
            return;
        }
        let mut changes = std::mem::take(&mut self.kept().changes);
        unite_spans(&mut changes);
        if !changes.is_empty() {
            let listeners = self.listeners.all();
            for listener in &listeners {
                // The writer's thread goes on: the transaction stands.
                let told = catch_unwind(AssertUnwindSafe(|| listener.committed(&changes)));
                if told.is_err() {
                    tracing::error!("a listener of changes panicked; the others are told");
                }
            }
        }
    }
}

/// An instrument of which several spans changed gets one, with the last of their newest ticks.
fn unite_spans(changes: &mut [DataChange]) {
    let mut last: HashMap<i64, usize> = HashMap::new();
    for at in 0..changes.len() {
        let Some(span) = changes[at].span else {
            continue;
        };
        let Some(earlier) = last.insert(changes[at].instrument_id, at) else {
            continue;
        };
        let ticks = std::mem::take(&mut changes[earlier].ticks);
        changes[at].span = changes[earlier].span.take().map(|of| of.union(span));
        if changes[at].ticks.is_empty() {
            changes[at].ticks = ticks;
        }
    }
}
