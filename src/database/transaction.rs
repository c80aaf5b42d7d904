//! What a connection knows of the work that runs on it: the operation and what it counts, and of a
//! write transaction what its caches must forget, and the hooks that follow it.
//!
//! What was counted and said since a savepoint is forgotten with it. The connection carries this
//! context in its observer; it reads no database itself.

#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::attachments::Attachments;
use super::invalidation::{Invalidation, InvalidationMark, Invalidations};
use super::operation_counts::OperationCounts;
#[cfg(feature = "postgres")]
use super::topology::Topology;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// What it has written is there.
    Committed,
    /// Nothing of it is there.
    RolledBack,
    /// The connection broke during COMMIT, or the database file is not the one that was opened:
    /// only a later look tells.
    Unknown,
}

/// State beside the rows that follows a transaction. It must not panic, and must not write to the
/// database.
pub(crate) trait TransactionHook: Any + Send + Sync {
    /// A savepoint begins; returns the mark that [`TransactionHook::rollback_to`] may get.
    fn savepoint(&self) -> u64;
    /// What came after the mark was undone.
    fn rollback_to(&self, mark: u64);
    /// The transaction has ended, or the savepoint in which the hook was made was undone. It is
    /// the last call.
    fn ended(&self, ending: Ending);
}

/// The work on one connection: the operation that runs, and the transaction of a write door.
/// Dropped with its connection, an open transaction was rolled back.
pub(super) struct ConnectionContext {
    pub(super) op: &'static str,
    pub(super) counts: OperationCounts,
    #[cfg(feature = "postgres")]
    pub(super) topology: Topology,
    /// Those of the database, while a transaction of a write door is open.
    attachments: Option<Arc<Attachments>>,
    hooks: Vec<Arc<dyn TransactionHook>>,
    invalidations: Invalidations,
    /// Whether the closure of a write door has said what it changes.
    is_said: bool,
    /// Whether a statement of the closure ran that nothing said covers.
    is_uncovered: bool,
    /// How many guards cover what runs now. Guards share it: they must not borrow the connection.
    covers: Arc<AtomicU32>,
}

/// How things stood when a savepoint began.
pub(super) struct Savepoint {
    counts: OperationCounts,
    invalidations: InvalidationMark,
    hooks: Vec<u64>,
}

impl ConnectionContext {
    pub(super) fn new(op: &'static str) -> Self {
        Self {
            op,
            counts: OperationCounts::default(),
            #[cfg(feature = "postgres")]
            topology: Topology::default(),
            attachments: None,
            hooks: Vec::new(),
            invalidations: Invalidations::default(),
            is_said: false,
            is_uncovered: false,
            // Outside of closures the door's own statements run: BEGIN, COMMIT, savepoints.
            covers: Arc::new(AtomicU32::new(1)),
        }
    }

    /// The transaction of a write door begins.
    pub(super) fn begin(&mut self, attachments: &Arc<Attachments>) {
        self.end(Ending::RolledBack);
        self.attachments = Some(Arc::clone(attachments));
    }

    /// The transaction has ended: raises the versions of what it has changed, if it stands or may
    /// stand; then tells the hooks, for who reads because of them must find the new versions.
    pub(super) fn end(&mut self, ending: Ending) {
        let invalidations = std::mem::take(&mut self.invalidations);
        if let Some(attachments) = self.attachments.take()
            && ending != Ending::RolledBack
        {
            attachments.versions().raise(&invalidations);
        }
        self.hooks.drain(..).for_each(|hook| hook.ended(ending));
    }

    /// Whether the transaction of a write door is open.
    #[cfg(feature = "postgres")]
    pub(super) fn is_in_write(&self) -> bool {
        self.attachments.is_some()
    }

    pub(super) fn savepoint(&self) -> Savepoint {
        Savepoint {
            counts: self.counts,
            invalidations: self.invalidations.savepoint(),
            hooks: self.hooks.iter().map(|hook| hook.savepoint()).collect(),
        }
    }

    /// Forgets what came after the savepoint: it was undone.
    pub(super) fn rollback_to(&mut self, savepoint: Savepoint) {
        self.counts = savepoint.counts;
        self.invalidations.rollback_to(savepoint.invalidations);
        let new = self.hooks.split_off(savepoint.hooks.len());
        for (hook, mark) in self.hooks.iter().zip(savepoint.hooks) {
            hook.rollback_to(mark);
        }
        new.iter().for_each(|hook| hook.ended(Ending::RolledBack));
    }

    /// The closure of a write door begins.
    pub(super) fn begin_work(&mut self) {
        (self.is_said, self.is_uncovered) = (false, false);
        // Anew: a closure before this one may have leaked a guard.
        self.covers = Arc::default();
    }

    /// The closure has ended; what it did without a word counts as everything.
    pub(super) fn end_work(&mut self) {
        self.covers.fetch_add(1, Ordering::Relaxed);
        if !self.is_said || self.is_uncovered {
            self.invalidations.add(Invalidation::Everything);
        }
    }

    /// Says what the statements change that run until the answer is dropped.
    pub(super) fn invalidate(&mut self, what: Invalidation<'_>) -> InvalidationGuard {
        self.is_said = true;
        self.invalidations.add(what);
        self.cover()
    }

    /// Covers statements of the doors' own, such as savepoints, until the answer is dropped.
    pub(super) fn cover(&self) -> InvalidationGuard {
        self.covers.fetch_add(1, Ordering::Relaxed);
        InvalidationGuard(Some(Arc::clone(&self.covers)), PhantomData)
    }

    /// A statement begins.
    pub(super) fn statement(&mut self) {
        self.is_uncovered |= self.covers.load(Ordering::Relaxed) == 0;
    }

    pub(super) fn attached<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.attachments.as_ref()?.find()
    }

    /// The hook of a type, made when the transaction first asks for it.
    pub(super) fn hook<H: TransactionHook>(&mut self, make: impl FnOnce() -> H) -> Option<Arc<H>> {
        self.attachments.as_ref()?;
        for hook in &self.hooks {
            let hook: Arc<dyn Any + Send + Sync> = Arc::clone(hook) as _;
            if let Ok(found) = hook.downcast() {
                return Some(found);
            }
        }
        let made = Arc::new(make());
        self.hooks.push(Arc::clone(&made) as _);
        Some(made)
    }
}

impl Drop for ConnectionContext {
    fn drop(&mut self) {
        self.end(Ending::RolledBack);
    }
}

/// While it lives, the statements of its connection are covered by what was said.
#[derive(Debug)]
#[must_use = "statements are covered as long as it lives"]
pub struct InvalidationGuard(Option<Arc<AtomicU32>>, PhantomData<*const ()>);

impl InvalidationGuard {
    /// That of a connection that no door has opened.
    pub(super) const NONE: Self = Self(None, PhantomData);
}

impl Drop for InvalidationGuard {
    fn drop(&mut self) {
        if let Some(covers) = &self.0 {
            covers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
