//! Settings of the database: where it is, the pool, the pragmas, the write lane, what is observed.
//!
//! Owns the values, their defaults with reasons, and their limits. Where they come from is in
//! `settings`.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::limits::{positive, within};
use super::read::{list_or_text, millis, seconds, text};
use super::url::DatabaseUrl;
use crate::error::{Error, Result};

/// All settings of the database.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// The location of the database.
    pub url: DatabaseUrl,
    /// `Database::open` applies missing migrations. Default yes.
    pub migrate: bool,
    /// The pool.
    pub pool: PoolConfig,
    /// Pragmas of SQLite.
    pub sqlite: SqliteConfig,
    /// Session settings of PostgreSQL.
    pub postgres: PostgresConfig,
    /// The write lane.
    pub write: WriteConfig,
    /// Observation of slow statements.
    pub observe: ObserveConfig,
}

/// The connection pool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolConfig {
    /// Connections that stay open. Default 20, that of the system which this one replaces: beyond
    /// some connections a core, more of them only share the same processors.
    pub base: u32,
    /// Connections beyond `base`, closed when they come back while the base is idle. Default 50:
    /// bursts are served, and pay for the opening.
    pub overflow: u32,
    /// How long a caller waits for a connection. Default 30 s.
    #[serde(rename = "acquire_timeout_ms", deserialize_with = "millis")]
    pub acquire_timeout: Duration,
    /// Age at which a connection is replaced, at its next checkout. Default 3600 s: caches of the
    /// session do not grow for ever, and load balancers do not cut it first.
    #[serde(rename = "recycle_after_seconds", deserialize_with = "seconds")]
    pub recycle_after: Duration,
    /// Share of `recycle_after` by which each connection's age limit varies, so that they do not
    /// all expire at once (0.1: plus or minus 10 %).
    pub recycle_jitter: f64,
    /// Idle time after which a connection is pinged before it is lent. Default 30 s: a busy
    /// connection proves itself, so only idle ones pay for the round trip.
    #[serde(rename = "pre_ping_after_ms", deserialize_with = "millis")]
    pub pre_ping_after: Duration,
    /// Time after which a connection that is still held is warned of, with the operation that holds
    /// it; zero for never. Default 30 s: no operation of a server takes as long.
    #[serde(rename = "held_warning_ms", deserialize_with = "millis")]
    pub held_warning: Duration,
}

/// Pragmas of SQLite.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SqliteConfig {
    /// How long a statement waits for a lock of another process. Default 5 s; the write lane goes
    /// on waiting up to the pool's acquire timeout.
    #[serde(rename = "busy_timeout_ms", deserialize_with = "millis")]
    pub busy_timeout: Duration,
    /// When a commit returns. Default NORMAL.
    pub synchronous: Synchronous,
    /// Page cache of each reader, in KiB. Default 8 MiB: with 70 readers 560 MiB at the most.
    pub reader_cache_kib: u32,
    /// Page cache of the writer, in KiB. Default 64 MiB: with the checkpoint interval it raises
    /// bulk insertion by 15 to 25 %.
    pub writer_cache_kib: u32,
    /// Bytes of the file that readers map into memory; 0 switches it off. Default 256 MiB:
    /// the hot part of the file is read without copying.
    pub mmap_bytes: u64,
    /// Size to which the WAL file is cut after a checkpoint, in bytes. Default 64 MiB: a burst does
    /// not keep its disk space for ever.
    pub journal_size_limit_bytes: u64,
    /// WAL pages after which a commit checkpoints. Default 10,000 (40 MB), ten times SQLite's own:
    /// fewer checkpoints rewrite fewer pages twice.
    pub wal_autocheckpoint_pages: u32,
    /// Bytes of the WAL past which the writer waits a little for the readers to end, to begin it
    /// anew. Default 256 MiB: some seconds of full speed past the last checkpoint.
    pub wal_bytes_max: u64,
    /// Upper bound of the file in pages; none by default.
    pub max_page_count: Option<u32>,
    /// The mode of a new file, and of the WAL beside it, as far as the umask allows.
    /// Default 0o600: market data is often licensed to who holds it. A file that is there keeps its
    /// own mode.
    #[serde(deserialize_with = "file_mode")]
    pub file_mode: u32,
}

