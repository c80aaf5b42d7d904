//! Rows in memory as a table of SQLite, `tickbase_rows`: a statement reads a whole batch at once
//! instead of being bound and stepped once per row.
//!
//! The table is read-only and stores nothing: during [`show`] it has the rows of its source, on
//! that thread alone; at any other time it is empty. Only connections that were opened for the
//! writer have it. It knows nothing of the tables of the schema.
//!
//! A virtual table is a set of C functions: hence the `unsafe`.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use libsqlite3_sys as ffi;

/// A row: column `n` is named `c<n>`, the integers first. The rowid is the row's number, from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowCells {
    /// `c0` to `c3`.
    pub(crate) integers: [i64; 4],
    /// `c4` to `c12`; what is not a number is NULL.
    pub(crate) reals: [f64; 9],
}

impl RowCells {
    /// A real of a row that may be NULL.
    pub(crate) fn real(value: Option<f64>) -> f64 {
        value.unwrap_or(f64::NAN)
    }
}

const NAME: &CStr = c"tickbase_rows";
/// Without types: a value is compared and stored by the type of the column that it meets.
const DECLARATION: &CStr =
    c"CREATE TABLE x (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12)";

/// Rows whose borrow is known to the caller of [`show`] alone.
#[derive(Clone, Copy)]
struct LentRows {
    first: *const RowCells,
    count: usize,
}

const NOTHING: LentRows = LentRows {
    first: null(),
    count: 0,
};

thread_local! {
    /// What the table shows on this thread. SQLite calls the functions of a table with nothing of
    /// ours, and the rows are borrowed by a statement that runs on this thread.
    static SHOWN: Cell<LentRows> = const { Cell::new(NOTHING) };
}

/// Shows what was shown before, after a panic too.
struct Restore(LentRows);

impl Drop for Restore {
    fn drop(&mut self) {
        SHOWN.set(self.0);
    }
}

/// Runs `work` while `tickbase_rows` has these rows.
pub(crate) fn show<T>(rows: &[RowCells], work: impl FnOnce() -> T) -> T {
    let shown = LentRows {
        first: rows.as_ptr(),
        count: rows.len(),
    };
    let _restore = Restore(SHOWN.replace(shown));
    work()
}

/// Whether a statement failed because its connection does not have the table.
pub(crate) fn is_missing(error: &diesel::result::Error) -> bool {
    matches!(error, diesel::result::Error::DatabaseError(_, about)
        if about.message() == "no such table: tickbase_rows")
}

/// Gives a connection the table.
///
/// # Safety
/// The connection is open, and no other thread uses it.
pub(super) unsafe fn add_to(db: *mut ffi::sqlite3) -> c_int {
    // SAFETY: the caller gives an open connection; name and module are static.
    unsafe { ffi::sqlite3_create_module_v2(db, NAME.as_ptr(), &MODULE, null_mut(), None) }
}

/// Without `xCreate` the table is there by its name, and cannot be created by another one.
static MODULE: ffi::sqlite3_module = ffi::sqlite3_module {
    iVersion: 0,
    xCreate: None,
    xConnect: Some(connect),
    xBestIndex: Some(best_index),
    xDisconnect: Some(disconnect),
    xDestroy: None,
    xOpen: Some(open),
    xClose: Some(close),
    xFilter: Some(filter),
    xNext: Some(next),
    xEof: Some(eof),
    xColumn: Some(column),
    xRowid: Some(rowid),
    xUpdate: None,
    xBegin: None,
    xSync: None,
    xCommit: None,
    xRollback: None,
    xFindFunction: None,
    xRename: None,
    xSavepoint: None,
    xRelease: None,
    xRollbackTo: None,
    xShadowName: None,
    xIntegrity: None,
};

/// A scan. It holds no pointer to the rows: they may be gone before it is closed.
#[repr(C)]
struct Scan {
    /// SQLite's part; first, so that a pointer to it is one to the whole.
    base: ffi::sqlite3_vtab_cursor,
    row: usize,
}

unsafe extern "C" fn connect(
    db: *mut ffi::sqlite3,
    _aux: *mut c_void,
    _argc: c_int,
    _argv: *const *const c_char,
    table: *mut *mut ffi::sqlite3_vtab,
    _message: *mut *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives its own connection, and the text is static.
    let declared = unsafe { ffi::sqlite3_declare_vtab(db, DECLARATION.as_ptr()) };
    if declared == ffi::SQLITE_OK {
        let new = Box::new(ffi::sqlite3_vtab {
            pModule: null(),
            nRef: 0,
            zErrMsg: null_mut(),
        });
        // SAFETY: SQLite gives a place for the pointer, and hands it back to `disconnect`.
        unsafe { *table = Box::into_raw(new) };
    }
    declared
}

