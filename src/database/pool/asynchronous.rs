//! The asynchronous door: deadpool-diesel.
//!
//! A closure runs on a blocking thread of tokio, in a task of its own: a caller that goes away
//! does not stop it, and connection and permit come back only when it has ended. A permit stands
//! before deadpool, too, whose own limit is never met.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult};
use deadpool_diesel::Runtime;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::permits::{Cause, Door, Permit, Permits, REFUSAL_PAUSE};
use super::session::{PooledSession, SessionSettings};
use super::slot::{PoolEntry, PoolSlot};
use super::snapshot::DoorSnapshot;
use crate::database::connection::BackendConnection;
use crate::error::{Error, Result, panic_message};

type AsyncEntry = PoolEntry<deadpool_diesel::Connection<PooledSession>>;

pub(super) struct AsyncDoor {
    pool: managed::Pool<AsyncManager>,
    permits: Arc<Permits>,
    /// The runtime of the first caller: connections are closed on its threads.
    runtime: OnceLock<Handle>,
}

struct AsyncManager {
    settings: SessionSettings,
    permits: Arc<Permits>,
}

impl AsyncDoor {
    pub(super) fn new(settings: &SessionSettings, permits: &Arc<Permits>) -> Result<Arc<Self>> {
        let manager = AsyncManager {
            settings: settings.clone(),
            permits: Arc::clone(permits),
        };
        let pool = managed::Pool::builder(manager)
            .max_size(permits.capacity)
            .queue_mode(managed::QueueMode::Lifo)
            .build()
            .map_err(|e| Error::config("pool", e.to_string(), "check the pool's settings"))?;
        Ok(Arc::new(Self {
            pool,
            permits: Arc::clone(permits),
            runtime: OnceLock::new(),
        }))
    }

    pub(super) async fn checkout(self: &Arc<Self>, op: &'static str) -> Result<AsyncCheckout> {
        self.runtime.get_or_init(Handle::current);
        let mut permit = self.permits.acquire(op).await?;
        let object = async {
            loop {
                let object = self.pool.get().await;
                let Err(PoolError::Backend(Error::TooManyConnections { .. })) = object else {
                    break object;
                };
                // One of those that are open comes back before the server has another place.
                let returned = self.permits.returned.notified();
                drop(tokio::time::timeout(REFUSAL_PAUSE, returned).await);
            }
        };
        match tokio::time::timeout_at(permit.deadline().into(), object).await {
            Ok(Ok(object)) => {
                permit.lent();
                Ok(AsyncCheckout(Some(AsyncLoan {
                    object: Some(object),
                    door: Arc::clone(self),
                    busy: false,
                    permit,
                })))
            }
            Ok(Err(PoolError::Backend(error))) => Err(error),
            // deadpool has no hooks and no time limits of its own here.
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(permit.timed_out()),
        }
    }

    pub(super) fn snapshot(&self) -> DoorSnapshot {
        let status = self.pool.status();
        let (size, idle) = (status.size, status.available);
        DoorSnapshot::new(&self.permits, Door::Asynchronous, size, idle)
    }

    pub(super) fn close(&self) {
        let _runtime = self.runtime.get().map(Handle::enter);
        self.pool.close();
    }

    /// Closes an idle connection, if there is one.
    pub(super) fn evict(&self, cause: Cause) -> bool {
        let _runtime = self.runtime.get().map(Handle::enter);
        let mut found = false;
        let kept = |_: &AsyncEntry, _| std::mem::replace(&mut found, true);
        for mut entry in self.pool.retain(kept).removed {
            entry.slot.leave(cause);
        }
        found
    }
}

impl managed::Manager for AsyncManager {
    type Type = AsyncEntry;
    type Error = Error;

