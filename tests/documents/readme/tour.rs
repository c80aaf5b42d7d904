//! The shell commands of README.md, run one after the other in one shell, as a reader would.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::readme::text::{commands, project, read};

/// Commands that are not run: their beginnings, and why.
const LEFT_OUT: [(&str, &str); 2] = [
    (
        "cargo install --path .",
        "it compiles the crate again and installs it; the tests have the binary",
    ),
    ("scripts/test", "it runs the tests, this one among them"),
];

/// Commands that only a build with PostgreSQL can run: all that begin so.
const ON_POSTGRES: &str = "tickbase --database-url postgres://user@host/ticks ";
const POSTGRES_URL: &str = "postgres://user@host/ticks";
const ADDRESS: &str = "127.0.0.1:8000";

/// Files of the project that the commands read.
const FILES: [&str; 2] = [
    "data/es-trades-sample.csv.gz",
    "tests/fixtures/analytics/sp500-daily.csv",
];

/// How each command begins, in order, and some words of what it must say.
const TOUR: &[(&str, &[&str])] = &[
    (
        "tickbase demo",
        &[
            "20,009 inserted, 0 duplicates",
            "13 fired by 5 rules",
            "MA 12",
        ],
    ),
    ("tickbase import data", &["read 20,009, inserted 20,009,"]),
    ("tickbase import data", &["inserted 0, duplicates 20,009,"]),
    (
        "tickbase stats",
        &["market_data       20,009", "2013-09-03T10:30:32.668000Z"],
    ),
    (
        "tickbase bars list",
        &["aggregated", "2013-09-03T10:30:00.000000Z", "1637.7895"],
    ),
    (
        "tickbase bars build",
        &["ES 1min  2013-09-03T10:23:00.000000Z  2013-09-03T10:30:00.000000Z        7"],
    ),
    (
        "tickbase bars status",
        &["ES 1min", "2013-09-03T10:30:00.000000Z      0   no"],
    ),
    ("tickbase import tests", &["read 1,006, inserted 1,006,"]),
    (
        "tickbase coverage",
        &["1d      XNYS    1,006        0  100.00 %"],
    ),
    (
        "tickbase chart --symbol ES",
        &["ES E-mini S&P 500 · 1min", "┤ 1642"],
    ),
    ("tickbase chart --symbol SPX", &["drew 150 bars to spx.png"]),
    ("tickbase rules add", &["added rule 1: high"]),
    ("tickbase rules add", &["added rule 2: fall"]),
    ("tickbase rules export", &["exported 2 rules to rules.toml"]),
    (
        "tickbase replay",
        &["4 firings of 2 rules over 20,009 ticks of ES"],
    ),
    (
        "tickbase serve &",
        &["listening on http://", "answered", "ended"],
    ),
    ("curl -sS --retry", &["ready"]),
    (
        "curl -sS http://127.0.0.1:8000/api/market-data ",
        &["\"inserted\":1,", "\"errors\":[]"],
    ),
    (
        "tickbase alerts list",
        &["2013-09-03T10:31:00.000000Z  Alert: high - Price 1642 above"],
    ),
    (
        "curl -sS http://127.0.0.1:8000/api/historical-data/fetch",
        &["\"total_bars\":2", "1642.0"],
    ),
    (
        "curl -sS 'http://127.0.0.1:8000/api/v1/analytics/real-time",
        &[
            "\"instrument_symbol\":\"SPX\"",
            "\"rsi\":",
            "\"macd\":",
            "\"unavailable\":[]",
        ],
    ),
    (
        "curl -sS 'http://127.0.0.1:8000/api/v1/analytics/risk",
        &["\"bars\":", "\"volatility\":0.", "\"var_95\":0."],
    ),
    (
        "curl -sS http://127.0.0.1:8000/api/health",
        &[
            "\"status\":\"healthy\"",
            "\"last_tick\":\"2013-09-03T10:31:00.000000Z\"",
        ],
    ),
    (
        "curl -sS http://127.0.0.1:8000/metrics",
        &["tickbase_operation_rows_total{db_operation_name=\"market_data.insert_batch\"} 1"],
    ),
    ("kill $! && wait $!", &[]),
    (ON_POSTGRES, &["read 20,009, inserted 20,009,"]),
    (ON_POSTGRES, &["ok"]),
];

