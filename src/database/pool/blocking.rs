//! The blocking door: r2d2.
//!
//! r2d2 keeps the idle connections and opens new ones on its own threads; how many there may be,
//! who waits and what is closed on return is the budget's. A connection that could not be opened
//! is reported to the waiting caller at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use r2d2::event::{AcquireEvent, CheckinEvent};
use r2d2::{CustomizeConnection, HandleError, HandleEvent, ManageConnection};
use scheduled_thread_pool::ScheduledThreadPool;

use super::session::{Fitness, Life, Pooled, Session, uncleanliness};
use crate::config::DatabaseConfig;
use crate::database::budget::{Budget, Cause, Door, Permit, ROOM_PAUSE};
use crate::database::connection::BackendConnection;
use crate::database::snapshot::DoorSnapshot;
use crate::error::{Error, Result};

/// Threads that open connections.
const OPENERS: usize = 4;
/// How often a waiting caller looks whether opening has failed.
const FAILURE_LOOK: Duration = Duration::from_millis(20);
/// Bounds r2d2's pause between attempts to open: it is at most half of this.
const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(1);
/// r2d2 may open one connection too many when callers race; it is closed after this.
const TRIM_AFTER: Duration = Duration::from_millis(5);

pub(super) struct BlockingDoor<C: Session> {
    pool: r2d2::Pool<Manager<C>>,
    budget: Arc<Budget>,
    failures: Arc<Failures>,
}

/// Attempts to open that failed, and why the last one did.
#[derive(Debug, Default)]
struct Failures {
    count: AtomicU64,
    last: Mutex<Option<Error>>,
}

struct Manager<C> {
    config: Arc<DatabaseConfig>,
    budget: Arc<Budget>,
    connection: std::marker::PhantomData<fn() -> C>,
}

impl<C: Session> BlockingDoor<C> {
    pub(super) fn new(config: &Arc<DatabaseConfig>, budget: &Arc<Budget>) -> Result<Arc<Self>> {
        let failures = Arc::new(Failures::default());
        let openers = Arc::new(
            ScheduledThreadPool::builder()
                .num_threads(OPENERS)
                .thread_name_pattern("tickbase-open-{}")
                .build(),
        );
        let trimmer = Arc::new(Trimmer {
            openers: Arc::downgrade(&openers),
            door: OnceLock::new(),
        });
        let pool = r2d2::Pool::builder()
            // The budget is the limit; r2d2's own must never be met before it.
            .max_size(
                u32::try_from(budget.capacity)
                    .unwrap_or(u32::MAX)
                    .saturating_mul(2),
            )
            .min_idle(Some(0))
            .test_on_check_out(true)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(REOPEN_PAUSE_MAX)
            .thread_pool(openers)
            .connection_customizer(Box::new(Customizer {
                config: Arc::clone(config),
            }))
            .error_handler(Box::new(ErrorHandler(Arc::clone(&failures))))
            .event_handler(Box::new(EventHandler {
                budget: Arc::clone(budget),
                trimmer: Arc::clone(&trimmer),
            }))
            .build(Manager {
                config: Arc::clone(config),
                budget: Arc::clone(budget),
                connection: std::marker::PhantomData,
            })
            .map_err(|e| Error::config("pool", e.to_string(), "check the pool's settings"))?;
        let door = Arc::new(Self {
            pool,
            budget: Arc::clone(budget),
            failures,
        });
        let weak: Weak<dyn Trim> = Arc::downgrade(&door) as Weak<dyn Trim>;
        drop(trimmer.door.set(weak));
        let evicting = Arc::downgrade(&door);
        let evict = move || evicting.upgrade().is_some_and(|door| door.evict());
        budget.set_evict(Door::Blocking, Box::new(evict));
        Ok(door)
    }

