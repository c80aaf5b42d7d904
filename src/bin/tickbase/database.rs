//! Settings and database of a command: where the settings come from, and how far the database must
//! be ready.

use std::path::PathBuf;

use tickbase::clock::Clock;
use tickbase::config::{DatabaseConfig, DatabaseUrl, Settings};
use tickbase::database::Database;
use tickbase::error::{Error, Result};

/// Where the settings come from beside the environment; they can be read again.
#[derive(Clone)]
pub(crate) struct SettingsSource {
    pub(crate) file: Option<PathBuf>,
    pub(crate) url: Option<String>,
}

impl SettingsSource {
    /// The settings: defaults, the file, the environment, then the URL of the command line.
    pub(crate) fn read(&self) -> Result<Settings> {
        // The URL of the command line replaces the environment's, also one that cannot be read.
        let ours = |name: &str| self.url.is_none() || !name.ends_with("DATABASE_URL");
        let variables = std::env::vars().filter(|(name, _)| ours(name));
        let mut settings = Settings::load(self.file.as_deref(), variables)?;
        if let Some(url) = &self.url {
            settings.database.url = DatabaseUrl::parse(url)?;
        }
        Ok(settings)
    }

    /// Whether the database was named, by option or environment.
    pub(crate) fn names_database(&self) -> bool {
        self.url.is_some()
            || ["DATABASE_URL", "TICKBASE_DATABASE_URL"]
                .iter()
                .any(|name| std::env::var_os(name).is_some())
    }
}

/// What a command needs of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseNeed {
    /// It may be created, and is migrated if the settings allow it.
    Prepared,
    /// It must be there, with the schema of this build.
    Existing,
    /// It must be there, with whatever schema.
    AsItIs,
    /// It may be created; its schema is left as it is.
    Bare,
}

/// Opens the database as far as a command needs it.
pub(crate) fn open(mut config: DatabaseConfig, need: DatabaseNeed) -> Result<Database> {
    if matches!(need, DatabaseNeed::Existing | DatabaseNeed::AsItIs) {
        refuse_missing(&config.url)?;
    }
    match need {
        DatabaseNeed::Prepared => Database::open(config),
        DatabaseNeed::Existing => {
            config.migrate = false;
            Database::open(config)
        }
        DatabaseNeed::AsItIs | DatabaseNeed::Bare => {
            Database::open_as_it_is(config, Clock::system())
        }
    }
}

/// Opening a SQLite file creates it: a command that only reads must not.
pub(crate) fn refuse_missing(url: &DatabaseUrl) -> Result<()> {
    match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => Err(Error::Connect {
            target: url.to_string(),
            reason: "there is no such file".to_owned(),
            remedy: "check the path, or create the database with `tickbase migrate run`".to_owned(),
        }),
        _ => Ok(()),
    }
}
