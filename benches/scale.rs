//! Where each configuration ends: rates and latencies against producers and instruments, and the cost
//! of a tick as the table grows.
//!
//! ```sh
//! cargo bench --bench scale --features postgres                                # to 10 million rows
//! SCALE_ROWS_MAX=100000000 cargo bench --bench scale --features postgres -- growth
//! cargo bench --bench scale --features postgres -- producers sqlite --batch 10000 --rows 400000 --rounds 3
//! cargo bench --bench scale --features postgres -- growth partitioned          # sqlite, postgres
//! ```
//!
//! It starts a PostgreSQL server of its own (`tests/support/postgres.sh`), with the durability of SQLite's
//! WAL under synchronous NORMAL: no commit waits for the disk. Each measurement has a database of its
//! own under `TMPDIR`, which should not be memory: 100 million rows take some 10 GB in SQLite and 20 GB
//! in PostgreSQL. Counts and sums of what is stored are checked after each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs, unreachable_pub)] // Nobody imports a bench.

#[path = "common/arguments.rs"]
mod arguments;
mod common;
#[path = "scale/growth.rs"]
mod growth;
#[path = "scale/producers.rs"]
mod producers;
#[path = "../tests/support/server.rs"]
#[allow(dead_code)] // The tests use the rest.
mod server;
#[path = "scale/store.rs"]
mod store;

use std::time::Duration;

use arguments::option;
use store::Engine;

fn percentile(durations: &mut [Duration], percent: usize) -> Duration {
    durations.sort();
    durations[(durations.len() * percent / 100).min(durations.len() - 1)]
}

fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1e3)
}

fn has_argument(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

fn main() {
    let rows_max = std::env::var("SCALE_ROWS_MAX").map_or(10_000_000, |rows| rows.parse().unwrap());
    let mut engines = vec![Engine::Sqlite, Engine::Postgres, Engine::Partitioned];
    let name = |engine: &Engine| match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
        Engine::Partitioned => "partitioned",
    };
    if engines.iter().any(|engine| has_argument(name(engine))) {
        engines.retain(|engine| has_argument(name(engine)));
    }
    let server = store::server();
    if has_argument("producers") || !has_argument("growth") {
        let sizes = (option("--rows", 200_000), option("--batch", 1_000));
        producers::table(&server, sizes, option("--rounds", 3), &engines);
    }
    if has_argument("growth") || !has_argument("producers") {
        growth::table(&server, rows_max, &engines);
    }
}
