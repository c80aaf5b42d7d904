//! Which database errors are worth another attempt. It retries nothing itself.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::Error;

/// Attempts that one call makes in all.
pub(crate) const ATTEMPTS_MAX: u32 = 5;
/// The pause before the second attempt; it doubles from there.
const BACKOFF: Duration = Duration::from_millis(5);

/// Why an attempt failed, as far as another attempt is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another connection holds the lock.
    Busy,
    /// PostgreSQL undid the transaction in favour of another one.
    Serialization,
    /// The connection is gone; whatever was under way on it was undone.
    ConnectionLost,
    /// Another attempt would fail alike.
    Lasting,
}

/// Judges an error of the crate.
pub(crate) fn classify(error: &Error) -> Failure {
    match error {
        Error::Query { source, .. } => classify_query(source),
        _ => Failure::Lasting,
    }
}

/// Whether the same call may well succeed later: the database is busy, full, away or closed.
/// Another attempt within the call would not help, or was made.
#[cfg(feature = "server")]
pub(crate) fn is_temporary(error: &Error) -> bool {
    matches!(
        error,
        Error::PoolTimeout { .. }
            | Error::QueueFull { .. }
            | Error::WriteLockHeld { .. }
            | Error::FileChanged { .. }
            | Error::Closed
            | Error::Connect { .. }
            | Error::Full { .. }
            | Error::CommitUnknown { .. }
    ) || classify(error) != Failure::Lasting
}

/// Judges an error of Diesel. SQLite's busy arrives as [`DatabaseErrorKind::Unknown`], as do
/// PostgreSQL's deadlock and a server that was stopped: only the text tells.
pub(crate) fn classify_query(error: &DieselError) -> Failure {
    let DieselError::DatabaseError(kind, info) = error else {
        return Failure::Lasting;
    };
    match kind {
        DatabaseErrorKind::SerializationFailure => Failure::Serialization,
        DatabaseErrorKind::ClosedConnection => Failure::ConnectionLost,
        DatabaseErrorKind::Unknown | DatabaseErrorKind::UnableToSendCommand => {
            classify_text(info.message())
        }
        _ => Failure::Lasting,
    }
}

fn classify_text(message: &str) -> Failure {
    const BUSY: [&str; 3] = [
        "database is locked",
        "database table is locked",
        "database schema is locked",
    ];
    const LOST: [&str; 8] = [
        "server closed the connection unexpectedly",
        "terminating connection due to",
        "the database system is shutting down",
        "the database system is in recovery mode",
        "no connection to the server",
        "connection not open",
        "could not receive data from server",
        "could not send data to server",
    ];
    let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if has(&BUSY) {
        Failure::Busy
    } else if has(&["deadlock detected"]) {
        Failure::Serialization
    } else if has(&LOST) {
        Failure::ConnectionLost
    } else {
        Failure::Lasting
    }
}

/// The pause before attempt number `attempt` (counted from 1).
pub(crate) fn backoff(attempt: u32) -> Duration {
    BACKOFF * 2_u32.saturating_pow(attempt.saturating_sub(1).min(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database_error(kind: DatabaseErrorKind, message: &str) -> Error {
        DieselError::DatabaseError(kind, Box::new(message.to_owned())).into()
    }

    #[test]
    fn only_what_another_attempt_can_mend_is_retried() {
        use DatabaseErrorKind::{ClosedConnection, UniqueViolation, Unknown};
        for (kind, text, wanted) in [
            (Unknown, "database is locked", Failure::Busy),
            (Unknown, "deadlock detected", Failure::Serialization),
            (ClosedConnection, "", Failure::ConnectionLost),
            (
                Unknown,
                "terminating connection due to administrator command",
                Failure::ConnectionLost,
            ),
            (Unknown, "database or disk is full", Failure::Lasting),
            (UniqueViolation, "database is locked", Failure::Lasting),
        ] {
            assert_eq!(classify(&database_error(kind, text)), wanted, "{text}");
        }
    }

    #[test]
    fn the_pause_doubles_and_is_bounded() {
        assert_eq!(backoff(1), Duration::from_millis(5));
        assert_eq!(backoff(2), Duration::from_millis(10));
        assert!(backoff(u32::MAX) < Duration::from_secs(2));
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_real_lock_of_sqlite_is_recognised_as_busy() {
        use diesel::connection::SimpleConnection;
        use diesel::{Connection, SqliteConnection};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locked.db");
        let open = || SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let (mut holder, mut other) = (open(), open());
        holder
            .batch_execute("CREATE TABLE t (x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
            .unwrap();
        let error = other.batch_execute("INSERT INTO t VALUES (2)").unwrap_err();
        assert_eq!(classify_query(&error), Failure::Busy, "{error}");
    }
}
