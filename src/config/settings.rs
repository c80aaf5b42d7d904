//! All settings of a program, and where they come from: defaults, then a TOML file, then the
//! environment; the caller's own changes come last. An unknown name is an error, never ignored.
//!
//! Each section owns its values; this file joins them.

#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::path::Path;

use serde::Deserialize;

use super::alerts::AlertsConfig;
use super::archive::ArchiveConfig;
use super::backup::BackupConfig;
use super::cache::CacheConfig;
use super::database::{
    DatabaseConfig, ObserveConfig, PoolConfig, PostgresConfig, SqliteConfig, WriteConfig,
};
use super::history::HistoryConfig;
use super::layers::SettingLayers;
use super::monitoring::MonitoringConfig;
use super::retention::RetentionConfig;
use super::server::ServerConfig;
use super::url::DatabaseUrl;
use crate::error::Result;

/// All settings, a field per concern.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Sections")]
#[non_exhaustive]
pub struct Settings {
    /// The database: the names without a section, `[pool]`, `[sqlite]`, `[postgres]`, `[write]`,
    /// `[observe]`.
    pub database: DatabaseConfig,
    /// Monitoring: `[monitoring]`.
    pub monitoring: MonitoringConfig,
    /// History: `[history]`.
    pub history: HistoryConfig,
    /// Backups: `[backup]`.
    pub backup: BackupConfig,
    /// The archive: `[archive]`.
    pub archive: ArchiveConfig,
    /// Retention: `[retention]`.
    pub retention: RetentionConfig,
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
    /// [`Error::File`](crate::Error::File) when the file cannot be read,
    /// [`Error::Config`](crate::Error::Config) when a name is unknown or a value cannot work: it
    /// says in which line of the file, or in which variable.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let layers = SettingLayers::read(file, variables)?;
        let settings: Self = layers.settings()?;
        let checked = settings.validate();
        checked.map_err(|error| layers.located(error))?;
        Ok(settings)
    }

    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the first setting that cannot work, why, and what would.
    pub fn validate(&self) -> Result<()> {
        self.database.validate()?;
        self.monitoring.validate()?;
        self.history.validate()?;
        self.backup.validate()?;
        self.archive.validate()?;
        self.retention.validate()?;
        self.alerts.validate()?;
        self.cache.validate()?;
        self.server.validate()
    }
}

/// The names and sections of a file, of which the first seven are the database's.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sections {
    url: DatabaseUrl,
    migrate: Option<bool>,
    pool: PoolConfig,
    sqlite: SqliteConfig,
    postgres: PostgresConfig,
    write: WriteConfig,
    observe: ObserveConfig,
    monitoring: MonitoringConfig,
    history: HistoryConfig,
    backup: BackupConfig,
    archive: ArchiveConfig,
    retention: RetentionConfig,
    alerts: AlertsConfig,
    cache: CacheConfig,
    server: ServerConfig,
}

impl From<Sections> for Settings {
    fn from(sections: Sections) -> Self {
        let migrate = sections.migrate;
        Self {
            database: DatabaseConfig {
                url: sections.url,
                migrate: migrate.unwrap_or(DatabaseConfig::default().migrate),
                pool: sections.pool,
                sqlite: sections.sqlite,
                postgres: sections.postgres,
                write: sections.write,
                observe: sections.observe,
            },
            monitoring: sections.monitoring,
            history: sections.history,
            backup: sections.backup,
            archive: sections.archive,
            retention: sections.retention,
            alerts: sections.alerts,
            cache: sections.cache,
            server: sections.server,
        }
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
