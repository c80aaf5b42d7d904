//! A connection of the pool, whatever the backend.

use std::sync::Arc;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::r2d2::R2D2Connection;

use crate::config::{DatabaseConfig, DatabaseUrl};
use crate::database::connection::BackendConnection;
#[cfg(feature = "sqlite")]
use crate::database::opening::ConnectionRole;
#[cfg(feature = "postgres")]
use crate::database::postgres;
use crate::database::slow_query::SlowQueryTable;
#[cfg(feature = "sqlite")]
use crate::database::sqlite;
#[cfg(feature = "postgres")]
use crate::database::topology::Topology;
use crate::error::{Error, Result};
use crate::on_backend;

/// What every connection of a pool is opened and prepared with.
#[derive(Debug, Clone)]
pub(super) struct SessionSettings {
    pub(super) config: Arc<DatabaseConfig>,
    pub(super) slow: Arc<SlowQueryTable>,
}

pub(super) enum PooledSession {
    #[cfg(feature = "sqlite")]
    Sqlite(diesel::SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::PgConnection),
}

impl PooledSession {
    /// Refuses a database that this build cannot open.
    pub(super) fn check_backend(url: &DatabaseUrl) -> Result<()> {
        let feature = match url {
            DatabaseUrl::Sqlite(_) if !cfg!(feature = "sqlite") => "sqlite",
            DatabaseUrl::Postgres(_) if !cfg!(feature = "postgres") => "postgres",
            _ => return Ok(()),
        };
        let reason = format!("this build has no support for {url:?}");
        let remedy = format!("build with `--features {feature}`");
        Err(Error::config("database.url", reason, remedy))
    }

    /// Opens a connection, which is yet to be prepared.
    pub(super) fn open(config: &DatabaseConfig) -> Result<Self> {
        match &config.url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(_) => sqlite::open_reader(config).map(Self::Sqlite),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => postgres::establish(config).map(Self::Postgres),
            #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
            other => Self::check_backend(other).and(Err(Error::Closed)),
        }
    }

    /// Applies and verifies the settings of the session, and observes its statements.
    pub(super) fn prepare(&mut self, settings: &SessionSettings) -> Result<()> {
        let SessionSettings { config, slow } = settings;
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => {
                sqlite::prepare(conn, config, ConnectionRole::Reader)?;
                slow.observe(conn);
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                postgres::prepare(conn, config)?;
                let topology = Topology::find(conn)?;
                slow.observe(conn);
                if let Some(context) = BackendConnection::from(conn).context() {
                    context.topology = topology;
                }
            }
        }
        Ok(())
    }

    /// The connection as the doors lend it.
    pub(super) fn lend(&mut self) -> BackendConnection<'_> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => BackendConnection::from(conn),
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => BackendConnection::from(conn),
        }
    }

    pub(super) fn answers(&mut self) -> bool {
        on_backend!(self.lend(), |conn| conn.ping()).is_ok()
    }

    /// It leads to a server that takes writes. A file does not move; another look at it is the
    /// probe's.
    pub(super) fn takes_writes(&mut self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => true,
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => matches!(postgres::is_standby(conn), Ok(false)),
        }
    }

    /// Its last user has left a transaction open. One of Diesel's is seen in its manager, one of raw
    /// SQL by asking; it is ended.
    pub(super) fn has_open_transaction(&mut self) -> bool {
        on_backend!(self.lend(), |conn| {
            AnsiTransactionManager::is_broken_transaction_manager(conn)
        }) || match self {
            // Without a transaction ROLLBACK is an error that never leaves the process: under 2 µs.
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => conn.batch_execute("ROLLBACK").is_ok(),
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => roll_back_if_inside(conn),
        }
    }
}

/// A statement outside a transaction is one of its own, which began with it; inside one it is later
/// than the transaction's begin, or refused because the transaction failed. ROLLBACK or SAVEPOINT
/// would tell, too, and put a line into the server's log each time. One round trip, in the simple
/// protocol: the extended one sets the statement's time twice.
#[cfg(feature = "postgres")]
fn roll_back_if_inside(conn: &mut diesel::PgConnection) -> bool {
    const FAIL_INSIDE: &str = "SELECT 1 / (transaction_timestamp() = statement_timestamp())::int";
    let inside = conn.batch_execute(FAIL_INSIDE).is_err();
    if inside {
        // Open, failed or broken: it is closed, and this ends what a live server holds.
        drop(conn.batch_execute("ROLLBACK"));
    }
    inside
}
