//! The blocking door: r2d2.
//!
//! r2d2 keeps the idle connections and opens others on its own threads. A permit stands before it,
//! so r2d2 never meets its limit; who waits inside it waits for a connection that is being opened.
//!
//! Three habits of r2d2 0.8 shape this file. A caller that finds nothing idle orders a connection
//! and cannot take the order back when another one comes back meanwhile. A failed order is tried
//! again until it succeeds, and wakes nobody. Nothing is told after a connection has arrived.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use r2d2::{CustomizeConnection, ManageConnection};

use super::permits::{Cause, Door, Permit, Permits, REFUSAL_PAUSE};
use super::session::{PooledSession, SessionSettings};
use super::slot::{PoolEntry, PoolSlot};
use super::snapshot::DoorSnapshot;
use crate::database::block_on;
use crate::database::connection::BackendConnection;
use crate::error::{Error, Result};

/// Bounds r2d2's pause before it tries a failed order again: it is at most half of this.
const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What r2d2 keeps: a connection, or why it could not be opened. r2d2 wakes a waiting caller only
/// with what it keeps, so the error of an order reaches its caller in the connection's place.
type OpenResult = Result<PoolEntry<PooledSession>>;

pub(super) struct BlockingDoor {
    pool: r2d2::Pool<BlockingManager>,
    permits: Arc<Permits>,
}

struct BlockingManager {
    settings: SessionSettings,
    permits: Arc<Permits>,
    door: Weak<BlockingDoor>,
}

impl BlockingDoor {
    pub(super) fn new(settings: &SessionSettings, permits: &Arc<Permits>) -> Arc<Self> {
        Arc::new_cyclic(|door| Self {
            pool: r2d2::Pool::builder()
                // The permits bound what is open; r2d2 also counts an order that sleeps until it is
                // tried again. With room for as many of those, each caller's order starts at once.
                .max_size(2 * (permits.config.base + permits.config.overflow))
                // What is idle within the base stays, what is beyond it closes as it comes back.
                .min_idle(Some(0))
                .idle_timeout(None)
                // r2d2's lifetime is the same for all, and its end would not be counted.
                .max_lifetime(None)
                .test_on_check_out(true)
                .connection_timeout(REOPEN_PAUSE_MAX)
                .connection_customizer(Box::new(settings.clone()))
                // Whoever waits learns of an error; the others are of no concern to anyone.
                .error_handler(Box::new(r2d2::NopErrorHandler))
                .build_unchecked(BlockingManager {
                    settings: settings.clone(),
                    permits: Arc::clone(permits),
                    door: Weak::clone(door),
                }),
            permits: Arc::clone(permits),
        })
    }

    pub(super) fn checkout(&self, op: &'static str) -> Result<Checkout> {
        let mut permit = self.permits.acquire_blocking(op)?;
        loop {
            let left = permit.deadline().saturating_duration_since(Instant::now());
            let ordered = || self.pool.get_timeout(left).ok();
            let Some(mut attempt) = self.idle().or_else(ordered) else {
                return Err(permit.timed_out());
            };
            let Err(error) = &mut *attempt else {
                permit.lent();
                return Ok(Checkout { attempt, permit });
            };
            let error = std::mem::replace(error, Error::Closed);
            if !matches!(error, Error::TooManyConnections { .. }) {
                return Err(error);
            }
            drop(attempt);
            // One of those that are open comes back before the server has another place.
            let returned = self.permits.returned.notified();
            let until = permit.deadline().min(Instant::now() + REFUSAL_PAUSE);
            block_on::block_until(returned, until);
        }
    }

    /// An idle connection. An error among them was for a caller that needs it no more.
    fn idle(&self) -> Option<r2d2::PooledConnection<BlockingManager>> {
        std::iter::from_fn(|| self.pool.try_get()).find(|attempt| attempt.is_ok())
    }

    pub(super) fn snapshot(&self) -> DoorSnapshot {
        let state = self.pool.state();
        let (size, idle) = (state.connections as usize, state.idle_connections as usize);
        DoorSnapshot::new(&self.permits, Door::Blocking, size, idle)
    }

    pub(super) fn close(&self) {
        while self.evict(Cause::Shutdown) {}
    }

    /// Closes an idle connection, if there is one.
    pub(super) fn evict(&self, cause: Cause) -> bool {
        let mut idle = self.idle();
        if let Some(Ok(entry)) = idle.as_deref_mut() {
            entry.slot.leave(cause);
        }
        idle.is_some()
    }
}

impl ManageConnection for BlockingManager {
    type Connection = OpenResult;
    type Error = Error;

    /// Carries out an order. When its caller has got another connection meanwhile, an idle one
    /// answers it; without one r2d2 comes again later, for whoever is short of one by then.
    fn connect(&self) -> Result<OpenResult> {
        let Some(slot) = PoolSlot::reserve(&self.permits, Door::Blocking) else {
            let idle = self.door.upgrade().and_then(|door| door.idle());
            // It goes from r2d2's old wrapper, which is dropped here, into a new one.
            return Ok(std::mem::replace(
                &mut *idle.ok_or(Error::Closed)?,
                Err(Error::Closed),
            ));
        };
        match slot.open(&self.settings.config) {
            Ok(conn) => Ok(Ok(PoolEntry { conn, slot })),
            Err(error) => {
                // Without it the caller that it was for is short of one again.
                drop(slot);
                match self.permits.counts().is_short(Door::Blocking) {
                    true => Ok(Err(error)),
                    false => Err(error),
                }
            }
        }
    }

    fn is_valid(&self, attempt: &mut OpenResult) -> Result<()> {
        let Ok(PoolEntry { conn, slot }) = attempt else {
            return Ok(()); // It goes to the caller that waits.
        };
        match slot.test() {
            Some((passes, cause)) if !passes(conn) => {
                slot.leave(cause);
                Err(Error::Closed)
            }
            _ => Ok(()),
        }
    }

    fn has_broken(&self, attempt: &mut OpenResult) -> bool {
        !attempt.as_ref().is_ok_and(|entry| entry.slot.stays())
    }
}

impl CustomizeConnection<OpenResult, Error> for SessionSettings {
    fn on_acquire(&self, attempt: &mut OpenResult) -> Result<()> {
        // An idle connection that answers an order has been here before.
        if let Ok(PoolEntry { conn, slot }) = attempt
            && !slot.opened
        {
            match conn.prepare(self) {
                Ok(()) => slot.opened(),
                Err(error) => *attempt = Err(error),
            }
        }
        Ok(())
    }
}

/// A lent connection; it comes back when this is dropped, then the permit.
pub(crate) struct Checkout {
    attempt: r2d2::PooledConnection<BlockingManager>,
    permit: Permit,
}

impl Checkout {
    /// Uses the connection.
    pub(crate) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        match &mut *self.attempt {
            Ok(entry) => work(&mut entry.conn.lend()),
            Err(_) => Err(Error::Closed), // It is never lent.
        }
    }

    /// The connection is closed when it comes back.
    pub(in crate::database) fn close(&mut self, cause: Cause) {
        if let Ok(entry) = &mut *self.attempt {
            entry.slot.leave(cause);
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let Ok(PoolEntry { conn, slot }) = &mut *self.attempt else {
            return;
        };
        if std::thread::panicking() {
            slot.leave(Cause::Panicked);
        } else if conn.has_open_transaction() {
            slot.leave(Cause::OpenTransaction);
        }
        slot.give_back(&mut self.permit);
    }
}