    pub(super) fn checkout(&self) -> Result<BlockingCheckout<C>> {
        let began = Instant::now();
        let deadline = self.budget.deadline();
        let permit = self.budget.permit_blocking(deadline)?;
        let failures_before = self.failures.count.load(Ordering::Acquire);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok(conn) = self.pool.get_timeout(left.min(FAILURE_LOOK)) {
                self.budget
                    .counters(Door::Blocking)
                    .acquire
                    .record(began.elapsed());
                return Ok(BlockingCheckout {
                    conn: Some(conn),
                    permit,
                });
            }
            if self.failures.count.load(Ordering::Acquire) != failures_before
                && let Some(error) = self.failures.take()
            {
                return Err(error);
            }
            if left.is_zero() {
                return Err(self.budget.timed_out(Door::Blocking, began));
            }
        }
    }

    pub(super) fn snapshot(&self) -> DoorSnapshot {
        let state = self.pool.state();
        let (size, idle) = (state.connections as usize, state.idle_connections as usize);
        DoorSnapshot::new(&self.budget, Door::Blocking, size, idle)
    }

    pub(super) fn close(&self) {
        while let Some(mut conn) = self.pool.try_get() {
            conn.life.slot.leave(Cause::Shutdown);
        }
    }

    fn evict(&self) -> bool {
        self.pool
            .try_get()
            .map(|mut conn| conn.life.slot.leave(Cause::Evicted))
            .is_some()
    }
}

/// Closes idle connections beyond the base: each, put back, decides for itself.
trait Trim: Send + Sync {
    fn trim(&self);
}

impl<C: Session> Trim for BlockingDoor<C> {
    fn trim(&self) {
        while self.budget.has_surplus() {
            let Some(surplus) = self.pool.try_get() else {
                break;
            };
            drop(surplus);
        }
    }
}

struct Trimmer {
    openers: Weak<ScheduledThreadPool>,
    door: OnceLock<Weak<dyn Trim>>,
}

impl Trimmer {
    fn soon(self: &Arc<Self>) {
        let Some(openers) = self.openers.upgrade() else {
            return;
        };
        let trimmer = Arc::clone(self);
        openers.execute_after(TRIM_AFTER, move || {
            if let Some(door) = trimmer.door.get().and_then(Weak::upgrade) {
                door.trim();
            }
        });
    }
}

impl<C: Session> ManageConnection for Manager<C> {
    type Connection = Pooled<C>;
    type Error = Error;

    fn connect(&self) -> Result<Pooled<C>> {
        let deadline = Instant::now() + REOPEN_PAUSE_MAX;
        let mut slot = loop {
            if let Some(slot) = self.budget.try_open(Door::Blocking) {
                break slot;
            }
            // A connection is on its way out; or r2d2 opens more than there are callers.
            if Instant::now() >= deadline {
                return Err(Error::Closed);
            }
            std::thread::sleep(ROOM_PAUSE);
        };
        let url = C::driver_url(&self.config)?;
        let conn = C::establish(&url).map_err(|error| C::refused(&self.config, &error))?;
        slot.opened();
        Ok(Pooled {
            conn,
            life: Life::new(slot, &self.config.pool),
        })
    }

    fn is_valid(&self, pooled: &mut Pooled<C>) -> Result<()> {
        pooled.life.slot.taken();
        match pooled.life.fitness() {
            Fitness::Fit => Ok(()),
            Fitness::Ping => pooled.conn.ping().map_err(|error| {
                pooled.life.slot.leave(Cause::Dead);
                Error::from(error)
            }),
            Fitness::Expired => {
                pooled.life.slot.leave(Cause::Recycled);
                Err(Error::Closed)
            }
        }
    }

    fn has_broken(&self, pooled: &mut Pooled<C>) -> bool {
        if std::thread::panicking() {
            pooled.life.slot.leave(Cause::Panicked);
        }
        !pooled.life.comes_back()
    }
}

#[derive(Debug)]
struct Customizer {
    config: Arc<DatabaseConfig>,
}

