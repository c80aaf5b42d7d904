//! The asynchronous door: deadpool-diesel.
//!
//! A closure runs on a blocking thread of tokio, in a task of its own: a caller that goes away
//! does not stop it, and connection and permit come back only when it has ended.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use deadpool::managed::{self, Metrics, Object, RecycleError, RecycleResult};
use deadpool_diesel::Runtime;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::budget::{Budget, Cause, Door, Permit, ROOM_PAUSE};
use super::connection::BackendConnection;
use super::pool::{Fitness, Life, PooledSession, uncleanliness};
use super::slow_query::SlowQueryTable;
use super::snapshot::DoorSnapshot;
use crate::config::DatabaseConfig;
use crate::error::{Error, Result};

pub(super) struct AsyncDoor<C: PooledSession> {
    pool: managed::Pool<AsyncManager<C>>,
    budget: Arc<Budget>,
    /// The runtime of the first caller: connections are closed on its threads.
    runtime: OnceLock<Handle>,
}

pub(super) struct AsyncManager<C: PooledSession> {
    config: Arc<DatabaseConfig>,
    budget: Arc<Budget>,
    slow: Arc<SlowQueryTable>,
    connection: PhantomData<fn() -> C>,
}

/// A pooled connection with its place in the budget.
pub(super) struct AsyncPooled<C: PooledSession> {
    conn: deadpool_diesel::Connection<C>,
    life: Life,
}

impl<C: PooledSession> AsyncDoor<C> {
    pub(super) fn new(
        config: &Arc<DatabaseConfig>,
        budget: &Arc<Budget>,
        slow: &Arc<SlowQueryTable>,
    ) -> Result<Arc<Self>> {
        let manager = AsyncManager {
            config: Arc::clone(config),
            budget: Arc::clone(budget),
            slow: Arc::clone(slow),
            connection: PhantomData,
        };
        // The budget is the limit; the pool's own is never met before it.
        let pool = managed::Pool::builder(manager)
            .max_size(budget.capacity)
            .queue_mode(managed::QueueMode::Lifo)
            .build()
            .map_err(|e| Error::config("pool", e.to_string(), "check the pool's settings"))?;
        let door = Arc::new(Self {
            pool,
            budget: Arc::clone(budget),
            runtime: OnceLock::new(),
        });
        let evicting = Arc::downgrade(&door);
        let evict = move |cause| evicting.upgrade().is_some_and(|door| door.evict(cause));
        budget.set_evict(Door::Asynchronous, Box::new(evict));
        Ok(door)
    }

    pub(super) async fn checkout(self: &Arc<Self>) -> Result<Lent<C>> {
        let began = Instant::now();
        let deadline = self.budget.deadline();
        self.runtime.get_or_init(Handle::current);
        let permit = self.budget.permit(deadline).await?;
        let object = loop {
            match tokio::time::timeout_at(deadline.into(), self.pool.get()).await {
                Ok(Ok(object)) => break object,
                Ok(Err(managed::PoolError::Backend(Error::TooManyConnections { .. }))) => {
                    // One of those that are open comes back before the server has another place.
                    let wait = self.budget.until_returned(Door::Asynchronous, began);
                    wait.await?;
                }
                Ok(Err(managed::PoolError::Backend(error))) => return Err(error),
                Ok(Err(managed::PoolError::Closed)) => return Err(Error::Closed),
                Ok(Err(other)) => {
                    return Err(Error::config(
                        "pool",
                        other.to_string(),
                        "check the pool's settings",
                    ));
                }
                Err(_) => return Err(self.budget.timed_out(Door::Asynchronous, began)),
            }
        };
        self.budget
            .counters(Door::Asynchronous)
            .acquire
            .record(began.elapsed());
        Ok(Lent {
            object: Some(object),
            door: Arc::clone(self),
            began: Instant::now(),
            busy: false,
            permit,
        })
    }

    pub(super) fn snapshot(&self) -> DoorSnapshot {
        let status = self.pool.status();
        DoorSnapshot::new(
            &self.budget,
            Door::Asynchronous,
            status.size,
            status.available,
        )
    }

    pub(super) fn close(&self) {
        let _runtime = self.runtime.get().map(Handle::enter);
        self.pool.close();
    }

    /// Closes one idle connection, on this thread: its place is wanted now.
    fn evict(&self, cause: Cause) -> bool {
        let _runtime = self.runtime.get().map(Handle::enter);
        let mut evicted = false;
        let removed = self
            .pool
            .retain(|_, _| std::mem::replace(&mut evicted, true));
        let found = !removed.removed.is_empty();
        for mut pooled in removed.removed {
            pooled.life.slot.leave(cause);
        }
        found
    }
}

impl<C: PooledSession> Drop for AsyncDoor<C> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<C: PooledSession> managed::Manager for AsyncManager<C> {
    type Type = AsyncPooled<C>;
    type Error = Error;

    async fn create(&self) -> Result<AsyncPooled<C>> {
        let mut slot = loop {
            match self.budget.try_open(Door::Asynchronous) {
                Some(slot) => break slot,
                // A connection is on its way out; the caller's deadline bounds the wait.
                None => tokio::time::sleep(ROOM_PAUSE).await,
            }
        };
        let (config, slow) = (Arc::clone(&self.config), Arc::clone(&self.slow));
        let budget = Arc::clone(&self.budget);
        let conn = deadpool_diesel::Connection::new(Runtime::Tokio1, move || {
            let open = || C::open(&config);
            let mut conn = budget.open_on_server(Door::Asynchronous, open)?;
            conn.prepare(&config)?;
            slow.observe(&mut conn);
            Ok::<_, Error>(conn)
        })
        .await?;
        slot.opened();
        let mut life = Life::new(slot, &self.config.pool);
        // deadpool lends a new one without asking.
        life.is_asked_for();
        Ok(AsyncPooled { conn, life })
    }

