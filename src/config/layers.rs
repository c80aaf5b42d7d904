//! The sections of the database's settings as a file or the environment gives them.
//!
//! Owns the names and units that are written there. Where they come from is in `settings`.

use std::time::Duration;

use serde::Deserialize;

use super::database::{DatabaseConfig, Pooler, Synchronous};
use super::limits::set;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PoolLayer {
    base: Option<u32>,
    overflow: Option<u32>,
    acquire_timeout_ms: Option<u64>,
    recycle_after_seconds: Option<u64>,
    recycle_jitter: Option<f64>,
    pre_ping_after_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SqliteLayer {
    busy_timeout_ms: Option<u64>,
    synchronous: Option<SynchronousName>,
    reader_cache_kib: Option<u32>,
    writer_cache_kib: Option<u32>,
    mmap_bytes: Option<u64>,
    journal_size_limit_bytes: Option<u64>,
    wal_autocheckpoint_pages: Option<u32>,
    wal_bytes_max: Option<u64>,
    max_page_count: Option<u32>,
    file_mode: Option<OctalDigits>,
}

/// A mode in octal digits; a variable's arrive as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum OctalDigits {
    Text(String),
    Number(i64),
}

impl OctalDigits {
    /// What is no octal number is no mode, either.
    fn value(self) -> u32 {
        let digits = match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        };
        let digits = digits.strip_prefix("0o").unwrap_or(&digits);
        u32::from_str_radix(digits, 8).unwrap_or(u32::MAX)
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SynchronousName {
    Normal,
    Full,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PostgresLayer {
    statement_timeout_ms: Option<u64>,
    connect_timeout_seconds: Option<u64>,
    application_name: Option<String>,
    pooler: Option<PoolerName>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PoolerName {
    Session,
    Transaction,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WriteLayer {
    queue_rows_max: Option<usize>,
    group_jobs_max: Option<usize>,
    group_rows_max: Option<usize>,
    future_seconds_max: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ObserveLayer {
    slow_query_after_ms: Option<u64>,
    slow_queries_max: Option<usize>,
}

impl PoolLayer {
    pub(super) fn apply(self, config: &mut DatabaseConfig) {
        let pool = &mut config.pool;
        set(&mut pool.base, self.base);
        set(&mut pool.overflow, self.overflow);
        set(
            &mut pool.acquire_timeout,
            self.acquire_timeout_ms.map(millis),
        );
        set(
            &mut pool.recycle_after,
            self.recycle_after_seconds.map(Duration::from_secs),
        );
        set(&mut pool.recycle_jitter, self.recycle_jitter);
        set(&mut pool.pre_ping_after, self.pre_ping_after_ms.map(millis));
    }
}

impl SqliteLayer {
    pub(super) fn apply(self, config: &mut DatabaseConfig) {
        let sqlite = &mut config.sqlite;
        set(&mut sqlite.busy_timeout, self.busy_timeout_ms.map(millis));
        let synchronous = self.synchronous.map(|name| match name {
            SynchronousName::Normal => Synchronous::Normal,
            SynchronousName::Full => Synchronous::Full,
        });
        set(&mut sqlite.synchronous, synchronous);
        set(&mut sqlite.reader_cache_kib, self.reader_cache_kib);
        set(&mut sqlite.writer_cache_kib, self.writer_cache_kib);
        set(&mut sqlite.mmap_bytes, self.mmap_bytes);
        set(
            &mut sqlite.journal_size_limit_bytes,
            self.journal_size_limit_bytes,
        );
        set(
            &mut sqlite.wal_autocheckpoint_pages,
            self.wal_autocheckpoint_pages,
        );
        set(&mut sqlite.wal_bytes_max, self.wal_bytes_max);
        set(
            &mut sqlite.file_mode,
            self.file_mode.map(OctalDigits::value),
        );
        if self.max_page_count.is_some() {
            sqlite.max_page_count = self.max_page_count;
        }
    }
}

impl PostgresLayer {
    pub(super) fn apply(self, config: &mut DatabaseConfig) {
        let postgres = &mut config.postgres;
        set(
            &mut postgres.statement_timeout,
            self.statement_timeout_ms.map(millis),
        );
        let connect = self.connect_timeout_seconds.map(Duration::from_secs);
        set(&mut postgres.connect_timeout, connect);
        set(&mut postgres.application_name, self.application_name);
        if let Some(name) = self.pooler {
            postgres.pooler = Some(match name {
                PoolerName::Session => Pooler::Session,
                PoolerName::Transaction => Pooler::Transaction,
            });
        }
    }
}

impl WriteLayer {
    pub(super) fn apply(self, config: &mut DatabaseConfig) {
        let write = &mut config.write;
        set(&mut write.queue_rows_max, self.queue_rows_max);
        set(&mut write.group_rows_max, self.group_rows_max);
        set(&mut write.group_jobs_max, self.group_jobs_max);
        let future = self.future_seconds_max.map(Duration::from_secs);
        set(&mut write.future_max, future);
    }
}

impl ObserveLayer {
    pub(super) fn apply(self, config: &mut DatabaseConfig) {
        let observe = &mut config.observe;
        let after = self.slow_query_after_ms.map(millis);
        set(&mut observe.slow_query_after, after);
        set(&mut observe.slow_queries_max, self.slow_queries_max);
    }
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
