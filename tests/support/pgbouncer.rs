//! A private pgbouncer, started by `pgbouncer.sh` beside this file. It lives as long as its
//! [`Pgbouncer`], or as the process that holds it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/pgbouncer.sh");

/// A pooler of one test.
pub struct Pgbouncer {
    script: Child,
    port: u16,
}

impl Pgbouncer {
    /// Starts one before the server of a URL: its `pool_mode`, and how many connections to the
    /// server it holds.
    pub fn start(server: &str, mode: &str, size: u32) -> Self {
        let (_, address) = server.rsplit_once(':').unwrap();
        let port = address.split('/').next().unwrap();
        let mut script = Command::new("bash")
            .args([SCRIPT, port, mode, &size.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A signal to the group of the tests must not reach it before it has cleaned up.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut answers = BufReader::new(script.stdout.take().unwrap());
        answers.read_line(&mut line).unwrap();
        let port = line
            .trim()
            .strip_prefix("ready ")
            .and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("no private pgbouncer for the tests: {line}"));
        Self { script, port }
    }

    /// The same database behind it.
    pub fn url_of(&self, database: &str) -> String {
        let (_, name) = database.rsplit_once('/').unwrap();
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        self.script.wait().ok();
    }
}
