//! tickbase's own migrations, embedded, and their version table.
//!
//! Every migration writes its own line into `tickbase_schema_migrations`, so the diesel CLI and
//! this module leave the same trace, and a user's migrations, which share Diesel's table, are
//! not disturbed; what Diesel's runners are told is `diesel_table`'s. It owns the lock between
//! processes; it does not decide when to migrate.

mod diesel_table;
mod foreign_tables;
mod losses;
#[cfg(test)]
pub(super) mod tests;

use diesel::connection::BoxableConnection;
#[cfg(feature = "sqlite")]
use diesel::connection::TransactionManager;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
#[cfg(feature = "sqlite")]
use diesel::result::QueryResult;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use super::connection::BackendConnection;
#[cfg(feature = "sqlite")]
use super::write_lock;
use crate::config::DatabaseConfig;
#[cfg(feature = "sqlite")]
use crate::config::DatabaseUrl;
use crate::error::{Error, Result};
use crate::schema::tickbase_schema_migrations as versions;
use crate::timestamp::Timestamp;

#[cfg(feature = "sqlite")]
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The table that says which of them are applied.
const VERSIONS: &str = "tickbase_schema_migrations";

/// The advisory lock of tickbase's migrations on PostgreSQL: the bytes of "tickbase".
#[cfg(feature = "postgres")]
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"tickbase");

/// One migration and whether it is in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// The version, which orders the migrations: `20261123000001`.
    pub version: String,
    /// What it is about.
    pub name: String,
    /// When it was applied, by the database's clock; `None` while it is pending.
    pub applied_at: Option<Timestamp>,
}

/// Applies what is missing, all or nothing, and returns the names of what was applied.
///
/// It looks first: with nothing to do it takes no lock, waits for nobody and writes nothing, so
/// that a database is opened while another process writes, and on a server that takes no writes.
/// Two processes that start at once wait for each other; the second finds nothing to do.
pub(crate) fn run(
    conn: &mut BackendConnection<'_>,
    config: &DatabaseConfig,
) -> Result<Vec<String>> {
    if pending(conn)?.is_empty() {
        return Ok(Vec::new());
    }
    locked(conn, config, |conn| {
        let all = embedded(conn)?;
        let told = diesel_table::names_one_of(conn, &all)?;
        let mut done = Vec::new();
        for migration in pending(conn)? {
            migration.run(conn)?;
            if told {
                diesel_table::insert(conn, [&*migration.version])?;
            }
            done.push(migration.full_name());
        }
        Ok(done)
    })
}

/// What becomes of rows when a migration is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsOnRevert {
    /// They go with their tables and columns.
    Deleted,
    /// The migration stays when any would go.
    Kept,
}

/// Undoes the newest migration and returns its name; `None` when there is none.
pub(crate) fn revert(
    conn: &mut BackendConnection<'_>,
    config: &DatabaseConfig,
    rows: RowsOnRevert,
) -> Result<Option<String>> {
    locked(conn, config, |conn| {
        refuse_newer(conn)?;
        let applied = applied(conn)?;
        let newest = applied.keys().next_back().cloned();
        let migrations = embedded(conn)?;
        let Some(last) = migrations
            .iter()
            .find(|m| Some(&m.version) == newest.as_ref())
        else {
            return Ok(None);
        };
        if rows == RowsOnRevert::Kept {
            let losses = losses::of(conn, |conn| last.revert(conn))?;
            if !losses.is_empty() {
                return Err(Error::WouldDelete {
                    migration: last.full_name(),
                    losses: losses.join(", "),
                });
            }
        }
        last.revert(conn)?;
        diesel_table::delete(conn, &last.version)?;
        Ok(Some(last.full_name()))
    })
}

/// Writes the applied migrations into the table of Diesel's runners, so that these take them for
/// applied, too; returns how many it did not name.
pub(crate) fn record_for_diesel(
    conn: &mut BackendConnection<'_>,
    config: &DatabaseConfig,
) -> Result<usize> {
    locked(conn, config, |conn| {
        refuse_newer(conn)?;
        let applied = applied(conn)?;
        diesel_table::insert(conn, applied.keys().map(String::as_str))
    })
}

/// Every migration of this build, in order.
pub(crate) fn status(conn: &mut BackendConnection<'_>) -> Result<Vec<MigrationStatus>> {
    let mut applied = applied(conn)?;
    let mut all: Vec<MigrationStatus> = embedded(conn)?
        .into_iter()
        .map(|migration| {
            let line = applied.remove(&migration.version);
            MigrationStatus {
                version: migration.version,
                name: migration.name,
                applied_at: line.map(|(_, at)| at),
            }
        })
        .collect();
    all.extend(
        applied
            .into_iter()
            .map(|(version, (name, at))| MigrationStatus {
                version,
                name: format!("{name} (unknown to this build)"),
                applied_at: Some(at),
            }),
    );
    Ok(all)
}

