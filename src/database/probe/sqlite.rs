//! The probe of a SQLite file.
//!
//! The file is opened by SQLite alone: a process that opens and closes it by other means gives up
//! all locks that its connections hold on it.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::ProbeFinding;
use crate::config::DatabaseConfig;
use crate::database::files::{BRING_BACK, DatabaseFiles};
use crate::database::probe_cause::ProbeCause;
use crate::database::sqlite::existing;
use crate::error::BackendCondition;
use crate::schema::tickbase_schema_migrations as versions;

const DENIED: &str = "let this user read and write the file and its directory";
const DAMAGED: &str = "restore the file from a backup, or recover it with `sqlite3 FILE .recover`";

pub(super) fn ask(
    config: &DatabaseConfig,
    path: &Path,
    files: Option<&DatabaseFiles>,
    timeout: Duration,
) -> Result<(), ProbeFinding> {
    if let Some(Err(change)) = files.map(DatabaseFiles::check) {
        let cause = match change.missing {
            true => ProbeCause::Missing,
            false => ProbeCause::Replaced,
        };
        return Err(ProbeFinding::new(cause, change.reason, change.remedy));
    }
    let file = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            ProbeFinding::new(ProbeCause::PermissionDenied, error.to_string(), DENIED)
        }
        _ => ProbeFinding::new(ProbeCause::Unreachable, error.to_string(), BRING_BACK),
    })?;
    if file.len() == 0 {
        let reason = "the file is empty";
        return Err(ProbeFinding::new(ProbeCause::NotADatabase, reason, DAMAGED));
    }
    may_be_written(path)?;
    let busy_ms = config.sqlite.busy_timeout.min(timeout).as_millis();
    let mut conn = SqliteConnection::establish(&existing(path)).map_err(|error| {
        let reason = error.to_string();
        ProbeFinding::new(ProbeCause::PermissionDenied, reason, DENIED)
    })?;
    let waits = format!("PRAGMA busy_timeout = {busy_ms}");
    conn.batch_execute(&waits).map_err(|error| judge(&error))?;
    versions::table
        .select(versions::version)
        .first::<String>(&mut conn)
        .optional()
        .map_err(|error| judge(&error))?;
    is_writable(&mut conn)
}

/// Asked of the system: SQLite may open the file by a descriptor that this process has from before.
#[cfg(unix)]
fn may_be_written(path: &Path) -> Result<(), ProbeFinding> {
    use rustix::fs::{Access, access};
    access(path, Access::READ_OK | Access::WRITE_OK).map_err(|error| {
        let reason = std::io::Error::from(error).to_string();
        ProbeFinding::new(ProbeCause::PermissionDenied, reason, DENIED)
    })
}

#[cfg(not(unix))]
fn may_be_written(_path: &Path) -> Result<(), ProbeFinding> {
    Ok(())
}

/// Asks for the write lock and gives it back. That somebody else holds it is as good an answer:
/// SQLite says first whether the file may be written.
fn is_writable(conn: &mut SqliteConnection) -> Result<(), ProbeFinding> {
    let asked = conn
        .batch_execute("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE")
        .and_then(|()| conn.batch_execute("ROLLBACK"));
    match asked {
        Err(error) if BackendCondition::of(&error) != Some(BackendCondition::Locked) => {
            Err(judge(&error))
        }
        _ => Ok(()),
    }
}

fn judge(error: &diesel::result::Error) -> ProbeFinding {
    use BackendCondition::{Damaged, Denied, Locked, NoSuchTable, NotADatabase, ReadOnlyFile};
    let reason = error.to_string();
    let (cause, remedy) = match BackendCondition::of(error) {
        Some(ReadOnlyFile | Denied) => (ProbeCause::PermissionDenied, DENIED),
        Some(NotADatabase | Damaged | NoSuchTable) => (ProbeCause::NotADatabase, DAMAGED),
        Some(Locked) => {
            let remedy = "find the process that holds the lock, and end it";
            (ProbeCause::TimedOut, remedy)
        }
        _ => (ProbeCause::Unreachable, "check the disk of the file"),
    };
    ProbeFinding::new(cause, reason, remedy)
}
