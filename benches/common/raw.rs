//! SQLite's C API, used as one would by hand: the yardstick of the ingest benches.
#![allow(unsafe_code)] // It is the C API.

use std::ffi::{CStr, CString, c_int};
use std::ptr::null_mut;

use libsqlite3_sys as ffi;
use tickbase::database::PragmaState;
use tickbase::domain::tick::Tick;

pub const INSERT: &CStr = c"INSERT INTO market_data (instrument_id, \"timestamp\", source_id, \
    sequence, price, volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO NOTHING";

pub const FIND: &CStr = c"SELECT price, volume, bid, ask, bid_size, ask_size, open_price, \
    high_price, low_price FROM market_data \
    WHERE instrument_id = ?1 AND \"timestamp\" = ?2 AND source_id = ?3 AND sequence = ?4";

pub fn values(tick: &Tick) -> [Option<f64>; 9] {
    [
        tick.price(),
        tick.volume(),
        tick.bid(),
        tick.ask(),
        tick.bid_size(),
        tick.ask_size(),
        tick.open_price(),
        tick.high_price(),
        tick.low_price(),
    ]
}

pub fn key(tick: &Tick) -> [i64; 4] {
    [
        tick.instrument_id(),
        tick.timestamp().micros(),
        tick.source_id(),
        tick.sequence().unwrap_or(0),
    ]
}

pub struct Connection(*mut ffi::sqlite3);

impl Connection {
    /// With the pragmas of the write connection of tickbase.
    pub fn open(file: &str, pragmas: &[PragmaState]) -> Self {
        let file = CString::new(file).unwrap();
        let mut conn = null_mut();
        let flags = ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_NOMUTEX;
        // SAFETY: the name ends with a zero, and `conn` is written before it is read.
        let opened = unsafe { ffi::sqlite3_open_v2(file.as_ptr(), &mut conn, flags, null_mut()) };
        assert_eq!(opened, ffi::SQLITE_OK);
        let conn = Self(conn);
        for pragma in pragmas.iter().filter(|pragma| pragma.role == "writer") {
            conn.execute(&format!("PRAGMA {} = {}", pragma.name, pragma.actual));
        }
        conn
    }

    pub fn execute(&self, sql: &str) {
        let sql = CString::new(sql).unwrap();
        // SAFETY: the connection is open, the text ends with a zero.
        let done = unsafe { ffi::sqlite3_exec(self.0, sql.as_ptr(), None, null_mut(), null_mut()) };
        assert_eq!(done, ffi::SQLITE_OK, "{sql:?}");
    }

    pub fn prepare(&self, sql: &CStr) -> Statement<'_> {
        let mut stmt = null_mut();
        let flags = ffi::SQLITE_PREPARE_PERSISTENT;
        // SAFETY: as in `execute`; `stmt` is written before it is read.
        let done = unsafe {
            ffi::sqlite3_prepare_v3(self.0, sql.as_ptr(), -1, flags, &mut stmt, null_mut())
        };
        assert_eq!(done, ffi::SQLITE_OK, "{sql:?}");
        Statement { conn: self, stmt }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: statements borrow the connection, so none is left.
        assert_eq!(unsafe { ffi::sqlite3_close(self.0) }, ffi::SQLITE_OK);
    }
}

pub struct Statement<'a> {
    conn: &'a Connection,
    stmt: *mut ffi::sqlite3_stmt,
}

impl Statement<'_> {
    fn bind_key(&self, key: [i64; 4]) {
        for (at, number) in (1..).zip(key) {
            // SAFETY: the statement lives, and has the parameter.
            unsafe { ffi::sqlite3_bind_int64(self.stmt, at, number) };
        }
    }

    /// Steps the INSERT with a tick; whether it was stored.
    pub fn insert(&self, tick: &Tick) -> bool {
        self.bind_key(key(tick));
        for (at, value) in (5..).zip(values(tick)) {
            // SAFETY: as above.
            unsafe {
                match value {
                    Some(number) => ffi::sqlite3_bind_double(self.stmt, at, number),
                    None => ffi::sqlite3_bind_null(self.stmt, at),
                }
            };
        }
        // SAFETY: as above; every parameter is bound.
        let (stepped, changes): (c_int, c_int) = unsafe {
            let stepped = ffi::sqlite3_step(self.stmt);
            ffi::sqlite3_reset(self.stmt);
            (stepped, ffi::sqlite3_changes(self.conn.0))
        };
        assert_eq!(stepped, ffi::SQLITE_DONE);
        changes == 1
    }

    /// Steps the SELECT by key; whether the stored values are the tick's.
    pub fn holds(&self, tick: &Tick) -> bool {
        self.bind_key(key(tick));
        // SAFETY: as above; columns are read while the row stands.
        unsafe {
            assert_eq!(ffi::sqlite3_step(self.stmt), ffi::SQLITE_ROW);
            let same = (0..).zip(values(tick)).all(|(at, value)| {
                let null = ffi::sqlite3_column_type(self.stmt, at) == ffi::SQLITE_NULL;
                let stored = ffi::sqlite3_column_double(self.stmt, at);
                value == (!null).then_some(stored)
            });
            ffi::sqlite3_reset(self.stmt);
            same
        }
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: the statement lives, and nobody else has it.
        unsafe { ffi::sqlite3_finalize(self.stmt) };
    }
}
