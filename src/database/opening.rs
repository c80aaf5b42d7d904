//! What a connection to SQLite is told by its raw handle while it opens: Diesel does not lend the
//! handle, and SQLite shows it to an extension once.
//!
//! A connection keeps the plan of a prepared statement (SQLite's "query planner stability
//! guarantee"): without it every new value of a bound LIMIT has the statement prepared anew, which
//! costs many times what a seek does. The writer has the table of rows in memory besides. It
//! registers an extension for the whole process, which leaves the connections of others alone.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

use diesel::prelude::*;
use libsqlite3_sys as ffi;

use super::{interruption, row_table};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionRole {
    /// The one connection that writes.
    Writer,
    /// A connection of the pool, `query_only`.
    Reader,
}

/// The parameter of a URI by which the extension knows our connections, and their roles. SQLite
/// passes parameters over that it does not know.
const ROLE: &CStr = c"tickbase_role";
const WRITER: &CStr = c"writer";
const READER: &CStr = c"reader";
const COPIER: &CStr = c"copier";
/// Steps of SQLite's virtual machine between two looks whether a copy goes on: some milliseconds.
const STEPS_BETWEEN_LOOKS: c_int = 100_000;

/// Opens a connection for a role; `uri` has a parameter already.
pub(crate) fn open(uri: &str, role: ConnectionRole) -> ConnectionResult<SqliteConnection> {
    let value = match role {
        ConnectionRole::Writer => WRITER,
        ConnectionRole::Reader => READER,
    };
    establish(uri, value)
}

/// Opens a connection that copies the database into another file, until it is told to stop; `uri` has
/// a parameter already.
pub(super) fn open_copier(uri: &str) -> ConnectionResult<SqliteConnection> {
    establish(uri, COPIER)
}

fn establish(uri: &str, role: &CStr) -> ConnectionResult<SqliteConnection> {
    // SAFETY: the entry point has the type that SQLite calls it by. Registering it again does
    // nothing. It is called for every connection of the process, and only acts on those of here.
    unsafe { ffi::sqlite3_auto_extension(Some(tell)) };
    let [parameter, value] = [ROLE, role].map(CStr::to_string_lossy);
    SqliteConnection::establish(&format!("{uri}&{parameter}={value}"))
}

/// What a connection of ours is for; `None` for those of others.
///
/// # Safety
/// The connection is open, and stays so for as long as the answer is used.
unsafe fn role_of<'db>(db: *mut ffi::sqlite3) -> Option<&'db CStr> {
    // SAFETY: the caller gives an open connection; the name of its file is as long there as it is,
    // and has its parameters behind it. A file without a name, in memory, has none.
    let value = unsafe {
        let file = ffi::sqlite3_db_filename(db, c"main".as_ptr());
        ffi::sqlite3_uri_parameter(file, ROLE.as_ptr())
    };
    if value.is_null() {
        return None;
    }
    // SAFETY: a parameter is a text that ends in a zero.
    Some(unsafe { CStr::from_ptr(value) })
}

/// Called by SQLite for each connection that is opened.
unsafe extern "C" fn tell(
    db: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _api: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite gives the connection that it has just opened.
    let Some(role) = (unsafe { role_of(db) }) else {
        return ffi::SQLITE_OK;
    };
    if role == COPIER {
        // SAFETY: as above; the function takes no notice of its argument.
        unsafe { ffi::sqlite3_progress_handler(db, STEPS_BETWEEN_LOOKS, Some(ends), null_mut()) };
        return ffi::SQLITE_OK;
    }
    if role != WRITER && role != READER {
        return ffi::SQLITE_OK;
    }
    let (option, on): (c_int, c_int) = (ffi::SQLITE_DBCONFIG_ENABLE_QPSG, 1);
    // SAFETY: as above; the option takes an integer
    // and where to put what it is now, which may be null.
    let kept = unsafe { ffi::sqlite3_db_config(db, option, on, null_mut::<c_int>()) };
    if role == WRITER && kept == ffi::SQLITE_OK {
        // SAFETY: as above.
        return unsafe { row_table::add_to(db) };
    }
    kept
}

/// Asked by SQLite while a statement runs: anything but 0 interrupts it.
unsafe extern "C" fn ends(_: *mut c_void) -> c_int {
    c_int::from(!interruption::goes_on())
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
            let dir = tempfile::tempdir().unwrap();
            let uri = crate::database::sqlite::uri(&dir.path().join("test.db"), "rwc");
            let plan = plan(&mut open(&uri, role).unwrap());
            assert!(plan.starts_with("SCAN"), "{plan}");
        }
        let plan = plan(&mut SqliteConnection::establish(":memory:").unwrap());
        assert!(plan.starts_with("SEARCH"), "{plan}");
    }
}
