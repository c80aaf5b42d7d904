//! The blocking door: r2d2.
//!
//! r2d2 keeps the idle connections and opens new ones on its own threads; how many there may be,
//! who waits and what is closed on return is the budget's. A connection that could not be opened
//! is reported to the waiting caller at once.
//!
//! r2d2 orders another connection at each wake-up of a waiting caller. So every caller that needs
//! a new connection is counted, and an order that nobody is behind is answered with a hollow one,
//! which is never lent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use r2d2::event::{AcquireEvent, CheckinEvent};
use r2d2::{CustomizeConnection, HandleError, HandleEvent, ManageConnection};
use scheduled_thread_pool::ScheduledThreadPool;

use super::needs::{ConnectionOrder, Hollow, Needs};
use super::session::{Fitness, Life, PooledSession, uncleanliness};
use crate::config::DatabaseConfig;
use crate::database::budget::{Budget, Cause, Door, Permit, ROOM_PAUSE};
use crate::database::connection::BackendConnection;
use crate::database::slow_query::SlowQueryTable;
use crate::database::snapshot::DoorSnapshot;
use crate::error::{Error, Result};

/// Threads that open connections.
const OPENERS: usize = 4;
/// How often a waiting caller looks whether opening has failed.
const FAILURE_LOOK: Duration = Duration::from_millis(50);
/// The same after the server has refused a connection as one too many: r2d2 orders another one at
/// each look, and wakes the caller when one comes back.
const REFUSED_LOOK: Duration = Duration::from_millis(500);
/// Bounds r2d2's pause between attempts to open: it is at most half of this.
const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Hollow connections are dropped, and idle ones beyond the base closed, this long after one came.
const TRIM_AFTER: Duration = Duration::from_millis(5);
/// r2d2's own limit, in capacities: hollow connections count in it too.
const ORDERS_PER_CAPACITY: u32 = 4;

pub(super) struct BlockingDoor<C: PooledSession> {
    pool: r2d2::Pool<BlockingManager<C>>,
    budget: Arc<Budget>,
    failures: Arc<Failures>,
    needs: Arc<Needs>,
}

/// What r2d2 keeps.
enum BlockingPooled<C> {
    Live(Live<C>),
    /// Nobody needed it any more when it was to be opened. It is never lent.
    #[allow(dead_code)] // It counts itself while it lives.
    Hollow(Hollow),
}

struct Live<C> {
    // Dropped first: the slot counts a connection that is gone.
    conn: C,
    life: Life,
    /// The need that it was opened for, until a caller has it.
    order: Option<ConnectionOrder>,
}

/// Attempts to open that failed, and why the last one did.
#[derive(Debug, Default)]
struct Failures {
    count: AtomicU64,
    last: Mutex<Option<Error>>,
}

struct BlockingManager<C> {
    config: Arc<DatabaseConfig>,
    budget: Arc<Budget>,
    needs: Arc<Needs>,
    connection: std::marker::PhantomData<fn() -> C>,
}

impl<C: PooledSession> BlockingDoor<C> {
    pub(super) fn new(
        config: &Arc<DatabaseConfig>,
        budget: &Arc<Budget>,
        slow: &Arc<SlowQueryTable>,
    ) -> Result<Arc<Self>> {
        let failures = Arc::new(Failures::default());
        let needs = Arc::new(Needs::default());
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
            .max_size((config.pool.base + config.pool.overflow) * ORDERS_PER_CAPACITY)
            .min_idle(Some(0))
            .test_on_check_out(true)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(REOPEN_PAUSE_MAX)
            .thread_pool(openers)
            .connection_customizer(Box::new(Customizer {
                config: Arc::clone(config),
                slow: Arc::clone(slow),
            }))
            .error_handler(Box::new(ErrorHandler(Arc::clone(&failures))))
            .event_handler(Box::new(EventHandler {
                budget: Arc::clone(budget),
                trimmer: Arc::clone(&trimmer),
            }))
            .build(BlockingManager {
                config: Arc::clone(config),
                budget: Arc::clone(budget),
                needs: Arc::clone(&needs),
                connection: std::marker::PhantomData,
            })
            .map_err(|e| Error::config("pool", e.to_string(), "check the pool's settings"))?;
        let door = Arc::new(Self {
            pool,
            budget: Arc::clone(budget),
            failures,
            needs,
        });
        let weak: Weak<dyn Trim> = Arc::downgrade(&door) as Weak<dyn Trim>;
        drop(trimmer.door.set(weak));
        let evicting = Arc::downgrade(&door);
        let evict = move |cause| evicting.upgrade().is_some_and(|door| door.evict(cause));
        budget.set_evict(Door::Blocking, Box::new(evict));
        Ok(door)
    }

