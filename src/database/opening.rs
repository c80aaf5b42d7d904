//! What a connection to SQLite is told by its raw handle while it opens: Diesel does not lend the
//! handle, and SQLite shows it to an extension once.
//!
//! A connection keeps the plan of a prepared statement (SQLite's "query planner stability
//! guarantee"): without it every new value of a bound LIMIT has the statement prepared anew, which
//! costs many times what a seek does. The writer has the table of rows in memory besides. It
//! registers an extension for the whole process, which leaves the connections of others alone.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_char, c_int};
use std::ptr::null_mut;

use diesel::prelude::*;
use libsqlite3_sys as ffi;

use super::row_table;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionRole {
    /// The one connection that writes.
    Writer,
    /// A connection of the pool, `query_only`.
    Reader,
}

thread_local! {
    /// What connections that are opened on this thread are for; `None` for those of others.
    static OPENING: Cell<Option<ConnectionRole>> = const { Cell::new(None) };
}

/// Ends the opening, after a panic too.
struct OpeningGuard;

impl Drop for OpeningGuard {
    fn drop(&mut self) {
        OPENING.set(None);
    }
}

/// Opens a connection for a role.
pub(crate) fn open(name: &str, role: ConnectionRole) -> ConnectionResult<SqliteConnection> {
    // SAFETY: the entry point has the type that SQLite calls it by. Registering it again does
    // nothing. It is called for every connection of the process, and only acts on those of `open`.
    unsafe { ffi::sqlite3_auto_extension(Some(tell)) };
    let _end = OpeningGuard;
    OPENING.set(Some(role));
    SqliteConnection::establish(name)
}

/// Called by SQLite for each connection that is opened.
unsafe extern "C" fn tell(
    db: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _api: *const ffi::sqlite3_api_routines,
) -> c_int {
    let Some(role) = OPENING.get() else {
        return ffi::SQLITE_OK;
    };
    let (option, on): (c_int, c_int) = (ffi::SQLITE_DBCONFIG_ENABLE_QPSG, 1);
    // SAFETY: SQLite gives the connection that it has just opened; the option takes an integer
    // and where to put what it is now, which may be null.
    let kept = unsafe { ffi::sqlite3_db_config(db, option, on, null_mut::<c_int>()) };
    match role {
        ConnectionRole::Writer if kept == ffi::SQLITE_OK => {
            // SAFETY: as above.
            unsafe { row_table::add_to(db) }
        }
        ConnectionRole::Writer | ConnectionRole::Reader => kept,
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::sql_types::Text;

    use super::*;

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    /// How SQLite looks for a bound pattern: with an index only when the plan follows the value.
    fn plan(conn: &mut SqliteConnection) -> String {
        conn.batch_execute("CREATE TABLE t (x TEXT COLLATE NOCASE PRIMARY KEY)")
            .unwrap();
        let like = diesel::sql_query("EXPLAIN QUERY PLAN SELECT x FROM t WHERE x LIKE ?");
        let steps: Vec<Step> = like.bind::<Text, _>("abc%").load(conn).unwrap();
        steps.into_iter().map(|step| step.detail).collect()
    }

    #[test]
    fn plans_do_not_follow_bound_values_on_our_connections_alone() {
        for role in [ConnectionRole::Writer, ConnectionRole::Reader] {
            let plan = plan(&mut open(":memory:", role).unwrap());
            assert!(plan.starts_with("SCAN"), "{plan}");
        }
        let plan = plan(&mut SqliteConnection::establish(":memory:").unwrap());
        assert!(plan.starts_with("SEARCH"), "{plan}");
    }
}