/// When a commit of SQLite returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Synchronous {
    /// The WAL is synced at checkpoints: a crash of the process loses nothing, a power cut may
    /// lose the last commits, never the integrity.
    Normal,
    /// The WAL is synced at every commit: a power cut loses nothing.
    Full,
}

/// Session settings of PostgreSQL.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// Time after which the server cancels a statement; zero for never. Default 30 s.
    #[serde(rename = "statement_timeout_ms", deserialize_with = "millis")]
    pub statement_timeout: Duration,
    /// Time after which connecting gives up, in whole seconds. Default 10 s: a server that is
    /// down refuses at once, one that is gone is reported while a checkout still waits, and one that
    /// is busy has the time to start a session.
    #[serde(rename = "connect_timeout_seconds", deserialize_with = "seconds")]
    pub connect_timeout: Duration,
    /// The name that `pg_stat_activity` shows.
    pub application_name: String,
    /// How a pooler between here and the server (pgbouncer, say) lends the server's connections.
    /// Default: there is none; one that is found is refused until it is named here.
    pub pooler: Option<Pooler>,
    /// Servers that follow the one of `database.url` by streaming replication, each a URL; in a variable
    /// with spaces between. What [`Database::on_replicas`](crate::database::Database::on_replicas)
    /// reads, they answer: the reads of the API, exports and charts. Default: none.
    #[serde(deserialize_with = "urls")]
    pub replica_urls: Vec<DatabaseUrl>,
    /// Connections to each replica, beside those of `pool`. Default 20.
    pub replica_connections_max: u32,
    /// How long a read waits for a replica to replay what this process has committed, before it goes to
    /// the primary. Default 50 ms.
    #[serde(rename = "replica_wait_ms", deserialize_with = "millis")]
    pub replica_wait: Duration,
    /// How far a replica may be behind what other processes commit; one that is further is not read.
    /// Default 10 s.
    #[serde(rename = "replica_lag_max_ms", deserialize_with = "millis")]
    pub replica_lag_max: Duration,
}

/// For how long a pooler lends a connection of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pooler {
    /// For a whole session: settings are those of the session, as without a pooler.
    Session,
    /// For a transaction: settings are given to each transaction, reads are transactions, too, and
    /// no statement is prepared for longer than it runs.
    Transaction,
}

/// The write lane.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriteConfig {
    /// Rows that may wait in the queue; further callers wait for room, or fail, as they choose. A
    /// write that is no batch counts as one row. Default 200,000: some 40 MB of ticks, and less
    /// than a second of work.
    pub queue_rows_max: usize,
    /// Jobs that share one commit. Default 128: a caller waits for its neighbours' work too.
    pub group_jobs_max: usize,
    /// Rows after which a group takes no further job. Default 20,000: some 50 ms.
    pub group_rows_max: usize,
    /// The limit of a tick's stamp ahead of the clock, in whole seconds; zero for no limit. Such a
    /// tick is rejected by its row. Default a day: no time zone is further away, and one tick of a
    /// wrong year would make all later ones of its instrument late.
    #[serde(rename = "future_seconds_max", deserialize_with = "seconds")]
    pub future_max: Duration,
}

/// Observation of slow statements.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObserveConfig {
    /// Time after which a statement is slow and kept in a table, without its values; zero switches
    /// it off. Default 100 ms: a statement that seeks in an index takes far less.
    #[serde(rename = "slow_query_after_ms", deserialize_with = "millis")]
    pub slow_query_after: Duration,
    /// Statements in the table; when it is full, the one that took least time in all goes.
    /// Default 200.
    pub slow_queries_max: usize,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: DatabaseUrl::default(),
            migrate: true,
            pool: PoolConfig::default(),
            sqlite: SqliteConfig::default(),
            postgres: PostgresConfig::default(),
            write: WriteConfig::default(),
            observe: ObserveConfig::default(),
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            base: 20,
            overflow: 50,
            acquire_timeout: Duration::from_secs(30),
            recycle_after: Duration::from_secs(3_600),
            recycle_jitter: 0.1,
            pre_ping_after: Duration::from_secs(30),
            held_warning: Duration::from_secs(30),
        }
    }
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
            synchronous: Synchronous::Normal,
            reader_cache_kib: 8 * 1_024,
            writer_cache_kib: 64 * 1_024,
            mmap_bytes: 256 * 1_024 * 1_024,
            journal_size_limit_bytes: 64 * 1_024 * 1_024,
            wal_autocheckpoint_pages: 10_000,
            wal_bytes_max: 256 * 1_024 * 1_024,
            max_page_count: None,
            file_mode: 0o600,
        }
    }
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            statement_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            application_name: "tickbase".to_owned(),
            pooler: None,
            replica_urls: Vec::new(),
            replica_connections_max: 20,
            replica_wait: Duration::from_millis(50),
            replica_lag_max: Duration::from_secs(10),
        }
    }
}

