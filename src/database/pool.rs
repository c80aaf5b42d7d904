//! The connection pool: two doors, one budget.
//!
//! The blocking door is r2d2, the asynchronous one deadpool-diesel; [`budget`](super::budget)
//! says how many connections both may hold together. Connections are opened when they are first
//! needed.

mod blocking;
mod needs;
mod session;

use std::sync::Arc;
#[cfg(feature = "postgres")]
use std::time::Instant;

use blocking::BlockingDoor;
pub(crate) use blocking::Checkout;
pub(super) use session::{Fitness, Life, PooledSession, uncleanliness};

use super::async_pool::{AsyncCheckout, AsyncDoor};
#[cfg(feature = "postgres")]
use super::backpressure::{BatchSize, WhenFull};
use super::budget::Budget;
#[cfg(feature = "postgres")]
use super::budget::Door;
use super::slow_query::SlowQueryTable;
use super::snapshot::{DoorSnapshot, PoolSnapshot};
use crate::config::{DatabaseConfig, DatabaseUrl};
#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
use crate::error::Error;
use crate::error::Result;

/// Both doors of one database.
pub(crate) struct Pools {
    budget: Arc<Budget>,
    doors: Doors,
}

enum Doors {
    #[cfg(feature = "sqlite")]
    Sqlite(Both<diesel::SqliteConnection>),
    #[cfg(feature = "postgres")]
    Postgres(Both<diesel::PgConnection>),
}

struct Both<C: PooledSession> {
    blocking: Arc<BlockingDoor<C>>,
    asynchronous: Arc<AsyncDoor<C>>,
}

/// Runs a body on the doors of the backend in use.
macro_rules! on_doors {
    ($doors:expr, |$both:ident| $body:expr) => {
        match $doors {
            #[cfg(feature = "sqlite")]
            Doors::Sqlite($both) => $body,
            #[cfg(feature = "postgres")]
            Doors::Postgres($both) => $body,
        }
    };
}

impl<C: PooledSession> Both<C> {
    fn new(
        config: &Arc<DatabaseConfig>,
        budget: &Arc<Budget>,
        slow: &Arc<SlowQueryTable>,
    ) -> Result<Self> {
        Ok(Self {
            blocking: BlockingDoor::new(config, budget, slow)?,
            asynchronous: AsyncDoor::new(config, budget, slow)?,
        })
    }
}

impl Pools {
    /// The pools of a configuration; opens no connection.
    pub(crate) fn new(config: &DatabaseConfig, slow: &Arc<SlowQueryTable>) -> Result<Self> {
        let config = Arc::new(config.clone());
        let budget = Budget::new(&config.pool);
        let doors = match &config.url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(_) => Doors::Sqlite(Both::new(&config, &budget, slow)?),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => Doors::Postgres(Both::new(&config, &budget, slow)?),
            #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
            other => return Err(not_built(other)),
        };
        Ok(Self { budget, doors })
    }

    /// [`Pools::checkout`] for a write whose caller may not want to wait.
    #[cfg(feature = "postgres")]
    pub(crate) fn checkout_for(&self, size: BatchSize) -> Result<Checkout> {
        self.refuse_waiting(size)?;
        self.checkout()
    }

    /// [`Pools::checkout_async`] for a write whose caller may not want to wait.
    #[cfg(feature = "postgres")]
    pub(crate) async fn checkout_async_for(&self, size: BatchSize) -> Result<AsyncCheckout> {
        self.refuse_waiting(size)?;
        self.checkout_async().await
    }

    /// Two callers may see the same last place; then one of them waits for a moment after all.
    #[cfg(feature = "postgres")]
    fn refuse_waiting(&self, size: BatchSize) -> Result<()> {
        if size.when_full == WhenFull::Fail && !self.budget.has_permit() {
            return Err(self.budget.timed_out(Door::Blocking, Instant::now()));
        }
        Ok(())
    }

    /// Lends a connection; blocks the thread until there is one.
    pub(crate) fn checkout(&self) -> Result<Checkout> {
        Ok(match &self.doors {
            #[cfg(feature = "sqlite")]
            Doors::Sqlite(both) => Checkout::Sqlite(both.blocking.checkout()?),
            #[cfg(feature = "postgres")]
            Doors::Postgres(both) => Checkout::Postgres(both.blocking.checkout()?),
        })
    }

    /// Lends a connection.
    pub(crate) async fn checkout_async(&self) -> Result<AsyncCheckout> {
        Ok(match &self.doors {
            #[cfg(feature = "sqlite")]
            Doors::Sqlite(both) => AsyncCheckout::Sqlite(Some(both.asynchronous.checkout().await?)),
            #[cfg(feature = "postgres")]
            Doors::Postgres(both) => {
                AsyncCheckout::Postgres(Some(both.asynchronous.checkout().await?))
            }
        })
    }

    pub(crate) fn snapshot(&self) -> PoolSnapshot {
        let doors: [DoorSnapshot; 2] = on_doors!(&self.doors, |both| [
            both.blocking.snapshot(),
            both.asynchronous.snapshot()
        ]);
        PoolSnapshot::new(&self.budget, doors)
    }

    /// Callers that wait or come later get [`Error::Closed`]; idle connections are closed now,
    /// lent ones when they come back.
    pub(crate) fn close(&self) {
        self.budget.close();
        on_doors!(&self.doors, |both| {
            both.blocking.close();
            both.asynchronous.close();
        });
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn not_built(url: &DatabaseUrl) -> Error {
    let feature = match url {
        DatabaseUrl::Sqlite(_) => "sqlite",
        DatabaseUrl::Postgres(_) => "postgres",
    };
    Error::config(
        "database.url",
        format!("this build has no support for {url:?}"),
        format!("build with `--features {feature}`"),
    )
}
