//! What monitoring costs: bulk insertion with and without it.
//!
//! ```sh
//! cargo bench --bench monitoring                # 1,000,000 rows, 9 rounds
//! cargo bench --bench monitoring -- 500000 5    # rows, rounds
//! ```
//!
//! Each contender stores the same ticks into a database of its own, 10,000 rows a transaction,
//! through `insert_batch`. One is not watched; one has a round of monitoring every second, which is
//! thirty times as often as by default; one is scraped every 100 ms besides. They take turns
//! in each round; shown are the median rates and the medians of the ratios within a round.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs, unreachable_pub)] // Nobody imports a bench.

mod common;

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use common::{Place, Stopwatch, Times, Took, batches, sizes, ticks};
use tickbase::config::MonitoringConfig;
use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::monitoring::{DatabaseMonitoringService, metrics};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::services::Service;

const NAMES: [&str; 3] = [
    "not watched",
    "a round of monitoring every second",
    "the same, and scraped every 100 ms",
];

fn main() {
    let (rows, rounds) = sizes(1_000_000, 9);
    let given = ticks(rows, true);
    let mut times = Times::new(&NAMES, rows);
    for round in 0..rounds {
        for turn in 0..NAMES.len() {
            // Whoever begins a round has the machine as the round before left it.
            let contender = (turn + round) % NAMES.len();
            times.add(contender, run(contender, &given));
        }
    }
    times.print(
        &format!("{rows} rows, {rounds} rounds; ratios to not watched"),
        1,
    );
}

fn run(contender: usize, given: &[Tick]) -> Took {
    let place = Place::new();
    let database = place.open();
    let batches = batches(given);
    let took = match contender {
        0 => insert(&database, batches),
        _ => watched(&database, contender == 2, batches),
    };
    assert_eq!(database.insert_totals().ticks.inserted, given.len() as u64);
    database.close();
    took
}

fn insert(database: &Database, batches: Vec<Vec<Tick>>) -> Took {
    let ticks = MarketDataRepository::new(database);
    let watch = Stopwatch::start();
    for batch in batches {
        let options = InsertOptions::default();
        ticks.insert_batch(batch, options).unwrap();
    }
    watch.stop()
}

fn watched(database: &Database, scraped: bool, batches: Vec<Vec<Tick>>) -> Took {
    let config = MonitoringConfig::default().with(|config| {
        config.interval = Duration::from_secs(1);
    });
    let monitoring = DatabaseMonitoringService::new(database.clone(), config).unwrap();
    let took = std::thread::scope(|scope| {
        let (ended, running) = channel::<()>();
        let monitoring = &monitoring;
        monitoring.start().unwrap();
        scope.spawn(move || {
            let each = Duration::from_millis(100);
            while running.recv_timeout(each) == Err(RecvTimeoutError::Timeout) {
                if scraped {
                    assert!(metrics::render(monitoring).len() > 1_000);
                }
            }
        });
        let took = insert(database, batches);
        drop(ended);
        took
    });
    let status = monitoring.status();
    assert!(status.runs > 0 && status.errors == 0, "{status:?}");
    took
}