impl Default for WriteConfig {
    fn default() -> Self {
        Self {
            queue_rows_max: 200_000,
            group_jobs_max: 128,
            group_rows_max: 20_000,
            future_max: Duration::from_secs(86_400),
        }
    }
}

impl Default for ObserveConfig {
    fn default() -> Self {
        Self {
            slow_query_after: Duration::from_millis(100),
            slow_queries_max: 200,
        }
    }
}

impl DatabaseConfig {
    /// The defaults for this database.
    ///
    /// # Errors
    /// As [`DatabaseUrl::parse`].
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self {
            url: DatabaseUrl::parse(url)?,
            ..Self::default()
        })
    }

    /// Changes settings in a chain: `DatabaseConfig::new(url)?.with(|c| c.pool.base = 5)`.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that cannot work, why, and what would.
    pub fn validate(&self) -> Result<()> {
        self.pool.validate()?;
        self.sqlite.validate()?;
        self.postgres.validate()?;
        self.write.validate()?;
        self.observe.validate()
    }
}

/// URLs; in a variable with spaces between, as one of several hosts has commas.
fn urls<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<DatabaseUrl>, D::Error> {
    let split = |text: &str| text.split_whitespace().map(DatabaseUrl::parse).collect();
    list_or_text(from, "a list of URLs", split)
}

/// A mode in octal digits. What is no octal number is no mode, either: it is refused as one.
fn file_mode<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let digits = text(from)?;
    let digits = digits.strip_prefix("0o").unwrap_or(&digits);
    Ok(u32::from_str_radix(digits, 8).unwrap_or(u32::MAX))
}

/// The most connections that a pool may hold.
const CONNECTIONS_MAX: u64 = 10_000;
/// Page caches, in KiB, up to 64 GiB.
const CACHE_KIB: RangeInclusive<u64> = 64..=64 << 20;

impl PoolConfig {
    fn validate(&self) -> Result<()> {
        within("pool.base", self.base, 1..=CONNECTIONS_MAX)?;
        within("pool.overflow", self.overflow, 0..=CONNECTIONS_MAX)?;
        positive("pool.acquire_timeout_ms", self.acquire_timeout)?;
        positive("pool.recycle_after_seconds", self.recycle_after)?;
        if (0.0..=0.5).contains(&self.recycle_jitter) {
            return Ok(());
        }
        Err(Error::config(
            "pool.recycle_jitter",
            format!("{} is not a share between 0 and 0.5", self.recycle_jitter),
            "use 0.1 for plus or minus 10 %",
        ))
    }
}

impl SqliteConfig {
    fn validate(&self) -> Result<()> {
        let busy_ms = self.busy_timeout.as_millis();
        within("sqlite.busy_timeout_ms", busy_ms, 1..=600_000)?;
        // The owner must read and write it, and nobody runs it.
        if self.file_mode & 0o600 != 0o600 || self.file_mode & !0o666 != 0 {
            return Err(Error::config(
                "sqlite.file_mode",
                "it is not the mode of a file that its owner reads and writes and nobody executes",
                "write it as octal digits like \"0600\", \"0640\" or \"0660\"",
            ));
        }
        let (reader, writer) = (self.reader_cache_kib, self.writer_cache_kib);
        within("sqlite.reader_cache_kib", reader, CACHE_KIB)?;
        within("sqlite.writer_cache_kib", writer, CACHE_KIB)?;
        // SQLITE_MAX_MMAP_SIZE of the bundled library.
        within("sqlite.mmap_bytes", self.mmap_bytes, 0..=0x7fff_0000)?;
        let journal = self.journal_size_limit_bytes;
        within("sqlite.journal_size_limit_bytes", journal, 0..=1 << 40)?;
        let pages = self.wal_autocheckpoint_pages;
        within("sqlite.wal_autocheckpoint_pages", pages, 1..=10_000_000)?;
        within("sqlite.wal_bytes_max", self.wal_bytes_max, 65_536..=1 << 40)?;
        let limit = self.max_page_count.unwrap_or(1);
        within("sqlite.max_page_count", limit, 1..=4_294_967_294)
    }
}

