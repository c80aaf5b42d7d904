//! The connection pool: two doors that share their permits.
//!
//! The blocking door is r2d2, the asynchronous one deadpool-diesel. Connections are opened when they
//! are first needed.

mod asynchronous;
mod blocking;
mod loans;
mod permits;
mod session;
mod slot;
mod snapshot;

use std::sync::Arc;
#[cfg(feature = "postgres")]
use std::time::Instant;

pub(crate) use asynchronous::AsyncCheckout;
use asynchronous::AsyncDoor;
use blocking::BlockingDoor;
pub(crate) use blocking::Checkout;
pub use loans::HeldConnection;
pub(super) use permits::Cause;
use permits::{Door, Evict, Permits};
use session::{PooledSession, SessionSettings};
pub use snapshot::{ClosedByCause, DoorSnapshot, PoolSnapshot};

#[cfg(feature = "postgres")]
use super::backpressure::{BatchSize, WhenFull};
use super::slow_query::SlowQueryTable;
use crate::config::DatabaseConfig;
use crate::error::Result;

/// Both doors of one database.
pub(crate) struct Pools {
    permits: Arc<Permits>,
    blocking: Arc<BlockingDoor>,
    asynchronous: Arc<AsyncDoor>,
}

impl Pools {
    /// The pools of a configuration; opens no connection.
    pub(crate) fn new(config: &DatabaseConfig, slow: &Arc<SlowQueryTable>) -> Result<Self> {
        PooledSession::check_backend(&config.url)?;
        let permits = Permits::new(&config.pool);
        let settings = SessionSettings {
            config: Arc::new(config.clone()),
            slow: Arc::clone(slow),
        };
        let blocking = BlockingDoor::new(&settings, &permits);
        let asynchronous = AsyncDoor::new(&settings, &permits)?;
        let doors = (Arc::downgrade(&blocking), Arc::downgrade(&asynchronous));
        let evict: Evict = Box::new(move |door, cause| match door {
            Door::Blocking => doors.0.upgrade().is_some_and(|door| door.evict(cause)),
            Door::Asynchronous => doors.1.upgrade().is_some_and(|door| door.evict(cause)),
        });
        drop(permits.evict.set(evict));
        Ok(Self {
            permits,
            blocking,
            asynchronous,
        })
    }

    /// Refuses a write that would wait, if its caller does not want to. Two callers may see the same
    /// last place; then one of them waits for a moment after all.
    #[cfg(feature = "postgres")]
    pub(crate) fn refuse_waiting(&self, size: BatchSize) -> Result<()> {
        if size.when_full == WhenFull::Fail && !self.permits.has_permit() {
            return Err(self.permits.timed_out(Door::Blocking, Instant::now()));
        }
        Ok(())
    }

    /// Lends a connection to an operation; blocks the thread until there is one.
    pub(crate) fn checkout(&self, op: &'static str) -> Result<Checkout> {
        self.blocking.checkout(op)
    }

    /// Lends a connection to an operation.
    pub(crate) async fn checkout_async(&self, op: &'static str) -> Result<AsyncCheckout> {
        self.asynchronous.checkout(op).await
    }

    /// Finds the connections that are held for longer than the settings say, and returns those that
    /// it finds for the first time; they are counted.
    pub(crate) fn find_held(&self) -> Vec<HeldConnection> {
        self.permits.find_held()
    }

    pub(crate) fn snapshot(&self) -> PoolSnapshot {
        let doors = [self.blocking.snapshot(), self.asynchronous.snapshot()];
        PoolSnapshot::new(&self.permits, doors)
    }

    /// Callers that wait or come later get [`Error::Closed`](crate::Error::Closed); idle connections
    /// are closed now, lent ones when they come back.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.blocking.close();
        self.asynchronous.close();
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        self.close();
    }
}
