//! Tests of faults in two sizes: short in the suite, long under `scripts/chaos`, which prints
//! what they report.

use std::fmt::Display;

/// The variable that `scripts/chaos` sets.
const LONG: &str = "TICKBASE_CHAOS";

/// `short` in the suite, `long` under `scripts/chaos`.
pub fn scaled<T>(short: T, long: T) -> T {
    if std::env::var_os(LONG).is_some() {
        long
    } else {
        short
    }
}

/// A row of the table of `docs/reliability.md`: what was tested, under which load, with which
/// faults, and what was lost, doubled or refused in the end.
#[allow(clippy::print_stdout)] // `scripts/chaos` reads it there.
pub fn report(test: impl Display, load: impl Display, faults: impl Display, lost: impl Display) {
    // The test runner may have written the beginning of the line.
    println!("\nchaos: | {test} | {load} | {faults} | {lost} |");
}