    pub(super) fn checkout(&self) -> Result<BlockingCheckout<C>> {
        let began = Instant::now();
        let deadline = self.budget.deadline();
        let permit = self.budget.permit_blocking(deadline)?;
        if let Some(conn) = self.pool.try_get() {
            return Ok(self.lent(conn, permit, began));
        }
        let _need = self.needs.need();
        let mut failures_before = self.failures.count.load(Ordering::Acquire);
        let mut look = FAILURE_LOOK;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok(conn) = self.pool.get_timeout(left.min(look)) {
                return Ok(self.lent(conn, permit, began));
            }
            let failures = self.failures.count.load(Ordering::Acquire);
            if failures != failures_before
                && let Some(error) = self.failures.take()
            {
                if !matches!(error, Error::TooManyConnections { .. }) {
                    return Err(error);
                }
                // One of those that are open comes back before that.
                (failures_before, look) = (failures, REFUSED_LOOK);
            }
            if left.is_zero() {
                return Err(self.budget.timed_out(Door::Blocking, began));
            }
        }
    }

    fn lent(
        &self,
        conn: r2d2::PooledConnection<BlockingManager<C>>,
        permit: Permit,
        began: Instant,
    ) -> BlockingCheckout<C> {
        self.budget
            .counters(Door::Blocking)
            .acquire
            .record(began.elapsed());
        BlockingCheckout {
            conn: Some(conn),
            permit,
        }
    }

    pub(super) fn snapshot(&self) -> DoorSnapshot {
        let state = self.pool.state();
        let hollow = self.needs.hollows();
        let size = (state.connections as usize).saturating_sub(hollow);
        let idle = (state.idle_connections as usize).saturating_sub(hollow);
        DoorSnapshot::new(&self.budget, Door::Blocking, size, idle)
    }

    pub(super) fn close(&self) {
        while self.evict(Cause::Shutdown) {}
    }

    fn evict(&self, cause: Cause) -> bool {
        self.pool
            .try_get()
            .map(|mut conn| conn.leave(cause))
            .is_some()
    }
}

impl<C> BlockingPooled<C> {
    fn live(&mut self) -> Option<&mut Live<C>> {
        match self {
            Self::Live(live) => Some(live),
            Self::Hollow(_) => None,
        }
    }

    fn leave(&mut self, cause: Cause) {
        if let Self::Live(live) = self {
            live.life.slot.leave(cause);
        }
    }
}

/// Drops hollow connections, and closes idle ones beyond the base.
trait Trim: Send + Sync {
    fn trim(&self);
}

impl<C: PooledSession> Trim for BlockingDoor<C> {
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

impl<C: PooledSession> ManageConnection for BlockingManager<C> {
    type Connection = BlockingPooled<C>;
    type Error = Error;