/// Refuses a database that is newer or older than the code.
pub(crate) fn verify(conn: &mut BackendConnection<'_>) -> Result<()> {
    let pending = pending(conn)?;
    match pending.first() {
        None => Ok(()),
        Some(first) => Err(Error::SchemaOlder {
            pending: pending.len(),
            first: first.full_name(),
        }),
    }
}

/// How many migrations are missing; `None` in a database that is none of tickbase's, an error when
/// it is newer than the code.
#[cfg(feature = "sqlite")]
pub(crate) fn pending_count(conn: &mut BackendConnection<'_>) -> Result<Option<usize>> {
    if !table_exists(conn, VERSIONS)? {
        return Ok(None);
    }
    Ok(Some(pending(conn)?.len()))
}

/// The migrations that are missing; an error when the database is newer than the code.
fn pending(conn: &mut BackendConnection<'_>) -> Result<Vec<EmbeddedMigration>> {
    refuse_newer(conn)?;
    let applied = applied(conn)?;
    let mut all = embedded(conn)?;
    all.retain(|step| !applied.contains_key(&step.version));
    Ok(all)
}

fn refuse_newer(conn: &mut BackendConnection<'_>) -> Result<()> {
    let known = embedded(conn)?;
    let stranger = applied(conn)?
        .into_keys()
        .rfind(|v| known.iter().all(|m| m.version != *v));
    match stranger {
        None => Ok(()),
        Some(found) => Err(Error::SchemaNewer {
            found,
            known: known.last().map_or_else(String::new, |m| m.version.clone()),
        }),
    }
}

/// Refuses a database that another program's tables make unfit for ours.
#[cfg(feature = "sqlite")]
pub(super) fn refuse_foreign(conn: &mut BackendConnection<'_>) -> Result<()> {
    if table_exists(conn, VERSIONS)? {
        return Ok(());
    }
    foreign_tables::refuse(conn)
}

type Applied = std::collections::BTreeMap<String, (String, Timestamp)>;

fn applied(conn: &mut BackendConnection<'_>) -> Result<Applied> {
    if !table_exists(conn, VERSIONS)? {
        foreign_tables::refuse(conn)?;
        return Ok(Applied::new());
    }
    let query = versions::table.select((versions::version, versions::name, versions::applied_at));
    let rows: Vec<(String, String, Timestamp)> = crate::on_backend!(conn, |c| query.load(c))?;
    Ok(rows
        .into_iter()
        .map(|(version, name, at)| (version, (name, at)))
        .collect())
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    exists: bool,
}

fn table_exists(conn: &mut BackendConnection<'_>, name: &str) -> Result<bool> {
    let row: Exists = match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => diesel::sql_query(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?) \
             AS \"exists\"",
        )
        .bind::<diesel::sql_types::Text, _>(name)
        .get_result(*c)?,
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            diesel::sql_query("SELECT to_regclass($1) IS NOT NULL AS \"exists\"")
                .bind::<diesel::sql_types::Text, _>(name)
                .get_result(*c)?
        }
    };
    Ok(row.exists)
}

/// One embedded migration, ready for its backend.
struct EmbeddedMigration {
    version: String,
    name: String,
    body: MigrationBody,
}

enum MigrationBody {
    #[cfg(feature = "sqlite")]
    Sqlite(Box<dyn Migration<diesel::sqlite::Sqlite>>),
    #[cfg(feature = "postgres")]
    Postgres(Box<dyn Migration<diesel::pg::Pg>>),
}

impl EmbeddedMigration {
    fn full_name(&self) -> String {
        format!("{}_{}", self.version, self.name)
    }

    fn run(&self, conn: &mut BackendConnection<'_>) -> Result<()> {
        self.apply(conn, true)
    }

    fn revert(&self, conn: &mut BackendConnection<'_>) -> Result<()> {
        self.apply(conn, false)
    }

    fn apply(&self, conn: &mut BackendConnection<'_>, up: bool) -> Result<()> {
        let done = match (&self.body, conn) {
            #[cfg(feature = "sqlite")]
            (MigrationBody::Sqlite(body), BackendConnection::Sqlite(c)) => {
                apply(body.as_ref(), *c, up)
            }
            #[cfg(feature = "postgres")]
            (MigrationBody::Postgres(body), BackendConnection::Postgres(c)) => {
                apply(body.as_ref(), *c, up)
            }
            // Steps come from `embedded`, which chose them by this very connection.
            #[cfg(all(feature = "sqlite", feature = "postgres"))]
            _ => Ok(()),
        };
        done.map_err(|error| Error::Migration {
            name: self.full_name(),
            reason: error.to_string(),
        })
    }
}

