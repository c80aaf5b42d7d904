//! The database: its two doors, and what stands behind them.
//!
//! [`Database::read`] and [`Database::write`], with their asynchronous forms, are the only ways
//! to a connection: timing, retries, spans and counts hang on them. On SQLite all writes go
//! through one writer with group commit, and the pool's connections are read-only; on PostgreSQL
//! both doors use the pool. This module writes no SQL of the tables: that is `repository`'s.

mod attachments;
mod backpressure;
mod block_on;
mod cache_versions;
mod connection;
#[cfg(any(feature = "archive", feature = "sqlite"))]
mod directory;
mod doors;
mod exclusive;
mod faults;
#[cfg(feature = "sqlite")]
mod file_copy;
#[cfg(feature = "sqlite")]
mod file_exchange;
#[cfg(feature = "sqlite")]
mod files;
#[cfg(feature = "sqlite")]
mod foreign_file;
mod histogram;
#[cfg(feature = "postgres")]
mod in_flight;
mod insert_counts;
mod insert_totals;
mod instrumentation;
#[cfg(feature = "sqlite")]
mod interruption;
mod invalidation;
#[cfg(feature = "postgres")]
mod libpq;
mod log_position;
mod migrations;
mod nested_write;
mod observer;
#[cfg(feature = "sqlite")]
pub(crate) mod opening;
mod operation_counts;
mod ordered;
mod page;
#[cfg(feature = "sqlite")]
mod paths;
mod pool;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod probe;
mod probe_cause;
mod replica_snapshot;
#[cfg(feature = "postgres")]
mod replicas;
mod replicated_reads;
mod retry;
#[cfg(feature = "sqlite")]
pub(crate) mod row_table;
mod savepoint;
mod schema_version;
mod shared_clock;
mod slow_query;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(feature = "postgres")]
mod topology;
mod transaction;
#[cfg(feature = "sqlite")]
mod write_lane;
#[cfg(feature = "sqlite")]
mod write_lock;
#[cfg(feature = "postgres")]
mod write_postgres;

use std::sync::Arc;

pub use backpressure::{BatchSize, WhenFull};
pub(crate) use block_on::block_on;
pub(crate) use cache_versions::CacheTag;
pub use connection::{Backend, BackendConnection, HasBackend};
#[cfg(feature = "archive")]
pub(crate) use directory::sync_directory;
pub(crate) use histogram::Histogram;
pub use histogram::{HistogramCounts, HistogramSnapshot};
pub use insert_counts::InsertCounts;
pub use insert_totals::InsertTotals;
pub use instrumentation::{CommitSnapshot, OperationSnapshot};
pub use invalidation::Invalidation;
pub use log_position::LogPosition;
pub use migrations::MigrationStatus;
#[cfg(test)]
pub(crate) use migrations::tests::run as migrate_connection;
pub use page::{Cursor, Page};
pub use pool::{ClosedByCause, DoorSnapshot, HeldConnection, PoolSnapshot};
pub use probe::{Probe, ProbeFailure};
pub use probe_cause::ProbeCause;
pub use replica_snapshot::{FallbackCause, ReplicaSnapshot, ReplicaState, ReplicasSnapshot};
#[cfg(feature = "server")]
pub(crate) use retry::is_temporary;
#[cfg(feature = "postgres")]
pub(crate) use shared_clock::clock_timestamp as shared_moment;
pub use slow_query::{QueryPlan, SlowQuery, SlowQueryTotals};
#[cfg(feature = "sqlite")]
pub use sqlite::PragmaState;
#[cfg(feature = "postgres")]
pub(crate) use topology::Topology;
pub use transaction::InvalidationGuard;
pub(crate) use transaction::{Ending, TransactionHook};
#[cfg(feature = "sqlite")]
pub use write_lane::WriterSnapshot;
#[cfg(feature = "sqlite")]
pub(crate) use {
    file_copy::{CopySource, NewFile, refuse_log_beside, remove_leftovers, unsound_pages},
    file_exchange::{FileTimes, UnusedFile, put_where_none_is},
    foreign_file::open_foreign_file,
    interruption::GoesOn,
    migrations::pending_count,
};

