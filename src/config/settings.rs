//! All settings of a program, and where they come from: defaults, then a TOML file, then the
//! environment; the caller's own changes come last. An unknown name is an error, never ignored.
//!
//! What a section may hold is that section's; this file joins them.

use std::path::Path;

use serde::Deserialize;

use super::alert_channels::AlertsLayer;
use super::alerts::AlertsConfig;
use super::cache::{CacheConfig, CacheLayer};
use super::database::DatabaseConfig;
use super::history::{HistoryConfig, HistoryLayer};
use super::layers::{ObserveLayer, PoolLayer, PostgresLayer, SqliteLayer, WriteLayer};
use super::limits::set;
use super::monitoring::{MonitoringConfig, MonitoringLayer};
use super::server::{ServerConfig, ServerLayer};
use super::url::DatabaseUrl;
use crate::error::{Error, Result};

/// All settings, a field per concern.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Settings {
    /// The database: the names without a section, `[pool]`, `[sqlite]`, `[postgres]`, `[write]`,
    /// `[observe]`.
    pub database: DatabaseConfig,
    /// Monitoring: `[monitoring]`.
    pub monitoring: MonitoringConfig,
    /// History: `[history]`.
    pub history: HistoryConfig,
    /// The delivery of alerts: `[alerts]`.
    pub alerts: AlertsConfig,
    /// The cache of what is read often: `[cache]`.
    pub cache: CacheConfig,
    /// The HTTP server: `[server]`.
    pub server: ServerConfig,
}

impl Settings {
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
        let mut settings = Self::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| Error::File {
                path: path.display().to_string(),
                reason: error.to_string(),
                remedy: "give the path of a readable TOML file".to_owned(),
            })?;
            settings.apply_toml(&text, &path.display().to_string())?;
        }
        settings.apply_variables(variables)?;
        settings.validate()?;
        Ok(settings)
    }

    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that cannot work, why, and what would.
    pub fn validate(&self) -> Result<()> {
        self.database.validate()?;
        self.monitoring.validate()?;
        self.history.validate()?;
        self.alerts.validate()?;
        self.cache.validate()?;
        self.server.validate()
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
            self.database.url = DatabaseUrl::parse(&url)?;
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

/// The sections that a variable `TICKBASE_<SECTION>_<NAME>` may name.
const SECTIONS: [&str; 10] = [
    "POOL",
    "SQLITE",
    "POSTGRES",
    "WRITE",
    "OBSERVE",
    "MONITORING",
    "HISTORY",
    "ALERTS",
    "CACHE",
    "SERVER",
];

/// What a file, or the environment, may say.
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
    monitoring: MonitoringLayer,
    history: HistoryLayer,
    alerts: AlertsLayer,
    cache: CacheLayer,
    server: ServerLayer,
}

impl Layer {
    fn apply(self, settings: &mut Settings) -> Result<()> {
        let database = &mut settings.database;
        if let Some(url) = self.url {
            database.url = DatabaseUrl::parse(&url)?;
        }
        set(&mut database.migrate, self.migrate);
        self.pool.apply(database);
        self.sqlite.apply(database);
        self.postgres.apply(database);
        self.write.apply(database);
        self.observe.apply(database);
        self.monitoring.apply(&mut settings.monitoring);
        self.history.apply(&mut settings.history);
        self.alerts.apply(&mut settings.alerts)?;
        self.cache.apply(&mut settings.cache);
        self.server.apply(&mut settings.server)
    }
}

impl DatabaseConfig {
    /// [`Settings::load`] for those who want the database's settings alone. The other sections
    /// are read and checked all the same, so that one file serves several programs.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        Ok(Settings::load(file, variables)?.database)
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Synchronous;

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
    fn a_mode_is_written_in_octal_digits() {
        let mode = |toml: &str, variables: &[(&str, &str)]| {
            load(toml, variables).map(|config| config.sqlite.file_mode)
        };
        assert_eq!(mode("", &[]).unwrap(), 0o600);
        let text = "[sqlite]\nfile_mode = ";
        assert_eq!(mode(&format!("{text}'0640'"), &[]).unwrap(), 0o640);
        let variable = |digits| [("TICKBASE_SQLITE_FILE_MODE", digits)];
        assert_eq!(mode("", &variable("0660")).unwrap(), 0o660);
        // An octal number of TOML arrives as 416: its digits are no mode, so it is not misread.
        for wrong in ["0o640", "0o600", "0o666", "'rw'", "'0755'", "'0400'", "-1"] {
            let error = mode(&format!("{text}{wrong}"), &[])
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("sqlite.file_mode: "), "{error}");
        }
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
    fn the_cache_is_a_section_of_its_own() {
        let variable = ("TICKBASE_CACHE_LATEST_TTL_MS", "250");
        let mut settings = Settings::default();
        let toml = "[cache]\nbytes_max = 1048576\nlatest_ttl_ms = 7\nbars_ttl_ms = 0\nanalytics_ttl_ms = 9";
        settings.apply_toml(toml, "a file").unwrap();
        settings.apply_variables(variables(&[variable])).unwrap();
        let cache = settings.cache;
        assert_eq!(cache.bytes_max, 1 << 20);
        assert_eq!(cache.latest_ttl, Duration::from_millis(250));
        assert_eq!(cache.instruments_ttl, Duration::from_secs(1));
        assert_eq!(cache.bars_ttl, Duration::ZERO);
        assert_eq!(cache.analytics_ttl, Duration::from_millis(9));
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
            ("[monitoring]\nintervall_seconds = 5", &[], "intervall"),
            ("", &[("TICKBASE_MONITORING_X", "1")], "unknown field"),
            (
                "[monitoring]\ninterval_seconds = 0",
                &[],
                "monitoring.interval_seconds",
            ),
        ] {
            let error = load(toml, pairs).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let missing = DatabaseConfig::load(Some(Path::new("/nonexistent.toml")), []).unwrap_err();
        assert!(matches!(missing, Error::File { .. }), "{missing}");
    }

