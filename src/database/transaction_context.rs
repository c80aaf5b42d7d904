//! Memory that follows a transaction: what stands beside the rows in memory is kept when they are
//! committed, and taken back when they are rolled back, savepoint by savepoint.
//!
//! A transaction runs on one thread, so its [`TransactionContext`] is that thread's: the whole group on the write
//! lane, the one transaction on PostgreSQL. It also says what is attached to the database, so that
//! a function which is given no more than a connection finds it. It knows nothing of what follows.

#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

use super::cache_versions::CacheVersions;
use super::invalidation::{Invalidations, TouchedMark};
use super::{BackendConnection, Database};

thread_local! {
    static CURRENT: RefCell<Option<Transaction>> = const { RefCell::new(None) };
}

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

/// Memory that follows a transaction. It must not panic, and must not write to the database.
pub(crate) trait TransactionHook: Any {
    /// The place to which [`TransactionHook::rollback_to`] may have to return: a savepoint begins.
    fn savepoint(&self) -> u64;
    /// What came after the mark was undone.
    fn rollback_to(&self, mark: u64);
    /// The transaction has ended, or the savepoint in which it began to follow was undone. Nothing
    /// comes after it.
    fn ended(&self, ending: Ending);
}

/// What is attached to a database, one of a type; and the versions of what it holds.
#[derive(Default)]
pub(super) struct Attachments {
    by_type: RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    versions: CacheVersions,
}

impl Attachments {
    pub(super) fn versions(&self) -> &CacheVersions {
        &self.versions
    }

    fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let attached = self.by_type.read().unwrap_or_else(PoisonError::into_inner);
        let found = Arc::clone(attached.get(&TypeId::of::<T>())?);
        drop(attached);
        found.downcast().ok()
    }
}

impl Database {
    /// Attaches a value for [`BackendConnection::attached`] to find, from the next transaction on;
    /// `false` when one of its type is there already.
    pub(crate) fn attach<T: Any + Send + Sync>(&self, value: Arc<T>) -> bool {
        let attachments = &self.inner.attachments.by_type;
        let mut attached = attachments.write().unwrap_or_else(PoisonError::into_inner);
        let is_free = !attached.contains_key(&TypeId::of::<T>());
        if is_free {
            attached.insert(TypeId::of::<T>(), value);
        }
        is_free
    }

    /// The attached value of this type, attached now if there was none.
    pub(crate) fn attached_or_default<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        self.attach(Arc::<T>::default());
        self.inner.attachments.find().unwrap_or_default()
    }

    /// Takes this value off; another one of its type stays.
    pub(crate) fn detach<T: Any + Send + Sync>(&self, value: &Arc<T>) {
        let attachments = &self.inner.attachments.by_type;
        let mut attached = attachments.write().unwrap_or_else(PoisonError::into_inner);
        let is_it = |found: &Arc<dyn Any + Send + Sync>| {
            std::ptr::addr_eq(Arc::as_ptr(found), Arc::as_ptr(value))
        };
        if attached.get(&TypeId::of::<T>()).is_some_and(is_it) {
            attached.remove(&TypeId::of::<T>());
        }
    }
}

impl BackendConnection<'_> {
    /// What is attached to the database that the transaction of a write door runs on.
    pub(crate) fn attached<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        CURRENT.with_borrow(|current| current.as_ref()?.attachments.find())
    }

    /// What follows the transaction of a write door: one follower of a type, made when it is first
    /// asked for. `None` outside such a transaction.
    pub(crate) fn hook<F: TransactionHook>(&self, make: impl FnOnce() -> F) -> Option<Rc<F>> {
        CURRENT.with_borrow_mut(|current| {
            let followers = &mut current.as_mut()?.followers;
            for follower in followers.iter() {
                let follower: Rc<dyn Any> = Rc::clone(follower) as _;
                if let Ok(found) = follower.downcast() {
                    return Some(found);
                }
            }
            let made = Rc::new(make());
            followers.push(Rc::clone(&made) as _);
            Some(made)
        })
    }
}

/// The transaction that runs on a thread.
struct Transaction {
    attachments: Arc<Attachments>,
    followers: Vec<Rc<dyn TransactionHook>>,
    touched: Invalidations,
}

/// A transaction of a write door, while it is open. Dropped, it was rolled back.
pub(super) struct TransactionContext {
    /// That of a door around this one, on another connection.
    outer: Option<Transaction>,
    is_open: bool,
}

impl TransactionContext {
    pub(super) fn begin(attachments: &Arc<Attachments>) -> Self {
        let begun = Transaction {
            attachments: Arc::clone(attachments),
            followers: Vec::new(),
            touched: Invalidations::default(),
        };
        Self {
            outer: CURRENT.replace(Some(begun)),
            is_open: true,
        }
    }

    /// Raises the versions of what it has touched, if it stands or may stand; then tells the
    /// followers how it ended, outside of it.
    pub(super) fn end(mut self, ending: Ending) {
        self.close(ending);
    }

    fn close(&mut self, ending: Ending) {
        if std::mem::take(&mut self.is_open) {
            let Some(ended) = CURRENT.replace(self.outer.take()) else {
                return;
            };
            if ending != Ending::RolledBack {
                ended.attachments.versions.raise(&ended.touched);
            }
            ended.followers.iter().for_each(|one| one.ended(ending));
        }
    }
}

impl Drop for TransactionContext {
    fn drop(&mut self) {
        self.close(Ending::RolledBack);
    }
}

/// Where each follower was when a savepoint began, and what was touched until then.
pub(super) struct SavepointMarks(Vec<u64>, TouchedMark);

/// The place to which a savepoint returns.
pub(super) fn savepoint() -> SavepointMarks {
    let touched =
        CURRENT.with_borrow(|current| current.as_ref().map(|open| open.touched.savepoint()));
    let places = followers().iter().map(|one| one.savepoint()).collect();
    SavepointMarks(places, touched.unwrap_or_default())
}

/// What came after the place was undone.
pub(super) fn rollback_to(place: SavepointMarks) {
    let known = place.0.len();
    for (follower, mark) in followers().iter().zip(place.0) {
        follower.rollback_to(mark);
    }
    let new = CURRENT.with_borrow_mut(|current| match current {
        Some(current) => {
            current.touched.rollback_to(place.1);
            current.followers.split_off(known)
        }
        None => Vec::new(),
    });
    new.iter().for_each(|one| one.ended(Ending::RolledBack));
}

/// Whether the transaction of a write door is open on this thread.
#[cfg(feature = "postgres")]
pub(super) fn is_open() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Writes down what the transaction on this thread touches, if there is one.
pub(super) fn touch(say: impl FnOnce(&mut Invalidations)) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(current) = current {
            say(&mut current.touched);
        }
    });
}

/// All of them; the thread's cell is free again when they are told something.
fn followers() -> Vec<Rc<dyn TransactionHook>> {
    CURRENT.with_borrow(|current| match current {
        Some(current) => current.followers.clone(),
        None => Vec::new(),
    })
}