use crate::clock::Clock;
use crate::config::{DatabaseConfig, DatabaseUrl};
#[allow(unused_imports)] // The documentation links to it.
use crate::error::Error;
use crate::error::Result;
use instrumentation::Operations;
use pool::Pools;
use probe::Prober;
#[cfg(feature = "postgres")]
use replicated_reads::ReadsOn;
use slow_query::SlowQueryTable;

/// An open database; clones share it. It closes when the last clone goes, or at
/// [`Database::close`].
///
/// ```
/// # fn main() -> tickbase::Result<()> {
/// use tickbase::diesel::prelude::*;
/// use tickbase::soft_delete::SoftDeletable;
/// use tickbase::tables::instruments;
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
///
/// let symbols: Vec<String> = db.read("example.symbols", |conn| {
///     let first = instruments::table.active().order(instruments::id).limit(3);
///     let query = first.select(instruments::symbol);
///     Ok(tickbase::on_backend!(conn, |c| query.load(c))?)
/// })?;
/// assert_eq!(symbols, ["ES", "NQ", "YM"]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "create_optimized_engine")]
#[derive(Clone)]
pub struct Database {
    inner: Arc<DatabaseInner>,
    #[cfg(feature = "postgres")]
    reads_on: ReadsOn,
}

struct DatabaseInner {
    config: DatabaseConfig,
    clock: Clock,
    operations: Operations,
    slow: Arc<SlowQueryTable>,
    prober: Prober,
    attachments: Arc<attachments::Attachments>,
    // Declared before the pools: on drop the lane drains first.
    #[cfg(feature = "sqlite")]
    lane: Option<write_lane::WriteLane>,
    #[cfg(feature = "postgres")]
    writes: Arc<in_flight::InFlightWrites>,
    /// How the transaction of a read begins, where a read is one.
    #[cfg(feature = "postgres")]
    begin_read: Option<Arc<str>>,
    #[cfg(feature = "postgres")]
    replicas: Option<Arc<replicas::Replicas>>,
    pools: Arc<Pools>,
}

impl Database {
    /// Opens a database, on the system's clock, and migrates it if the configuration says so.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work, [`Error::Connect`] when the database
    /// cannot be reached, [`Error::SchemaNewer`] and [`Error::SchemaOlder`] when its schema is
    /// not that of this build, [`Error::Migration`] when a migration failed.
    pub fn open(config: DatabaseConfig) -> Result<Self> {
        Self::open_with_clock(config, Clock::system())
    }

