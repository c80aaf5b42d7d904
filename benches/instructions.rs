//! Fixed workloads whose instructions `scripts/bench` counts: a count repeats on a busy machine,
//! where a time does not.
//!
//! ```sh
//! scripts/bench                                          # counts all, under callgrind
//! cargo bench --bench instructions                       # runs each once, counts nothing
//! cargo bench --bench instructions -- ingest 5           # one, so many rounds
//! ```
//!
//! A workload does the same on the same rows in every process, verifies what it did, and measures
//! nothing itself. All of them run on SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs, unreachable_pub)] // Nobody imports a bench.

mod common;
#[path = "instructions/reads.rs"]
mod reads;
#[path = "instructions/writes.rs"]
mod writes;

use std::time::Duration;

use common::Place;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};

/// Some work in rounds that are alike.
///
/// The counter sees whole processes, for a commit or an asynchronous read is work of several
/// threads. So a workload runs once with one round and once with `rounds` more, and the difference
/// is counted: it has neither the preparation nor the first round, which opens connections,
/// prepares statements and fills caches.
struct Workload {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    /// Units of a round.
    units: usize,
    /// Rounds that are counted.
    rounds: usize,
    /// Prepares the same for any number of rounds, then runs so many of them.
    run: fn(&Database, usize),
}

const WORKLOADS: [Workload; 8] = [
    Workload {
        name: "ingest",
        what: "`insert_batch` of 10,000 ticks of 100 instruments",
        unit: "tick",
        units: writes::INGEST_TICKS,
        rounds: writes::INGEST_ROUNDS,
        run: writes::ingest,
    },
    Workload {
        name: "group-commit",
        what: "64 calls of 10 ticks in one commit",
        unit: "call",
        units: writes::GROUP_CALLS,
        rounds: writes::GROUP_ROUNDS,
        run: writes::group_commit,
    },
    Workload {
        name: "firing",
        what: "`insert_batch` of 1,000 trades with 200 rules of crossings",
        unit: "tick",
        units: writes::FIRING_TICKS,
        rounds: writes::FIRING_ROUNDS,
        run: writes::firing,
    },
    Workload {
        name: "checkout",
        what: "`Database::read` that reads nothing",
        unit: "read",
        units: reads::CHECKOUTS,
        rounds: 20,
        run: reads::checkout,
    },
    Workload {
        name: "range",
        what: "10,000 ticks of one instrument in pages of 1,000",
        unit: "tick",
        units: reads::RANGE_TICKS,
        rounds: 5,
        run: reads::range,
    },
    Workload {
        name: "fold",
        what: "minute bars of 20,000 ticks of one instrument",
        unit: "tick",
        units: reads::FOLD_TICKS,
        rounds: 7,
        run: reads::fold,
    },
    Workload {
        name: "latest",
        what: "newest tick of each of 100 instruments",
        unit: "read",
        units: reads::LATEST_READS,
        rounds: 5,
        run: reads::latest,
    },
    Workload {
        name: "get-ticks",
        what: "GET of 1,000 ticks from the router",
        unit: "request",
        units: reads::GET_REQUESTS,
        rounds: 20,
        run: reads::get_ticks,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    match arguments.as_slice() {
        [] => WORKLOADS.iter().for_each(|workload| {
            run(workload, 1);
            println!("{}: done and verified", workload.name);
        }),
        [word] if word == "list" => WORKLOADS.iter().for_each(|workload| {
            let Workload {
                name,
                what,
                unit,
                units,
                rounds,
                ..
            } = workload;
            println!("{name}|{rounds}|{units}|{unit}|{what}");
        }),
        [name, rounds] => {
            let workload = WORKLOADS.iter().find(|workload| workload.name == name);
            run(
                workload.expect("its name is in the list"),
                rounds.parse().unwrap(),
            );
        }
        _ => panic!("either nothing, or `list`, or a workload and a number of rounds"),
    }
    // The databases are not closed: the statistics that a close brings up to date depend on how
    // much was written, so they would count more after more rounds.
    std::process::exit(0);
}

fn run(workload: &Workload, rounds: usize) {
    let place = Place::new();
    let config = DatabaseConfig::new(place.url()).unwrap().with(|config| {
        // Under a counter everything is slow, and what is noted down about slow statements depends
        // on the load of the machine.
        config.observe.slow_query_after = Duration::from_secs(3_600);
    });
    let database = Database::open(config).unwrap();
    (workload.run)(&database, rounds);
    std::mem::forget(database); // As at the end of `main`; the files go with the place.
}

/// Stores ticks, all of them new.
fn insert(database: &Database, ticks: Vec<Tick>) {
    let rows = ticks.len();
    let report = MarketDataRepository::new(database).insert_batch(ticks, InsertOptions::default());
    assert_eq!(report.unwrap().inserted, rows);
}