    async fn recycle(
        &self,
        pooled: &mut AsyncPooled<C>,
        _metrics: &Metrics,
    ) -> RecycleResult<Error> {
        match pooled.life.is_asked_for() {
            Fitness::Fit => Ok(()),
            Fitness::Expired => {
                pooled.life.slot.leave(Cause::Recycled);
                Err(RecycleError::message("it has reached its age"))
            }
            Fitness::Ping => {
                let answer = pooled.conn.interact(|conn| conn.ping().is_ok()).await;
                if matches!(answer, Ok(true)) {
                    return Ok(());
                }
                pooled.life.slot.leave(Cause::Dead);
                Err(RecycleError::message("it does not answer"))
            }
            Fitness::AskForWrites => {
                if let Ok(true) = pooled.conn.interact(C::takes_writes).await {
                    return Ok(());
                }
                pooled.life.slot.leave(Cause::ReadOnly);
                Err(RecycleError::message("its server takes no writes"))
            }
        }
    }
}

/// A lent connection; it comes back when this is dropped, then the permit.
pub(crate) struct Lent<C: PooledSession> {
    object: Option<Object<AsyncManager<C>>>,
    door: Arc<AsyncDoor<C>>,
    began: Instant,
    /// A closure is running on the connection.
    busy: bool,
    permit: Permit,
}

impl<C: PooledSession> Lent<C> {
    /// Runs `work` on the connection, looks whether it left the connection clean, and returns the
    /// loan with the result.
    ///
    /// The result comes straight from the closure: a runtime that ends takes the task along, but
    /// not a closure that is running, and what that one has done must be told.
    async fn interact<R: Send + 'static>(
        mut self,
        op: &'static str,
        work: impl FnOnce(&mut C) -> R + Send + 'static,
    ) -> (Option<Self>, Result<R>) {
        let (tell, told) = oneshot::channel();
        let task = tokio::spawn(async move {
            let object = self.object.as_mut()?;
            let used = move |conn: &mut C| {
                let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(conn)));
                // After a panic the connection goes anyway.
                let cause = result
                    .as_ref()
                    .map_or(Some(Cause::Panicked), |_| uncleanliness(conn));
                // A caller that went away wants no answer.
                drop(tell.send(result));
                cause
            };
            self.busy = true;
            let cause = object.conn.interact(used).await;
            self.busy = false;
            if let Some(cause) = cause.unwrap_or(Some(Cause::Dead)) {
                object.life.slot.leave(cause);
            }
            Some(self)
        });
        let back = task.await.ok().flatten();
        let result = match told.await {
            Ok(result) => result.map_err(|payload| panicked(op, payload.as_ref())),
            // The closure was dropped before it ran.
            Err(_) => Err(Error::Closed),
        };
        (back, result)
    }
}

impl<C: PooledSession> Drop for Lent<C> {
    fn drop(&mut self) {
        let door = &self.door;
        door.budget
            .counters(Door::Asynchronous)
            .hold
            .record(self.began.elapsed());
        // The last holder may be dropped on a thread that is none of the runtime's.
        let _runtime = door.runtime.get().map(Handle::enter);
        if let Some(mut object) = self.object.take() {
            if self.busy {
                object.life.slot.leave(Cause::Shutdown);
            }
            if object.life.comes_back() && !door.pool.is_closed() {
                drop(object);
            } else {
                drop(Object::take(object));
            }
        }
        let _ = &self.permit;
    }
}

fn panicked(op: &'static str, payload: &(dyn std::any::Any + Send)) -> Error {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Error::Panicked {
        op,
        message: text.unwrap_or_else(|| "no message".to_owned()),
    }
}

/// A lent connection of either backend; `None` inside once it was lost.
pub(crate) enum AsyncCheckout {
    #[cfg(feature = "sqlite")]
    Sqlite(Option<Lent<diesel::SqliteConnection>>),
    #[cfg(feature = "postgres")]
    Postgres(Option<Lent<diesel::PgConnection>>),
}

impl AsyncCheckout {
    /// Uses the connection on a blocking thread.
    ///
    /// # Errors
    /// [`Error::Panicked`] when `work` panicked, which costs the connection; [`Error::Closed`]
    /// when the runtime ends.
    pub(crate) async fn interact<R: Send + 'static>(
        &mut self,
        op: &'static str,
        work: impl FnOnce(&mut BackendConnection<'_>) -> R + Send + 'static,
    ) -> Result<R> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(lent) => use_lent(lent, op, work).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(lent) => use_lent(lent, op, work).await,
        }
    }

    /// The connection is closed when it comes back.
    pub(super) fn close(&mut self, cause: Cause) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(lent) => leave(lent, cause),
            #[cfg(feature = "postgres")]
            Self::Postgres(lent) => leave(lent, cause),
        }
    }
}

async fn use_lent<C: PooledSession, R: Send + 'static>(
    lent: &mut Option<Lent<C>>,
    op: &'static str,
    work: impl FnOnce(&mut BackendConnection<'_>) -> R + Send + 'static,
) -> Result<R> {
    let Some(taken) = lent.take() else {
        return Err(Error::Closed);
    };
    let (back, result) = taken.interact(op, |conn| work(&mut conn.lend())).await;
    *lent = back;
    result
}

fn leave<C: PooledSession>(lent: &mut Option<Lent<C>>, cause: Cause) {
    if let Some(object) = lent.as_mut().and_then(|lent| lent.object.as_mut()) {
        object.life.slot.leave(cause);
    }
}
