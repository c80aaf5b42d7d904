//! Databases for the tests of those who build on this crate: migrated, of one test alone, gone at
//! its end.
//!
//! It needs nothing that the crate itself does not need. It is no fake: the database is opened by
//! [`Database::open`] with the default settings.

use std::ops::Deref;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;

use crate::config::DatabaseConfig;
use crate::database::Database;
#[cfg(feature = "postgres")]
use crate::database::postgres;
#[cfg(feature = "sqlite")]
use crate::error::Error;
use crate::error::Result;

/// A migrated database that is removed when this value goes.
///
/// It is used as the [`Database`] that it holds. At its end that database is closed, with all of
/// its clones. A process that is killed leaves the database behind, under a name that starts with
/// `tickbase_temporary_`.
///
/// ```
/// use tickbase::repository::market_data::{MarketDataRepository, TickRange};
/// use tickbase::testing::TemporaryDatabase;
///
/// let db = TemporaryDatabase::sqlite()?;
/// let ticks = MarketDataRepository::new(&db);
/// assert_eq!(ticks.count(&TickRange::all(1))?, 0);
/// # Ok::<(), tickbase::Error>(())
/// ```
///
/// With settings or a clock of your own, open it once more by its [`url`](Self::url):
///
/// ```
/// use tickbase::Timestamp;
/// use tickbase::clock::Clock;
/// use tickbase::config::DatabaseConfig;
/// use tickbase::database::Database;
/// use tickbase::testing::TemporaryDatabase;
///
/// let place = TemporaryDatabase::sqlite()?;
/// let clock = Clock::manual(Timestamp::from_micros(0)?);
/// let config = DatabaseConfig::new(place.url())?.with(|config| config.pool.base = 2);
/// let db = Database::open_with_clock(config, clock)?;
/// assert_eq!(db.clock().now().micros(), 0);
/// # Ok::<(), tickbase::Error>(())
/// ```
#[derive(Debug)]
pub struct TemporaryDatabase {
    database: Database,
    // Declared after the database: it goes when that is closed.
    place: TempLocation,
}

impl TemporaryDatabase {
    /// A SQLite file in a directory of its own, under the system's directory for temporary files.
    ///
    /// # Errors
    /// [`Error::File`] when the directory cannot be made; those of [`Database::open`].
    #[cfg(feature = "sqlite")]
    pub fn sqlite() -> Result<Self> {
        Self::open(TempLocation::directory()?)
    }

    /// A database of its own on the PostgreSQL server of `admin_url`, whose user must be allowed
    /// to create databases. The database that the URL names is only used to get in.
    ///
    /// # Errors
    /// [`Error::Connect`] when the server cannot be reached,
    /// [`Error::Query`] when it refuses to create the database; those of
    /// [`Database::open`].
    #[cfg(feature = "postgres")]
    pub fn postgres(admin_url: &str) -> Result<Self> {
        Self::open(TempLocation::on_server(admin_url)?)
    }

    fn open(place: TempLocation) -> Result<Self> {
        let database = Database::open(place.config()?)?;
        Ok(Self { database, place })
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Its URL, as [`DatabaseConfig::new`] takes it: a path, or `postgres://..` with the password.
    #[must_use]
    pub fn url(&self) -> &str {
        self.place.url()
    }
}

impl Deref for TemporaryDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl Drop for TemporaryDatabase {
    fn drop(&mut self) {
        self.database.close();
    }
}

/// The location of the database, and what is removed at its end.
enum TempLocation {
    #[cfg(feature = "sqlite")]
    Directory { path: PathBuf, url: String },
    #[cfg(feature = "postgres")]
    Server {
        admin: Box<DatabaseConfig>,
        name: String,
        url: String,
    },
}

impl TempLocation {
    #[cfg(feature = "sqlite")]
    fn directory() -> Result<Self> {
        let path = std::env::temp_dir().join(unused_name());
        let refused = |reason: &str| Error::File {
            path: path.display().to_string(),
            reason: reason.to_owned(),
            remedy: "point TMPDIR to a directory that can be written".to_owned(),
        };
        let file = path.join("tickbase.db");
        let url = file.to_str().ok_or_else(|| refused("it is not UTF-8"))?;
        std::fs::create_dir(&path).map_err(|error| refused(&error.to_string()))?;
        Ok(Self::Directory {
            url: url.to_owned(),
            path,
        })
    }

    #[cfg(feature = "postgres")]
    fn on_server(admin_url: &str) -> Result<Self> {
        let admin = DatabaseConfig::new(admin_url)?;
        let name = unused_name();
        let url = postgres::create_database(&admin, &name)?;
        Ok(Self::Server {
            admin: Box::new(admin),
            name,
            url,
        })
    }

    fn url(&self) -> &str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Directory { url, .. } => url,
            #[cfg(feature = "postgres")]
            Self::Server { url, .. } => url,
        }
    }

    fn config(&self) -> Result<DatabaseConfig> {
        DatabaseConfig::new(self.url())
    }
}

impl std::fmt::Debug for TempLocation {
    /// The directory, or the name of the database; never the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Directory { path, .. } => path.fmt(f),
            #[cfg(feature = "postgres")]
            Self::Server { name, .. } => name.fmt(f),
        }
    }
}

impl Drop for TempLocation {
    /// Files that cannot be removed stay, and are logged: a test that passed must not fail for
    /// them.
    fn drop(&mut self) {
        let left = match self {
            #[cfg(feature = "sqlite")]
            Self::Directory { path, .. } => {
                std::fs::remove_dir_all(path).map_err(|e| e.to_string())
            }
            #[cfg(feature = "postgres")]
            Self::Server { admin, name, .. } => {
                postgres::drop_database(admin, name).map_err(|e| e.chain())
            }
        };
        if let Err(reason) = left {
            tracing::warn!(place = ?self, reason, "a temporary database was not removed");
        }
    }
}

/// A name that nothing bears yet.
fn unused_name() -> String {
    let random = fastrand::u64(..);
    format!("tickbase_temporary_{}_{random:016x}", std::process::id())
}
