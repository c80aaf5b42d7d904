//! The permits that both doors share, and the counts of what is open: how many connections may be
//! lent, be open, and stay.
//!
//! Base and overflow mean what they mean to SQLAlchemy's QueuePool: up to `base` connections wait
//! for callers, up to `base + overflow` exist, and one that comes back while `base` are waiting is
//! closed. Every checkout first takes one of `base + overflow` permits, in the order of asking.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::loans::{HeldConnection, LentMoments, Loans};
use crate::config::PoolConfig;
use crate::database::block_on;
use crate::database::histogram::Histogram;
use crate::error::{Error, Result};

/// How long the server is not asked for another connection after it has refused one as one too
/// many: long enough to spare it a storm of attempts, short enough for a place that comes free.
pub(super) const REFUSAL_PAUSE: Duration = Duration::from_millis(200);

/// One of the two doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Blocking,
    Asynchronous,
}

impl Door {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Blocking => Self::Asynchronous,
            Self::Asynchronous => Self::Blocking,
        }
    }
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::database) enum Cause {
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
const CAUSES: usize = 8;

/// Counters of one door.
#[derive(Debug, Default)]
pub(super) struct DoorCounters {
    pub(super) waiting: AtomicUsize,
    pub(super) timeouts: AtomicU64,
    pub(super) acquire: Histogram,
    pub(super) hold: Histogram,
}

/// What is open and who needs it. The arrays have an element for each [`Door`].
#[derive(Debug)]
pub(super) struct PoolCounts {
    /// Connections that exist, those being opened and closed included.
    pub(super) open: usize,
    /// Connections that are open or being opened, without those to be closed.
    pub(super) staying: [usize; 2],
    /// Callers that have a permit and have not given their connection back.
    pub(super) callers: [usize; 2],
    /// Connections opened and closed so far.
    pub(super) opened: u64,
    pub(super) closed: [u64; CAUSES],
    /// What is lent, and to whom.
    pub(super) loans: Loans,
    /// Connections that were found to be held for too long.
    pub(super) held_too_long: u64,
    /// When the server last refused another connection, as one too many.
    pub(super) refused: Option<Instant>,
    /// When a connection was last found dead: those that have idled since before may be, too.
    pub(super) found_dead: Option<Instant>,
    /// When a server was last found to take no writes: connections that were opened before lead
    /// there, too, if the name leads elsewhere by now.
    pub(super) found_read_only: Option<Instant>,
}

impl PoolCounts {
    fn new(capacity: usize) -> Self {
        Self {
            open: 0,
            staying: [0; 2],
            callers: [0; 2],
            opened: 0,
            closed: [0; CAUSES],
            loans: Loans::new(capacity),
            held_too_long: 0,
            refused: None,
            found_dead: None,
            found_read_only: None,
        }
    }

    /// A caller of the door has no connection, and none is on its way to it.
    pub(super) fn is_short(&self, door: Door) -> bool {
        self.staying[door as usize] < self.callers[door as usize]
    }

    /// Connections of the door that are idle, or will be once its callers have theirs.
    pub(super) fn spare_of(&self, door: Door) -> usize {
        self.staying[door as usize].saturating_sub(self.callers[door as usize])
    }

    pub(super) fn spare(&self) -> usize {
        self.spare_of(Door::Blocking) + self.spare_of(Door::Asynchronous)
    }

    pub(super) fn is_refused(&self, since: Instant) -> bool {
        self.refused.is_some_and(|at| at + REFUSAL_PAUSE >= since)
    }
}

/// Closes an idle connection of a door; `false` when it has none.
pub(super) type Evict = Box<dyn Fn(Door, Cause) -> bool + Send + Sync>;

pub(super) struct Permits {
    pub(super) config: PoolConfig,
    pub(super) capacity: usize,
    semaphore: Arc<Semaphore>,
    counts: Mutex<PoolCounts>,
    moments: LentMoments,
    pub(super) doors: [DoorCounters; 2],
    /// Set once, when the doors are built.
    pub(super) evict: OnceLock<Evict>,
    /// A connection came back or was closed: who could not open one tries again.
    pub(super) returned: Notify,
}

impl Permits {
    pub(super) fn new(config: &PoolConfig) -> Arc<Self> {
        let capacity = (config.base + config.overflow) as usize;
        Arc::new(Self {
            config: config.clone(),
            capacity,
            semaphore: Arc::new(Semaphore::new(capacity)),
            counts: Mutex::new(PoolCounts::new(capacity)),
            moments: LentMoments::new(capacity),
            doors: Default::default(),
            evict: OnceLock::new(),
            returned: Notify::new(),
        })
    }

    pub(super) fn base(&self) -> usize {
        self.config.base as usize
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, PoolCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is held for longer than the settings say, longest first; nothing when they say 0.
    pub(super) fn held_too_long(&self) -> Vec<HeldConnection> {
        self.look_for_held(false)
            .into_iter()
            .map(|(it, _)| it)
            .collect()
    }

    /// Likewise, those alone that are found for the first time; they are counted.
    pub(super) fn find_held(&self) -> Vec<HeldConnection> {
        let held = self.look_for_held(true).into_iter();
        let found: Vec<HeldConnection> = held.filter_map(|(it, new)| new.then_some(it)).collect();
        self.counts().held_too_long += found.len() as u64;
        found
    }

    fn look_for_held(&self, finds: bool) -> Vec<(HeldConnection, bool)> {
        let limit = self.config.held_warning;
        if limit.is_zero() {
            return Vec::new();
        }
        self.counts().loans.held(&self.moments, limit, finds)
    }

    pub(super) fn evict(&self, door: Door, cause: Cause) -> bool {
        self.evict.get().is_some_and(|evict| evict(door, cause))
    }

    /// A caller who asks now need not wait.
    #[cfg(feature = "postgres")]
    pub(super) fn has_permit(&self) -> bool {
        self.semaphore.available_permits() > 0 || self.semaphore.is_closed()
    }

    /// Takes a permit for an operation.
    pub(super) async fn acquire(self: &Arc<Self>, op: &'static str) -> Result<Permit> {
        let (door, asked) = (Door::Asynchronous, Instant::now());
        if let Ok(permit) = Arc::clone(&self.semaphore).try_acquire_owned() {
            return Ok(Permit::new(self, door, op, asked, permit));
        }
        let deadline = asked + self.config.acquire_timeout;
        let waited = tokio::time::timeout_at(deadline.into(), self.wait(door, op, asked)).await;
        waited.unwrap_or_else(|_| Err(self.timed_out(door, asked)))
    }

    /// Takes a permit for an operation and blocks the thread until there is one.
    pub(super) fn acquire_blocking(self: &Arc<Self>, op: &'static str) -> Result<Permit> {
        let (door, asked) = (Door::Blocking, Instant::now());
        if let Ok(permit) = Arc::clone(&self.semaphore).try_acquire_owned() {
            return Ok(Permit::new(self, door, op, asked, permit));
        }
        let deadline = asked + self.config.acquire_timeout;
        let waited = block_on::block_until(self.wait(door, op, asked), deadline);
        waited.unwrap_or_else(|| Err(self.timed_out(door, asked)))
    }

    async fn wait(
        self: &Arc<Self>,
        door: Door,
        op: &'static str,
        asked: Instant,
    ) -> Result<Permit> {
        let waiting = &self.doors[door as usize].waiting;
        waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(waiting);
        let acquired = Arc::clone(&self.semaphore).acquire_owned().await;
        let permit = acquired.map_err(|_| Error::Closed)?;
        Ok(Permit::new(self, door, op, asked, permit))
    }

    /// The error of a caller who has waited long enough; it is counted.
    pub(super) fn timed_out(&self, door: Door, asked: Instant) -> Error {
        self.doors[door as usize]
            .timeouts
            .fetch_add(1, Ordering::Relaxed);
        let waited = asked.elapsed();
        let counts = self.counts();
        let (open, in_use) = (counts.open, counts.callers.iter().sum::<usize>());
        let refused = counts.is_refused(asked);
        drop(counts);
        if refused {
            let state = format!("it has {open} of the pool, and none came back within {waited:?}");
            return Error::TooManyConnections { state };
        }
        let capacity = self.capacity;
        let waiting = |door: &DoorCounters| door.waiting.load(Ordering::Relaxed);
        let waiting: usize = self.doors.iter().map(waiting).sum();
        let state = format!(
            "{in_use} of {capacity} connections in use, {open} open, {waiting} callers waiting"
        );
        Error::PoolTimeout { waited, state }
    }

    /// Waiting and later callers get [`Error::Closed`].
    pub(super) fn close(&self) {
        self.semaphore.close();
    }
}

/// A caller that waits; counted while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to one connection; given back after the connection.
pub(super) struct Permit {
    permits: Arc<Permits>,
    door: Door,
    asked: Instant,
    lent: Option<Instant>,
    /// It is among the callers of [`PoolCounts`].
    counted: bool,
    /// Its place among [`Loans`].
    place: Option<usize>,
    _permit: OwnedSemaphorePermit,
}

impl Permit {
    fn new(
        permits: &Arc<Permits>,
        door: Door,
        op: &'static str,
        asked: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let mut counts = permits.counts();
        counts.callers[door as usize] += 1;
        let place = counts.loans.take(op);
        drop(counts);
        Self {
            permits: Arc::clone(permits),
            door,
            asked,
            lent: None,
            counted: true,
            place,
            _permit: permit,
        }
    }

    /// The moment at which the caller has waited long enough.
    pub(super) fn deadline(&self) -> Instant {
        self.asked + self.permits.config.acquire_timeout
    }

    pub(super) fn timed_out(&self) -> Error {
        self.permits.timed_out(self.door, self.asked)
    }

    /// The caller has its connection.
    pub(super) fn lent(&mut self) {
        let acquire = &self.permits.doors[self.door as usize].acquire;
        acquire.record(self.asked.elapsed());
        let now = Instant::now();
        self.lent = Some(now);
        if let Some(place) = self.place {
            self.permits.moments.lent(place, now);
        }
    }

    /// The caller needs its connection no more.
    pub(super) fn uncount(&mut self, counts: &mut PoolCounts) {
        counts.callers[self.door as usize] -= usize::from(std::mem::take(&mut self.counted));
        if let Some(place) = self.place.take() {
            self.permits.moments.back(place);
            counts.loans.give_back(place);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let permits = Arc::clone(&self.permits);
        self.uncount(&mut permits.counts());
        if let Some(lent) = self.lent {
            permits.doors[self.door as usize]
                .hold
                .record(lent.elapsed());
        }
        permits.returned.notify_one();
        // The pool was closed meanwhile, or is being closed: what came back must not stay.
        if permits.semaphore.is_closed() {
            while permits.evict(self.door, Cause::Shutdown) {}
        }
    }
}
