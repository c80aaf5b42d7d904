//! A server process of the test's own: started on a free port, asked over sockets, ended by a
//! signal.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::TestDatabase;

const BINARY: &str = env!("CARGO_BIN_EXE_tickbase");
/// How long a test waits for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs.
pub(crate) struct Serving {
    child: Option<Child>,
    base: String,
    log: Arc<Mutex<String>>,
    log_reader: Option<JoinHandle<()>>,
    agent: ureq::Agent,
}

/// What a server left behind.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

/// `tickbase .. serve ..` without any setting of the environment.
pub(crate) fn command(db: &TestDatabase, arguments: &[&str]) -> Command {
    command_on(db.url(), arguments)
}

fn command_on(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("TICKBASE_") || text == "DATABASE_URL" || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command
        .args(["--database-url", url, "serve"])
        .args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

impl Serving {
    /// Starts a server on a free port, with more arguments and variables.
    pub(crate) fn start(db: &TestDatabase, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_url(db.url(), arguments, variables)
    }

    pub(crate) fn start_url(url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command_on(url, &["--bind", "127.0.0.1:0"]);
        command.args(arguments).envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let log = Arc::default();
        let (address, log_reader) = follow(child.stderr.take().unwrap(), Arc::clone(&log));
        let base = address.recv_timeout(PATIENCE);
        let base = base.unwrap_or_else(|_| panic!("it does not listen: {:?}", child.wait()));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Self {
            child: Some(child),
            base,
            log,
            log_reader: Some(log_reader),
            agent: agent.into(),
        }
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Memory that the process holds, in KiB; nothing where the system does not tell.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        self.status_kib("VmRSS:")
    }

    /// The most that it has held.
    pub(crate) fn peak_kib(&self) -> Option<u64> {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, name: &str) -> Option<u64> {
        let id = self.child.as_ref()?.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Status and body of an answer.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let ask = || self.agent.get(format!("{}{path}", self.base)).call();
        let mut answer = match ask() {
            // The server has just closed the connection that was kept: clients ask again.
            Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset => ask(),
            answer => answer,
        }
        .unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), body)
    }

    /// Status and body of an answer to a JSON body.
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.try_post(path, body).unwrap()
    }

    /// The same; an error when there is no answer.
    pub(crate) fn try_post(&self, path: &str, body: &str) -> Result<(u16, String), ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let mut answer = request
            .header("content-type", "application/json")
            .send(body)?;
        let text = answer.body_mut().read_to_string()?;
        Ok((answer.status().as_u16(), text))
    }

    /// Sends SIGTERM, which asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends SIGHUP, which asks it to read its tokens again.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// How many lines of its log so far have this text.
    pub(crate) fn logged(&self, text: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.lines().filter(|line| line.contains(text)).count()
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) -> Ended {
        self.terminate();
        self.wait()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> Ended {
        let code = self.child.take().unwrap().wait().unwrap().code();
        self.log_reader.take().unwrap().join().unwrap();
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        Ended { code, log }
    }
}

impl Drop for Serving {
    /// Ends it by SIGKILL, as a crash does.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Reads a log to its end, keeps its lines, and tells the address that it names.
fn follow(
    log: impl Read + Send + 'static,
    kept: Arc<Mutex<String>>,
) -> (Receiver<String>, JoinHandle<()>) {
    let (found, address) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(log).lines() {
            let Ok(line) = line else { break };
            if let Some((_, rest)) = line.split_once("listening on ") {
                let end = rest.find(|c: char| c.is_whitespace() || c == '"' || c == '\u{1b}');
                let _ = found.send(rest[..end.unwrap_or(rest.len())].to_owned());
            }
            let mut kept = kept.lock().unwrap();
            kept.push_str(&line);
            kept.push('\n');
        }
    });
    (address, reader)
}