#[test]
fn every_command_of_the_readme_runs_in_order() {
    let written = commands(&read("README.md"));
    for (beginning, reason) in LEFT_OUT {
        assert!(
            written.iter().any(|command| command.starts_with(beginning)),
            "{beginning} is left out ({reason}), but README.md has no such command"
        );
    }
    let left_out = |command: &&String| LEFT_OUT.iter().any(|(left, _)| command.starts_with(left));
    let run: Vec<&String> = written
        .iter()
        .filter(|command| !left_out(command))
        .collect();
    let planned = TOUR.iter().map(|(beginning, _)| *beginning);
    for (n, (command, beginning)) in run.iter().zip(planned).enumerate() {
        let known = command.starts_with(beginning);
        assert!(
            known,
            "command {n} is `{command}`, and TOUR has `{beginning}` in its place"
        );
    }
    assert_eq!(
        run.len(),
        TOUR.len(),
        "TOUR and README.md have not as many commands: {run:#?}"
    );

    let place = tempfile::tempdir().unwrap();
    let answers = tempfile::tempdir().unwrap();
    copy_files(place.path());
    run_all(&run, place.path(), answers.path());
    for picture in ["demo.png", "spx.png"] {
        let bytes = std::fs::read(place.path().join(picture)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n"), "{picture} is no PNG");
    }
}

fn copy_files(place: &Path) {
    for file in FILES {
        let to = place.join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(project().join(file), to).unwrap();
    }
}

/// Runs the commands in one shell, then looks at what each of them said.
fn run_all(run: &[&String], place: &Path, answers: &Path) {
    let address = free_address();
    let postgres = Postgres::start();
    let mut script = String::from("trap 'kill $(jobs -p) 2>/dev/null' EXIT\n");
    let runs: Vec<usize> = (0..run.len())
        .filter(|n| postgres.is_some() || !run[*n].starts_with(ON_POSTGRES))
        .collect();
    for n in &runs {
        let mut command = run[*n].replace(ADDRESS, &address);
        if let Some(postgres) = &postgres {
            command = command.replace(POSTGRES_URL, postgres.url());
        }
        let out = answers.join(n.to_string());
        let out = out.to_str().unwrap();
        script.push_str(&format!(
            "{{\n{command}\n}} >{out} 2>&1 </dev/null\necho $? >{out}.code\n"
        ));
    }
    let status = shell(place, &address)
        .arg("-c")
        .arg(&script)
        .status()
        .unwrap();
    assert!(status.success(), "the shell ended with {status}");
    for n in runs {
        let said = std::fs::read_to_string(answers.join(n.to_string())).unwrap();
        let code = std::fs::read_to_string(answers.join(format!("{n}.code"))).unwrap();
        assert_eq!(code.trim(), "0", "`{}` said:\n{said}", run[n]);
        for words in TOUR[n].1 {
            assert!(
                said.contains(words),
                "`{}` does not say `{words}`, but:\n{said}",
                run[n]
            );
        }
    }
}

/// A shell in the place, with the binary in front of others and without any setting but the
/// address.
fn shell(place: &Path, address: &str) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_tickbase"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    let mut shell = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("TICKBASE_") || text == "DATABASE_URL" || text == "RUST_LOG" {
            shell.env_remove(&name);
        }
    }
    shell
        .current_dir(place)
        .env("PATH", path)
        .env("TICKBASE_SERVER_BIND", address);
    shell.stdin(Stdio::null());
    shell
}

/// An address of this machine on which nothing listens.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[cfg(feature = "postgres")]
struct Postgres(crate::support::TestDatabase);

#[cfg(feature = "postgres")]
impl Postgres {
    fn start() -> Option<Self> {
        Some(Self(crate::support::TestDatabase::postgres_empty()))
    }

    fn url(&self) -> &str {
        self.0.url()
    }
}

/// A build without PostgreSQL.
#[cfg(not(feature = "postgres"))]
enum Postgres {}

#[cfg(not(feature = "postgres"))]
impl Postgres {
    fn start() -> Option<Self> {
        None
    }

    fn url(&self) -> &str {
        match *self {}
    }
}