impl<C: Session> CustomizeConnection<Pooled<C>, Error> for Customizer {
    fn on_acquire(&self, pooled: &mut Pooled<C>) -> Result<()> {
        pooled
            .conn
            .prepare(&self.config)
            .inspect_err(|_| pooled.life.slot.leave(Cause::Dead))?;
        // r2d2 puts it among the idle ones, where the caller that asked for it finds it.
        pooled.life.slot.waits();
        Ok(())
    }
}

/// Remembers why opening failed. Errors of [`Manager::is_valid`] come here too: they carry
/// nothing a caller needs to know, for another connection is tried.
#[derive(Debug)]
struct ErrorHandler(Arc<Failures>);

impl HandleError<Error> for ErrorHandler {
    fn handle_error(&self, error: Error) {
        match error {
            Error::Connect { .. } | Error::Config { .. } => {
                *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.0.count.fetch_add(1, Ordering::Release);
            }
            replaced => tracing::debug!(error = %replaced, "a pooled connection is replaced"),
        }
    }
}

impl Failures {
    fn take(&self) -> Option<Error> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_ref()? {
            Error::Connect {
                target,
                reason,
                remedy,
            } => Some(Error::Connect {
                target: target.clone(),
                reason: reason.clone(),
                remedy: remedy.clone(),
            }),
            other => Some(Error::config("pool", other.to_string(), "see the reason")),
        }
    }
}

struct EventHandler {
    budget: Arc<Budget>,
    trimmer: Arc<Trimmer>,
}

impl std::fmt::Debug for EventHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventHandler")
    }
}

impl HandleEvent for EventHandler {
    fn handle_acquire(&self, _event: AcquireEvent) {
        if self.budget.has_surplus() {
            self.trimmer.soon();
        }
    }

    fn handle_checkin(&self, event: CheckinEvent) {
        self.budget
            .counters(Door::Blocking)
            .hold
            .record(event.duration());
    }
}

/// A lent connection of either backend.
pub(crate) enum Checkout {
    #[cfg(feature = "sqlite")]
    Sqlite(BlockingCheckout<diesel::SqliteConnection>),
    #[cfg(feature = "postgres")]
    Postgres(BlockingCheckout<diesel::PgConnection>),
}

impl Checkout {
    /// Uses the connection.
    pub(crate) fn with<R>(&mut self, work: impl FnOnce(&mut BackendConnection<'_>) -> R) -> R {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(checkout) => work(&mut checkout.conn().lend()),
            #[cfg(feature = "postgres")]
            Self::Postgres(checkout) => work(&mut checkout.conn().lend()),
        }
    }

    /// The connection is closed when it comes back.
    pub(crate) fn discard(&mut self) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(checkout) => checkout.discard(),
            #[cfg(feature = "postgres")]
            Self::Postgres(checkout) => checkout.discard(),
        }
    }
}

/// A lent connection; it comes back when this is dropped, then the permit.
pub(crate) struct BlockingCheckout<C: Session> {
    conn: Option<r2d2::PooledConnection<Manager<C>>>,
    permit: Permit,
}

impl<C: Session> BlockingCheckout<C> {
    #[allow(clippy::expect_used)] // It is only taken by `drop`.
    fn conn(&mut self) -> &mut C {
        &mut self
            .conn
            .as_mut()
            .expect("a checkout holds its connection until it is dropped")
            .conn
    }

    fn discard(&mut self) {
        if let Some(pooled) = &mut self.conn {
            pooled.life.slot.leave(Cause::Dead);
        }
    }
}

impl<C: Session> Drop for BlockingCheckout<C> {
    fn drop(&mut self) {
        if let Some(mut pooled) = self.conn.take()
            && !std::thread::panicking()
            && let Some(cause) = uncleanliness(&mut pooled.conn)
        {
            pooled.life.slot.leave(cause);
        }
        // `pooled` has gone back by now; the permit follows as the last field.
        let _ = &self.permit;
    }
}