    fn connect(&self) -> Result<BlockingPooled<C>> {
        let Some(order) = self.needs.order() else {
            return Ok(BlockingPooled::Hollow(self.needs.hollow()));
        };
        let deadline = Instant::now() + REOPEN_PAUSE_MAX;
        let mut slot = loop {
            if let Some(slot) = self.budget.try_open(Door::Blocking) {
                break slot;
            }
            // A connection is on its way out.
            if Instant::now() >= deadline {
                return Err(Error::Closed);
            }
            std::thread::sleep(ROOM_PAUSE);
        };
        let open = || C::open(&self.config);
        let conn = self.budget.open_on_server(Door::Blocking, open)?;
        slot.opened();
        let life = Life::new(slot, &self.config.pool);
        Ok(BlockingPooled::Live(Live {
            conn,
            life,
            order: Some(order),
        }))
    }

    fn is_valid(&self, pooled: &mut BlockingPooled<C>) -> Result<()> {
        let BlockingPooled::Live(Live { conn, life, order }) = pooled else {
            return Err(Error::Closed);
        };
        drop(order.take());
        match life.is_asked_for() {
            Fitness::Fit => Ok(()),
            Fitness::Ping => conn.ping().map_err(|error| {
                life.slot.leave(Cause::Dead);
                Error::from(error)
            }),
            Fitness::AskForWrites if conn.takes_writes() => Ok(()),
            Fitness::AskForWrites => {
                life.slot.leave(Cause::ReadOnly);
                Err(Error::Closed)
            }
            Fitness::Expired => {
                life.slot.leave(Cause::Recycled);
                Err(Error::Closed)
            }
        }
    }

    fn has_broken(&self, pooled: &mut BlockingPooled<C>) -> bool {
        if std::thread::panicking() {
            pooled.leave(Cause::Panicked);
        }
        !pooled.live().is_some_and(|live| live.life.comes_back())
    }
}

#[derive(Debug)]
struct Customizer {
    config: Arc<DatabaseConfig>,
    slow: Arc<SlowQueryTable>,
}

impl<C: PooledSession> CustomizeConnection<BlockingPooled<C>, Error> for Customizer {
    fn on_acquire(&self, pooled: &mut BlockingPooled<C>) -> Result<()> {
        let BlockingPooled::Live(Live { conn, life, .. }) = pooled else {
            return Ok(());
        };
        conn.prepare(&self.config)
            .inspect_err(|_| life.slot.leave(Cause::Dead))?;
        self.slow.observe(conn);
        // r2d2 puts it among the idle ones, where the caller that asked for it finds it.
        life.slot.waits();
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
            Error::Connect { .. } | Error::TooManyConnections { .. } | Error::Config { .. } => {
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
            Error::TooManyConnections { state } => Some(Error::TooManyConnections {
                state: state.clone(),
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
        self.trimmer.soon();
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
    pub(in crate::database) fn close(&mut self, cause: Cause) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(checkout) => checkout.close(cause),
            #[cfg(feature = "postgres")]
            Self::Postgres(checkout) => checkout.close(cause),
        }
    }
}

/// A lent connection; it comes back when this is dropped, then the permit.
pub(crate) struct BlockingCheckout<C: PooledSession> {
    conn: Option<r2d2::PooledConnection<BlockingManager<C>>>,
    permit: Permit,
}

impl<C: PooledSession> BlockingCheckout<C> {
    #[allow(clippy::expect_used)] // It is taken only by `drop`, and a hollow one is never lent.
    fn conn(&mut self) -> &mut C {
        let live = self.conn.as_mut().and_then(|pooled| pooled.live());
        &mut live
            .expect("a checkout holds a live connection until it is dropped")
            .conn
    }

    fn close(&mut self, cause: Cause) {
        if let Some(pooled) = &mut self.conn {
            pooled.leave(cause);
        }
    }
}

impl<C: PooledSession> Drop for BlockingCheckout<C> {
    fn drop(&mut self) {
        if let Some(mut pooled) = self.conn.take()
            && !std::thread::panicking()
            && let Some(live) = pooled.live()
            && let Some(cause) = uncleanliness(&mut live.conn)
        {
            live.life.slot.leave(cause);
        }
        // `pooled` has gone back by now; the permit follows as the last field.
        let _ = &self.permit;
    }
}