impl PostgresConfig {
    fn validate(&self) -> Result<()> {
        self.validate_replicas()?;
        positive("postgres.connect_timeout_seconds", self.connect_timeout)?;
        let statement_ms = self.statement_timeout.as_millis();
        within(
            "postgres.statement_timeout_ms",
            statement_ms,
            0..=2_147_483_647,
        )?;
        let name = &self.application_name;
        if name.is_empty() || name.len() > 63 || !name.bytes().all(|b| (32..127).contains(&b)) {
            return Err(Error::config(
                "postgres.application_name",
                format!("{name:?} is not 1 to 63 printable ASCII characters"),
                "choose a short plain name",
            ));
        }
        Ok(())
    }

    fn validate_replicas(&self) -> Result<()> {
        let connections = self.replica_connections_max;
        within(
            "postgres.replica_connections_max",
            connections,
            1..=CONNECTIONS_MAX,
        )?;
        let wait_ms = self.replica_wait.as_millis();
        within("postgres.replica_wait_ms", wait_ms, 0..=10_000)?;
        let lag_ms = self.replica_lag_max.as_millis();
        within("postgres.replica_lag_max_ms", lag_ms, 1_000..=86_400_000)?;
        let is_server = |url: &DatabaseUrl| matches!(url, DatabaseUrl::Postgres(_));
        if self.replica_urls.iter().all(is_server) {
            return Ok(());
        }
        Err(Error::config(
            "postgres.replica_urls",
            "one of them is no URL of a PostgreSQL server",
            "write postgres://user@host/name",
        ))
    }
}

impl WriteConfig {
    fn validate(&self) -> Result<()> {
        const LIMITS: RangeInclusive<u64> = 1..=100_000_000;
        within("write.queue_rows_max", self.queue_rows_max, LIMITS)?;
        within("write.group_jobs_max", self.group_jobs_max, LIMITS)?;
        within("write.group_rows_max", self.group_rows_max, LIMITS)
    }
}

impl ObserveConfig {
    fn validate(&self) -> Result<()> {
        let kept = self.slow_queries_max;
        within("observe.slow_queries_max", kept, 1..=100_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        DatabaseConfig::default().validate().unwrap();
    }

    #[test]
    fn each_setting_that_cannot_work_is_named() {
        type Change = fn(&mut DatabaseConfig);
        let cases: [(&str, Change); 14] = [
            ("pool.base", |c| c.pool.base = 0),
            ("pool.acquire_timeout", |c| {
                c.pool.acquire_timeout = Duration::ZERO
            }),
            ("pool.recycle_after", |c| {
                c.pool.recycle_after = Duration::ZERO
            }),
            ("pool.recycle_jitter", |c| c.pool.recycle_jitter = f64::NAN),
            ("sqlite.busy_timeout", |c| {
                c.sqlite.busy_timeout = Duration::ZERO
            }),
            ("sqlite.file_mode", |c| c.sqlite.file_mode = 0o755),
            ("sqlite.mmap_bytes", |c| c.sqlite.mmap_bytes = u64::MAX),
            ("sqlite.max_page_count", |c| {
                c.sqlite.max_page_count = Some(0)
            }),
            ("postgres.application_name", |c| {
                c.postgres.application_name = "x".repeat(64)
            }),
            ("postgres.connect_timeout", |c| {
                c.postgres.connect_timeout = Duration::ZERO
            }),
            ("postgres.replica_urls", |c| {
                c.postgres.replica_urls = vec![DatabaseUrl::default()]
            }),
            ("postgres.replica_connections_max", |c| {
                c.postgres.replica_connections_max = 0
            }),
            ("write.group_jobs_max", |c| c.write.group_jobs_max = 0),
            ("observe.slow_queries_max", |c| {
                c.observe.slow_queries_max = 0
            }),
        ];
        for (name, change) in cases {
            let error = DatabaseConfig::default()
                .with(change)
                .validate()
                .unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
            assert!(error.to_string().contains("; "), "{error} has no remedy");
        }
    }
}
