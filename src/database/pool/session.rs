//! What the pool asks of a connection, whatever the backend, and the wrapper that it keeps it in.

use std::time::{Duration, Instant};

use diesel::connection::{
    AnsiTransactionManager, Connection, SimpleConnection, TransactionManager,
};
use diesel::r2d2::R2D2Connection;

use crate::config::{DatabaseConfig, PoolConfig};
use crate::database::budget::{Cause, OpenSlot};
use crate::database::connection::BackendConnection;
use crate::error::Result;

/// A connection that can be pooled.
pub(crate) trait PooledSession:
    R2D2Connection + Connection<TransactionManager = AnsiTransactionManager> + Send + 'static
{
    /// Opens one, which is yet to be prepared.
    fn open(config: &DatabaseConfig) -> Result<Self>;
    /// Applies and verifies the session's settings.
    fn prepare(&mut self, config: &DatabaseConfig) -> Result<()>;
    /// Whether it still leads to a server that takes writes.
    fn takes_writes(&mut self) -> bool;
    /// Ends a transaction that raw SQL has left open; says whether there was one.
    fn roll_back_raw_transaction(&mut self) -> bool;
    /// The connection as the doors lend it.
    fn lend(&mut self) -> BackendConnection<'_>;
}

#[cfg(feature = "sqlite")]
impl PooledSession for diesel::SqliteConnection {
    fn open(config: &DatabaseConfig) -> Result<Self> {
        crate::database::sqlite::open_reader(config)
    }

    fn prepare(&mut self, config: &DatabaseConfig) -> Result<()> {
        crate::database::sqlite::prepare(
            self,
            config,
            crate::database::opening::ConnectionRole::Reader,
        )
    }

    /// The file does not move; another look at it is the probe's.
    fn takes_writes(&mut self) -> bool {
        true
    }

    /// Without a transaction ROLLBACK is an error that never leaves the process: under 2 µs.
    fn roll_back_raw_transaction(&mut self) -> bool {
        self.batch_execute("ROLLBACK").is_ok()
    }

    fn lend(&mut self) -> BackendConnection<'_> {
        BackendConnection::from(self)
    }
}

#[cfg(feature = "postgres")]
impl PooledSession for diesel::PgConnection {
    fn open(config: &DatabaseConfig) -> Result<Self> {
        crate::database::postgres::establish(config)
    }

    fn prepare(&mut self, config: &DatabaseConfig) -> Result<()> {
        crate::database::postgres::prepare(self, config)
    }

    fn takes_writes(&mut self) -> bool {
        matches!(crate::database::postgres::is_standby(self), Ok(false))
    }

    /// A statement outside a transaction is one of its own, which began with it; inside one it
    /// is later than the transaction's begin, or refused because the transaction failed. ROLLBACK
    /// or SAVEPOINT would tell, too, and put a line into the server's log each time. One round
    /// trip, in the simple protocol: the extended one sets the statement's time twice.
    fn roll_back_raw_transaction(&mut self) -> bool {
        const FAIL_INSIDE: &str =
            "SELECT 1 / (transaction_timestamp() = statement_timestamp())::int";
        let inside = self.batch_execute(FAIL_INSIDE).is_err();
        if inside {
            // Open, failed or broken: it is closed, and this ends what a live server holds.
            drop(self.batch_execute("ROLLBACK"));
        }
        inside
    }

    fn lend(&mut self) -> BackendConnection<'_> {
        BackendConnection::from(self)
    }
}

/// The place and the age of a pooled connection.
pub(in crate::database) struct Life {
    pub(in crate::database) slot: OpenSlot,
    expires_at: Instant,
    idle_since: Instant,
    /// When it was opened, or last asked whether it leads to a server that takes writes.
    asked: Instant,
    ping_after: Duration,
    /// Not lent yet: neither too old nor to be pinged.
    fresh: bool,
}

/// What a connection needs before it is lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::database) enum Fitness {
    Fit,
    /// It has idled, or another one was found dead: ask whether it still answers.
    Ping,
    /// Another one was found to lead to a server that takes no writes: ask whether this one does.
    AskForWrites,
    Expired,
}

impl Life {
    pub(in crate::database) fn new(slot: OpenSlot, config: &PoolConfig) -> Self {
        let now = Instant::now();
        Self {
            slot,
            expires_at: now + config.recycle_after.mul_f64(jitter(config.recycle_jitter)),
            idle_since: now,
            asked: now,
            ping_after: config.pre_ping_after,
            fresh: true,
        }
    }

    /// A caller wants the connection: what it needs before it is lent.
    pub(in crate::database) fn is_asked_for(&mut self) -> Fitness {
        self.slot.taken();
        let now = Instant::now();
        let idle = now.saturating_duration_since(self.idle_since);
        if std::mem::take(&mut self.fresh) {
            Fitness::Fit
        } else if now >= self.expires_at {
            Fitness::Expired
        } else if self.slot.may_be_read_only(self.asked) {
            self.asked = now;
            Fitness::AskForWrites
        } else if idle >= self.ping_after || self.slot.is_suspect(self.idle_since) {
            Fitness::Ping
        } else {
            Fitness::Fit
        }
    }

    /// The connection comes back: whether it stays.
    pub(in crate::database) fn comes_back(&mut self) -> bool {
        self.idle_since = Instant::now();
        self.slot.stays()
    }
}

/// Whether the connection may serve another user; else why it must be closed. A transaction of
/// Diesel's is seen in its manager, one of raw SQL by asking.
pub(in crate::database) fn uncleanliness<C: PooledSession>(conn: &mut C) -> Option<Cause> {
    if AnsiTransactionManager::is_broken_transaction_manager(conn) {
        return Some(Cause::OpenTransaction);
    }
    conn.roll_back_raw_transaction()
        .then_some(Cause::OpenTransaction)
}

/// A factor in `1 - share ..= 1 + share`, another for each connection: the fractional parts of
/// the multiples of the golden ratio spread evenly.
fn jitter(share: f64) -> f64 {
    use std::sync::atomic::{AtomicU32, Ordering};
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    static CONNECTIONS: AtomicU32 = AtomicU32::new(0);
    let n = f64::from(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
    1.0 + share * (2.0 * (n * GOLDEN).fract() - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_in_its_share_and_differs() {
        let factors: Vec<f64> = (0..100).map(|_| jitter(0.1)).collect();
        assert!(
            factors.iter().all(|f| (0.9..=1.1).contains(f)),
            "{factors:?}"
        );
        assert!(factors.iter().any(|f| *f < 0.95) && factors.iter().any(|f| *f > 1.05));
    }
}
