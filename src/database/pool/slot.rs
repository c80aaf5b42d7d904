//! The slot of one open connection: its place in the counts, its age, and why it is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::permits::{Cause, Door, Permit, Permits};
use super::session::PooledSession;
use crate::config::DatabaseConfig;
use crate::error::{Error, Result};

/// How long the log says nothing more of connections that the server refused.
const REFUSAL_SILENCE: Duration = Duration::from_secs(60);

/// How often, and after which pause each, the server is asked again after a connection of the other
/// door was closed: only the server knows when that one has left it.
const LEAVING: (u32, Duration) = (20, Duration::from_millis(5));

/// How long a server that takes no writes makes no further connections suspect: on a standby, each
/// write that is tried would cost all of them.
const READ_ONLY_PAUSE: Duration = Duration::from_secs(1);

/// What a door keeps of a connection. The fields drop in this order: the slot counts a connection
/// that is gone, or that the asynchronous door has handed to a thread to close.
pub(super) struct PoolEntry<T> {
    pub(super) conn: T,
    pub(super) slot: PoolSlot,
}

/// The slot of one connection; dropped after the connection, it counts why.
pub(super) struct PoolSlot {
    permits: Arc<Permits>,
    door: Door,
    /// Why the connection is to be closed.
    cause: Option<Cause>,
    /// A connection stood on it: an attempt that failed is not counted as closed.
    pub(super) opened: bool,
    /// A caller has given it back: no new connection is too old.
    used: bool,
    expires_at: Instant,
    idle_since: Instant,
    /// When it was opened, or last asked whether it leads to a server that takes writes.
    asked: Instant,
}

/// What a connection must pass before it is lent, and the cause to close it when it does not.
type LendingTest = (fn(&mut PooledSession) -> bool, Cause);

impl PoolSlot {
    /// A slot for another connection, if one is wanted and there is room. For a caller the other
    /// door makes room.
    pub(super) fn reserve(permits: &Arc<Permits>, door: Door) -> Option<Self> {
        let count_in = || {
            let mut counts = permits.counts();
            // deadpool asks for a caller that is there, r2d2 also for one that is served already.
            let wanted = door == Door::Asynchronous || counts.is_short(door);
            let counted = wanted && counts.open < permits.capacity;
            counts.open += usize::from(counted);
            counts.staying[door as usize] += usize::from(counted);
            counted
        };
        let evict = || {
            let short = permits.counts().is_short(door);
            short && permits.evict(door.other(), Cause::Evicted)
        };
        let now = Instant::now();
        (count_in() || (evict() && count_in())).then(|| Self {
            permits: Arc::clone(permits),
            door,
            cause: None,
            opened: false,
            used: false,
            expires_at: now,
            idle_since: now,
            asked: now,
        })
    }

    /// Opens the connection of the slot. A server that has just refused one as one too many is not
    /// asked, unless the other door gives one up for a caller.
    pub(super) fn open(&self, config: &DatabaseConfig) -> Result<PooledSession> {
        let (refused, for_a_caller) = {
            let counts = self.permits.counts();
            let refused = counts.is_refused(Instant::now());
            (refused, counts.spare_of(self.door) == 0)
        };
        let state = "it has just refused another one".to_owned();
        let mut outcome = match refused {
            true => Err(Error::TooManyConnections { state }),
            false => self.ask_server(config),
        };
        let is_refused = |outcome: &_| matches!(outcome, Err(Error::TooManyConnections { .. }));
        let evict = || self.permits.evict(self.door.other(), Cause::Evicted);
        if is_refused(&outcome) && for_a_caller && evict() {
            for _ in 0..LEAVING.0 {
                std::thread::sleep(LEAVING.1);
                outcome = self.ask_server(config);
                if !is_refused(&outcome) {
                    break;
                }
            }
        }
        outcome
    }

    fn ask_server(&self, config: &DatabaseConfig) -> Result<PooledSession> {
        PooledSession::open(config).inspect_err(|error| {
            if matches!(error, Error::TooManyConnections { .. }) {
                let before = self.permits.counts().refused.replace(Instant::now());
                if before.is_none_or(|at| at.elapsed() >= REFUSAL_SILENCE) {
                    tracing::warn!(%error, "callers wait for a connection that comes back");
                }
            }
        })
    }

    /// The connection is open and prepared: its age begins.
    pub(super) fn opened(&mut self) {
        let config = &self.permits.config;
        let now = Instant::now();
        self.expires_at = now + config.recycle_after.mul_f64(jitter(config.recycle_jitter));
        (self.idle_since, self.asked) = (now, now);
        self.opened = true;
        self.permits.counts().opened += 1;
    }

    /// A caller wants the connection: what it must pass, if anything.
    pub(super) fn test(&mut self) -> Option<LendingTest> {
        let (dead, read_only) = {
            let counts = self.permits.counts();
            (counts.found_dead, counts.found_read_only)
        };
        let found_since = |found: Option<Instant>, moment| found.is_some_and(|at| moment <= at);
        let now = Instant::now();
        let idle = now.saturating_duration_since(self.idle_since);
        if self.used && now >= self.expires_at {
            Some((|_| false, Cause::Recycled))
        } else if found_since(read_only, self.asked) {
            self.asked = now;
            Some((PooledSession::takes_writes, Cause::ReadOnly))
        } else if idle >= self.permits.config.pre_ping_after || found_since(dead, self.idle_since) {
            Some((PooledSession::answers, Cause::Dead))
        } else {
            None
        }
    }

