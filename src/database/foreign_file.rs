//! The SQLite file of another program: opened to be read, in one snapshot, and never written.
//!
//! It does not go through the doors: these lead to tickbase's own database, whose pragmas and
//! schema it has not. What is read of it, a repository says.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::sqlite::uri;
use super::{BackendConnection, migrations};
use crate::error::{Error, Result};

/// Opens the file read-only, in a transaction of its own: whatever its program writes meanwhile,
/// each read sees the file of one moment.
pub(crate) fn open_foreign_file(path: &Path) -> Result<SqliteConnection> {
    let refused = |reason: String, remedy: &str| Error::Connect {
        target: path.display().to_string(),
        reason,
        remedy: remedy.to_owned(),
    };
    if !path.is_file() {
        let remedy = "give the path of the SQLite file that is to be read";
        return Err(refused("there is no such file".to_owned(), remedy));
    }
    let opened = SqliteConnection::establish(&uri(path, "ro"));
    let mut conn = opened.map_err(|error| {
        refused(
            error.to_string(),
            "check that the file may be read, and that it is one of SQLite",
        )
    })?;
    // The wait is for a program that has the file locked while it commits. `immutable` would spare
    // it, but then SQLite looks past the log of a program that is running.
    let begun = conn
        .batch_execute("PRAGMA busy_timeout = 10000; PRAGMA query_only = ON; BEGIN")
        // The snapshot begins with the first read.
        .and_then(|()| conn.batch_execute("SELECT count(*) FROM sqlite_master"));
    begun.map_err(|error| {
        refused(
            error.to_string(),
            "give a SQLite file; one with a -wal file beside it needs a directory that may be \
             written, so copy both into one",
        )
    })?;
    Ok(conn)
}

/// Refuses a file in which another program has made tables of our names, before it is opened to be
/// written: that switches its journal and leaves statistics in it. A file that cannot be looked at
/// is left to the opening, which says what is wrong with it.
pub(super) fn refuse_foreign_tables(path: &Path) -> Result<()> {
    let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    if is_new {
        return Ok(());
    }
    let Ok(mut conn) = SqliteConnection::establish(&uri(path, "ro")) else {
        return Ok(());
    };
    match migrations::refuse_foreign(&mut BackendConnection::from(&mut conn)) {
        Err(refusal @ Error::Config { .. }) => Err(refusal),
        _ => Ok(()),
    }
}
