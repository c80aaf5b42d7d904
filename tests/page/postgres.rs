//! A PostgreSQL server for the tests of this process: the one that `scripts/test` has started, else
//! one of `tests/support/postgres.sh`, which ends with the process.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::program::project;

/// Names the server that `scripts/test` has started.
const SHARED_URL: &str = "TICKBASE_TEST_POSTGRES_URL";

/// Its URL without a database.
pub(crate) fn server() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let url = std::env::var(SHARED_URL).unwrap_or_else(|_| own_server());
        let (server, _) = url.rsplit_once('/').expect("it names a database");
        server.to_owned()
    })
}

fn own_server() -> String {
    // The script ends when its standard input does: that is held until the process is gone.
    static SCRIPT: OnceLock<Child> = OnceLock::new();
    let mut script = Command::new("bash")
        .arg(project().join("tests/support/postgres.sh"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A signal to the group of the tests must not reach it before it has cleaned up.
        .process_group(0)
        .spawn()
        .expect("bash runs");
    let mut line = String::new();
    let said = script.stdout.take().expect("it is piped");
    BufReader::new(said)
        .read_line(&mut line)
        .expect("it says a line");
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("ready"), "no private PostgreSQL: {line}");
    let port = words.next().expect("it names its port").to_owned();
    SCRIPT.set(script).ok();
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// Runs a statement that belongs to no database.
pub(crate) fn run(statement: &str) {
    let done = Command::new(psql())
        .args([
            "--quiet",
            "--no-psqlrc",
            "--set",
            "ON_ERROR_STOP=1",
            "--command",
            statement,
        ])
        .arg(format!("{}/postgres", server()))
        .env("PGOPTIONS", "--client-min-messages=warning")
        .output()
        .expect("psql runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{statement}: {said}");
}

/// Debian keeps the newest version's out of PATH.
fn psql() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin/psql"))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| "psql".into())
}
