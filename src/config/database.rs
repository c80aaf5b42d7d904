//! Settings of the database: where it is, the pool, the pragmas, the write lane.

use std::path::PathBuf;
use std::time::Duration;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, `postgres://user:password@host:port/name`; never printed as it is.
    Postgres(String),
}

/// All settings of the database.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Where the database is.
    pub url: DatabaseUrl,
    /// Whether `Database::open` applies missing migrations.
    pub migrate: bool,
    /// The pool.
    pub pool: PoolConfig,
    /// Pragmas of SQLite.
    pub sqlite: SqliteConfig,
    /// Session settings of PostgreSQL.
    pub postgres: PostgresConfig,
    /// The write lane.
    pub write: WriteConfig,
}

/// The connection pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Connections that stay open.
    pub base: u32,
    /// Connections beyond `base`, closed when they come back.
    pub overflow: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// Age at which a connection is replaced, at its next checkout.
    pub recycle_after: Duration,
    /// Share of `recycle_after` by which each connection's age limit varies, so that they do not
    /// all expire at once (0.1: plus or minus 10 %).
    pub recycle_jitter: f64,
    /// Idle time after which a connection is pinged before it is lent.
    pub pre_ping_after: Duration,
}

/// Pragmas of SQLite.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// How long a statement waits for a lock of another process.
    pub busy_timeout: Duration,
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// Page cache of the writer, in KiB.
    pub writer_cache_kib: u32,
    /// Bytes of the file that are read through memory mapping; 0 switches it off.
    pub mmap_bytes: u64,
    /// Size to which the WAL file is cut after a checkpoint, in bytes.
    pub journal_size_limit_bytes: u64,
    /// WAL pages after which a commit checkpoints.
    pub wal_autocheckpoint_pages: u32,
    /// Upper bound of the file in pages; none by default.
    pub max_page_count: Option<u32>,
}

/// What a commit of SQLite waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// The WAL is synced at checkpoints: a crash of the process loses nothing, a power cut may
    /// lose the last commits, never the integrity.
    Normal,
    /// The WAL is synced at every commit: a power cut loses nothing.
    Full,
}

/// Session settings of PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// Time after which the server cancels a statement; zero for never.
    pub statement_timeout: Duration,
    /// Time after which connecting gives up.
    pub connect_timeout: Duration,
    /// The name that `pg_stat_activity` shows.
    pub application_name: String,
}

/// The write lane.
#[derive(Debug, Clone)]
pub struct WriteConfig {
    /// Jobs that may wait; further callers wait for room.
    pub queue_jobs_max: usize,
    /// Jobs that share one commit.
    pub group_jobs_max: usize,
}

impl std::fmt::Debug for DatabaseUrl {
    /// Never shows a password: of a PostgreSQL URL only what follows the last `@`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => {
                let rest = url.rsplit_once('@').map_or("..", |(_, rest)| rest);
                write!(f, "postgres://{}", rest.split('?').next().unwrap_or(".."))
            }
        }
    }
}
