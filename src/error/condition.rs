//! What a backend says in words alone: Diesel hands on the message of an error, and neither the
//! code that SQLite has for it nor the server's SQLSTATE; libpq's own errors have none.
//!
//! This is the one place that reads such words. Those of SQLite, libpq, pgbouncer and the operating
//! system are always English. Those of a server are in its language: of them only what has no
//! other sign is listed, and an unknown one means no more than that a remedy is less exact.

use diesel::result::Error as DieselError;

/// What an error says of the backend, or of the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackendCondition {
    /// Another connection holds a lock.
    Locked,
    /// The connection is gone.
    ConnectionLost,
    /// There is no room.
    Full,
    /// The storage cannot be read or written.
    StorageFails,
    /// A page is damaged.
    Damaged,
    /// The file is none of a database.
    NotADatabase,
    /// A table is not there.
    NoSuchTable,
    /// The file or its directory cannot be written.
    ReadOnlyFile,
    /// The file cannot be opened, or not for this.
    Denied,
    /// There is no password, or another one is wanted.
    Password,
    /// Nobody answered in time.
    TimedOut,
    /// The pooler lends no more connections.
    PoolerIsFull,
}

use BackendCondition::*;

/// The words, each with whose they are.
const WORDS: [(&str, BackendCondition); 25] = [
    // SQLite: `sqlite3_errstr` of BUSY, LOCKED, SCHEMA, FULL, IOERR, CORRUPT, NOTADB, READONLY,
    // CANTOPEN, AUTH and PERM, and the parser.
    ("database is locked", Locked),
    ("database table is locked", Locked),
    ("database schema is locked", Locked),
    ("database or disk is full", Full),
    ("disk I/O error", StorageFails),
    ("database disk image is malformed", Damaged),
    ("file is not a database", NotADatabase),
    ("unsupported file format", NotADatabase),
    ("readonly database", ReadOnlyFile),
    ("unable to open database", Denied),
    ("authorization denied", Denied),
    ("access permission denied", Denied),
    ("no such table", NoSuchTable),
    // pgbouncer; libpq may add what it makes of it.
    ("no more connections allowed", PoolerIsFull),
    // libpq.
    ("server closed the connection unexpectedly", ConnectionLost),
    ("no connection to the server", ConnectionLost),
    ("connection not open", ConnectionLost),
    ("could not receive data from server", ConnectionLost),
    ("could not send data to server", ConnectionLost),
    ("password", Password),
    ("timeout expired", TimedOut),
    // A server: disk_full in the system's words, data_corrupted and io_error.
    ("No space left on device", Full),
    ("invalid page in block", Damaged),
    ("could not read block", StorageFails),
    ("could not write block", StorageFails),
];

impl BackendCondition {
    /// The condition that a message names, if any.
    pub(crate) fn in_words(message: &str) -> Option<Self> {
        let named = WORDS.iter().find(|(words, _)| message.contains(words));
        named.map(|(_, condition)| *condition)
    }

    /// The condition that an error of a statement names; of one that says more itself, none.
    pub(crate) fn of(error: &DieselError) -> Option<Self> {
        match error {
            DieselError::DatabaseError(_, about) => Self::in_words(about.message()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_words_hide_behind_others() {
        for (words, condition) in WORDS {
            let said = format!("FATAL: {words}: x");
            assert_eq!(
                BackendCondition::in_words(&said),
                Some(condition),
                "{words}"
            );
        }
        assert_eq!(BackendCondition::in_words("UNIQUE constraint failed"), None);
    }
}