unsafe extern "C" fn disconnect(table: *mut ffi::sqlite3_vtab) -> c_int {
    // SAFETY: `connect` made it from a box, and SQLite disconnects it once.
    drop(unsafe { Box::from_raw(table) });
    ffi::SQLITE_OK
}

/// There is one way to read it: from the first row to the last.
unsafe extern "C" fn best_index(
    _table: *mut ffi::sqlite3_vtab,
    info: *mut ffi::sqlite3_index_info,
) -> c_int {
    const USUAL_ROWS: i64 = 10_000;
    // SAFETY: SQLite gives the structure to be filled in.
    let info = unsafe { &mut *info };
    info.estimatedRows = USUAL_ROWS;
    info.estimatedCost = USUAL_ROWS as f64;
    ffi::SQLITE_OK
}

unsafe extern "C" fn open(
    _table: *mut ffi::sqlite3_vtab,
    cursor: *mut *mut ffi::sqlite3_vtab_cursor,
) -> c_int {
    let scan = Box::new(Scan {
        base: ffi::sqlite3_vtab_cursor { pVtab: null_mut() },
        row: 0,
    });
    // SAFETY: SQLite gives a place for the pointer. `base` is the first field of a `repr(C)`
    // structure, so a pointer to the whole is one to it.
    unsafe { *cursor = Box::into_raw(scan).cast() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: `open` made it from a box of a `Scan`, and SQLite closes it once.
    drop(unsafe { Box::from_raw(cursor.cast::<Scan>()) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn filter(
    cursor: *mut ffi::sqlite3_vtab_cursor,
    _number: c_int,
    _text: *const c_char,
    _argc: c_int,
    _argv: *mut *mut ffi::sqlite3_value,
) -> c_int {
    // SAFETY: it is a `Scan` of `open`, and nobody else uses it during the call.
    unsafe { (*cursor.cast::<Scan>()).row = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn next(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: as in `filter`.
    unsafe { (*cursor.cast::<Scan>()).row += 1 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn eof(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: as in `filter`.
    let row = unsafe { (*cursor.cast::<Scan>()).row };
    c_int::from(row >= SHOWN.get().count)
}

unsafe extern "C" fn column(
    cursor: *mut ffi::sqlite3_vtab_cursor,
    out: *mut ffi::sqlite3_context,
    column: c_int,
) -> c_int {
    // SAFETY: as in `filter`.
    let row = unsafe { (*cursor.cast::<Scan>()).row };
    let column = usize::try_from(column).unwrap_or(usize::MAX);
    let LentRows { first, count } = SHOWN.get();
    if row >= count {
        // SAFETY: SQLite gives the place of the result.
        unsafe { ffi::sqlite3_result_null(out) };
        return ffi::SQLITE_OK;
    }
    // SAFETY: what is in `SHOWN` was put there by `show`, which is still running on this thread and
    // holds the borrow of `count` rows, of which this is one.
    let cells = unsafe { &*first.add(row) };
    // SAFETY: SQLite gives the place of the result. It takes what is not a number for NULL.
    unsafe {
        match cells.integers.get(column) {
            Some(number) => ffi::sqlite3_result_int64(out, *number),
            None => {
                let real = cells.reals.get(column - cells.integers.len());
                ffi::sqlite3_result_double(out, real.copied().unwrap_or(f64::NAN));
            }
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn rowid(cursor: *mut ffi::sqlite3_vtab_cursor, out: *mut i64) -> c_int {
    // SAFETY: as in `filter`; SQLite gives the place of the number.
    unsafe { *out = i64::try_from((*cursor.cast::<Scan>()).row).unwrap_or(i64::MAX) };
    ffi::SQLITE_OK
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use diesel::connection::{DefaultLoadingMode, LoadConnection};
    use diesel::prelude::*;
    use diesel::sql_types::{BigInt, Double, Nullable};

    use super::*;
    use crate::database::opening::ConnectionRole;

    fn squares(count: i64) -> Vec<RowCells> {
        let row = |number: i64| RowCells {
            integers: [number, i64::MIN, i64::MAX, 0],
            reals: [(number * number) as f64; 9],
        };
        let mut rows: Vec<RowCells> = (0..count).map(row).collect();
        rows.iter_mut()
            .for_each(|row| row.reals[8] = RowCells::real(None));
        rows
    }

    #[derive(QueryableByName, Debug, PartialEq)]
    struct Seen {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Nullable<BigInt>)]
        c2: Option<i64>,
        #[diesel(sql_type = Nullable<Double>)]
        c4: Option<f64>,
        #[diesel(sql_type = Nullable<Double>)]
        c12: Option<f64>,
    }

    /// The file is deleted at once: the connection keeps it, and one in memory has no role.
    fn connection() -> SqliteConnection {
        let dir = tempfile::tempdir().unwrap();
        let uri = crate::database::sqlite::uri(&dir.path().join("test.db"), "rwc");
        crate::database::opening::open(&uri, ConnectionRole::Writer).unwrap()
    }

    fn seen(conn: &mut SqliteConnection) -> Vec<Seen> {
        diesel::sql_query("SELECT rowid AS id, c2, c4, c12 FROM tickbase_rows")
            .load(conn)
            .unwrap()
    }

    #[test]
    fn it_shows_the_rows_of_its_source_and_is_empty_at_other_times() {
        let mut conn = connection();
        assert_eq!(seen(&mut conn), []);
        let rows = show(&squares(3), || seen(&mut conn));
        assert_eq!(rows.len(), 3);
        let last = Seen {
            id: 2,
            c2: Some(i64::MAX),
            c4: Some(4.0),
            c12: None,
        };
        assert_eq!(rows[2], last);
        assert_eq!(show(&squares(0), || seen(&mut conn)), []);
        assert_eq!(seen(&mut conn), []);
    }

    #[test]
    fn a_source_inside_another_is_undone_at_its_end() {
        let mut conn = connection();
        show(&squares(2), || {
            assert_eq!(show(&squares(5), || seen(&mut conn)).len(), 5);
            assert_eq!(seen(&mut conn).len(), 2);
        });
    }

    #[test]
    fn a_panic_takes_the_rows_away() {
        let mut conn = connection();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            show(&squares(2), || panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        assert_eq!(seen(&mut conn), []);
    }

    #[test]
    fn other_threads_do_not_see_the_rows() {
        show(&squares(2), || {
            let other = std::thread::spawn(|| seen(&mut connection()).len());
            assert_eq!(other.join().unwrap(), 0);
        });
    }

    #[test]
    fn a_scan_that_outlives_its_source_ends() {
        let mut conn = connection();
        let query = diesel::sql_query("SELECT c0 FROM tickbase_rows");
        let mut rows = show(&squares(3), || {
            let mut rows =
                LoadConnection::<DefaultLoadingMode>::load(&mut conn, into_query(query)).unwrap();
            assert!(rows.next().is_some());
            rows
        });
        assert!(rows.next().is_none());
    }

    /// `sql_query` with the type that the loader wants.
    fn into_query(
        query: diesel::query_builder::SqlQuery,
    ) -> impl diesel::query_builder::Query<SqlType = diesel::sql_types::Untyped>
    + diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite>
    + diesel::query_builder::QueryId {
        query
    }

    #[test]
    fn only_connections_that_were_opened_for_it_have_the_table() {
        let without = |conn: &mut SqliteConnection| {
            diesel::sql_query("SELECT c0 FROM tickbase_rows")
                .execute(conn)
                .unwrap_err()
        };
        connection();
        let mut other = SqliteConnection::establish(":memory:").unwrap();
        assert!(is_missing(&without(&mut other)));
    }

    #[test]
    fn it_cannot_be_written() {
        let mut conn = connection();
        for sql in [
            "INSERT INTO tickbase_rows (c0) VALUES (1)",
            "DELETE FROM tickbase_rows",
            "CREATE VIRTUAL TABLE mine USING tickbase_rows",
        ] {
            assert!(diesel::sql_query(sql).execute(&mut conn).is_err(), "{sql}");
        }
    }

    #[test]
    fn it_has_as_many_columns_as_it_says() {
        let mut conn = connection();
        let sql = "SELECT count(*) AS id, NULL AS c2, NULL AS c4, NULL AS c12 \
                   FROM pragma_table_info('tickbase_rows')";
        let counted: Seen = diesel::sql_query(sql).get_result(&mut conn).unwrap();
        assert_eq!(counted.id, 4 + 9);
    }
}
