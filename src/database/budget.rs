//! The one budget of both doors: how many connections may be lent, be open, and stay.
//!
//! Base and overflow mean what they mean to SQLAlchemy's QueuePool: up to `base` connections wait
//! for callers, up to `base + overflow` exist, and one that comes back while `base` are waiting is
//! closed.
//!
//! Every checkout first takes a permit; there are as many as the pool may open (base + overflow),
//! handed out in the order of asking to blocking and asynchronous callers alike. All waiting for
//! the pool happens here. Every open connection holds a slot.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::block_on;
use super::histogram::Histogram;
use crate::config::PoolConfig;
use crate::error::{Error, Result};

/// How long a permit holder pauses before it looks again for room that a closing connection
/// makes.
pub(super) const ROOM_PAUSE: Duration = Duration::from_millis(1);

/// How long no other connection is asked for after the server has refused one as one too many.
const REFUSAL_PAUSE: Duration = Duration::from_millis(200);

/// How long the log says nothing more of such refusals.
const REFUSAL_SILENCE: Duration = Duration::from_secs(60);

/// How often, and after which pause each, it is looked whether a connection of the other door that
/// was closed has left the server.
const LEAVING: (u32, Duration) = (20, Duration::from_millis(5));

/// How long a server that takes no writes makes no further connections suspect: on a standby, each
/// write that is tried would cost all of them.
const READ_ONLY_PAUSE: Duration = Duration::from_secs(1);

/// One of the two doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Blocking,
    Asynchronous,
}

impl Door {
    fn other(self) -> Self {
        match self {
            Self::Blocking => Self::Asynchronous,
            Self::Asynchronous => Self::Blocking,
        }
    }
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It came back while as many as the base were idle.
    Overflow,
    /// It had reached its age.
    Recycled,
    /// It did not answer, or broke in use.
    Dead,
    /// Its server was found to take no writes.
    ReadOnly,
    /// Its user left a transaction open.
    OpenTransaction,
    /// Its user panicked.
    Panicked,
    /// The other door needed its place.
    Evicted,
    /// The pool was closed.
    Shutdown,
}

/// The causes in the order of their counters.
pub(super) const CAUSES: usize = 8;

/// Counts of one door.
#[derive(Debug, Default)]
pub(super) struct DoorCounters {
    pub(super) waiting: AtomicUsize,
    pub(super) in_use: AtomicUsize,
    pub(super) timeouts: AtomicU64,
    pub(super) acquire: Histogram,
    pub(super) hold: Histogram,
}

/// Closes one idle connection of a door; `false` when it has none.
type Evict = Box<dyn Fn(Cause) -> bool + Send + Sync>;

pub(super) struct Budget {
    pub(super) base: usize,
    pub(super) capacity: usize,
    acquire_timeout: Duration,
    permits: Arc<Semaphore>,
    open: Mutex<OpenConnections>,
    pub(super) opened: AtomicU64,
    pub(super) closed: [AtomicU64; CAUSES],
    doors: [DoorCounters; 2],
    evict: [OnceLock<Evict>; 2],
    born: Instant,
    /// When a dead connection was last found, in nanoseconds since `born`.
    suspicion: AtomicU64,
    /// The same of one whose server takes no writes.
    read_only: AtomicU64,
    /// A connection was closed or came back.
    returned: Notify,
}

#[derive(Debug, Default)]
struct OpenConnections {
    /// Connections that exist, those being opened and closed included.
    count: usize,
    /// Those among them that wait for a caller.
    idle: usize,
    /// When the server last refused another one, as one too many.
    refused: Option<Instant>,
}

impl Budget {
    pub(super) fn new(config: &PoolConfig) -> Arc<Self> {
        let capacity = (config.base + config.overflow) as usize;
        Arc::new(Self {
            base: config.base as usize,
            capacity,
            acquire_timeout: config.acquire_timeout,
            permits: Arc::new(Semaphore::new(capacity)),
            open: Mutex::default(),
            opened: AtomicU64::new(0),
            closed: Default::default(),
            doors: Default::default(),
            evict: Default::default(),
            born: Instant::now(),
            suspicion: AtomicU64::new(0),
            read_only: AtomicU64::new(0),
            returned: Notify::new(),
        })
    }

    pub(super) fn counters(&self, door: Door) -> &DoorCounters {
        &self.doors[door as usize]
    }

    /// Says how a door closes one of its idle connections for the other.
    pub(super) fn set_evict(&self, door: Door, evict: Evict) {
        // Each door sets its own once, when it is built.
        drop(self.evict[door as usize].set(evict));
    }

    /// Connections open now.
    pub(super) fn open(&self) -> usize {
        self.lock().count
    }

    /// Whether more connections are idle than the base.
    pub(super) fn has_surplus(&self) -> bool {
        self.lock().idle > self.base
    }