fn apply<C>(
    migration: &dyn Migration<C::Backend>,
    conn: &mut C,
    up: bool,
) -> diesel::migration::Result<()>
where
    C: Connection + 'static,
{
    let conn: &mut dyn BoxableConnection<C::Backend> = conn;
    if up {
        migration.run(conn)
    } else {
        migration.revert(conn)
    }
}

fn embedded(conn: &BackendConnection<'_>) -> Result<Vec<EmbeddedMigration>> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => steps(&SQLITE, MigrationBody::Sqlite),
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(_) => steps(&POSTGRES, MigrationBody::Postgres),
    }
}

fn steps<DB: diesel::backend::Backend>(
    source: &EmbeddedMigrations,
    body: fn(Box<dyn Migration<DB>>) -> MigrationBody,
) -> Result<Vec<EmbeddedMigration>> {
    let unreadable = |e: Box<dyn std::error::Error + Send + Sync>| Error::Migration {
        name: "embedded".to_owned(),
        reason: e.to_string(),
    };
    let mut all: Vec<EmbeddedMigration> = MigrationSource::<DB>::migrations(source)
        .map_err(unreadable)?
        .into_iter()
        .map(|migration| {
            let full = migration.name().to_string();
            let name = full
                .split_once('_')
                .map_or(full.clone(), |(_, name)| name.to_owned());
            EmbeddedMigration {
                version: migration.name().version().to_string(),
                name,
                body: body(migration),
            }
        })
        .collect();
    all.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(all)
}

/// Runs `work` alone among all processes, in one transaction.
fn locked<T>(
    conn: &mut BackendConnection<'_>,
    config: &DatabaseConfig,
    work: impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    let _ = config; // A build without SQLite has no use for it.
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(c) => locked_sqlite(c, config, work),
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => locked_postgres(c, work),
    }
}

/// BEGIN IMMEDIATE is the lock, which is waited for as the write lane does. Foreign keys are off meanwhile, for inside a transaction they
/// cannot be switched, and with them on a parent table can never be rebuilt; the check before
/// the commit makes up for it.
#[cfg(feature = "sqlite")]
fn locked_sqlite<T>(
    conn: &mut SqliteConnection,
    config: &DatabaseConfig,
    work: impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    use diesel::connection::SimpleConnection;

    conn.batch_execute("PRAGMA foreign_keys = OFF")?;
    let done = transaction_of_sqlite(conn, config, work);
    conn.batch_execute("PRAGMA foreign_keys = ON")?;
    done
}

#[cfg(feature = "sqlite")]
fn transaction_of_sqlite<T>(
    conn: &mut SqliteConnection,
    config: &DatabaseConfig,
    mut work: impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    type Transactions = <SqliteConnection as Connection>::TransactionManager;

    let DatabaseUrl::Sqlite(path) = &config.url else {
        return Err(Error::Closed); // The connection is one of SQLite's.
    };
    write_lock::begin_at_start(conn, path, config.pool.acquire_timeout)?;
    let done = work(&mut BackendConnection::from(&mut *conn))
        .and_then(|done| check_foreign_keys(conn).map(|()| done));
    match done {
        Ok(done) => {
            Transactions::commit_transaction(conn)?;
            Ok(done)
        }
        Err(error) => {
            Transactions::rollback_transaction(conn)?;
            Err(error)
        }
    }
}

#[cfg(feature = "sqlite")]
fn check_foreign_keys(conn: &mut SqliteConnection) -> Result<()> {
    #[derive(QueryableByName)]
    struct ForeignKeyViolation {
        #[diesel(sql_type = diesel::sql_types::Text)]
        table: String,
        #[diesel(sql_type = diesel::sql_types::Text)]
        parent: String,
    }
    let violations: QueryResult<Vec<ForeignKeyViolation>> =
        diesel::sql_query("PRAGMA foreign_key_check").load(conn);
    match violations?.first() {
        None => Ok(()),
        Some(first) => Err(Error::Migration {
            name: "foreign_key_check".to_owned(),
            reason: format!(
                "a row of {} refers to no row of {}",
                first.table, first.parent
            ),
        }),
    }
}

#[cfg(feature = "postgres")]
fn locked_postgres<T>(
    conn: &mut PgConnection,
    mut work: impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
) -> Result<T> {
    use diesel::connection::SimpleConnection;

    if super::postgres::is_standby(conn)? {
        return Err(Error::Migration {
            name: "on PostgreSQL".to_owned(),
            reason: "the server is a standby and takes no writes; migrate its primary".to_owned(),
        });
    }
    conn.build_transaction().read_write().run(|conn| {
        // A migration may take longer than a statement of the service is allowed to.
        conn.batch_execute("SET LOCAL statement_timeout = 0")?;
        diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
            .bind::<diesel::sql_types::BigInt, _>(MIGRATION_LOCK)
            .execute(conn)?;
        work(&mut BackendConnection::from(conn))
    })
}
