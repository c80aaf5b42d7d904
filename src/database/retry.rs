//! Which database errors are worth another attempt, and which cost the connection. It retries
//! nothing itself.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::pool::Cause;
use crate::error::{Error, Result};

/// Attempts that one call makes in all.
const ATTEMPTS_MAX: u32 = 5;
/// The same when the server takes no writes: only a new connection may lead to another one.
const ATTEMPTS_READ_ONLY_MAX: u32 = 2;
/// The pause before the second attempt; it doubles from there.
const BACKOFF: Duration = Duration::from_millis(5);

/// Why an attempt failed, as far as another attempt is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptFailure {
    /// Another connection holds the lock.
    Busy,
    /// PostgreSQL undid the transaction in favour of another one.
    Serialization,
    /// The connection is gone; whatever was under way on it was undone.
    ConnectionLost,
    /// The server is a standby.
    ReadOnly,
    /// Another attempt would fail alike.
    Lasting,
}

/// Judges an error of the crate.
pub(crate) fn classify(error: &Error) -> AttemptFailure {
    match error {
        Error::Query { source, .. } => classify_query(source),
        Error::ReadOnlyServer { .. } => AttemptFailure::ReadOnly,
        _ => AttemptFailure::Lasting,
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
            | Error::TooManyConnections { .. }
            | Error::Full { .. }
            | Error::CommitUnknown { .. }
    ) || classify(error) != AttemptFailure::Lasting
}

impl AttemptFailure {
    /// How often a call is tried in all that fails so.
    pub(crate) fn attempts_max(self) -> u32 {
        match self {
            Self::Busy | Self::Serialization | Self::ConnectionLost => ATTEMPTS_MAX,
            Self::ReadOnly => ATTEMPTS_READ_ONLY_MAX,
            Self::Lasting => 1,
        }
    }
}

/// Judges an error of Diesel. SQLite's busy arrives as [`DatabaseErrorKind::Unknown`], as do
/// PostgreSQL's deadlock and libpq's lost connection. The texts of SQLite and libpq are always
/// English, those of a server are in its language: of them no word is read.
pub(crate) fn classify_query(error: &DieselError) -> AttemptFailure {
    let DieselError::DatabaseError(kind, info) = error else {
        return AttemptFailure::Lasting;
    };
    match kind {
        DatabaseErrorKind::SerializationFailure => AttemptFailure::Serialization,
        DatabaseErrorKind::ClosedConnection => AttemptFailure::ConnectionLost,
        DatabaseErrorKind::Unknown | DatabaseErrorKind::UnableToSendCommand => {
            if info.details().is_some_and(is_circle_of_processes) {
                return AttemptFailure::Serialization;
            }
            classify_text(info.message())
        }
        _ => AttemptFailure::Lasting,
    }
}

fn classify_text(message: &str) -> AttemptFailure {
    const BUSY: [&str; 3] = [
        "database is locked",
        "database table is locked",
        "database schema is locked",
    ];
    const LOST: [&str; 5] = [
        "server closed the connection unexpectedly",
        "no connection to the server",
        "connection not open",
        "could not receive data from server",
        "could not send data to server",
    ];
    let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if has(&BUSY) {
        AttemptFailure::Busy
    } else if has(&LOST) {
        AttemptFailure::ConnectionLost
    } else {
        AttemptFailure::Lasting
    }
}

/// Whether the details of an error are those of a deadlock. Diesel does not tell the SQLSTATE. In
/// every language the server writes a line for each process, which names it and the one it waits
/// for, and the last one waits for the first: `Process 71 waits for ShareLock on transaction 9;
/// blocked by process 72.` So each line shares two numbers with the lines beside it. An error that
/// is taken for a deadlock by mistake is tried again, which does no harm.
fn is_circle_of_processes(details: &str) -> bool {
    let lines: Vec<BTreeSet<&str>> = details
        .lines()
        .map(|line| {
            let numbers = line.split(|c: char| !c.is_ascii_digit());
            numbers.filter(|number| !number.is_empty()).collect()
        })
        .collect();
    let shares_two = |n: usize| {
        let count = lines.len();
        let (before, after) = (&lines[(n + count - 1) % count], &lines[(n + 1) % count]);
        let shared = |number: &&&str| before.contains(*number) || after.contains(*number);
        lines[n].iter().filter(shared).count() >= 2
    };
    lines.len() >= 2 && (0..lines.len()).all(shares_two)
}

/// The pause before attempt number `attempt` (counted from 1).
pub(crate) fn backoff(attempt: u32) -> Duration {
    BACKOFF * 2_u32.saturating_pow(attempt.saturating_sub(1).min(8))
}

/// Why another attempt is due, if it is.
pub(super) fn again<T>(outcome: &Result<T>, attempt: u32) -> Option<AttemptFailure> {
    let failure = classify(outcome.as_ref().err()?);
    (attempt < failure.attempts_max()).then_some(failure)
}

/// Why the connection of a call must not serve another one, if so.
pub(super) fn cause_to_close<T>(outcome: &Result<T>) -> Option<Cause> {
    let error = outcome.as_ref().err()?;
    match classify(error) {
        AttemptFailure::ConnectionLost => Some(Cause::Dead),
        AttemptFailure::ReadOnly => Some(Cause::ReadOnly),
        _ => matches!(error, Error::CommitUnknown { .. }).then_some(Cause::Dead),
    }
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
            (Unknown, "database is locked", AttemptFailure::Busy),
            (ClosedConnection, "", AttemptFailure::ConnectionLost),
            (
                Unknown,
                "no connection to the server",
                AttemptFailure::ConnectionLost,
            ),
            (Unknown, "database or disk is full", AttemptFailure::Lasting),
            (
                UniqueViolation,
                "database is locked",
                AttemptFailure::Lasting,
            ),
        ] {
            assert_eq!(classify(&database_error(kind, text)), wanted, "{text}");
        }
    }

    #[test]
    fn a_deadlock_is_known_by_its_circle_in_any_language() {
        for (details, is_one) in [
            (
                "Process 71 waits for ShareLock on transaction 9; blocked by process 72.\n\
                 Process 72 waits for ShareLock on transaction 8; blocked by process 71.",
                true,
            ),
            (
                "Prozess 71 wartet auf ShareLock-Sperre auf Transaktion 9; blockiert von Prozess 72.\n\
                 Prozess 72 wartet auf ShareLock-Sperre auf Tupel (0,1); blockiert von Prozess 73.\n\
                 Prozess 73 wartet auf ShareLock-Sperre auf Transaktion 5; blockiert von Prozess 71.",
                true,
            ),
            (
                "Process 71 waits for ShareLock on transaction 9; blocked by process 72.",
                false,
            ),
            (
                "Key (a)=(1) already exists.\nKey (b)=(2) already exists.",
                false,
            ),
            (
                "view v1 depends on table t1\nview v2 depends on table t1",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(is_circle_of_processes(details), is_one, "{details}");
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
        assert_eq!(classify_query(&error), AttemptFailure::Busy, "{error}");
    }
}