    /// Whether a caller who asks now need not wait.
    #[cfg(feature = "postgres")]
    pub(super) fn has_permit(&self) -> bool {
        self.permits.available_permits() > 0 || self.permits.is_closed()
    }

    /// The moment at which a caller who asks now has waited long enough.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.acquire_timeout
    }

    /// Takes a permit and blocks the thread until there is one.
    pub(super) fn permit_blocking(self: &Arc<Self>, deadline: Instant) -> Result<Permit> {
        let began = Instant::now();
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(Permit::new(self, Door::Blocking, permit));
        }
        let _waiting = Waiting::new(self, Door::Blocking);
        let acquired = block_on::block_until(Arc::clone(&self.permits).acquire_owned(), deadline);
        match acquired {
            Some(Ok(permit)) => Ok(Permit::new(self, Door::Blocking, permit)),
            Some(Err(_)) => Err(Error::Closed),
            None => Err(self.timed_out(Door::Blocking, began)),
        }
    }

    /// Takes a permit.
    pub(super) async fn permit(self: &Arc<Self>, deadline: Instant) -> Result<Permit> {
        let began = Instant::now();
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(Permit::new(self, Door::Asynchronous, permit));
        }
        let _waiting = Waiting::new(self, Door::Asynchronous);
        let acquire = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout_at(deadline.into(), acquire).await {
            Ok(Ok(permit)) => Ok(Permit::new(self, Door::Asynchronous, permit)),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(self.timed_out(Door::Asynchronous, began)),
        }
    }

    /// The error of a caller who has waited long enough; it is counted.
    pub(super) fn timed_out(&self, door: Door, began: Instant) -> Error {
        self.counters(door).timeouts.fetch_add(1, Ordering::Relaxed);
        let waited = began.elapsed();
        if self
            .lock()
            .refused
            .is_some_and(|at| at + REFUSAL_PAUSE >= began)
        {
            let open = self.open();
            let state = format!("it has {open} of the pool, and none came back within {waited:?}");
            return Error::TooManyConnections { state };
        }
        Error::PoolTimeout {
            waited,
            state: self.state(),
        }
    }

    fn state(&self) -> String {
        let sum = |count: fn(&DoorCounters) -> &AtomicUsize| {
            self.doors
                .iter()
                .map(|door| count(door).load(Ordering::Relaxed))
                .sum::<usize>()
        };
        format!(
            "{} of {} connections in use, {} open, {} callers waiting",
            sum(|door| &door.in_use),
            self.capacity,
            self.open(),
            sum(|door| &door.waiting),
        )
    }

    /// A place for a new connection, if there is one, or if the other door gives one up.
    pub(super) fn try_open(self: &Arc<Self>, door: Door) -> Option<OpenSlot> {
        self.try_take().or_else(|| {
            self.evict(door.other(), Cause::Evicted)
                .then(|| self.try_take())
                .flatten()
        })
    }

    /// Opens a connection on a place that was had by [`Budget::try_open`]. A server that has just
    /// refused one as one too many is not asked, unless the other door gives one up for it.
    pub(super) fn open_on_server<T>(
        &self,
        door: Door,
        mut open: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let refused = self.lock().refused;
        if refused.is_none_or(|at| at.elapsed() >= REFUSAL_PAUSE) {
            let outcome = self.noted(open());
            if !matches!(outcome, Err(Error::TooManyConnections { .. })) {
                return outcome;
            }
        }
        if !self.evict(door.other(), Cause::Evicted) {
            let state = "it has just refused another one".to_owned();
            return Err(Error::TooManyConnections { state });
        }
        let mut looks = 1;
        loop {
            let outcome = self.noted(open());
            if !matches!(outcome, Err(Error::TooManyConnections { .. })) || looks == LEAVING.0 {
                return outcome;
            }
            std::thread::sleep(LEAVING.1);
            looks += 1;
        }
    }

    fn noted<T>(&self, outcome: Result<T>) -> Result<T> {
        if let Err(error @ Error::TooManyConnections { .. }) = &outcome {
            let before = self.lock().refused.replace(Instant::now());
            if before.is_none_or(|at| at.elapsed() >= REFUSAL_SILENCE) {
                tracing::warn!(%error, "callers wait for a connection that comes back");
            }
        }
        outcome
    }

    /// After the server has refused a connection as one too many: waits until one has come back, or
    /// until it may be asked again.
    pub(super) async fn until_returned(&self, door: Door, began: Instant) -> Result<()> {
        let left = self.acquire_timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(self.timed_out(door, began));
        }
        let pause = left.min(REFUSAL_PAUSE);
        // Either way it is looked again.
        drop(tokio::time::timeout(pause, self.returned.notified()).await);
        Ok(())
    }

    fn evict(&self, door: Door, cause: Cause) -> bool {
        let evict = self.evict[door as usize].get();
        evict.is_some_and(|evict| evict(cause))
    }

    fn try_take(self: &Arc<Self>) -> Option<OpenSlot> {
        let mut open = self.lock();
        if open.count >= self.capacity {
            return None;
        }
        open.count += 1;
        Some(OpenSlot {
            budget: Arc::clone(self),
            cause: None,
            lived: false,
            idle: false,
        })
    }

    /// Waiting and later callers get [`Error::Closed`].
    pub(super) fn close(&self) {
        self.permits.close();
    }

    /// A connection was found dead. Those that have idled since before may have died with it.
    fn suspect(&self) {
        let now = self.since_born(Instant::now());
        self.suspicion.fetch_max(now, Ordering::AcqRel);
    }

    /// A server was found that takes no writes. Connections that were opened before lead there, too,
    /// if the name leads elsewhere by now.
    fn suspect_read_only(&self) {
        let now = self.since_born(Instant::now());
        let pause = u64::try_from(READ_ONLY_PAUSE.as_nanos()).unwrap_or(u64::MAX);
        let later = |found: u64| (found == 0 || now >= found + pause).then_some(now);
        let _ = self
            .read_only
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, later);
    }

    fn since_born(&self, moment: Instant) -> u64 {
        let elapsed = moment.saturating_duration_since(self.born);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that waits; counted while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(budget: &'a Budget, door: Door) -> Self {
        let waiting = &budget.counters(door).waiting;
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to one connection; given back after the connection.
pub(super) struct Permit {
    budget: Arc<Budget>,
    door: Door,
    _permit: OwnedSemaphorePermit,
}

impl Permit {
    fn new(budget: &Arc<Budget>, door: Door, permit: OwnedSemaphorePermit) -> Self {
        budget.counters(door).in_use.fetch_add(1, Ordering::Relaxed);
        Self {
            budget: Arc::clone(budget),
            door,
            _permit: permit,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget
            .counters(self.door)
            .in_use
            .fetch_sub(1, Ordering::Relaxed);
        self.budget.returned.notify_one();
        // The pool was closed meanwhile, or is being closed: what came back must not stay.
        if self.budget.permits.is_closed() {
            while self.budget.evict(self.door, Cause::Shutdown) {}
        }
    }
}

/// The place of one open connection; dropped after the connection, it counts why.
pub(super) struct OpenSlot {
    budget: Arc<Budget>,
    cause: Option<Cause>,
    /// Whether a connection stood on it: an attempt that failed is not counted as closed.
    lived: bool,
    idle: bool,
}

impl OpenSlot {
    /// The connection was made.
    pub(super) fn opened(&mut self) {
        self.lived = true;
        self.budget.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection is to be closed; the first cause stays, but that of a dead one: its
    /// transaction seems to be open, too.
    pub(super) fn leave(&mut self, cause: Cause) {
        match cause {
            Cause::Dead => self.budget.suspect(),
            Cause::ReadOnly => self.budget.suspect_read_only(),
            _ => {}
        }
        if self
            .cause
            .is_none_or(|first| first == Cause::OpenTransaction)
        {
            self.cause = Some(cause);
        }
    }

    /// Whether another connection was found dead after this one came back.
    pub(super) fn is_suspect(&self, idle_since: Instant) -> bool {
        let found = self.budget.suspicion.load(Ordering::Acquire);
        found > 0 && self.budget.since_born(idle_since) <= found
    }

    /// Whether a server was found to take no writes after this connection was last asked.
    pub(super) fn may_be_read_only(&self, asked: Instant) -> bool {
        let found = self.budget.read_only.load(Ordering::Acquire);
        found > 0 && self.budget.since_born(asked) <= found
    }

    /// A caller takes the connection.
    pub(super) fn taken(&mut self) {
        if std::mem::take(&mut self.idle) {
            self.budget.lock().idle -= 1;
        }
    }

    /// The connection waits for a caller, be it one too many.
    pub(super) fn waits(&mut self) {
        if !std::mem::replace(&mut self.idle, true) {
            self.budget.lock().idle += 1;
        }
    }

    /// The connection comes back. It stays, unless there is a cause to close it or as many as the
    /// base are idle already; says whether it stays.
    pub(super) fn stays(&mut self) -> bool {
        if self.cause.is_some() {
            return false;
        }
        let mut open = self.budget.lock();
        if open.idle >= self.budget.base {
            drop(open);
            self.cause = Some(Cause::Overflow);
            return false;
        }
        open.idle += 1;
        drop(open);
        self.idle = true;
        true
    }
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        let mut open = self.budget.lock();
        open.count -= 1;
        open.idle -= usize::from(self.idle);
        drop(open);
        if self.lived {
            self.budget.returned.notify_one();
            let cause = self.cause.unwrap_or(Cause::Shutdown);
            self.budget.closed[cause as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}