    /// [`Database::open`] with a clock of the caller's.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open_with_clock(config: DatabaseConfig, clock: Clock) -> Result<Self> {
        let database = Self::open_as_it_is(config, clock)?;
        database.prepare_schema()?;
        Ok(database)
    }

    /// Opens a database whatever its schema: for migrating it and for looking at it.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Connect`].
    pub fn open_as_it_is(config: DatabaseConfig, clock: Clock) -> Result<Self> {
        config.validate()?;
        #[cfg(feature = "postgres")]
        if matches!(config.url, DatabaseUrl::Postgres(_)) {
            postgres::refuse_unnamed_pooler(&config)?;
        }
        #[cfg(feature = "sqlite")]
        if let DatabaseUrl::Sqlite(path) = &config.url {
            foreign_file::refuse_foreign_tables(path)?;
        }
        let slow = SlowQueryTable::new(&config.observe, clock.clone());
        let pools = Arc::new(Pools::new(&config, &slow)?);
        #[cfg(feature = "postgres")]
        let replicas = replicas::Replicas::new(&config, &slow, &pools)?;
        let attachments: Arc<attachments::Attachments> = Arc::default();
        #[cfg(feature = "sqlite")]
        let files = match &config.url {
            DatabaseUrl::Sqlite(path) => Some(Arc::new(files::DatabaseFiles::new(path))),
            DatabaseUrl::Postgres(_) => None,
        };
        #[cfg(feature = "sqlite")]
        let lane = match &files {
            Some(files) => Some(start_lane(&config, files, &slow, &attachments)?),
            None => None,
        };
        let faults = Arc::default();
        let prober = Prober::new(
            &config,
            #[cfg(feature = "sqlite")]
            files,
            Arc::clone(&faults),
        );
        #[cfg(feature = "postgres")]
        let writes = in_flight::InFlightWrites::new(
            Arc::clone(&attachments),
            postgres::begin_write(&config.postgres),
            replicas
                .as_ref()
                .map(|replicas| Arc::clone(replicas.position())),
        );
        #[cfg(feature = "postgres")]
        let begin_read = match &config.url {
            DatabaseUrl::Sqlite(_) => None,
            DatabaseUrl::Postgres(_) => postgres::begin_read(&config.postgres).map(Arc::from),
        };
        let database = Self {
            inner: Arc::new(DatabaseInner {
                config,
                prober,
                operations: Operations::new(clock.clone(), Arc::clone(&slow), faults),
                clock,
                slow,
                #[cfg(feature = "sqlite")]
                lane,
                #[cfg(feature = "postgres")]
                writes: Arc::new(writes),
                #[cfg(feature = "postgres")]
                begin_read,
                #[cfg(feature = "postgres")]
                replicas,
                attachments,
                pools,
            }),
            #[cfg(feature = "postgres")]
            reads_on: ReadsOn::Primary,
        };
        // For functions that are given no more than a connection.
        database.attach(Arc::new(database.config().write.clone()));
        Ok(database)
    }

    /// Which backend it is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.inner.config.url {
            DatabaseUrl::Sqlite(_) => Backend::Sqlite,
            DatabaseUrl::Postgres(_) => Backend::Postgres,
        }
    }

    /// The settings that it was opened with.
    #[must_use]
    pub fn config(&self) -> &DatabaseConfig {
        &self.inner.config
    }

    /// The clock that stamps rows.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The pragmas of the write connection and of a reader, as asked for and as they are; none on
    /// PostgreSQL.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    #[cfg(feature = "sqlite")]
    pub fn sqlite_pragmas(&self) -> Result<Vec<PragmaState>> {
        let settings = &self.inner.config.sqlite;
        let states = |conn: &mut BackendConnection<'_>, role| match conn {
            BackendConnection::Sqlite(conn) => sqlite::pragma_states(conn, settings, role),
            #[cfg(feature = "postgres")]
            BackendConnection::Postgres(_) => Ok(Vec::new()),
        };
        let Some(lane) = &self.inner.lane else {
            return Ok(Vec::new());
        };
        let mut all = lane.exclusive(|conn| states(conn, opening::ConnectionRole::Writer))?;
        all.extend(self.read("check.pragmas", |conn| {
            states(conn, opening::ConnectionRole::Reader)
        })?);
        Ok(all)
    }

    /// What SQLite was compiled with, such as `THREADSAFE=2`; nothing on PostgreSQL.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    #[cfg(feature = "sqlite")]
    pub fn sqlite_compile_options(&self) -> Result<Vec<String>> {
        self.read("check.compile_options", |conn| match conn {
            BackendConnection::Sqlite(conn) => sqlite::compile_options(conn),
            #[cfg(feature = "postgres")]
            BackendConnection::Postgres(_) => Ok(Vec::new()),
        })
    }

    /// The state of the pool, both doors and their sum.
    #[must_use]
    pub fn pool_snapshot(&self) -> PoolSnapshot {
        self.inner.pools.snapshot()
    }

    /// Finds connections of the pool that are held for longer than `pool.held_warning_ms`, and returns
    /// those that it finds for the first time, which it counts. Each round of monitoring calls it.
    #[must_use]
    pub fn find_held_connections(&self) -> Vec<HeldConnection> {
        self.inner.pools.find_held()
    }

    /// The state of the write lane; `None` on PostgreSQL, which has none.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn writer_snapshot(&self) -> Option<WriterSnapshot> {
        self.inner
            .lane
            .as_ref()
            .map(write_lane::WriteLane::snapshot)
    }

    /// Figures of each operation, by name.
    #[must_use]
    pub fn operations(&self) -> Vec<OperationSnapshot> {
        self.inner.operations.snapshot()
    }

    /// What was inserted, on either backend: committed work only.
    #[must_use]
    pub fn insert_totals(&self) -> InsertTotals {
        self.inner.operations.inserts()
    }

    /// Transactions of the write door, their rows and times, on either backend.
    #[must_use]
    pub fn commit_snapshot(&self) -> CommitSnapshot {
        #[cfg(feature = "sqlite")]
        if let Some(writer) = self.writer_snapshot() {
            return CommitSnapshot {
                rows: writer.committed_rows,
                commit: writer.commit,
                unknown: 0,
            };
        }
        #[cfg(feature = "postgres")]
        return self.inner.writes.snapshot();
        #[cfg(not(feature = "postgres"))]
        CommitSnapshot::default()
    }

    /// The statements that took longer than `observe.slow_query_after`, without their values; the
    /// one that took most time in all comes first.
    #[must_use]
    pub fn slow_queries(&self) -> Vec<SlowQuery> {
        self.inner.slow.snapshot()
    }

    /// How many statements were slow, and how many are no longer in the table.
    #[must_use]
    pub fn slow_query_totals(&self) -> SlowQueryTotals {
        self.inner.slow.totals()
    }

    /// Asks the database how it runs the slow statements that have no plan yet, each once; returns
    /// how many. It runs none of them, and blocks the thread for as long as planning takes.
    ///
    /// # Errors
    /// Those of [`Database::read`] when no connection can be had; what is left is asked for at the
    /// next call. A statement that has no plan keeps the reason.
    pub fn explain_slow_queries(&self) -> Result<usize> {
        slow_query::explain(self, &self.inner.slow)
    }

    /// Bytes of SQLite's WAL now; `None` on PostgreSQL, whose WAL is the server's.
    #[must_use]
    pub fn sqlite_wal_bytes(&self) -> Option<u64> {
        #[cfg(feature = "sqlite")]
        if let DatabaseUrl::Sqlite(path) = &self.inner.config.url {
            // No file is no WAL.
            let file = std::fs::metadata(paths::file_beside(path, "-wal"));
            return Some(file.map_or(0, |file| file.len()));
        }
        None
    }

    /// Refuses new work, ends the writes that wait in the write lane or are under way, closes
    /// every connection; those that are lent to readers, when they come back. Work after it is
    /// answered with [`Error::Closed`]: every write is either acknowledged and stored, or not
    /// stored.
    ///
    /// On PostgreSQL it waits for the writes under way no longer than `pool.acquire_timeout`. A
    /// write that closes its own database is still stored.
    pub fn close(&self) {
        #[cfg(feature = "sqlite")]
        if let Some(lane) = &self.inner.lane {
            lane.close();
        }
        #[cfg(feature = "postgres")]
        self.inner
            .writes
            .close(self.inner.config.pool.acquire_timeout);
        #[cfg(feature = "postgres")]
        if let Some(replicas) = &self.inner.replicas {
            replicas.close();
        }
        self.inner.pools.close();
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.inner.config.url)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "sqlite")]
fn start_lane(
    config: &DatabaseConfig,
    files: &Arc<files::DatabaseFiles>,
    slow: &Arc<SlowQueryTable>,
    attachments: &Arc<attachments::Attachments>,
) -> Result<write_lane::WriteLane> {
    let (settings, slow) = (config.clone(), Arc::clone(slow));
    let sqlite = &config.sqlite;
    let wal = write_lane::Wal::new(
        files.path_beside("-wal"),
        sqlite.wal_bytes_max,
        sqlite.busy_timeout,
    );
    write_lane::WriteLane::start(
        config.write.clone(),
        config.pool.acquire_timeout,
        wal,
        Arc::clone(files),
        Arc::clone(attachments),
        Box::new(move || {
            let mut conn = sqlite::open_writer(&settings)?;
            slow.observe_as(write_lane::LANE, &mut conn);
            Ok(conn)
        }),
    )
}

#[cfg(not(feature = "postgres"))]
fn no_backend<W>(_work: W) -> Error {
    Error::config(
        "database.url",
        "this build has no PostgreSQL",
        "build with `--features postgres`",
    )
}
