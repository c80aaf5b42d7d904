//! SQLAlchemy, in a process of its own with Python's SQLite: `sqlalchemy_ingest.py` reads the rows
//! from a file, and says how long it took to store them.

use std::env::var_os;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::Command;

use tickbase::domain::tick::Tick;

use super::common::{Took, raw};

/// The Python that has SQLAlchemy.
const PYTHON: &str = "PEERS_PYTHON";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sqlalchemy_ingest.py");

pub fn is_there() -> bool {
    var_os(PYTHON).is_some()
}

/// Core `executemany`, 10,000 rows a call and a transaction.
pub fn executemany(file: &str, pragmas: &[(&str, &str)], ticks: &[Tick]) -> Took {
    let rows = tempfile::NamedTempFile::new().unwrap();
    write(rows.as_file(), ticks);
    let pragmas = pragmas
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let output = Command::new(var_os(PYTHON).unwrap())
        .arg(SCRIPT)
        .arg(file)
        .arg(rows.path())
        .args(pragmas)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut seconds = text
        .split_whitespace()
        .map(|word| word.parse::<f64>().unwrap());
    Took {
        wall: seconds.next().unwrap(),
        cpu: seconds.next(),
    }
}

/// A line a tick, the columns in their order; numbers read back as they were.
fn write(file: &File, ticks: &[Tick]) {
    let mut file = BufWriter::new(file);
    for tick in ticks {
        let keys = raw::key(tick).map(|key| key.to_string());
        let values = raw::values(tick).map(|value| value.map_or(String::new(), |v| v.to_string()));
        writeln!(file, "{},{}", keys.join(","), values.join(",")).unwrap();
    }
    file.flush().unwrap();
}
