//! DuckDB and pandas in a Python process of their own, which reads the ticks out of a SQLite file.
#![allow(clippy::unwrap_used)] // A failure ends the bench.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Sums;

/// The Python that has DuckDB and pandas.
const PYTHON: &str = "PEERS_PYTHON";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/history.py");

pub(crate) const CONTENDERS: [&str; 2] = ["duckdb", "pandas"];

pub(crate) struct Peers {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peers {
    /// Without a Python there are none.
    pub(crate) fn start(file: &str, rows: usize) -> Option<Self> {
        let mut process = Command::new(std::env::var_os(PYTHON)?)
            .args([SCRIPT, file])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (ask, answers) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let mut peers = Self {
            process,
            ask,
            answers: BufReader::new(answers),
        };
        assert_eq!(peers.line(), format!("ready {rows}"));
        Some(peers)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.answers.read_line(&mut line).unwrap() > 0, "it ended");
        line.trim_end().to_owned()
    }

    /// How many seconds the work took, and its sums.
    pub(crate) fn run(
        &mut self,
        contender: &str,
        work: &str,
        (first, last): (i64, i64),
    ) -> (f64, Sums) {
        writeln!(self.ask, "{contender} {work} {first} {last}").unwrap();
        let line = self.line();
        let mut numbers = line.split(' ').map(|number| number.parse::<f64>().unwrap());
        (numbers.next().unwrap(), numbers.collect())
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