    #[test]
    fn each_concern_has_its_section() {
        let toml = "[monitoring]\ninterval_seconds = 5\nquery_ms_warning = 250\n[pool]\nbase = 3";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tickbase.toml");
        std::fs::write(&path, toml).unwrap();
        let pairs = [
            ("TICKBASE_MONITORING_QUERY_MS_CRITICAL", "1000"),
            ("TICKBASE_MONITORING_WAL_BYTES_CRITICAL", "inf"),
        ];
        let settings = Settings::load(Some(&path), variables(&pairs)).unwrap();
        assert_eq!(settings.monitoring.interval, Duration::from_secs(5));
        let query = settings.monitoring.thresholds.query_ms;
        assert_eq!((query.warning, query.critical), (250.0, 1_000.0));
        let wal = settings.monitoring.thresholds.wal_bytes;
        assert_eq!(wal.critical, f64::INFINITY);
        assert_eq!(settings.database.pool.base, 3);
        // The database's settings alone are read from the same file.
        let alone = DatabaseConfig::load(Some(&path), []).unwrap();
        assert_eq!(alone.pool.base, 3);
    }

    #[test]
    fn the_server_is_set_by_file_and_environment() {
        let pairs = [
            ("TICKBASE_SERVER_TOKEN", "1234567890123456"),
            (
                "TICKBASE_SERVER_CORS_ORIGINS",
                "https://a.example,https://b.example",
            ),
            ("TICKBASE_SERVER_BIND", "[::1]:9000"),
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tickbase.toml");
        std::fs::write(
            &path,
            "[server]\nrequest_timeout_seconds = 5\nbind = '1.2.3.4:5'",
        )
        .unwrap();
        let server = Settings::load(Some(&path), variables(&pairs))
            .unwrap()
            .server;
        assert_eq!(server.bind.to_string(), "[::1]:9000");
        assert_eq!(
            server.cors_origins,
            ["https://a.example", "https://b.example"]
        );
        assert_eq!(server.request_timeout, Duration::from_secs(5));
        assert!(server.token.is_some(), "digits alone are a text, too");
        for (name, value) in [
            ("BIND", "localhost"),
            ("TOKEN", "short"),
            ("CORS_ORIGINS", "a b"),
        ] {
            let pair = [(format!("TICKBASE_SERVER_{name}"), value.to_owned())];
            let error = Settings::load(None, pair).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("server.{}", name.to_lowercase())),
                "{error}"
            );
        }
    }

    #[test]
    fn alerts_go_where_file_and_environment_say() {
        use crate::config::ChannelTarget;
        let toml = "[alerts]\nattempts_max = 3\n[[alerts.channels]]\nname = 'desk'\n\
                    kind = 'webhook'\nurl = 'https://a.example/x'\nsecret = 's'\n\
                    [[alerts.channels]]\nkind = 'log'";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tickbase.toml");
        std::fs::write(&path, toml).unwrap();
        let pairs = [
            ("TICKBASE_ALERTS_WEBHOOK_URL", "https://b.example/t0ken"),
            ("TICKBASE_ALERTS_WEBHOOK_SECRET", "12345"),
            ("TICKBASE_ALERTS_SLACK_URL", "https://hooks.slack.com/t0ken"),
        ];
        let alerts = Settings::load(Some(&path), variables(&pairs))
            .unwrap()
            .alerts;
        let names: Vec<_> = alerts.channels.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["desk", "log", "webhook", "slack"]);
        assert_eq!(alerts.attempts_max, Some(3));
        let signed = |at: usize| matches!(&alerts.channels[at].target, ChannelTarget::Webhook { secret, .. } if secret.is_some());
        assert!(signed(0) && signed(2), "{alerts:?}");
        assert!(!format!("{alerts:?}").contains("t0ken"), "{alerts:?}");
        for (name, value, reason) in [
            ("WEBHOOK_URL", "t0ken", "http://"),
            ("WEBHOOK_SECRET", "t0ken", "no webhook"),
            ("SLACK_URL", "ftp://t0ken", "http://"),
        ] {
            let pair = [(format!("TICKBASE_ALERTS_{name}"), value.to_owned())];
            let error = Settings::load(None, pair).unwrap_err().to_string();
            let setting = format!("alerts.{}: ", name.to_lowercase());
            assert!(
                error.starts_with(&setting) && error.contains(reason),
                "{error}"
            );
            assert!(!error.contains("t0ken"), "{error}");
        }
        for (channel, name) in [
            ("kind = 'pigeon'", "alerts.channels.kind"),
            ("kind = 'slack'", "alerts.channels.slack.url"),
            ("kind = 'log'\nurl = 'https://a'", "alerts.channels.log.url"),
            (
                "kind = 'slack'\nurl = 'https://a'\nsecret = 'x'",
                "alerts.channels.slack.secret",
            ),
            (
                "kind = 'webhook'\nurl = 'https://a'\nsecret = ''",
                "alerts.channels.webhook.secret",
            ),
            (
                "kind = 'log'\n[[alerts.channels]]\nkind = 'log'",
                "alerts.channels.name",
            ),
        ] {
            let error = load(&format!("[[alerts.channels]]\n{channel}"), &[]).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }

    #[test]
    fn a_broken_file_does_not_show_the_password_in_it() {
        let error = load("url = 'postgres://u:s3cret@h/db'\nnonsense = 1", &[]).unwrap_err();
        assert!(!error.chain().contains("s3cret"), "{}", error.chain());
    }
}
