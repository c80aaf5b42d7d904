//! What a newcomer has before his eyes when the demo serves: the address, and what to do next.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use super::{BINARY, Files, clean};
use crate::support::eventually;
use crate::support::process::PATIENCE;

/// The deliveries of the channel `log` that have been made, as Prometheus reads them.
const LOGGED: &str =
    "tickbase_alert_delivery_attempts_total{channel=\"log\",outcome=\"delivered\"} ";

/// A demo that serves, with what it says on standard error.
struct Demo {
    child: Child,
    said: Receiver<String>,
}

impl Demo {
    fn start(files: &Files, arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        clean(&mut command);
        command
            .args(["demo", "--bind", "127.0.0.1:0"])
            .args(arguments)
            .env("TMPDIR", files.0.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (lines, said) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        Self { child, said }
    }

    /// The lines up to the one that names the address, and the address.
    fn address(&self) -> (Vec<String>, String) {
        let mut lines = Vec::new();
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap();
            lines.push(line.clone());
            if let Some((_, rest)) = line.split_once("tickbase: ") {
                let address = rest
                    .split_once("/#/instrument/ES shows")
                    .unwrap()
                    .0
                    .to_owned();
                return (lines, address);
            }
        }
    }

    /// Waits until every alert of the replay has been delivered, and one of the trades that come
    /// live; ends it, and returns the lines that came meanwhile.
    fn after_its_alerts(mut self, address: &str) -> Vec<String> {
        eventually("14 alerts are delivered", || {
            let mut answer = ureq::get(format!("{address}/metrics")).call().unwrap();
            let text = answer.body_mut().read_to_string().unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(LOGGED));
            line.is_some_and(|count| count.parse::<f64>().unwrap() > 13.0)
        });
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.said.iter().collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_last_lines_are_the_address_and_what_to_do_next() {
    let files = Files::new();
    let demo = Demo::start(&files, &[]);
    let (before, address) = demo.address();
    assert_eq!(before.len(), 1, "{before:?}");
    let page = ureq::get(&address)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    assert!(page.contains("<title>tickbase</title>"), "{page}");
    let next = "  the trades come again and again, as if they came now; the API is at /api/docs";
    assert_eq!(demo.after_its_alerts(&address), [next]);
}

#[test]
fn a_level_that_is_asked_for_has_a_line_for_each_alert() {
    let files = Files::new();
    let demo = Demo::start(&files, &["--log-level", "warn"]);
    let (mut lines, address) = demo.address();
    lines.extend(demo.after_its_alerts(&address));
    let alerts = lines
        .iter()
        .filter(|line| line.contains("tickbase::alerts"));
    assert!(alerts.count() > 13, "{lines:?}");
}
