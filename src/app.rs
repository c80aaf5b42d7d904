//! The composition root: settings become a database that is ready for its work.
//!
//! It is the only file that may see every layer. Services and the server are started and stopped
//! here, in this order: database, services, edge; and the other way round.

use std::path::Path;

use crate::clock::Clock;
use crate::config::{DatabaseConfig, DatabaseUrl};
use crate::database::Database;
use crate::error::{Error, Result};

/// What a command needs of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It may be created, and is migrated if the settings allow it.
    Prepared,
    /// It must be there, with the schema of this build.
    Existing,
    /// It must be there, with whatever schema.
    AsItIs,
    /// It may be created; its schema is left as it is.
    Bare,
}

/// The settings: defaults, the file, the environment, then a URL of the caller's.
pub(crate) fn settings(file: Option<&Path>, url: Option<&str>) -> Result<DatabaseConfig> {
    // A URL of the caller's replaces the environment's, also one that could not be read.
    let ours = |name: &str| url.is_none() || !name.ends_with("DATABASE_URL");
    let variables = std::env::vars().filter(|(name, _)| ours(name));
    let mut config = DatabaseConfig::load(file, variables)?;
    if let Some(url) = url {
        config.url = DatabaseUrl::parse(url)?;
    }
    Ok(config)
}

/// Whether the environment names a database.
pub(crate) fn environment_names_database() -> bool {
    ["DATABASE_URL", "TICKBASE_DATABASE_URL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// Opens the database as far as a command needs it.
pub(crate) fn open(mut config: DatabaseConfig, need: Need) -> Result<Database> {
    if matches!(need, Need::Existing | Need::AsItIs) {
        refuse_missing(&config.url)?;
    }
    match need {
        Need::Prepared => Database::open(config),
        Need::Existing => {
            config.migrate = false;
            Database::open(config)
        }
        Need::AsItIs | Need::Bare => Database::open_as_it_is(config, Clock::system()),
    }
}

/// Opening a SQLite file creates it: a command that only reads must not.
fn refuse_missing(url: &DatabaseUrl) -> Result<()> {
    match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => Err(Error::Connect {
            target: url.to_string(),
            reason: "there is no such file".to_owned(),
            remedy: "check the path, or create the database with `tickbase migrate run`".to_owned(),
        }),
        _ => Ok(()),
    }
}
