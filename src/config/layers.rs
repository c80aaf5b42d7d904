//! Where settings come from: defaults, then a TOML file, then the environment; the caller's own
//! changes come last. An unknown name is an error, never ignored.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::database::{DatabaseConfig, Synchronous};
use super::url::DatabaseUrl;
use crate::error::{Error, Result};

/// The sections that a variable `TICKBASE_<SECTION>_<NAME>` may name.
const SECTIONS: [&str; 5] = ["POOL", "SQLITE", "POSTGRES", "WRITE", "OBSERVE"];

impl DatabaseConfig {
    /// The defaults, changed by a TOML file (if one is named) and by variables.
    ///
    /// `DATABASE_URL` and `TICKBASE_DATABASE_URL` (which wins) name the database,
    /// `TICKBASE_POOL_BASE` is `base` in the section `[pool]`, and so on. Pass
    /// `std::env::vars()` for the process's own environment.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read, [`Error::Config`] when a name is unknown or
    /// a value cannot work.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut config = Self::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| Error::File {
                path: path.display().to_string(),
                reason: error.to_string(),
                remedy: "give the path of a readable TOML file".to_owned(),
            })?;
            config.apply_toml(&text, &path.display().to_string())?;
        }
        config.apply_variables(variables)?;
        config.validate()?;
        Ok(config)
    }

    /// Changes what a TOML text names.
    fn apply_toml(&mut self, text: &str, origin: &str) -> Result<()> {
        let layer: Layer = toml::from_str(text).map_err(|error| unreadable(origin, &error))?;
        layer.apply(self)
    }

    fn apply_variables(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<()> {
        let mut table = toml::Table::new();
        let mut url: Option<(bool, String)> = None;
        for (name, value) in variables {
            match name.as_str() {
                "DATABASE_URL" if url.is_none() => url = Some((false, value)),
                "TICKBASE_DATABASE_URL" => url = Some((true, value)),
                "TICKBASE_MIGRATE" => {
                    table.insert("migrate".to_owned(), literal(&value));
                }
                _ => put(&mut table, &name, &value),
            }
        }
        if let Some((_, url)) = url {
            self.url = DatabaseUrl::parse(&url)?;
        }
        let layer: Layer = table
            .try_into()
            .map_err(|error| unreadable("a TICKBASE_ variable", &error))?;
        layer.apply(self)
    }
}

/// Puts `TICKBASE_POOL_BASE` under `pool.base`; variables of no section are not ours.
fn put(table: &mut toml::Table, name: &str, value: &str) {
    let Some(rest) = name.strip_prefix("TICKBASE_") else {
        return;
    };
    let section = SECTIONS
        .iter()
        .find_map(|s| Some((s, rest.strip_prefix(s)?.strip_prefix('_')?)));
    let Some((section, key)) = section else {
        return;
    };
    let entry = table
        .entry(section.to_lowercase())
        .or_insert_with(|| toml::Table::new().into());
    if let Some(entries) = entry.as_table_mut() {
        entries.insert(key.to_lowercase(), literal(value));
    }
}

