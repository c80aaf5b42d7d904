//! The state of the pool at one moment. Reading it takes no lock that a caller of the pool waits
//! for longer than a few instructions.

use std::sync::atomic::Ordering;

use super::loans::HeldConnection;
use super::permits::{Cause, Door, Permits};
use crate::database::histogram::HistogramCounts;

/// Connections closed, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClosedByCause {
    /// Came back while as many as the base were idle.
    pub overflow: u64,
    /// Had reached their age.
    pub recycled: u64,
    /// Did not answer, or broke in use.
    pub dead: u64,
    /// Led to a server that takes no writes.
    pub read_only: u64,
    /// Came back with a transaction open.
    pub open_transaction: u64,
    /// Their user panicked.
    pub panicked: u64,
    /// The other door needed their place.
    pub evicted: u64,
    /// The pool was closed.
    pub shutdown: u64,
}

/// The state of one door.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DoorSnapshot {
    /// `blocking` (r2d2) or `async` (deadpool).
    pub name: &'static str,
    /// Connections that the door has, idle and in use.
    pub size: usize,
    /// Connections that wait for a caller.
    pub idle: usize,
    /// Connections lent, those being opened for a caller included.
    pub in_use: usize,
    /// Callers that wait.
    pub waiting: usize,
    /// Callers that gave up waiting.
    pub timeouts: u64,
    /// From asking to getting, of those that got a connection.
    pub acquire: HistogramCounts,
    /// From getting to giving back.
    pub hold: HistogramCounts,
}

/// The state of the pool: both doors and their sum.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// Connections that stay open.
    pub base: usize,
    /// Connections that may be open: base and overflow.
    pub capacity: usize,
    /// Connections open now.
    pub open: usize,
    /// Connections lent.
    pub in_use: usize,
    /// Connections that wait for a caller.
    pub idle: usize,
    /// Connections open beyond the base.
    pub overflow: usize,
    /// Callers that wait.
    pub waiting: usize,
    /// In use / capacity, 0 to 1.
    pub utilization: f64,
    /// Callers that gave up waiting.
    pub timeouts: u64,
    /// Connections that are held for longer than `pool.held_warning_ms` right now, longest first,
    /// and the operations that hold them.
    pub held_too_long: Vec<HeldConnection>,
    /// Connections that monitoring found so; each is counted once for as long as it is held.
    pub held_too_long_found: u64,
    /// Connections opened so far.
    pub opened: u64,
    /// Connections closed so far.
    pub closed: ClosedByCause,
    /// The doors: blocking, async.
    pub doors: [DoorSnapshot; 2],
}

impl DoorSnapshot {
    pub(super) fn new(permits: &Permits, door: Door, size: usize, idle: usize) -> Self {
        let counters = &permits.doors[door as usize];
        let in_use = permits.counts().callers[door as usize];
        Self {
            name: match door {
                Door::Blocking => "blocking",
                Door::Asynchronous => "async",
            },
            size,
            idle,
            in_use,
            waiting: counters.waiting.load(Ordering::Relaxed),
            timeouts: counters.timeouts.load(Ordering::Relaxed),
            acquire: counters.acquire.counts(),
            hold: counters.hold.counts(),
        }
    }
}

impl PoolSnapshot {
    pub(super) fn new(permits: &Permits, doors: [DoorSnapshot; 2]) -> Self {
        let held_too_long = permits.held_too_long();
        let sum = |of: fn(&DoorSnapshot) -> usize| doors.iter().map(of).sum::<usize>();
        let (counts, in_use) = (permits.counts(), sum(|door| door.in_use));
        let closed = |cause: Cause| counts.closed[cause as usize];
        Self {
            base: permits.base(),
            capacity: permits.capacity,
            open: counts.open,
            in_use,
            idle: sum(|door| door.idle),
            overflow: counts.open.saturating_sub(permits.base()),
            waiting: sum(|door| door.waiting),
            utilization: in_use as f64 / permits.capacity as f64,
            timeouts: doors.iter().map(|door| door.timeouts).sum(),
            held_too_long,
            held_too_long_found: counts.held_too_long,
            opened: counts.opened,
            closed: ClosedByCause {
                overflow: closed(Cause::Overflow),
                recycled: closed(Cause::Recycled),
                dead: closed(Cause::Dead),
                read_only: closed(Cause::ReadOnly),
                open_transaction: closed(Cause::OpenTransaction),
                panicked: closed(Cause::Panicked),
                evicted: closed(Cause::Evicted),
                shutdown: closed(Cause::Shutdown),
            },
            doors,
        }
    }
}
