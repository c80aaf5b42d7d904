//! Backups of a SQLite database that is in use, and bringing one back.
//!
//! [`make`] writes a file that is the database of one moment, checks it, and gives it its name when
//! the storage has it: a crash leaves no half backup. [`restore`] puts a backup where the database
//! was, and keeps what lay there. [`BackupService`] makes them in an interval and keeps some.
//!
//! Copying the database file alone while it is in use is no backup: what is committed lies in the
//! `-wal` file beside it, and a copy that is made during a checkpoint has pages of two moments.
//! PostgreSQL is backed up by its own programs.

mod directory;
mod restore;
mod service;
mod state;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use restore::{RestoredDatabase, WhatIsThere, restore};
pub use service::{BackupService, BackupSnapshot};

use crate::clock::Clock;
use crate::config::{DatabaseConfig, DatabaseUrl};
use crate::database::{
    BackendConnection, CopySource, GoesOn, NewFile, UnusedFile, open_foreign_file, pending_count,
    refuse_log_beside, unsound_pages,
};
use crate::error::{BackendCondition, Error, Result};
use crate::models::DatabaseIdentity;
use crate::repository::storage::{self, TableCount};
use crate::repository::{check, database_identity};
use crate::timestamp::Timestamp;
use state::DatabaseState;

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// When it was begun: what was committed before is in it.
    pub backed_up_at: Timestamp,
    /// Which database it is of; `None` for a schema from before databases had a number.
    pub database_id: Option<String>,
    /// The rows in it; none are counted in one of an older schema.
    pub tables: Vec<TableCount>,
    /// What is wrong with the database itself, and so with its backup.
    pub warnings: Vec<String>,
    /// The time that it took, checks included.
    pub took: Duration,
}

/// Makes a backup of a SQLite database, which may be in use, here or in another process: readers and
/// writers go on meanwhile. The write-ahead log cannot begin anew until the copy is made.
///
/// The file takes its name when it is complete, checked (pages, schema, foreign keys) and synced. One
/// of that name is replaced if it is an older backup of the same database.
///
/// # Errors
/// [`Error::Config`] on PostgreSQL; [`Error::Invalid`] when the name is that of another file, or of a
/// backup that has what the database lacks; [`Error::File`] and [`Error::Connect`] when one of the
/// files cannot be read or written.
pub fn make(config: &DatabaseConfig, file: &Path, clock: &Clock) -> Result<BackupReport> {
    make_while(config, file, clock, Box::new(|| true))
}

/// [`make`], given up when `goes_on` says no.
fn make_while(
    config: &DatabaseConfig,
    file: &Path,
    clock: &Clock,
    goes_on: GoesOn,
) -> Result<BackupReport> {
    let began = Instant::now();
    let database = sqlite_file(config)?;
    refuse_other_file(database, file)?;
    let new = NewFile::create(file, config.sqlite.file_mode)?;
    let backed_up_at = clock.now();
    new.copy_from(database, CopySource::Database, goes_on)?;
    let contents = new.with(|conn| {
        let contents = Contents::verified(conn, database, "see what is wrong by `tickbase check`")?;
        if contents.identity.is_some() {
            database_identity::mark_as_backup(conn, backed_up_at)?;
        }
        Ok(contents)
    })?;
    let bytes = new.bytes()?;
    new.put_in_place()?;
    Ok(BackupReport {
        path: file.to_owned(),
        bytes,
        backed_up_at,
        database_id: contents.identity.map(|of| of.id),
        tables: contents.tables,
        warnings: contents.warnings,
        took: began.elapsed(),
    })
}

/// What was found in a file.
struct Contents {
    identity: Option<DatabaseIdentity>,
    pending_migrations: usize,
    tables: Vec<TableCount>,
    warnings: Vec<String>,
}

impl Contents {
    /// Looks through a copy: its pages, its schema, its references, its rows. What is wrong with it is
    /// said of the file that it was made from.
    fn verified(conn: &mut BackendConnection<'_>, of: &Path, remedy: &str) -> Result<Self> {
        let refused = |reason: String, remedy: &str| Error::File {
            path: of.display().to_string(),
            reason,
            remedy: remedy.to_owned(),
        };
        if let Some(found) = unsound_pages(conn)? {
            return Err(refused(format!("it is damaged ({found})"), remedy));
        }
        let Some(pending_migrations) = pending_count(conn)? else {
            let remedy = "give a database that tickbase has made";
            return Err(refused("it has no schema of tickbase".to_owned(), remedy));
        };
        if pending_migrations > 0 {
            return Ok(Self {
                identity: identity(conn)?,
                pending_migrations,
                tables: Vec::new(),
                warnings: Vec::new(),
            });
        }
        // Wrong in the database, they are wrong in a faithful copy.
        let references = check::foreign_keys(conn)?;
        let warnings = references.problem.into_iter();
        Ok(Self {
            identity: identity(conn)?,
            pending_migrations,
            tables: storage::counts(conn)?,
            warnings: warnings
                .map(|problem| format!("foreign keys: {problem}"))
                .collect(),
        })
    }
}

/// Which database it is; `None` with a schema that has no number.
fn identity(conn: &mut BackendConnection<'_>) -> Result<Option<DatabaseIdentity>> {
    match database_identity::get(conn) {
        Err(Error::Query { source, .. })
            if BackendCondition::of(&source) == Some(BackendCondition::NoSuchTable) =>
        {
            Ok(None)
        }
        found => found,
    }
}

/// [`identity`] of a file.
fn known_of(file: &Path) -> Result<Option<DatabaseIdentity>> {
    let mut conn = open_foreign_file(file)?;
    identity(&mut BackendConnection::from(&mut conn))
}

fn sqlite_file(config: &DatabaseConfig) -> Result<&Path> {
    match &config.url {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::Postgres(_) => Err(Error::config(
            "database.url",
            "PostgreSQL is backed up by its own programs",
            "use pg_dump and pg_restore, or pg_basebackup with WAL archiving for every moment",
        )),
    }
}

/// Refuses to write a backup over anything but an older backup of the same database.
fn refuse_other_file(database: &Path, file: &Path) -> Result<()> {
    let refused = |reason: String| {
        Err(Error::Invalid {
            name: file.display().to_string(),
            reason,
            remedy: "give another name".to_owned(),
        })
    };
    let Ok(about) = std::fs::metadata(file) else {
        return refuse_log_beside(file);
    };
    if is_same_file(database, file) {
        return refused("it is the database itself".to_owned());
    }
    if about.is_dir() {
        return refused("it is a directory".to_owned());
    }
    if !about.is_file() {
        return refused("it is a device or a pipe".to_owned());
    }
    // A backup that is served as a database in use.
    drop(UnusedFile::new(file)?);
    refuse_log_beside(file)?;
    if about.len() == 0 {
        return Ok(());
    }
    let database = DatabaseState::of(database)?;
    let there = DatabaseState::of(file).ok();
    let there = there.filter(|there| there.is_backup_of(&database));
    let Some(there) = there else {
        return refused("a file is there that is no backup of this database".to_owned());
    };
    match there.lost_if_replaced_by(&database, "this database") {
        Some(loss) => refused(format!("a backup is there, and {loss}")),
        None => Ok(()),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|one| Some(one) == real(other))
}