/// A number or a boolean where it reads as one, else text.
fn literal(text: &str) -> toml::Value {
    let integer = text.parse().map(toml::Value::Integer).ok();
    let float = || text.parse().map(toml::Value::Float).ok();
    let boolean = || text.parse().map(toml::Value::Boolean).ok();
    let known = integer.or_else(float).or_else(boolean);
    known.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn unreadable(origin: &str, error: &toml::de::Error) -> Error {
    // The message alone: the excerpt that Display adds might hold a URL with its password.
    Error::config(
        origin,
        error.message().replace('\n', " "),
        "see the README's table of settings",
    )
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layer {
    url: Option<String>,
    migrate: Option<bool>,
    pool: PoolLayer,
    sqlite: SqliteLayer,
    postgres: PostgresLayer,
    write: WriteLayer,
    observe: ObserveLayer,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PoolLayer {
    base: Option<u32>,
    overflow: Option<u32>,
    acquire_timeout_ms: Option<u64>,
    recycle_after_seconds: Option<u64>,
    recycle_jitter: Option<f64>,
    pre_ping_after_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SqliteLayer {
    busy_timeout_ms: Option<u64>,
    synchronous: Option<SynchronousName>,
    reader_cache_kib: Option<u32>,
    writer_cache_kib: Option<u32>,
    mmap_bytes: Option<u64>,
    journal_size_limit_bytes: Option<u64>,
    wal_autocheckpoint_pages: Option<u32>,
    wal_bytes_max: Option<u64>,
    max_page_count: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SynchronousName {
    Normal,
    Full,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PostgresLayer {
    statement_timeout_ms: Option<u64>,
    connect_timeout_seconds: Option<u64>,
    application_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WriteLayer {
    queue_rows_max: Option<usize>,
    group_jobs_max: Option<usize>,
    group_rows_max: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ObserveLayer {
    slow_query_after_ms: Option<u64>,
    slow_queries_max: Option<usize>,
}

impl Layer {
    fn apply(self, config: &mut DatabaseConfig) -> Result<()> {
        if let Some(url) = self.url {
            config.url = DatabaseUrl::parse(&url)?;
        }
        set(&mut config.migrate, self.migrate);
        self.pool.apply(config);
        self.sqlite.apply(config);
        let postgres = &mut config.postgres;
        set(
            &mut postgres.statement_timeout,
            self.postgres.statement_timeout_ms.map(millis),
        );
        let connect = self
            .postgres
            .connect_timeout_seconds
            .map(Duration::from_secs);
        set(&mut postgres.connect_timeout, connect);
        set(
            &mut postgres.application_name,
            self.postgres.application_name,
        );
        set(&mut config.write.queue_rows_max, self.write.queue_rows_max);
        set(&mut config.write.group_rows_max, self.write.group_rows_max);
        set(&mut config.write.group_jobs_max, self.write.group_jobs_max);
        let after = self.observe.slow_query_after_ms.map(millis);
        set(&mut config.observe.slow_query_after, after);
        let kept = self.observe.slow_queries_max;
        set(&mut config.observe.slow_queries_max, kept);
        Ok(())
    }
}

impl PoolLayer {
    fn apply(self, config: &mut DatabaseConfig) {
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
    fn apply(self, config: &mut DatabaseConfig) {
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
        if self.max_page_count.is_some() {
            sqlite.max_page_count = self.max_page_count;
        }
    }
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn load(toml: &str, pairs: &[(&str, &str)]) -> Result<DatabaseConfig> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tickbase.toml");
        std::fs::write(&path, toml).unwrap();
        DatabaseConfig::load(Some(&path), variables(pairs))
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let toml = "url = 'a.db'\n[pool]\nbase = 5\noverflow = 6\n[sqlite]\nsynchronous = 'full'";
        let config = load(
            toml,
            &[("TICKBASE_POOL_BASE", "7"), ("DATABASE_URL", "b.db")],
        )
        .unwrap();
        assert_eq!((config.pool.base, config.pool.overflow), (7, 6));
        assert_eq!(config.sqlite.synchronous, Synchronous::Full);
        assert_eq!(config.url.to_string(), "sqlite://b.db");
        assert_eq!(config.pool.acquire_timeout, Duration::from_secs(30));
    }

    #[test]
    fn what_is_observed_is_a_section_of_its_own() {
        let variable = [("TICKBASE_OBSERVE_SLOW_QUERY_AFTER_MS", "0")];
        let toml = "[observe]\nslow_query_after_ms = 7\nslow_queries_max = 9";
        let observe = load(toml, &variable).unwrap().observe;
        assert_eq!(observe.slow_query_after, Duration::ZERO);
        assert_eq!(observe.slow_queries_max, 9);
    }

    #[test]
    fn the_more_specific_variable_names_the_database() {
        let both = [("TICKBASE_DATABASE_URL", "a.db"), ("DATABASE_URL", "b.db")];
        for pairs in [both, [both[1], both[0]]] {
            let config = DatabaseConfig::load(None, variables(&pairs)).unwrap();
            assert_eq!(config.url.to_string(), "sqlite://a.db");
        }
    }

    #[test]
    fn unknown_names_and_wrong_types_are_errors_that_name_them() {
        for (toml, pairs, name) in [
            ("[pool]\nbse = 5", &[][..], "bse"),
            ("pol = 1", &[], "pol"),
            ("[pool]\nbase = 'x'", &[], "invalid type"),
            ("[pool", &[], "unclosed"),
            ("", &[("TICKBASE_POOL_BSE", "1")], "bse"),
            ("", &[("TICKBASE_SQLITE_SYNCHRONOUS", "off")], "off"),
            ("[pool]\nbase = 0", &[], "pool.base"),
        ] {
            let error = load(toml, pairs).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let missing = DatabaseConfig::load(Some(Path::new("/nonexistent.toml")), []).unwrap_err();
        assert!(matches!(missing, Error::File { .. }), "{missing}");
    }

    #[test]
    fn a_broken_file_does_not_show_the_password_in_it() {
        let error = load("url = 'postgres://u:s3cret@h/db'\nnonsense = 1", &[]).unwrap_err();
        assert!(!error.chain().contains("s3cret"), "{}", error.chain());
    }
}
