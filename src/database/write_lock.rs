//! Waiting for the write lock of a SQLite database that another process holds, and saying which.

use std::path::Path;
use std::time::{Duration, Instant};

use diesel::SqliteConnection;
use diesel::connection::{AnsiTransactionManager, SimpleConnection};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::retry::{AttemptFailure, classify_query};
use crate::error::{Error, Result};

/// The byte of the `-shm` file that SQLite locks to write: WAL_WRITE_LOCK.
#[cfg(target_os = "linux")]
const WRITE_LOCK_BYTE: u64 = 120;

/// Opens a transaction that holds the write lock. When the connection's busy timeout is over it
/// says so to `waits`, and goes on waiting: a caller must not see a lock before `wait_max`.
pub(super) fn begin_immediate(
    conn: &mut SqliteConnection,
    wait_max: Duration,
    mut waits: impl FnMut(),
) -> Result<()> {
    let deadline = Instant::now() + wait_max;
    loop {
        match AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE") {
            Ok(()) => return Ok(()),
            Err(error) if classify_query(&error) == AttemptFailure::Busy => {
                waits();
                if Instant::now() >= deadline {
                    return Err(Error::WriteLockHeld { waited: wait_max });
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// [`begin_immediate`] for a start: it says at once for whom it waits.
pub(super) fn begin_at_start(
    conn: &mut SqliteConnection,
    database: &Path,
    wait_max: Duration,
) -> Result<()> {
    let busy_timeout: i32 = sql::<Integer>("PRAGMA busy_timeout").get_result(conn)?;
    conn.batch_execute("PRAGMA busy_timeout = 0")?;
    let at_once = begin_immediate(conn, Duration::ZERO, || ());
    conn.batch_execute(&format!("PRAGMA busy_timeout = {busy_timeout}"))?;
    match at_once {
        Err(Error::WriteLockHeld { .. }) => {
            say_who_holds(database);
            begin_immediate(conn, wait_max, || say_who_holds(database))
        }
        done => done,
    }
}

/// Logs for whom a writer waits.
pub(super) fn say_who_holds(database: &Path) {
    let holder = holder(database).unwrap_or_else(|| "another process".to_owned());
    let path = database.display();
    tracing::warn!(%path, "waiting for {holder}, which holds the write lock of the database");
}

/// The process that holds the write lock, as Linux tells it: `process 4242 (python3)`.
#[cfg(target_os = "linux")]
fn holder(database: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let index = std::fs::metadata(super::paths::file_beside(database, "-shm")).ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let process = locks.lines().find_map(|line| locker(line, index.ino()))?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some(format!("process {process} ({})", name.trim()))
}

#[cfg(not(target_os = "linux"))]
fn holder(_database: &Path) -> Option<String> {
    None
}

/// The process of a line like `3: POSIX  ADVISORY  WRITE 4242 00:2d:1234 120 120`, when it is the
/// write lock in the file of this inode. Filesystems differ in what they tell as the device.
#[cfg(target_os = "linux")]
fn locker(line: &str, inode: u64) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, "POSIX", _, "WRITE", process, file, first, last] = words[..] else {
        return None;
    };
    let of_file = file.rsplit(':').next()?.parse() == Ok(inode);
    let begins = first.parse::<u64>().ok()? <= WRITE_LOCK_BYTE;
    let ends = last
        .parse::<u64>()
        .map_or(true, |last| last >= WRITE_LOCK_BYTE);
    (of_file && begins && ends)
        .then(|| process.parse().ok())
        .flatten()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_told_by_its_process() {
        for (line, found) in [
            (
                "3: POSIX  ADVISORY  WRITE 4242 00:2d:77 120 120",
                Some(4242),
            ),
            (
                "3: POSIX  ADVISORY  WRITE 4242 00:2d:77 120 122",
                Some(4242),
            ),
            ("3: POSIX  ADVISORY  WRITE 4242 00:2d:77 0 EOF", Some(4242)),
            ("3: POSIX  ADVISORY  WRITE 4242 00:2d:77 121 121", None),
            ("3: POSIX  ADVISORY  READ 4242 00:2d:77 120 120", None),
            ("3: POSIX  ADVISORY  WRITE 4242 00:2d:78 120 120", None),
            ("3: -> POSIX  ADVISORY  WRITE 4242 00:2d:77 120 120", None),
            ("3: FLOCK  ADVISORY  WRITE 4242 00:2d:77 0 EOF", None),
            ("", None),
        ] {
            assert_eq!(locker(line, 77), found, "{line}");
        }
    }
}
