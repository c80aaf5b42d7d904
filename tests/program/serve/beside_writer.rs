//! Starting while another process holds the write lock of a SQLite file: what has nothing to write
//! does not wait, and what waits says for whom.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;

use crate::support::TestDatabase;
use crate::support::process::{Serving, command};

/// Longer than any start takes.
const BUSY_TIMEOUT: (&str, &str) = ("TICKBASE_SQLITE_BUSY_TIMEOUT_MS", "25000");
const AT_ONCE: Duration = Duration::from_secs(12);

/// The process of the test holds the lock.
fn hold(db: &TestDatabase) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(db.url()).unwrap();
    conn.batch_execute("BEGIN IMMEDIATE").unwrap();
    conn
}

fn tickbase(db: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickbase"));
    command
        .args(["--database-url", db.url()])
        .args(arguments)
        .env(BUSY_TIMEOUT.0, BUSY_TIMEOUT.1)
        .stdin(Stdio::null());
    command
}

#[test]
fn what_has_nothing_to_write_starts_and_ends_at_once() {
    let db = TestDatabase::sqlite();
    let mut holder = hold(&db);
    let began = Instant::now();
    let serving = Serving::start(&db, &[], &[BUSY_TIMEOUT]);
    assert_eq!(serving.get("/readyz").0, 200);
    assert_eq!(serving.get("/api/instruments").0, 200);
    for arguments in [
        &["stats"][..],
        &["check"],
        &["export", "--symbol", "ES"],
        &["migrate", "run"],
        &["migrate", "status"],
    ] {
        let done = tickbase(&db, arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {done:?}");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!said.contains("WARN"), "{arguments:?}: {said}");
    }
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let took = began.elapsed();
    assert!(took < AT_ONCE, "{took:?}: {}", ended.log);
    holder.batch_execute("ROLLBACK").unwrap();
}

#[test]
fn a_start_that_must_migrate_waits_and_says_for_whom() {
    let db = TestDatabase::sqlite();
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    database.migrate_revert().unwrap();
    database.close();
    let mut holder = hold(&db);
    let mut starting = command(&db, &["--bind", "127.0.0.1:0"]);
    let mut child = starting.spawn().unwrap();
    let (said, lines) = mpsc::channel();
    let log = child.stderr.take().unwrap();
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader};
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let _ = said.send(line);
        }
    });
    let wait_for = |text: &str| loop {
        let line = lines
            .recv_timeout(crate::support::process::PATIENCE)
            .unwrap();
        if line.contains(text) {
            return line;
        }
    };
    let waits = wait_for("waiting for ");
    assert!(waits.contains("test.db"), "{waits}");
    if cfg!(target_os = "linux") {
        let process = format!("process {} (", std::process::id());
        assert!(waits.contains(&process), "{waits}");
    }
    holder.batch_execute("ROLLBACK").unwrap();
    wait_for("migrated");
    wait_for("listening on ");
    child.kill().unwrap();
    child.wait().unwrap();
}