    /// The connection is to be closed; the first cause stays, but that of a dead one: its
    /// transaction seems to be open, too.
    pub(super) fn leave(&mut self, cause: Cause) {
        let now = Instant::now();
        let mut counts = self.permits.counts();
        match cause {
            Cause::Dead => counts.found_dead = Some(now),
            Cause::ReadOnly => {
                let before = counts.found_read_only;
                if before.is_none_or(|at| now >= at + READ_ONLY_PAUSE) {
                    counts.found_read_only = Some(now);
                }
            }
            _ => {}
        }
        counts.staying[self.door as usize] -= usize::from(self.cause.is_none());
        if self
            .cause
            .is_none_or(|first| first == Cause::OpenTransaction)
        {
            self.cause = Some(cause);
        }
    }

    pub(super) fn stays(&self) -> bool {
        self.cause.is_none()
    }

    /// The caller gives the connection back. It stays, unless there is a cause to close it or as
    /// many as the base are spare without it; returns whether it stays.
    pub(super) fn give_back(&mut self, permit: &mut Permit) -> bool {
        self.used = true;
        self.idle_since = Instant::now();
        // Both under one lock: of those that come back at once, just the base stays.
        let mut counts = self.permits.counts();
        permit.uncount(&mut counts);
        if self.cause.is_none() && counts.spare() > self.permits.base() {
            counts.staying[self.door as usize] -= 1;
            self.cause = Some(Cause::Overflow);
        }
        self.cause.is_none()
    }
}

impl Drop for PoolSlot {
    fn drop(&mut self) {
        let mut counts = self.permits.counts();
        counts.open -= 1;
        counts.staying[self.door as usize] -= usize::from(self.cause.is_none());
        // A failed attempt makes no room: who waits would try at once, fail, and try again.
        if self.opened {
            counts.closed[self.cause.unwrap_or(Cause::Shutdown) as usize] += 1;
            self.permits.returned.notify_one();
        }
    }
}

/// A random factor in `1 - share .. 1 + share`: what was opened together does not age together.
fn jitter(share: f64) -> f64 {
    1.0 + share * (2.0 * fastrand::f64() - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    fn permits(base: u32, overflow: u32) -> Arc<Permits> {
        Permits::new(&PoolConfig {
            base,
            overflow,
            ..PoolConfig::default()
        })
    }

    #[test]
    fn jitter_stays_in_its_share_and_differs() {
        let factors: Vec<f64> = (0..100).map(|_| jitter(0.1)).collect();
        assert!(
            factors.iter().all(|f| (0.9..=1.1).contains(f)),
            "{factors:?}"
        );
        assert!(factors.iter().any(|f| *f < 0.95) && factors.iter().any(|f| *f > 1.05));
    }

    #[test]
    fn there_is_a_slot_for_each_caller_and_for_no_more_than_may_be_open() {
        let permits = permits(1, 2);
        let reserve = |door| PoolSlot::reserve(&permits, door);
        assert!(reserve(Door::Blocking).is_none(), "nobody needs it");
        let _callers = [
            permits.acquire_blocking("test"),
            permits.acquire_blocking("test"),
        ];
        let slots = [reserve(Door::Blocking), reserve(Door::Blocking)];
        assert!(slots.iter().all(Option::is_some) && reserve(Door::Blocking).is_none());
        let third = reserve(Door::Asynchronous);
        assert!(third.is_some() && reserve(Door::Asynchronous).is_none());
        assert_eq!(permits.counts().open, 3);
        drop((slots, third));
        assert_eq!(permits.counts().open, 0);
    }

    #[test]
    fn of_connections_that_come_back_the_base_stays_whichever_door_they_are_of() {
        let permits = permits(1, 2);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut callers = vec![
            (Door::Blocking, permits.acquire_blocking("test").unwrap()),
            (Door::Blocking, permits.acquire_blocking("test").unwrap()),
            (
                Door::Asynchronous,
                runtime.block_on(permits.acquire("test")).unwrap(),
            ),
        ];
        let mut slots: Vec<_> = callers
            .iter()
            .map(|(door, _)| PoolSlot::reserve(&permits, *door).unwrap())
            .collect();
        let back = slots.iter_mut().zip(&mut callers);
        let stay: Vec<bool> = back
            .map(|(slot, (_, permit))| slot.give_back(permit))
            .collect();
        assert_eq!(stay, [true, false, false]);
        slots.retain(PoolSlot::stays);
        let counts = permits.counts();
        assert_eq!((counts.open, counts.spare()), (1, 1));
    }

    #[test]
    fn a_connection_that_comes_back_goes_when_those_on_their_way_are_enough() {
        let permits = permits(1, 3);
        let mut holder = permits.acquire_blocking("test").unwrap();
        let mut lent = PoolSlot::reserve(&permits, Door::Blocking).unwrap();
        let waiting = permits.acquire_blocking("test").unwrap();
        let _on_its_way = PoolSlot::reserve(&permits, Door::Blocking).unwrap();
        let _surplus = PoolSlot::reserve(&permits, Door::Asynchronous).unwrap();
        assert!(!lent.give_back(&mut holder));
        drop(waiting);
        assert_eq!(
            permits.counts().spare(),
            2,
            "one for the caller that left, and the base"
        );
    }
}