    async fn create(&self) -> Result<AsyncEntry> {
        let slot = PoolSlot::reserve(&self.permits, Door::Asynchronous);
        let Some(mut slot) = slot else {
            // A connection is on its way to the other door, or out.
            let state = "the pool has opened as many as it may".to_owned();
            return Err(Error::TooManyConnections { state });
        };
        let settings = self.settings.clone();
        let (send, slot_back) = oneshot::channel();
        // The slot goes along: a caller that gives up does not stop the opening.
        let conn = deadpool_diesel::Connection::new(Runtime::Tokio1, move || {
            let mut conn = slot.open(&settings.config)?;
            conn.prepare(&settings)?;
            slot.opened();
            drop(send.send(slot));
            Ok::<_, Error>(conn)
        })
        .await?;
        let slot = slot_back.await.map_err(|_| Error::Closed)?;
        Ok(PoolEntry { conn, slot })
    }

    async fn recycle(&self, entry: &mut AsyncEntry, _metrics: &Metrics) -> RecycleResult<Error> {
        let PoolEntry { conn, slot } = entry;
        let Some((passes, cause)) = slot.test() else {
            return Ok(());
        };
        if let Ok(true) = conn.interact(passes).await {
            return Ok(());
        }
        slot.leave(cause);
        Err(RecycleError::message("it is replaced"))
    }
}

/// A lent connection, until it is lost.
pub(crate) struct AsyncCheckout(Option<AsyncLoan>);

/// A lent connection; it comes back when this is dropped, then the permit.
struct AsyncLoan {
    object: Option<Object<AsyncManager>>,
    door: Arc<AsyncDoor>,
    /// A closure is running on the connection.
    busy: bool,
    permit: Permit,
}

impl AsyncCheckout {
    /// Uses the connection on a blocking thread, and looks whether that left a transaction open.
    ///
    /// The result comes straight from the closure: a runtime that ends takes the task along, but
    /// not a closure that is running, and what that one has done must be reported.
    ///
    /// # Errors
    /// [`Error::Panicked`] when `work` panicked, which costs the connection; [`Error::Closed`]
    /// when the runtime ends.
    pub(crate) async fn interact<R: Send + 'static>(
        &mut self,
        op: &'static str,
        work: impl FnOnce(&mut BackendConnection<'_>) -> R + Send + 'static,
    ) -> Result<R> {
        let mut loan = self.0.take().ok_or(Error::Closed)?;
        let (send, answer) = oneshot::channel();
        let task = tokio::spawn(async move {
            let object = loan.object.as_mut()?;
            let used = move |conn: &mut PooledSession| {
                let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(&mut conn.lend())));
                let cause = match &result {
                    Err(_) => Some(Cause::Panicked),
                    Ok(_) => conn
                        .has_open_transaction()
                        .then_some(Cause::OpenTransaction),
                };
                // A caller that went away wants no answer.
                drop(send.send(result));
                cause
            };
            loan.busy = true;
            let cause = object.conn.interact(used).await;
            loan.busy = false;
            if let Some(cause) = cause.unwrap_or(Some(Cause::Dead)) {
                object.slot.leave(cause);
            }
            Some(loan)
        });
        self.0 = task.await.ok().flatten();
        match answer.await {
            Ok(result) => result.map_err(|payload| Error::Panicked {
                op,
                message: panic_message(payload.as_ref()),
            }),
            // The closure was dropped before it ran.
            Err(_) => Err(Error::Closed),
        }
    }

    /// The connection is closed when it comes back.
    pub(in crate::database) fn close(&mut self, cause: Cause) {
        if let Some(object) = self.0.as_mut().and_then(|loan| loan.object.as_mut()) {
            object.slot.leave(cause);
        }
    }
}

impl Drop for AsyncLoan {
    fn drop(&mut self) {
        // The last holder may be dropped on a thread that is none of the runtime's.
        let _runtime = self.door.runtime.get().map(Handle::enter);
        let Some(mut object) = self.object.take() else {
            return;
        };
        if self.busy {
            object.slot.leave(Cause::Shutdown);
        }
        if !object.slot.give_back(&mut self.permit) {
            drop(Object::take(object));
        }
    }
}
