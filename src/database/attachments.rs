//! What is attached to a database for functions that are given no more than a connection: one value
//! of a type, and the versions of what the database holds. It knows nothing of what is attached.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Database;
use super::cache_versions::CacheVersions;

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

    pub(super) fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let attached = self.by_type.read().unwrap_or_else(PoisonError::into_inner);
        let found = Arc::clone(attached.get(&TypeId::of::<T>())?);
        drop(attached);
        found.downcast().ok()
    }
}

impl Database {
    /// Attaches a value for [`BackendConnection::attached`](super::BackendConnection::attached) to
    /// find, from the next transaction on; `false` when one of its type is there already.
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
