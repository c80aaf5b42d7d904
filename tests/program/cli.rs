//! The binary as its users run it: arguments in; exit code, standard output and error out; and
//! what the database holds afterwards.
#![cfg(feature = "cli")]

#[cfg(feature = "sqlite")]
mod adopt;
mod alerts;
mod archive;
mod backup;
mod bad_database;
mod bad_input;
mod bars;
mod chart;
mod columnar;
mod commands;
mod coverage;
mod deletions;
#[cfg(unix)]
mod demo;
mod field;
mod import;
mod looking;
#[cfg(unix)]
mod outputs;
mod presets;
mod retention;
mod rules;
mod silences;
mod statements;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::TestDatabase;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_tickbase");

/// What a run left behind.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    /// The JSON value on standard output; the run must have ended well and said nothing else.
    fn json(&self) -> Value {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one line that says why it failed.
    fn failure(&self) -> &str {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:?}");
        let line = self.err.trim_end();
        assert!(
            line.starts_with("tickbase: ") && !line.contains('\n'),
            "{self:?}"
        );
        line
    }

    /// The figures `[read, inserted, duplicates, conflicts, rejected]` of an import.
    fn figures(&self) -> [u64; 5] {
        let value: Value = serde_json::from_str(&self.out).unwrap();
        ["read", "inserted", "duplicates", "conflicts", "rejected"]
            .map(|name| value[name].as_u64().unwrap())
    }
}

/// The binary without any setting of the environment, ready for arguments.
fn tickbase(url: &str) -> Command {
    let mut command = Command::new(BINARY);
    clean(&mut command);
    command.arg("--database-url").arg(url);
    command
}

fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("TICKBASE_") || name == "DATABASE_URL" || name == "RUST_LOG" {
            command.env_remove(&*name);
        }
    }
    command.stdin(Stdio::null());
}

fn done(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(db: &TestDatabase, arguments: &[&str]) -> Done {
    done(tickbase(db.url()).args(arguments))
}

/// Runs the binary with bytes on its standard input.
fn run_with_input(db: &TestDatabase, arguments: &[&str], input: &[u8]) -> Done {
    let mut command = tickbase(db.url());
    command.args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The child may refuse before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Everything that the database counts, to compare before and after.
fn contents(db: &TestDatabase) -> Value {
    let mut stats = run(db, &["stats", "--json"]).json();
    // Pages may be taken and freed by what was undone.
    for size in ["database_bytes", "free_bytes"] {
        stats.as_object_mut().unwrap().remove(size);
    }
    stats
}

/// A directory with files of feeds.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// The text, but for line ends at its end, is the expected one.
fn says(text: impl AsRef<str>, expected: &str) {
    assert_eq!(text.as_ref().trim_end(), expected);
}

fn sample() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/es-trades-sample.csv.gz");
    path.to_str().unwrap().to_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
