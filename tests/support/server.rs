//! A private PostgreSQL server, started by `postgres.sh` beside this file.
//!
//! It lives as long as its [`Server`], or as the process that holds it: the script reads a pipe
//! whose other end is here, and cleans up when that end is gone, however it went. This file knows
//! nothing of tickbase or Diesel, only of the script.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// The variable that names a server which `scripts/test` has started for all test processes.
const SHARED_URL: &str = "TICKBASE_TEST_POSTGRES_URL";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/postgres.sh");

/// A server of one test, which the test may stop and start again.
pub struct Server {
    script: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
    directory: PathBuf,
}

impl Server {
    /// Starts a server that syncs nothing; takes about a second.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server that keeps what it has committed, whatever happens to it.
    pub fn start_durable() -> Self {
        Self::start_with(&["durable"])
    }

    /// Starts a server whose messages are in German.
    pub fn start_german() -> Self {
        Self::start_with(&["german"])
    }

    /// Starts a hot standby of another server, by streaming replication.
    pub fn start_standby_of(primary: &Self) -> Self {
        Self::start_with(&["standby-of", &primary.port.to_string()])
    }

    fn start_with(arguments: &[&str]) -> Self {
        match Self::try_start(arguments) {
            Ok(server) => server,
            Err(reason) => panic!("no private PostgreSQL for the tests: {reason}"),
        }
    }

    fn try_start(arguments: &[&str]) -> Result<Self, String> {
        let mut script = Command::new("bash")
            .arg(SCRIPT)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A signal to the group of the tests must not reach it before it has cleaned up.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot run bash {SCRIPT}: {error}"))?;
        let commands = script.stdin.take();
        let answers = script.stdout.take().ok_or("the script has no output")?;
        let mut server = Self {
            script,
            commands,
            answers: BufReader::new(answers),
            port: 0,
            directory: PathBuf::new(),
        };
        let ready = server.answer("ready")?;
        let (port, directory) = ready
            .trim()
            .split_once(' ')
            .ok_or("the script names no port")?;
        server.port = port.parse().map_err(|_| format!("{port} is no port"))?;
        server.directory = directory.into();
        Ok(server)
    }

    /// The URL of one of its databases, as superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of one of its databases for the user who needs a password: `right` is right.
    pub fn url_with_password(&self, password: &str, database: &str) -> String {
        format!(
            "postgres://tickbase_password:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes the server away: sessions end, its port refuses connections.
    pub fn stop(&mut self) {
        self.command("stop", "stopped");
    }

    /// Takes the server away as a crash does: nothing is written that is not written yet.
    pub fn crash(&mut self) {
        self.command("stop -m immediate", "stopped");
    }

    /// Brings a stopped server back, on the same port and with the same data.
    pub fn start_again(&mut self) {
        self.command("start", "started");
    }

    /// Brings a stopped server back as a standby, which takes no writes.
    pub fn demote(&mut self) {
        self.command("demote", "started");
    }

    /// Makes a standby take writes.
    pub fn promote(&mut self) {
        self.command("promote", "promoted");
    }

    /// The port that it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn command(&mut self, command: &str, expected: &str) {
        let commands = self
            .commands
            .as_mut()
            .expect("the pipe is closed by drop alone");
        writeln!(commands, "{command}").expect("the script of the server is gone");
        if let Err(reason) = self.answer(expected) {
            panic!("{command}: {reason}");
        }
    }

    fn answer(&mut self, expected: &str) -> Result<String, String> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        match line.split_once(' ').unwrap_or((line.trim(), "")) {
            (word, rest) if word == expected => Ok(rest.to_owned()),
            ("failed", reason) => Err(reason.trim().to_owned()),
            _ => Err(format!("{SCRIPT} ended without a word (said {line:?})")),
        }
    }
}

impl Drop for Server {
    /// Waits until the server is gone and its directory removed.
    fn drop(&mut self) {
        drop(self.commands.take());
        self.script.wait().ok();
    }
}

/// The URL, as superuser, of the server that the tests of this process share: the one that
/// `scripts/test` has started, else one of this process.
pub fn shared_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    static SERVER: OnceLock<Server> = OnceLock::new();
    URL.get_or_init(|| match std::env::var(SHARED_URL) {
        Ok(url) => url,
        Err(_) => SERVER.get_or_init(Server::start).url("postgres"),
    })
}
