//! A migrated database for one test, on either backend, gone at its end.
//!
//! On PostgreSQL it is a copy of a template that is migrated once per server; on SQLite a file in
//! a directory of its own.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

/// Which backend a test runs on, and where.
pub struct TestDatabase {
    url: String,
    place: Place,
}

enum Place {
    #[cfg(feature = "sqlite")]
    Sqlite(tempfile::TempDir),
    #[cfg(feature = "postgres")]
    Postgres(super::template::Copy),
}

#[cfg(feature = "sqlite")]
const SQLITE_FILE: &str = "test.db";

impl TestDatabase {
    /// A migrated SQLite file.
    #[cfg(feature = "sqlite")]
    pub fn sqlite() -> Self {
        let database = Self::sqlite_empty();
        let mut conn = SqliteConnection::establish(&database.url).unwrap();
        conn.batch_execute("PRAGMA journal_mode = WAL").unwrap();
        conn.batch_execute(&super::migrations("sqlite")).unwrap();
        database
    }

    /// A place for a SQLite file that is not there yet.
    #[cfg(feature = "sqlite")]
    pub fn sqlite_empty() -> Self {
        Self::sqlite_empty_in(&std::env::temp_dir())
    }

    /// The same in a directory of the test's own, which must outlive it.
    #[cfg(feature = "sqlite")]
    pub fn sqlite_empty_in(directory: &std::path::Path) -> Self {
        let dir = tempfile::tempdir_in(directory).unwrap();
        let url = dir.path().join(SQLITE_FILE).to_str().unwrap().to_owned();
        Self {
            url,
            place: Place::Sqlite(dir),
        }
    }

    /// A migrated PostgreSQL database on the shared server.
    #[cfg(feature = "postgres")]
    pub fn postgres() -> Self {
        Self::from_copy(super::template::Copy::of_migrated(
            super::server::shared_url(),
        ))
    }

    /// A migrated PostgreSQL database without partitions.
    #[cfg(feature = "postgres")]
    pub fn postgres_plain() -> Self {
        Self::from_copy(super::template::Copy::of_plain(super::server::shared_url()))
    }

    /// An empty PostgreSQL database on the shared server.
    #[cfg(feature = "postgres")]
    pub fn postgres_empty() -> Self {
        Self::from_copy(super::template::Copy::of_empty(super::server::shared_url()))
    }

    /// An empty PostgreSQL database on a server of the test's own, which must outlive it.
    #[cfg(feature = "postgres")]
    pub fn postgres_empty_on(server: &super::server::Server) -> Self {
        Self::from_copy(super::template::Copy::of_empty(&server.url("postgres")))
    }

    #[cfg(feature = "postgres")]
    fn from_copy(copy: super::template::Copy) -> Self {
        Self {
            url: copy.url().to_owned(),
            place: Place::Postgres(copy),
        }
    }

    /// A place on the same backend where nothing is yet.
    pub fn empty_sibling(&self) -> Self {
        match &self.place {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(_) => Self::sqlite_empty(),
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => Self::postgres_empty(),
        }
    }

    /// Its URL as users write it: a path, or `postgres://..`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of its backend, as reports write it.
    pub fn backend(&self) -> &'static str {
        match &self.place {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(_) => "SQLite",
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => "PostgreSQL",
        }
    }

    /// The directory of a SQLite database, for files beside it.
    pub fn dir(&self) -> Option<PathBuf> {
        match &self.place {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(dir) => Some(dir.path().to_owned()),
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => None,
        }
    }

    /// Runs SQL on a bare connection of its own, as a stranger's program would.
    pub fn raw(&self, sql: &str) -> QueryResult<()> {
        match &self.place {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(_) => {
                let mut conn = SqliteConnection::establish(&self.url).unwrap();
                // A server that starts or writes at that moment is waited for.
                conn.batch_execute("PRAGMA busy_timeout = 10000")?;
                conn.batch_execute(sql)
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => PgConnection::establish(&self.url)
                .unwrap()
                .batch_execute(sql),
        }
    }

    /// Keeps everybody from writing ticks until it is dropped.
    pub fn lock_writes(&self) -> Box<dyn std::any::Any> {
        match &self.place {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(_) => {
                let mut conn = SqliteConnection::establish(&self.url).unwrap();
                conn.batch_execute("BEGIN IMMEDIATE").unwrap();
                Box::new(conn)
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => {
                let mut conn = PgConnection::establish(&self.url).unwrap();
                let lock = "BEGIN; LOCK TABLE market_data IN SHARE ROW EXCLUSIVE MODE";
                conn.batch_execute(lock).unwrap();
                Box::new(conn)
            }
        }
    }

    /// What a query on a bare connection finds in its column `text`.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Line {
            #[diesel(sql_type = diesel::sql_types::Text)]
            text: String,
        }
        let query = diesel::sql_query(sql);
        let lines: QueryResult<Vec<Line>> = match &self.place {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(_) => query.load(&mut SqliteConnection::establish(&self.url).unwrap()),
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => query.load(&mut PgConnection::establish(&self.url).unwrap()),
        };
        let lines = lines.unwrap_or_else(|error| panic!("{sql}: {error}"));
        lines.into_iter().map(|line| line.text).collect()
    }
}
