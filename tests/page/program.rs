//! The binary `tickbase`, as a user runs it: where it is, and a command from begin to end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names another binary than the one that `cargo build` makes.
const OTHER_BINARY: &str = "TICKBASE";

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("it lies in tests/page")
}

fn binary() -> PathBuf {
    let built = || project().join("target/debug/tickbase");
    std::env::var_os(OTHER_BINARY).map_or_else(built, PathBuf::from)
}

/// A command of `tickbase` on a database, without any setting of the environment.
pub(crate) fn command(url: &str, arguments: &[&str]) -> Command {
    let binary = binary();
    assert!(
        binary.is_file(),
        "there is no {}: cargo build --features postgres,server,chrono --bin tickbase",
        binary.display()
    );
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("TICKBASE_") || text == "DATABASE_URL" || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command.args(["--database-url", url]).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end, which must be a good one.
pub(crate) fn run(url: &str, arguments: &[&str]) {
    let done = command(url, arguments).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "tickbase {arguments:?}: {said}");
}
